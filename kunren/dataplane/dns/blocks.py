"""CIDR blocks that lead to values, found by longest prefix: immutable, IPv4 and IPv6 side by side.

One lookup costs one dictionary access per prefix length that the blocks have, however many blocks there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Generic, TypeVar

V = TypeVar("V")
_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Blocks(Generic[V]):
    """`_found` maps (version, prefix length, the bits before it) to the value."""

    _found: Mapping[tuple[int, int, int], V]
    _lengths: Mapping[int, tuple[int, ...]]  # by version, longest first

    @classmethod
    def build(cls, values: Mapping[str, V]) -> Blocks[V]:
        """From blocks as text (`198.51.100.0/24`). Raises ValueError for what is no block."""
        found: dict[tuple[int, int, int], V] = {}
        lengths: dict[int, set[int]] = {4: set(), 6: set()}
        for text, value in values.items():
            network = ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            found[network.version, network.prefixlen, int(network.network_address) >> shift] = value
            lengths[network.version].add(network.prefixlen)
        return cls(found, {version: tuple(sorted(each, reverse=True)) for version, each in lengths.items()})

    def matching(self, network: IPv4Network | IPv6Network) -> Iterator[tuple[V, int]]:
        """The values of the blocks that hold the whole network, with their prefix lengths, the longest first."""
        version, bits = network.version, _BITS[network.version]
        address = int(network.network_address)
        for length in self._lengths[version]:
            if length <= network.prefixlen and (version, length, address >> (bits - length)) in self._found:
                yield self._found[version, length, address >> (bits - length)], length
