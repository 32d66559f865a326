"""Resources as the API shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping as States
from typing import Any

from kunren.services.globalaccelerator.model import (
    Accelerator,
    Attachment,
    CustomGroup,
    EndpointGroup,
    Listener,
    SubnetEndpoint,
)
from kunren.services.globalaccelerator.port_mapping import Mapping


def accelerator(shown: Accelerator, deployed: int) -> dict[str, Any]:
    """`deployed` is the revision that every edge location has."""
    return {
        "AcceleratorArn": shown.id,
        "Name": shown.name,
        "IpAddressType": "DUAL_STACK" if shown.addresses6 else "IPV4",
        "Enabled": shown.enabled,
        "IpSets": [
            {"IpFamily": family, "IpAddressFamily": family, "IpAddresses": list(addresses)}
            for family, addresses in (("IPv4", shown.addresses), ("IPv6", shown.addresses6))
            if addresses
        ],
        "DualStackDnsName": dual_stack_name(shown) if shown.addresses6 else None,
        "DnsName": shown.dns_name,
        "Status": "DEPLOYED" if deployed >= shown.revision else "IN_PROGRESS",
        "CreatedTime": shown.created_time,
        "LastModifiedTime": shown.modified_time,
    }


def dual_stack_name(accelerator: Accelerator) -> str:
    return accelerator.dns_name.replace(".", ".dualstack.", 1)


def attributes(shown: Accelerator) -> dict[str, Any]:
    return {
        "FlowLogsEnabled": shown.flow_logs,
        "FlowLogsS3Bucket": shown.flow_logs_bucket or None,
        "FlowLogsS3Prefix": shown.flow_logs_prefix or None,
    }


def listener(shown: Listener) -> dict[str, Any]:
    return {
        "ListenerArn": shown.id,
        "PortRanges": [{"FromPort": each.first, "ToPort": each.last} for each in shown.port_ranges],
        "Protocol": shown.protocol,
        "ClientAffinity": shown.client_affinity,
    }


def attachment(shown: Attachment) -> dict[str, Any]:
    return {
        "AttachmentArn": shown.id,
        "Name": shown.name,
        "Principals": list(shown.principals),
        "Resources": [{"EndpointId": each.endpoint_id, "Region": each.region} for each in shown.resources],
        "CreatedTime": shown.created_time,
        "LastModifiedTime": shown.modified_time,
    }


def custom_listener(shown: Listener) -> dict[str, Any]:
    return {
        "ListenerArn": shown.id,
        "PortRanges": [{"FromPort": each.first, "ToPort": each.last} for each in shown.port_ranges],
    }


def custom_group(shown: CustomGroup) -> dict[str, Any]:
    return {
        "EndpointGroupArn": shown.id,
        "EndpointGroupRegion": shown.group_region,
        "DestinationDescriptions": [
            {"FromPort": each.first, "ToPort": each.last, "Protocols": list(each.protocols)}
            for each in shown.destinations
        ],
        "EndpointDescriptions": [{"EndpointId": each.id} for each in shown.endpoints],
    }


def port_mapping(group: CustomGroup, endpoint: SubnetEndpoint, shown: Mapping) -> dict[str, Any]:
    return {
        "AcceleratorPort": shown.port,
        "EndpointGroupArn": group.id,
        "EndpointId": endpoint.id,
        "DestinationSocketAddress": {"IpAddress": shown.address, "Port": shown.destination_port},
        "Protocols": list(shown.protocols),
        "DestinationTrafficState": "ALLOW" if shown.allowed else "DENY",
    }


def destination_mapping(
    accelerator: Accelerator, group: CustomGroup, endpoint: SubnetEndpoint, shown: Mapping
) -> dict[str, Any]:
    return {
        "AcceleratorArn": accelerator.id,
        "AcceleratorSocketAddresses": [{"IpAddress": address, "Port": shown.port} for address in accelerator.addresses],
        "EndpointGroupArn": group.id,
        "EndpointId": endpoint.id,
        "EndpointGroupRegion": group.group_region,
        "DestinationSocketAddress": {"IpAddress": shown.address, "Port": shown.destination_port},
        "IpAddressType": "IPV4",
        "DestinationTrafficState": "ALLOW" if shown.allowed else "DENY",
    }


def endpoint_group(shown: EndpointGroup, first_port: int, states: States[str, str]) -> dict[str, Any]:
    """`first_port` is the listener's first, `states` are health states by endpoint id."""
    check = shown.health_check
    return {
        "EndpointGroupArn": shown.id,
        "EndpointGroupRegion": shown.group_region,
        "EndpointDescriptions": endpoint_descriptions(shown, states),
        "TrafficDialPercentage": shown.traffic_dial,
        "HealthCheckPort": check.port or first_port,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPath": check.path if check.protocol != "TCP" else None,
        "HealthCheckIntervalSeconds": check.interval_s,
        "ThresholdCount": check.threshold,
        "PortOverrides": [
            {"ListenerPort": each.listener_port, "EndpointPort": each.endpoint_port} for each in shown.port_overrides
        ],
    }


def endpoint_descriptions(shown: EndpointGroup, states: States[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "EndpointId": each.id,
            "Weight": each.weight,
            "HealthState": states.get(each.id, "INITIAL"),
            "ClientIPPreservationEnabled": each.preserve_client_ip,
        }
        for each in shown.endpoints
    ]
