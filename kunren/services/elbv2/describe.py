"""Resources as the Describe… calls show them: the wire's own shapes, with what is observed where AWS shows a state."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.services.elbv2 import authentication
from kunren.services.elbv2.model import (
    AvailabilityZone,
    HealthCheck,
    Listener,
    LoadBalancer,
    LoadBalancerStatus,
    Rule,
    TargetGroup,
)

ENFORCE = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"


def load_balancer(view: Snapshot | Tx, balancer: LoadBalancer) -> dict[str, Any]:
    """LoadBalancer. Its state is what the data plane reported; before any report it is `provisioning`."""
    status = view.get(LoadBalancerStatus, balancer.account, balancer.region, balancer.id)
    state = {"Code": status.state if status is not None else "provisioning"}
    if status is not None and status.reason:
        state["Reason"] = status.reason
    shown = {
        "LoadBalancerArn": balancer.id,
        "DNSName": balancer.dns_name,
        "CanonicalHostedZoneId": balancer.canonical_hosted_zone_id,
        "CreatedTime": balancer.created_time,
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc_id,
        "State": state,
        "Type": balancer.type,
        "AvailabilityZones": zones(balancer),
        "SecurityGroups": list(balancer.security_groups),
        "IpAddressType": balancer.ip_address_type,
    }
    if balancer.type == "network" and not balancer.security_groups:
        del shown["SecurityGroups"]
    if (guarded := guard_of(balancer)) is not None:
        shown[ENFORCE] = guarded
    return shown


def guard_of(balancer: LoadBalancer) -> str | None:
    """Whether its groups are asked about what comes by VPC endpoints; None where there is nothing to ask."""
    if balancer.type != "network" or not balancer.security_groups:
        return None
    return "on" if balancer.guards_private_link else "off"


def zones(balancer: LoadBalancer) -> list[dict[str, Any]]:
    """AvailabilityZones; the addresses are listed for Network Load Balancers only, as AWS does."""
    return [
        {"ZoneName": zone.zone_name, "SubnetId": zone.subnet_id, "LoadBalancerAddresses": _addresses(zone)}
        for zone in balancer.zones
    ]


def _addresses(zone: AvailabilityZone) -> list[dict[str, str]]:
    """The addresses that the customer gave."""
    if zone.allocation_id is not None:
        return [{"IpAddress": zone.public_ip or "", "AllocationId": zone.allocation_id}]
    return [{"PrivateIPv4Address": zone.private_ip}] if zone.chosen else []


def listener(each: Listener) -> dict[str, Any]:
    """Listener: only its default certificate, without IsDefault."""
    shown: dict[str, Any] = {
        "ListenerArn": each.id,
        "LoadBalancerArn": each.load_balancer_arn,
        "Port": each.port,
        "Protocol": each.protocol,
        "DefaultActions": authentication.shown(each.default_actions),
    }
    if each.alpn_policy is not None:
        shown["AlpnPolicy"] = [each.alpn_policy]
    if each.protocol in ("HTTPS", "TLS"):
        shown["Certificates"] = [{"CertificateArn": arn} for arn in each.certificates[:1]]
        shown["SslPolicy"] = each.ssl_policy
        shown["MutualAuthentication"] = each.mutual_authentication or {"Mode": "off"}
    return shown


def certificates(each: Listener) -> list[dict[str, Any]]:
    """The default certificate and the list; one that is both appears twice."""
    return [{"CertificateArn": arn, "IsDefault": index == 0} for index, arn in enumerate(each.certificates)]


def rule(each: Rule) -> dict[str, Any]:
    transforms = {"Transforms": list(each.transforms)} if each.transforms else {}
    return {
        "RuleArn": each.id,
        "Priority": str(each.priority) if each.priority else "default",
        "Conditions": list(each.conditions),
        "Actions": authentication.shown(each.actions),
        "IsDefault": each.priority == 0,
        **transforms,
    }


def target_group(each: TargetGroup, users: tuple[str, ...]) -> dict[str, Any]:
    """TargetGroup; `users` are the load balancers that route to it."""
    shown: dict[str, Any] = {
        "TargetGroupArn": each.id,
        "TargetGroupName": each.name,
        "Protocol": each.protocol,
        "Port": each.port,
        "VpcId": each.vpc_id,
        **health_check(each),
        "LoadBalancerArns": list(users),
        "TargetType": each.target_type,
        "ProtocolVersion": each.protocol_version,
        "IpAddressType": each.ip_address_type,
    }
    return {name: value for name, value in shown.items() if value is not None}


def health_check(group: TargetGroup) -> dict[str, Any]:
    check = group.health_check
    shown: dict[str, Any] = {
        "HealthCheckEnabled": check.enabled,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": _matcher(check) if check.protocol != "TCP" else None,
    }
    if group.target_type != "lambda":
        shown["HealthCheckProtocol"] = check.protocol
        shown["HealthCheckPort"] = check.port
    return shown


def _matcher(check: HealthCheck) -> dict[str, str]:
    if check.matcher.grpc_code is not None:
        return {"GrpcCode": check.matcher.grpc_code}
    return {"HttpCode": check.matcher.http_code or "200"}
