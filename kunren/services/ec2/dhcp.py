"""Rules about DHCP options, and what they put into a workload's resolv.conf: pure.

"DHCP option sets" in the VPC user guide. Of the options, the name servers and the domain name have an effect here;
time and NetBIOS servers are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.dataplane.dns.ec2_names import internal_domain
from kunren.services.ec2 import cidr, errors, store
from kunren.services.ec2.model import DhcpOptions, Vpc
from kunren.world.network import ResolverSettings

AMAZON = "AmazonProvidedDNS"
SERVERS_MAX = 4
_SERVERS = ("domain-name-servers", "ntp-servers", "netbios-name-servers")
_NODE_TYPES = ("1", "2", "4", "8")
_DOMAINS = re.compile(r"[A-Za-z0-9_.-]+(?: +[A-Za-z0-9_.-]+)*")


def checked(given: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The values of a new set by key. Raises InvalidParameterValue."""
    values: dict[str, tuple[str, ...]] = {}
    for each in given:
        key = each.get("Key") or ""
        if key in values:
            raise errors.InvalidParameterValue(f"Duplicate DHCP option: {key}")
        values[key] = tuple(each.get("Values") or ())
        _check(key, values[key])
    if not values:
        raise errors.MissingParameter("dhcpConfiguration")
    return values


def _check(key: str, values: tuple[str, ...]) -> None:
    if not values:
        raise errors.InvalidParameterValue(f"The DHCP option {key} has no value")
    if key in _SERVERS:
        good = len(values) <= SERVERS_MAX and all(map(cidr.is_address, values))
        if key == "domain-name-servers" and AMAZON in values:
            good = len(values) <= SERVERS_MAX and all(each == AMAZON or cidr.is_address(each) for each in values)
    elif key == "netbios-node-type":
        good = len(values) == 1 and values[0] in _NODE_TYPES
    elif key == "domain-name":
        good = len(values) == 1 and _DOMAINS.fullmatch(values[0]) is not None
    elif key == "ipv6-address-preferred-lease-time":
        raise errors.NotYet("lease times of IPv6 addresses")
    else:
        raise errors.InvalidParameterValue(f"Value ({key}) for parameter key is invalid. Unknown DHCP option.")
    if not good:
        text = ", ".join(values)
        raise errors.InvalidParameterValue(f"Value ({text}) for parameter value is invalid for DHCP option {key}.")


def values_of(options: DhcpOptions) -> Mapping[str, tuple[str, ...]]:
    """The set's values by key; the account's default set has those of its region."""
    if options.values is not None:
        return options.values
    return {"domain-name": (internal_domain(options.region),), "domain-name-servers": (AMAZON,)}


def resolver_settings(reader: store.Reader, vpc: Vpc) -> ResolverSettings:
    """What workloads of the VPC find in resolv.conf; nothing where the VPC has no DHCP options."""
    options = reader.get(DhcpOptions, vpc.account, vpc.region, vpc.dhcp_options_id)
    values = values_of(options) if options is not None else {}
    servers = [cidr.resolver(vpc.cidr) if each == AMAZON else each for each in values.get("domain-name-servers", ())]
    search = values.get("domain-name", ("",))[0].split()
    return ResolverSettings(tuple(dict.fromkeys(servers)), tuple(search))
