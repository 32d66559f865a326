"""A service whose new version is brought up beside the old one, and gets the traffic at once or not at all."""

from typing import Any

from kunren.drills.shipped.ecs_site import EcsSite
from kunren.drills.shipped.parts import main

SITE = EcsSite("drill-blue-green")


def deploy(strategy: str = "BLUE_GREEN", bake_minutes: str = "1", delay: str = "10") -> dict[str, Any]:
    if strategy == "IN_PLACE":
        told: dict[str, Any] = {"strategy": "ROLLING", "minimumHealthyPercent": 0, "maximumPercent": 100}
    else:
        told = {"strategy": strategy, "bakeTimeInMinutes": int(bake_minutes)}
    shifts = strategy not in ("IN_PLACE", "ROLLING")
    return SITE.create(2, int(delay), shifts=shifts, deploymentConfiguration=told, good={"SLOW_MS": "100"})


if __name__ == "__main__":
    main(deploy, SITE.remove)
