"""One load balancer over two Availability Zones, with a target in each."""

from typing import Any

from kunren.drills.shipped.parts import Site, main

SITE = Site("drill-az")


def deploy(zones: str = "2") -> dict[str, Any]:
    made = SITE.create(zones=int(zones))
    SITE.wait()
    return {
        **{key: made[key] for key in ("name", "group", "security_group")},
        "zone": made["zones"][0],
        "subnet_a": made["subnets"][0],
        "subnet_b": made["subnets"][1],
        "address_a": made["addresses"][0],
        "address_b": made["addresses"][1],
    }


if __name__ == "__main__":
    main(deploy, SITE.remove)
