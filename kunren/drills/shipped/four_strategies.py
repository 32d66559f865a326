"""One small application that keeps what it is given, and a region that is prepared for the loss of its own by one
of four strategies: backup-and-restore, pilot-light, warm-standby, active-active.
"""

import secrets
import time
from typing import Any

import boto3

from kunren.drills.shipped.parts import REGIONS, Site, Zone, main

NAME = "drill-four"
DOMAIN = "four-strategies.test"
PRIMARY, STANDBY = (Site(f"{NAME}-{role}", region) for role, region in zip(("one", "two"), REGIONS, strict=True))
ZONE = Zone(NAME, DOMAIN)
HOME = "us-west-2"
STORE_PORT = 8080


def deploy(strategy: str) -> dict[str, Any]:
    primary, standby = (each.create(zones=1) for each in (PRIMARY, STANDBY))
    # an accelerator holds a load balancer for healthy only if all its target groups are
    store = _store(standby) if strategy in ("backup-and-restore", "pilot-light") else ""
    for each in (PRIMARY, STANDBY):
        each.wait()
    name = _accelerator(primary, standby) if strategy == "active-active" else _names(strategy, primary, standby)
    return {
        "name": name,
        "zone": ZONE.id if strategy != "active-active" else "",
        "standby_name": standby["name"],
        "primary_name": primary["name"],
        "store": f"http://{standby['name']}:{STORE_PORT}",
        "store_address": store,
        "store_subnet": standby["subnets"][1],
    } | {
        f"{role}_{key}": value
        for role, site in (("primary", primary), ("standby", standby))
        for key, value in (
            ("subnet", site["subnets"][0]), ("address", site["addresses"][0]),
            ("security_group", site["security_group"]),
        )
    }  # fmt: skip


def _store(standby: dict[str, Any]) -> str:
    """Where copies of the data are kept in the standby region; its address. Reached on a port of its own."""
    address = str(standby["addresses"][1])
    group = STANDBY.target_group(f"{STANDBY.name}-store", standby["vpc"], [address])
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    STANDBY.elb.create_listener(
        LoadBalancerArn=standby["balancer"], Protocol="HTTP", Port=STORE_PORT, DefaultActions=forward
    )
    return address


def _names(strategy: str, primary: dict[str, Any], standby: dict[str, Any]) -> str:
    """By hand for backup and restore, by health checks for the others; the name that users ask for."""
    name = f"www.{DOMAIN}"

    def record(site: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"Name": name, "Type": "CNAME", "TTL": 30, "ResourceRecords": [{"Value": site["name"]}], **more}

    if strategy == "backup-and-restore":
        ZONE.create([record(primary)])
        return name
    check = ZONE.health_check(
        Type="HTTP", FullyQualifiedDomainName=primary["name"], ResourcePath="/health", RequestInterval=10,
        FailureThreshold=2,
    )  # fmt: skip
    first = record(primary, SetIdentifier="one", Failover="PRIMARY", HealthCheckId=check)
    ZONE.create([first, record(standby, SetIdentifier="two", Failover="SECONDARY")])
    return name


def _accelerator(primary: dict[str, Any], standby: dict[str, Any]) -> str:
    api = boto3.client("globalaccelerator", region_name=HOME)
    front = api.create_accelerator(Name=NAME, IdempotencyToken=secrets.token_hex(16))["Accelerator"]
    listener = api.create_listener(
        AcceleratorArn=front["AcceleratorArn"], PortRanges=[{"FromPort": 80, "ToPort": 80}], Protocol="TCP",
        IdempotencyToken=secrets.token_hex(16),
    )["Listener"]["ListenerArn"]  # fmt: skip
    for region, site in zip(REGIONS, (primary, standby), strict=True):
        api.create_endpoint_group(
            ListenerArn=listener, EndpointGroupRegion=region, IdempotencyToken=secrets.token_hex(16),
            EndpointConfigurations=[{"EndpointId": site["balancer"]}],
        )  # fmt: skip
    while api.describe_accelerator(AcceleratorArn=front["AcceleratorArn"])["Accelerator"]["Status"] != "DEPLOYED":
        time.sleep(0.1)
    return str(front["DnsName"])


def remove() -> None:
    from kunren.drills.shipped.active_passive_accelerator import remove_accelerators

    remove_accelerators(NAME)
    ZONE.remove()
    for each in (PRIMARY, STANDBY):
        each.remove()


if __name__ == "__main__":
    main(deploy, remove)
