"""One load balancer with a target in each of two zones, which draining lets end what they have begun."""

from typing import Any

from kunren.drills.shipped.parts import Site, main

SITE = Site("drill-drain")


def deploy(delay: str = "60") -> dict[str, Any]:
    made = SITE.create(delay_s=int(delay))
    SITE.wait()
    return {
        **{key: made[key] for key in ("name", "group", "security_group")},
        "subnet_a": made["subnets"][0],
        "subnet_b": made["subnets"][1],
        "address_a": made["addresses"][0],
        "address_b": made["addresses"][1],
    }


if __name__ == "__main__":
    main(deploy, SITE.remove)
