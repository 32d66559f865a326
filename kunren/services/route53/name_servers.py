"""Choosing the four name servers of a hosted zone: one under each of com, net, org and co.uk.

Two zones whose names conflict (the same name, or one above the other) never share a server, as in AWS: each can then
be asked for its own answers.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.core.entropy import Entropy
from kunren.dataplane.dns.aws_names import SERVERS_PER_ADDRESS, SERVERS_PER_TLD, TLDS, name_server, name_server_address

_DOMAINS = range(1, SERVERS_PER_TLD // SERVERS_PER_ADDRESS - 1)  # awsdns-01 to awsdns-62: no .0 and .255 addresses

PRIVATE = tuple(name_server(tld * SERVERS_PER_TLD) for tld in (3, 0, 2, 1))
"""What the NS records of every private hosted zone name. Nobody can ask these servers for it."""


def choose(entropy: Entropy, conflicting: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Four names in random order, none on an address of the conflicting sets; None where no such four are left."""
    taken = {name_server_address(server) for servers in conflicting for server in servers}
    chosen = []
    for tld in range(len(TLDS)):
        free = [
            number
            for domain in _DOMAINS
            if name_server_address(name_server(number := tld * SERVERS_PER_TLD + domain * SERVERS_PER_ADDRESS))
            not in taken
        ]
        if not free:
            return None
        chosen.append(name_server(entropy.choice(free) + entropy.integer(0, SERVERS_PER_ADDRESS - 1)))
    return tuple(entropy.shuffled(chosen))
