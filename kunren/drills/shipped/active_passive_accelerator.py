"""Two sites in two regions behind one accelerator: all traffic goes to the first while it is healthy."""

import secrets
import time
from typing import Any

import boto3

from kunren.drills.shipped.parts import REGIONS, Site, main

NAME = "drill-ga"
SITES = [Site(f"{NAME}-{role}", region) for role, region in zip(("primary", "secondary"), REGIONS, strict=True)]
HOME = "us-west-2"


def deploy(standby: str = "True") -> dict[str, Any]:
    sites = [each.create(zones=1) for each in SITES]
    for each in SITES:
        each.wait()
    api = boto3.client("globalaccelerator", region_name=HOME)
    front = api.create_accelerator(Name=NAME, IdempotencyToken=secrets.token_hex(16))["Accelerator"]
    listener = api.create_listener(
        AcceleratorArn=front["AcceleratorArn"], PortRanges=[{"FromPort": 80, "ToPort": 80}], Protocol="TCP",
        IdempotencyToken=secrets.token_hex(16),
    )["Listener"]["ListenerArn"]  # fmt: skip
    for region, site, dial in zip(REGIONS, sites, (100.0, 0.0), strict=True):
        if dial or standby == "True":
            api.create_endpoint_group(
                ListenerArn=listener, EndpointGroupRegion=region, TrafficDialPercentage=dial,
                EndpointConfigurations=[{"EndpointId": site["balancer"]}], IdempotencyToken=secrets.token_hex(16),
            )  # fmt: skip
    while api.describe_accelerator(AcceleratorArn=front["AcceleratorArn"])["Accelerator"]["Status"] != "DEPLOYED":
        time.sleep(0.1)
    return {"name": front["DnsName"], "primary": REGIONS[0]} | {
        f"{role}_{key}": value
        for role, site in zip(("primary", "secondary"), sites, strict=True)
        for key, value in (
            ("subnet", site["subnets"][0]), ("address", site["addresses"][0]),
            ("security_group", site["security_group"]),
        )
    }  # fmt: skip


def remove() -> None:
    remove_accelerators(NAME)
    for each in SITES:
        each.remove()


def remove_accelerators(name: str) -> None:
    """Those of that name, with all that is in them."""
    api = boto3.client("globalaccelerator", region_name=HOME)
    for front in api.list_accelerators()["Accelerators"]:
        if front["Name"] == name:
            _remove_accelerator(api, front["AcceleratorArn"])


def _remove_accelerator(api: Any, arn: str) -> None:
    for listener in api.list_listeners(AcceleratorArn=arn)["Listeners"]:
        for group in api.list_endpoint_groups(ListenerArn=listener["ListenerArn"])["EndpointGroups"]:
            api.delete_endpoint_group(EndpointGroupArn=group["EndpointGroupArn"])
        api.delete_listener(ListenerArn=listener["ListenerArn"])
    api.update_accelerator(AcceleratorArn=arn, Enabled=False)
    while api.describe_accelerator(AcceleratorArn=arn)["Accelerator"]["Status"] != "DEPLOYED":
        time.sleep(0.1)
    api.delete_accelerator(AcceleratorArn=arn)


if __name__ == "__main__":
    main(deploy, remove)
