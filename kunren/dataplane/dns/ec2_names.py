"""The names that EC2 gives to addresses, forwards and backwards: `ip-10-0-1-10.ec2.internal`,
`ec2-198-19-0-16.compute-1.amazonaws.com`, `10.1.0.10.in-addr.arpa`.

us-east-1 keeps its older domains; other regions have theirs in the name (VPC user guide, "DNS attributes for your
VPC"). Pure text and bytes. Refuses to know which of the addresses exist.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address

from kunren.dataplane.dns import names

_OLDEST = "us-east-1"
_NUMBERS = re.compile(rb"(?:ip|ec2)-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\Z")
_REVERSE = b"\x07in-addr\x04arpa\0"


def internal_domain(region: str) -> str:
    """What private names of a region end with; also the search domain of its default DHCP options."""
    return "ec2.internal" if region == _OLDEST else f"{region}.compute.internal"


def public_domain(region: str) -> str:
    return "compute-1.amazonaws.com" if region == _OLDEST else f"{region}.compute.amazonaws.com"


def private_name(address: str, region: str) -> str:
    """`ip-10-0-1-10.ec2.internal`."""
    return f"ip-{address.replace('.', '-')}.{internal_domain(region)}"


def public_name(address: str, region: str) -> str:
    """`ec2-198-19-0-16.compute-1.amazonaws.com`."""
    return f"ec2-{address.replace('.', '-')}.{public_domain(region)}"


def address_in(name: bytes) -> IPv4Address | None:
    """The address that the first label of an `ip-` or `ec2-` name spells."""
    found = _NUMBERS.match(name[1 : 1 + name[0]])
    if found is None:
        return None
    try:
        return IPv4Address(".".join(each.decode() for each in found.groups()))
    except AddressValueError:
        return None


def reversed_address(name: bytes) -> IPv4Address | None:
    """The address that a whole name of the reverse domain asks about (RFC 1035, section 3.5); None for any other."""
    if not name.endswith(_REVERSE):
        return None
    labels = names.labels_of(name)[:-2]
    if len(labels) != 4:
        return None
    try:
        return IPv4Address(b".".join(reversed(labels)).decode("latin-1"))
    except AddressValueError:
        return None


def reverse_name(address: str) -> str:
    """`10.1.0.10.in-addr.arpa` for 10.0.1.10."""
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
