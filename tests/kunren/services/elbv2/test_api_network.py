"""Network Load Balancers over the API: defaults, what AWS refuses, and in which words."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from kunren.services.elbv2.limits import Limits


def network(elb: Any, name: str = "flows", **more: Any) -> dict[str, Any]:
    return elb.balancer(name, Type="network", **more)


def tcp_group(elb: Any, name: str = "app", **more: Any) -> dict[str, Any]:
    return elb.group(name, **{"Protocol": "TCP", "Port": 80, **more})


def forward(group: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]


def attributes_of(elb: Any, group: dict[str, Any]) -> dict[str, str]:
    shown = elb.call("DescribeTargetGroupAttributes", TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    return {each["Key"]: each["Value"] for each in shown}


def test_it_may_stand_in_one_zone_without_security_groups(elb: Any) -> None:
    made = network(elb, Subnets=[elb.subnets[0].id])
    identity = made["LoadBalancerArn"].rpartition("/")[2]
    assert ":loadbalancer/net/flows/" in made["LoadBalancerArn"]
    assert made["DNSName"] == f"flows-{identity}.elb.us-east-1.amazonaws.com"
    assert (made["CanonicalHostedZoneId"], made["Type"]) == ("Z26RNL4JYFTOTI", "network")
    assert "SecurityGroups" not in made
    (interface,) = elb.interfaces()
    assert (interface.description, interface.interface_type) == (f"ELB net/flows/{identity}", "network_load_balancer")
    assert elb.refused(
        "SetSecurityGroups", LoadBalancerArn=made["LoadBalancerArn"], SecurityGroups=["sg-1"]
    )[0] == "InvalidConfigurationRequest"  # fmt: skip


def test_its_attributes_have_a_network_load_balancers_defaults(elb: Any) -> None:
    arn = network(elb)["LoadBalancerArn"]
    shown = elb.call("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    found = {each["Key"]: each["Value"] for each in shown}
    assert found["load_balancing.cross_zone.enabled"] == "false"
    assert found["dns_record.client_routing_policy"] == "any_availability_zone"
    assert "idle_timeout.timeout_seconds" not in found
    idle = [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]
    assert elb.refused("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=idle) == (
        "InvalidConfigurationRequest",
        "Load balancer attribute key 'idle_timeout.timeout_seconds' is not supported on load balancers with type"
        " 'network'",
    )


@pytest.mark.parametrize(
    ("protocol", "target_type", "preserve", "terminates", "unhealthy"),
    [
        ("TCP", "ip", "false", "false", "true"),
        ("TLS", "ip", "false", "false", "true"),
        ("TCP", "instance", "true", "false", "true"),
        ("UDP", "ip", "true", "true", "false"),
        ("TCP_UDP", "ip", "true", "true", "false"),
    ],
)
def test_a_target_groups_defaults_depend_on_protocol_and_type(
    elb: Any, protocol: str, target_type: str, preserve: str, terminates: str, unhealthy: str
) -> None:
    found = attributes_of(elb, tcp_group(elb, Protocol=protocol, TargetType=target_type))
    assert found["preserve_client_ip.enabled"] == preserve
    assert found["deregistration_delay.connection_termination.enabled"] == terminates
    assert found["target_health_state.unhealthy.connection_termination.enabled"] == unhealthy
    assert (found["stickiness.type"], found["proxy_protocol_v2.enabled"]) == ("source_ip", "false")


def test_health_checks_are_by_tcp_and_have_a_network_load_balancers_defaults(elb: Any) -> None:
    plain = tcp_group(elb)
    assert (plain["HealthCheckProtocol"], plain["HealthCheckTimeoutSeconds"]) == ("TCP", 10)
    assert (plain["HealthyThresholdCount"], plain["UnhealthyThresholdCount"]) == (5, 2)
    assert "Matcher" not in plain and "HealthCheckPath" not in plain and "ProtocolVersion" not in plain
    http = tcp_group(elb, "http", HealthCheckProtocol="HTTP")
    assert (http["HealthCheckTimeoutSeconds"], http["HealthCheckPath"]) == (6, "/")
    assert http["Matcher"] == {"HttpCode": "200-399"}
    changed = elb.call("ModifyTargetGroup", TargetGroupArn=plain["TargetGroupArn"], HealthCheckProtocol="HTTP")
    assert changed["TargetGroups"][0]["Matcher"] == {"HttpCode": "200-399"}


def test_listeners_forward_to_groups_of_their_protocol_only(elb: Any) -> None:
    balancer, group = network(elb), tcp_group(elb)
    arn = balancer["LoadBalancerArn"]
    assert elb.refused(
        "CreateListener", LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=forward(group)
    ) == (
        "ValidationError",
        "Listener protocol 'HTTP' must be one of 'TLS, TCP, TCP_UDP, UDP, QUIC, TCP_QUIC'",
    )
    assert elb.refused(
        "CreateListener", LoadBalancerArn=arn, Port=80, Protocol="UDP", DefaultActions=forward(group)
    ) == (
        "IncompatibleProtocols",
        f"The listener and its associated target group '{group['TargetGroupArn']}' have incompatible protocols: 'UDP' and"
        " 'TCP'",
    )
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    assert elb.refused("CreateListener", LoadBalancerArn=arn, Port=80, Protocol="TCP", DefaultActions=fixed)[0] == (
        "InvalidLoadBalancerAction"
    )
    listener = elb.listener(balancer, Protocol="TCP", DefaultActions=forward(group))
    assert listener["Protocol"] == "TCP" and "SslPolicy" not in listener
    condition = [{"Field": "path-pattern", "Values": ["/a"]}]
    assert elb.refused(
        "CreateRule", ListenerArn=listener["ListenerArn"], Priority=1, Conditions=condition, Actions=forward(group)
    ) == ("OperationNotPermitted", "Rules are unsupported for Network Load Balancer listeners")
    shown = elb.call("DescribeListenerAttributes", ListenerArn=listener["ListenerArn"])["Attributes"]
    assert shown == [{"Key": "tcp.idle_timeout.seconds", "Value": "350"}]


def test_a_tls_listener_has_a_certificate_and_one_alpn_policy(elb: Any) -> None:
    balancer, group = network(elb), tcp_group(elb, Protocol="TLS")
    wanted = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Port": 443, "DefaultActions": forward(group)}
    assert elb.refused("CreateListener", Protocol="TLS", **wanted) == (
        "ValidationError",
        "A certificate must be specified for TLS listeners",
    )
    certificates = [{"CertificateArn": elb.certificate()}]
    assert elb.refused("CreateListener", Protocol="TLS", Certificates=certificates, AlpnPolicy=["h2"], **wanted)[0] == (
        "ALPNPolicyNotFound"
    )
    made = elb.call("CreateListener", Protocol="TLS", Certificates=certificates, AlpnPolicy=["HTTP2Only"], **wanted)
    assert (made["Listeners"][0]["AlpnPolicy"], made["Listeners"][0]["SslPolicy"]) == (
        ["HTTP2Only"],
        "ELBSecurityPolicy-2016-08",
    )


def test_attributes_of_target_groups_that_aws_refuses(elb: Any) -> None:
    def refused(group: dict[str, Any], key: str, value: str) -> tuple[str, str]:
        given = [{"Key": key, "Value": value}]
        return elb.refused("ModifyTargetGroupAttributes", TargetGroupArn=group["TargetGroupArn"], Attributes=given)

    assert refused(tcp_group(elb), "stickiness.type", "lb_cookie") == (
        "InvalidConfigurationRequest",
        "Stickiness type 'lb_cookie' is not supported for target groups with the TCP protocol",
    )
    datagrams = tcp_group(elb, "datagrams", Protocol="UDP")
    assert refused(datagrams, "preserve_client_ip.enabled", "false")[0] == "InvalidConfigurationRequest"
    assert refused(datagrams, "proxy_protocol_v2.enabled", "true")[0] == "NotImplemented"
    interval = "target_health_state.unhealthy.draining_interval_seconds"
    assert refused(tcp_group(elb, "third"), interval, "60")[0] == "InvalidConfigurationRequest"


def test_chosen_addresses_belong_to_their_scheme(elb: Any) -> None:
    private = [{"SubnetId": elb.subnets[0].id, "PrivateIPv4Address": "172.31.0.99"}]
    elastic = [{"SubnetId": elb.subnets[0].id, "AllocationId": "eipalloc-1"}]
    given = {"Name": "flows", "Type": "network"}
    assert elb.refused("CreateLoadBalancer", SubnetMappings=private, **given)[0] == "InvalidConfigurationRequest"
    internal = {**given, "Scheme": "internal"}
    assert elb.refused("CreateLoadBalancer", SubnetMappings=elastic, **internal)[0] == "InvalidConfigurationRequest"
    assert elb.refused("CreateLoadBalancer", SubnetMappings=elastic, **given)[0] == "AllocationIdNotFound"


def test_quic_stands_alone_on_a_load_balancer_without_security_groups(elb: Any) -> None:
    balancer, group = network(elb), tcp_group(elb, Protocol="QUIC", Port=443)
    assert group["HealthCheckProtocol"] == "TCP"
    assert attributes_of(elb, group)["preserve_client_ip.enabled"] == "true"
    arn = balancer["LoadBalancerArn"]
    wanted = {"LoadBalancerArn": arn, "DefaultActions": forward(group)}
    made = elb.call("CreateListener", Protocol="QUIC", Port=443, **wanted)["Listeners"][0]
    assert elb.call("CreateListener", Protocol="QUIC", Port=443, **wanted)["Listeners"][0] == made
    assert elb.refused("CreateListener", Protocol="QUIC", Port=444, **wanted)[0] == "InvalidConfigurationRequest"
    datagrams = forward(tcp_group(elb, "datagrams", Protocol="UDP"))
    assert elb.refused("CreateListener", LoadBalancerArn=arn, Protocol="UDP", Port=53, DefaultActions=datagrams)[0] == (
        "InvalidConfigurationRequest"
    )
    streams = forward(tcp_group(elb, "streams"))
    elb.call("CreateListener", LoadBalancerArn=arn, Protocol="TCP", Port=80, DefaultActions=streams)


def test_targets_of_quic_have_server_ids_of_their_own(elb: Any) -> None:
    group, streams = tcp_group(elb, Protocol="QUIC", Port=443), tcp_group(elb, "streams")
    address, other = (f"{elb.subnets[0].cidr.rpartition('.')[0]}.{host}" for host in (10, 11))

    def refused(group: dict[str, Any], *targets: tuple[str, str | None]) -> str:
        given = [{"Id": at, **({"QuicServerId": id} if id else {})} for at, id in targets]
        return elb.refused("RegisterTargets", TargetGroupArn=group["TargetGroupArn"], Targets=given)[0]

    id = "0x0123456789abcdef"
    assert refused(streams, (address, id)) == "ValidationError"
    assert refused(group, (address, None)) == refused(group, (address, id.upper())) == "ValidationError"
    assert refused(group, (address, id), (other, id)) == "ValidationError"
    named = [{"Id": address, "QuicServerId": id}]
    for _ in range(2):
        elb.call("RegisterTargets", TargetGroupArn=group["TargetGroupArn"], Targets=named)
    assert refused(group, (address, "0x0123456789abcdee")) == refused(group, (other, id)) == "ValidationError"
    shown = elb.call("DescribeTargetHealth", TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert shown[0]["Target"] == {"Id": address, "Port": 443, "QuicServerId": id, "AvailabilityZone": "us-east-1a"}


def test_secondary_addresses_come_to_every_node_and_never_become_fewer(elb: Any) -> None:
    balancer = network(elb, Subnets=[each.id for each in elb.subnets[:1]])["LoadBalancerArn"]

    def spread(count: str) -> dict[str, Any]:
        attribute = {"Key": "secondary_ips.auto_assigned.per_subnet", "Value": count}
        return {"LoadBalancerArn": balancer, "Attributes": [attribute]}

    def secondary() -> list[int]:
        return [len(each.secondary) for each in elb.interfaces()]

    elb.call("ModifyLoadBalancerAttributes", **spread("3"))
    assert secondary() == [3]
    code, text = elb.refused("ModifyLoadBalancerAttributes", **spread("2"))
    assert (code, secondary()) == ("InvalidConfigurationRequest", [3]) and "cannot be decreased" in text
    assert elb.refused("ModifyLoadBalancerAttributes", **spread("8"))[0] == "ValidationError"
    elb.call("SetSubnets", LoadBalancerArn=balancer, Subnets=[each.id for each in elb.subnets[:2]])
    assert secondary() == [3, 3], "a new node has as many"


def test_targets_count_by_zone_and_across_zones_altogether(elb_with: Any) -> None:
    elb = elb_with(Limits(targets_per_network_load_balancer_zone=2, targets_per_network_load_balancer=3))
    made = network(elb)
    group = tcp_group(elb)
    elb.listener(made, Protocol="TCP", DefaultActions=forward(group))
    hosts = [[str(IPv4Network(subnet.cidr)[host]) for host in (50, 51, 52)] for subnet in elb.subnets[:2]]

    def register(*targets: str) -> dict[str, Any]:
        return {"TargetGroupArn": group["TargetGroupArn"], "Targets": [{"Id": each} for each in targets]}

    elb.call("RegisterTargets", **register(*hosts[0][:2]))
    assert elb.refused("RegisterTargets", **register(hosts[0][2]))[0] == "TooManyTargets", "three in a zone"
    elb.call("RegisterTargets", **register(hosts[1][0]))
    assert elb.refused("RegisterTargets", **register(hosts[1][1]))[0] == "TooManyTargets", "four altogether"
    crossing = [{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
    across = network(elb, "across")
    elb.call("ModifyLoadBalancerAttributes", LoadBalancerArn=across["LoadBalancerArn"], Attributes=crossing)
    group = tcp_group(elb, "across")
    elb.listener(across, Protocol="TCP", DefaultActions=forward(group))
    elb.call("RegisterTargets", **register(hosts[0][0], hosts[1][0]))
    assert elb.refused("RegisterTargets", **register(hosts[1][1]))[0] == "TooManyTargets", "as many as in one zone"


def test_an_application_load_balancer_counts_for_fifty_targets_or_a_hundred_across_zones(elb_with: Any) -> None:
    elb = elb_with(Limits(targets_per_network_load_balancer_zone=99))
    made, behind = network(elb), elb.balancer("web")
    elb.listener(behind)
    group = elb.group("app", TargetType="alb", Protocol="TCP", Port=80)
    target = {"TargetGroupArn": group["TargetGroupArn"], "Targets": [{"Id": behind["LoadBalancerArn"]}]}
    elb.call("RegisterTargets", **target)
    listening = {"Protocol": "TCP", "DefaultActions": forward(group)}
    elb.listener(made, **listening)
    crossing = [{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
    elb.call("ModifyLoadBalancerAttributes", LoadBalancerArn=made["LoadBalancerArn"], Attributes=crossing)
    again = {"LoadBalancerArn": made["LoadBalancerArn"], "Port": 81, **listening}
    assert elb.refused("CreateListener", **again)[0] == "TooManyTargets"
