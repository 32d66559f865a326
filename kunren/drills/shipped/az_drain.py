"""A service of four tasks on four container instances in two zones; those of one zone will be drained, then ended."""

from typing import Any

from kunren.drills.shipped.fleet import Fleet
from kunren.drills.shipped.parts import main

FLEET = Fleet("drill-az-drain")


def deploy(draining: str = "True") -> dict[str, Any]:
    made = FLEET.create(per_zone=2, tasks=4, delay_s=30, slow_ms=200)
    zone = made["zones"][0]
    there = [
        each
        for each in FLEET.connected()
        if {"name": "ecs.availability-zone", "value": zone} in each["attributes"]
    ]  # fmt: skip
    return {
        **{key: made[key] for key in ("name", "cluster", "service", "group")},
        "first": there[0]["containerInstanceArn"],
        "second": there[1]["containerInstanceArn"],
        "first_machine": there[0]["ec2InstanceId"],
        "second_machine": there[1]["ec2InstanceId"],
        "state": "DRAINING" if draining == "True" else "ACTIVE",
    }


if __name__ == "__main__":
    main(deploy, FLEET.remove)
