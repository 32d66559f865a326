"""Resources as the API shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.globalaccelerator.model import Accelerator, EndpointGroup, Listener


def accelerator(shown: Accelerator, deployed: int) -> dict[str, Any]:
    """`deployed` is the revision that every edge location has."""
    return {
        "AcceleratorArn": shown.id,
        "Name": shown.name,
        "IpAddressType": "IPV4",
        "Enabled": shown.enabled,
        "IpSets": [{"IpFamily": "IPv4", "IpAddressFamily": "IPv4", "IpAddresses": list(shown.addresses)}],
        "DnsName": shown.dns_name,
        "Status": "DEPLOYED" if deployed >= shown.revision else "IN_PROGRESS",
        "CreatedTime": shown.created_time,
        "LastModifiedTime": shown.modified_time,
    }


def listener(shown: Listener) -> dict[str, Any]:
    return {
        "ListenerArn": shown.id,
        "PortRanges": [{"FromPort": each.first, "ToPort": each.last} for each in shown.port_ranges],
        "Protocol": shown.protocol,
        "ClientAffinity": shown.client_affinity,
    }


def endpoint_group(shown: EndpointGroup, first_port: int, states: Mapping[str, str]) -> dict[str, Any]:
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


def endpoint_descriptions(shown: EndpointGroup, states: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "EndpointId": each.id,
            "Weight": each.weight,
            "HealthState": states.get(each.id, "INITIAL"),
            "ClientIPPreservationEnabled": each.preserve_client_ip,
        }
        for each in shown.endpoints
    ]
