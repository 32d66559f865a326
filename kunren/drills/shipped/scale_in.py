"""A service of four tasks behind a load balancer; every request takes half a second."""

from typing import Any

from kunren.drills.shipped.ecs_site import EcsSite
from kunren.drills.shipped.parts import main

SITE = EcsSite("drill-scale-in")


def deploy(delay: str = "60") -> dict[str, Any]:
    return SITE.create(4, int(delay), good={"SLOW_MS": "500"})


if __name__ == "__main__":
    main(deploy, SITE.remove)
