"""Managed prefix lists: finding them, AWS's own, what refers to them, and how their entries change. Pure, on a reader.

"Managed prefix lists" and "AWS-managed prefix lists" in the VPC user guide. AWS's own lists are not stored: they name
the addresses at which a service of the region really answers in this world.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from kunren.services.ec2 import cidr, errors, store
from kunren.services.ec2.model import AppliedPrefixLists, PrefixList, PrefixListEntry, RouteTable, SecurityGroup
from kunren.services.ec2.prefix_list_errors import InvalidPrefixListModification
from kunren.services.ec2.zones import region_index
from kunren.world import addresses, addresses6
from kunren.world.spec import WorldSpec

AWS = "AWS"
ENTRIES_MAX = 1000
VERSIONS_KEPT_MAX = 100


def of_aws(spec: WorldSpec, region: str) -> list[PrefixList]:
    """AWS's own lists in a region: those of gateway endpoints, and where Route 53's health checks come from."""
    index = region_index(spec, region)
    blocks = {
        "s3": (f"{addresses.s3_endpoint(index)}/32",),
        "dynamodb": (f"{addresses.dynamodb_endpoint(index)}/32",),
        "route53-healthchecks": tuple(str(addresses.checker_network(each)) for each in addresses.CHECKER_REGIONS),
    }
    if spec.ipv6:
        six = (str(addresses6.checker_network(each)) for each in addresses.CHECKER_REGIONS)
        blocks["ipv6.route53-healthchecks"] = tuple(six)
    return [
        PrefixList(
            account=AWS,
            region=region,
            id=aws_list_id(region, service),
            name=f"com.amazonaws.{region}.{service}",
            family="IPv6" if service.startswith("ipv6.") else "IPv4",
            max_entries=None,
            versions={"1": tuple(PrefixListEntry(cidr=each) for each in listed)},
        )
        for service, listed in blocks.items()
    ]


def aws_list_id(region: str, service: str) -> str:
    """The id of AWS's list of a service, the same in every account, as in AWS."""
    return "pl-" + blake2b(f"{region}/{service}".encode(), digest_size=4).hexdigest()


def all_lists(reader: store.Reader, spec: WorldSpec, account: str, region: str) -> list[PrefixList]:
    """The account's lists and AWS's own, by id."""
    found = [*reader.list(PrefixList, account, region), *of_aws(spec, region)]
    return sorted(found, key=lambda each: each.id)


def find(reader: store.Reader, spec: WorldSpec, account: str, region: str, id: str) -> PrefixList | None:
    own = reader.get(PrefixList, account, region, id)
    return own or next((each for each in of_aws(spec, region) if each.id == id), None)


def weight(found: PrefixList) -> int:
    """How many rules or routes a reference counts for in quotas: the list's maximum ("Resources that reference a
    prefix list"); an AWS list's own number of entries."""
    return found.max_entries or len(found.entries)


def cidrs(reader: store.Reader, spec: WorldSpec, account: str, region: str) -> dict[str, tuple[str, ...]]:
    """The blocks of every list that the account may refer to, by id."""
    found = all_lists(reader, spec, account, region)
    return {each.id: tuple(entry.cidr for entry in each.entries) for each in found}


# -- what refers to a list -------------------------------------------------------------------------------------------


def named_by_group(group: SecurityGroup) -> set[str]:
    return {rule.prefix_list_id for rule in group.rules if rule.prefix_list_id is not None}


def named_by_table(table: RouteTable) -> set[str]:
    return {route.destination for route in table.routes if is_list_id(route.destination)}


def is_list_id(destination: str) -> bool:
    """A route's destination is a block or a prefix list's id."""
    return destination.startswith("pl-")


def users(reader: store.Reader, account: str, region: str, id: str) -> list[str]:
    """The ids of the security groups and route tables that refer to the list."""
    groups = [each.id for each in reader.list(SecurityGroup, account, region) if id in named_by_group(each)]
    tables = [each.id for each in reader.list(RouteTable, account, region) if id in named_by_table(each)]
    return sorted(groups + tables)


def in_progress(reader: store.Reader, found: PrefixList) -> bool:
    """Whether a running VPC still has an older version in its routes or firewalls, as the data plane last said."""
    applied = reader.list(AppliedPrefixLists, found.account, found.region)
    return any(each.versions.get(found.id, found.version) < found.version for each in applied)


# -- changing entries ------------------------------------------------------------------------------------------------


def added(have: Sequence[PrefixListEntry], given: Iterable[Mapping[str, Any]], family: str) -> list[PrefixListEntry]:
    """Entries with those of a request; one whose block is there already gets the new description.

    Raises InvalidParameterValue, and InvalidPrefixListModification for what is there just so.
    """
    result = {each.cidr: each for each in have}
    asked: set[str] = set()
    for each in given:
        entry = PrefixListEntry(cidr=block_of(each.get("Cidr") or "", family), description=each.get("Description"))
        if entry.cidr in asked:
            raise errors.InvalidParameterValue(f"The CIDR ({entry.cidr}) is specified more than once.")
        if result.get(entry.cidr) == entry:
            raise InvalidPrefixListModification(
                f"An entry with the CIDR ({entry.cidr}) and description ({entry.description}) already exists."
            )
        asked.add(entry.cidr)
        result[entry.cidr] = entry
    return list(result.values())


def removed(have: Sequence[PrefixListEntry], given: Iterable[Mapping[str, Any]], family: str) -> list[PrefixListEntry]:
    """Raises InvalidParameterValue and InvalidPrefixListModification."""
    result = {each.cidr: each for each in have}
    for each in given:
        block = block_of(each.get("Cidr") or "", family)
        if result.pop(block, None) is None:
            raise InvalidPrefixListModification(f"The entry with the CIDR ({block}) does not exist.")
    return list(result.values())


def block_of(text: str, family: str) -> str:
    """The canonical block. Raises InvalidParameterValue."""
    block = cidr.parse_v4(text) if family == "IPv4" else cidr.parse_v6(text)
    if block is None:
        raise errors.InvalidParameterValue(
            f"Value ({text}) for parameter cidr is invalid. This is not a valid {family} CIDR block."
        )
    return str(block)


def with_version(found: PrefixList, entries: Sequence[PrefixListEntry], change: str) -> dict[str, Any]:
    """The members that change when the list gets a new version; the oldest versions are forgotten beyond a limit."""
    version = found.version + 1
    kept = {text: each for text, each in found.versions.items() if int(text) > version - VERSIONS_KEPT_MAX}
    return {"version": version, "versions": {**kept, str(version): tuple(entries)}, "last_change": change}
