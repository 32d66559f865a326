"""A service that is updated in place, with no room for more tasks: most of the old ones stop before the new start."""

from typing import Any

from kunren.drills.shipped.ecs_site import EcsSite
from kunren.drills.shipped.parts import main

SITE = EcsSite("drill-rolling")
CRASHES = "raise SystemExit('this version does not start')"


def deploy(breaker: str = "on") -> dict[str, Any]:
    watched = breaker == "on"
    return SITE.create(
        4, 5, good={"SLOW_MS": "20", "AT_ONCE": "1"}, bad_program=CRASHES,
        deploymentConfiguration={
            "minimumHealthyPercent": 25, "maximumPercent": 100,
            "deploymentCircuitBreaker": {"enable": watched, "rollback": watched},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(deploy, SITE.remove)
