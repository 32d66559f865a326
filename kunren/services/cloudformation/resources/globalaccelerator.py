"""Accelerators: AWS::GlobalAccelerator::… Their operations are called in us-west-2, as everybody's are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, change, tagging
from kunren.services.cloudformation.work import Work

_REGION = "us-west-2"
_GROUP = (
    "EndpointConfigurations HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol "
    "PortOverrides ThresholdCount TrafficDialPercentage"
)


def _group(work: Work) -> dict[str, Any]:
    return work.pick(*_GROUP.split())


class Accelerator(Declared):
    """It must be switched off before it can go."""

    async def delete(self, work: Work) -> None:
        params = {"AcceleratorArn": work.physical, "Enabled": False}
        await work.write(self.service, "UpdateAccelerator", params, region=_REGION, missing_ok=True)

        async def deployed() -> bool | None:
            item = await self.item_of(work)
            return True if item is None or item["Status"] == "DEPLOYED" else None

        await work.until(deployed)
        await super().delete(work)


def _token(work: Work) -> Mapping[str, Any]:
    return {"IdempotencyToken": work.token}


KINDS: tuple[Kind, ...] = (
    Accelerator(
        "AWS::GlobalAccelerator::Accelerator",
        "globalaccelerator",
        region=_REGION,
        create="CreateAccelerator",
        takes="Enabled IpAddressType IpAddresses",
        extra=_token,
        name="Name",
        made="Accelerator.AcceleratorArn",
        key="AcceleratorArn",
        describe="DescribeAccelerator",
        item="Accelerator",
        ready="Status == 'DEPLOYED'",
        settings=[change("UpdateAccelerator", "AcceleratorArn", "Name Enabled IpAddressType")],
        gives={
            "AcceleratorArn": "AcceleratorArn",
            "DnsName": "DnsName",
            "DualStackDnsName": "DualStackDnsName",
            "Ipv4Addresses": "IpSets[?IpAddressFamily=='IPv4'].IpAddresses[]",
            "Ipv6Addresses": "IpSets[?IpAddressFamily=='IPv6'].IpAddresses[]",
        },
        tags=tagging("ResourceArn"),
        delete="DeleteAccelerator",
        await_end=True,
    ),
    Declared(
        "AWS::GlobalAccelerator::Listener",
        "globalaccelerator",
        region=_REGION,
        create="CreateListener",
        takes="AcceleratorArn ClientAffinity PortRanges Protocol",
        extra=_token,
        made="Listener.ListenerArn",
        key="ListenerArn",
        describe="DescribeListener",
        item="Listener",
        settings=[change("UpdateListener", "ListenerArn", "ClientAffinity PortRanges Protocol")],
        gives={"ListenerArn": "ListenerArn"},
        delete="DeleteListener",
    ),
    Declared(
        "AWS::GlobalAccelerator::EndpointGroup",
        "globalaccelerator",
        region=_REGION,
        create="CreateEndpointGroup",
        takes="ListenerArn EndpointGroupRegion",
        extra=lambda work: {**_token(work), **_group(work)},
        also=_GROUP,
        made="EndpointGroup.EndpointGroupArn",
        key="EndpointGroupArn",
        describe="DescribeEndpointGroup",
        item="EndpointGroup",
        settings=[change("UpdateEndpointGroup", "EndpointGroupArn", _GROUP, _group)],
        gives={"EndpointGroupArn": "EndpointGroupArn"},
        delete="DeleteEndpointGroup",
    ),
)
