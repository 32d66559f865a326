"""The quotas of Elastic Load Balancing in an account and region, with AWS's defaults.

"Quotas for your Application Load Balancers" and "Quotas for your Network Load Balancers". A soft quota is one that AWS
raises on request; a test or a world that needs more hands the API a `Limits` of its own. The hard ones are constants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TARGET_GROUPS_PER_FORWARD = 5
LISTENERS_PER_NETWORK_LOAD_BALANCER = 50
PRIORITY_MAX = 50_000
WEIGHT_MAX = 999
STICKINESS_SECONDS_MAX = 604_800
TAGS_PER_RESOURCE = 50
ARNS_PER_DESCRIBE = 20
FREE_ADDRESSES_PER_SUBNET = 8
SUBNET_PREFIX_MAX = 27
PAGE_SIZE = 400
CA_CERTIFICATE_BYTES_MAX = 16_384
CA_SUBJECTS_BYTES_MAX = 10_000
REVOCATION_FILE_BYTES_MAX = 50 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Soft quotas; every field is a count."""

    application_load_balancers: int = 50
    network_load_balancers: int = 50
    target_groups: int = 3000
    listeners_per_load_balancer: int = 50
    rules_per_load_balancer: int = 100
    certificates_per_load_balancer: int = 25
    target_groups_per_load_balancer: int = 100
    targets_per_load_balancer: int = 1000
    targets_per_target_group: int = 1000
    targets_per_network_load_balancer: int = 3000
    targets_per_network_load_balancer_zone: int = 500
    target_id_registrations_per_load_balancer: int = 1000
    condition_values_per_rule: int = 5
    condition_wildcards_per_rule: int = 6
    trust_stores: int = 20
    certificates_per_trust_store: int = 25
    revocation_lists_per_trust_store: int = 30
    revoked_entries_per_trust_store: int = 500_000
    mutual_tls_listeners_per_load_balancer: int = 2
    reserved_units_per_application_load_balancer: int = 15_000
    reserved_application_units: int = 0
    reserved_units_per_network_load_balancer_zone: int = 45_000
    reserved_network_units: int = 0

    def described(self) -> list[dict[str, str]]:
        """As DescribeAccountLimits has them: name and maximum, both text. Only what Kunren enforces is listed."""
        table = {name: getattr(self, field) for name, field in _RAISABLE.items()}
        table["target-groups-per-action-on-application-load-balancer"] = TARGET_GROUPS_PER_FORWARD
        table["listeners-per-network-load-balancer"] = LISTENERS_PER_NETWORK_LOAD_BALANCER
        return [{"Name": name, "Max": str(table[name])} for name in sorted(table)]


_RAISABLE = {
    "application-load-balancers": "application_load_balancers",
    "network-load-balancers": "network_load_balancers",
    "target-groups": "target_groups",
    "targets-per-application-load-balancer": "targets_per_load_balancer",
    "listeners-per-application-load-balancer": "listeners_per_load_balancer",
    "rules-per-application-load-balancer": "rules_per_load_balancer",
    "certificates-per-application-load-balancer": "certificates_per_load_balancer",
    "target-groups-per-application-load-balancer": "target_groups_per_load_balancer",
    "targets-per-target-group": "targets_per_target_group",
    "targets-per-network-load-balancer": "targets_per_network_load_balancer",
    "targets-per-availability-zone-per-network-load-balancer": "targets_per_network_load_balancer_zone",
    "target-id-registrations-per-application-load-balancer": "target_id_registrations_per_load_balancer",
    "condition-values-per-alb-rule": "condition_values_per_rule",
    "condition-wildcards-per-alb-rule": "condition_wildcards_per_rule",
}

_UNLISTED = {
    "reserved-lcus-per-application-load-balancer": "reserved_units_per_application_load_balancer",
    "reserved-application-load-balancer-lcus": "reserved_application_units",
    "reserved-lcus-per-network-load-balancer-and-zone": "reserved_units_per_network_load_balancer_zone",
    "reserved-network-load-balancer-lcus": "reserved_network_units",
}
"""Quotas that Service Quotas knows and DescribeAccountLimits does not; the names are ours."""


def raised(quotas: str) -> Limits:
    """AWS's defaults but for the quotas named, as an increase by Service Quotas would have them:
    `rules-per-application-load-balancer=1000,target-groups=10`. Raises ValueError for what is no quota or no count."""
    names = {**_RAISABLE, **_UNLISTED}
    given: dict[str, int] = {}
    for each in filter(None, map(str.strip, quotas.split(","))):
        name, _, count = each.partition("=")
        if name not in names or not count.isdecimal():
            raise ValueError(f"{each!r} is no quota; write NAME=COUNT with one of: {', '.join(sorted(names))}")
        given[names[name]] = int(count)
    return replace(Limits(), **given)
