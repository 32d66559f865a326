"""The attributes of Network Load Balancers, their listeners and their target groups.

"Network Load Balancers", "Listeners" and "Edit target group attributes" in the Network Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Mapping

from kunren.services.elbv2.attribute_rules import BOOLEAN, Rule, Table, between, one_of, text, unchanged, value
from kunren.services.elbv2.errors import InvalidConfigurationRequest
from kunren.services.elbv2.model import LoadBalancer, TargetGroup

QUIC = ("QUIC", "TCP_QUIC")
DATAGRAMS = ("UDP", "TCP_UDP", *QUIC)
PROTOCOLS = ("TCP", "TLS", *DATAGRAMS)
SECONDARY = "secondary_ips.auto_assigned.per_subnet"

LOAD_BALANCER: Table = {
    "access_logs.s3.enabled": Rule("false", unchanged("false", BOOLEAN)),
    "access_logs.s3.bucket": Rule("", text),
    "access_logs.s3.prefix": Rule("", text),
    "deletion_protection.enabled": Rule("false", BOOLEAN),
    "dns_record.client_routing_policy": Rule(
        "any_availability_zone",
        one_of("any_availability_zone", "partial_availability_zone_affinity", "availability_zone_affinity"),
    ),
    "ipv6.deny_all_igw_traffic": Rule("false", BOOLEAN),
    "load_balancing.cross_zone.enabled": Rule("false", BOOLEAN),
    SECONDARY: Rule("0", between(0, 7)),
    "zonal_shift.config.enabled": Rule("false", BOOLEAN),
}
NEAR_SHARE = {"availability_zone_affinity": 100, "partial_availability_zone_affinity": 85}
"""Of a hundred answers to clients in a VPC, how many prefer their own Availability Zone ("Client routing policy")."""
_TCP_LISTENER: Table = {"tcp.idle_timeout.seconds": Rule("350", between(60, 6000))}
IDLE_DATAGRAMS_S = 120
"""The idle timeout of UDP flows, which no attribute changes."""

_THRESHOLD = "target_group_health.{}.minimum_healthy_targets.{}"
_PERCENTAGE = between(1, 100, "off")


def _preserve(default: str, fixed: bool) -> Rule:
    def check(key: str, given: str) -> None:
        BOOLEAN(key, given)
        if fixed and given != "true":
            raise InvalidConfigurationRequest(
                "Client IP preservation cannot be disabled for target groups with the UDP, TCP_UDP, QUIC or TCP_QUIC"
                " protocols or the target type 'alb'"
            )

    return Rule(default, check)


def listener_table(protocol: str) -> Table:
    """UDP and QUIC listeners have no attributes, and TLS ones have TCP's."""
    return {} if protocol in ("UDP", "QUIC") else _TCP_LISTENER


def target_group_table(target_type: str, protocol: str | None) -> Table:
    """The attributes of a group, whose defaults depend on its protocol and target type."""
    datagrams = protocol in DATAGRAMS
    keeps = datagrams or target_type != "ip"
    return {
        "deregistration_delay.connection_termination.enabled": Rule("true" if datagrams else "false", BOOLEAN),
        "deregistration_delay.timeout_seconds": Rule("300", between(0, 3600)),
        "load_balancing.cross_zone.enabled": Rule(
            "use_load_balancer_configuration", one_of("true", "false", "use_load_balancer_configuration")
        ),
        "preserve_client_ip.enabled": _preserve("true" if keeps else "false", datagrams or target_type == "alb"),
        "proxy_protocol_v2.enabled": Rule("false", unchanged("false", BOOLEAN) if datagrams else BOOLEAN),
        "stickiness.enabled": Rule("false", BOOLEAN),
        "stickiness.type": Rule("source_ip", text),
        _THRESHOLD.format("dns_failover", "count"): Rule("1", between(1, 1000, "off")),
        _THRESHOLD.format("dns_failover", "percentage"): Rule("off", _PERCENTAGE),
        _THRESHOLD.format("unhealthy_state_routing", "count"): Rule("1", between(1, 1000)),
        _THRESHOLD.format("unhealthy_state_routing", "percentage"): Rule("off", _PERCENTAGE),
        "target_health_state.unhealthy.connection_termination.enabled": Rule(
            "false" if datagrams else "true", one_of("false") if datagrams else BOOLEAN
        ),
        "target_health_state.unhealthy.draining_interval_seconds": Rule("0", between(0, 360_000)),
    }


def check_together(merged: Mapping[str, str], target_type: str, protocol: str | None) -> None:
    """Rules between attributes of one target group. Raises InvalidConfigurationRequest."""
    table = target_group_table(target_type, protocol)
    kind = value(table, merged, "stickiness.type")
    sticky = value(table, merged, "stickiness.enabled") == "true"
    if kind != "source_ip" or (sticky and protocol == "TLS"):
        raise InvalidConfigurationRequest(
            f"Stickiness type '{kind}' is not supported for target groups with the {protocol} protocol"
        )
    interval = value(table, merged, "target_health_state.unhealthy.draining_interval_seconds")
    if interval != "0" and value(table, merged, "target_health_state.unhealthy.connection_termination.enabled") == (
        "true"
    ):
        raise InvalidConfigurationRequest(
            "'target_health_state.unhealthy.draining_interval_seconds' can only be set when"
            " 'target_health_state.unhealthy.connection_termination.enabled' is 'false'"
        )


def is_network(group: TargetGroup) -> bool:
    """Whether the group is one for Network Load Balancers."""
    return group.protocol in PROTOCOLS


def of_group(group: TargetGroup, key: str) -> str:
    """One attribute of a group as it is in force."""
    return value(target_group_table(group.target_type, group.protocol), group.attributes, key)


def unhealthy_until(group: TargetGroup, since: float) -> float | None:
    """The AWS time until which the flows of a target that is unhealthy `since` may go on; None for without end."""
    if of_group(group, "target_health_state.unhealthy.connection_termination.enabled") == "true":
        return since
    interval = float(of_group(group, "target_health_state.unhealthy.draining_interval_seconds"))
    return since + interval if interval else None


def crosses_zones(balancer: LoadBalancer, group: TargetGroup) -> bool:
    """Whether the nodes of the load balancer send to the group's targets in all zones."""
    own = of_group(group, "load_balancing.cross_zone.enabled")
    if own == "use_load_balancer_configuration":
        return value(LOAD_BALANCER, balancer.attributes, "load_balancing.cross_zone.enabled") == "true"
    return own == "true"
