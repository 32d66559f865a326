"""A load balancer in front of what holds WebSockets, and another one in front of a PostgreSQL that keeps orders."""

import ipaddress
from typing import Any

from kunren.drills.shipped.parts import PATIENCE, Site, main

SITE = Site("live-orders")
NAME = "live-orders-db"
PORT = 5432


def deploy() -> dict[str, Any]:
    made = SITE.create()
    subnet = SITE.ec2.describe_subnets(SubnetIds=made["subnets"][:1])["Subnets"][0]
    address = str(ipaddress.ip_network(subnet["CidrBlock"])[210])
    balancer = SITE.elb.create_load_balancer(Name=NAME, Type="network", Subnets=made["subnets"])["LoadBalancers"][0]
    group = SITE.elb.create_target_group(
        Name=NAME, Protocol="TCP", Port=PORT, VpcId=made["vpc"], TargetType="ip",
        HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=5, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    SITE.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address, "Port": PORT}])
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    SITE.elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="TCP", Port=PORT, DefaultActions=forward
    )
    SITE.wait()
    SITE.elb.get_waiter("load_balancer_available").wait(Names=[NAME], WaiterConfig=PATIENCE)
    return {
        **{key: made[key] for key in ("name", "security_group")},
        "subnet_a": made["subnets"][0],
        "subnet_b": made["subnets"][1],
        "address_a": made["addresses"][0],
        "address_b": made["addresses"][1],
        "database_address": address,
        "database": f"postgresql://drill:drill@{balancer['DNSName']}:{PORT}/postgres",
    }


def remove() -> None:
    try:
        for each in SITE.elb.describe_load_balancers(Names=[NAME])["LoadBalancers"]:
            SITE.elb.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
    except SITE.elb.exceptions.LoadBalancerNotFoundException:
        pass
    SITE.remove()  # target groups too: theirs begin with its name


if __name__ == "__main__":
    main(deploy, remove)
