"""One load balancer over two Availability Zones that ARC may shift away from one of them."""

from typing import Any

from kunren.drills.shipped.parts import Site, main

SITE = Site("drill-shift")


def deploy() -> dict[str, Any]:
    made = SITE.create()
    attribute = {"Key": "zonal_shift.config.enabled", "Value": "true"}
    SITE.elb.modify_load_balancer_attributes(LoadBalancerArn=made["balancer"], Attributes=[attribute])
    SITE.wait()
    zones = SITE.ec2.describe_availability_zones(ZoneNames=made["zones"][:1])["AvailabilityZones"]
    return {
        **{key: made[key] for key in ("name", "balancer", "security_group")},
        "zone": made["zones"][0],
        "zone_id": zones[0]["ZoneId"],
        "subnet_a": made["subnets"][0],
        "subnet_b": made["subnets"][1],
        "address_a": made["addresses"][0],
        "address_b": made["addresses"][1],
    }


if __name__ == "__main__":
    main(deploy, SITE.remove)
