"""A service of two tasks on four Spot Instances behind a load balancer; one with a task will be interrupted."""

from typing import Any

from kunren.drills.shipped.fleet import Fleet
from kunren.drills.shipped.parts import main

FLEET = Fleet("drill-spot")


def deploy(draining: str = "True", delay: str = "20") -> dict[str, Any]:
    config = f"ECS_ENABLE_SPOT_INSTANCE_DRAINING={draining.lower()}"
    made = FLEET.create(per_zone=2, tasks=2, delay_s=int(delay), config=config, spot=True, slow_ms=200)
    busy = next(each for each in FLEET.connected() if each["runningTasksCount"])
    machine = busy["ec2InstanceId"]
    account = busy["containerInstanceArn"].split(":")[4]
    return {
        **{key: made[key] for key in ("name", "cluster", "service", "group")},
        "role": FLEET.role("fis"),
        "machine": machine,
        "machine_arn": f"arn:aws:ec2:{FLEET.site.region}:{account}:instance/{machine}",
        "container_instance": busy["containerInstanceArn"],
    }


if __name__ == "__main__":
    main(deploy, FLEET.remove)
