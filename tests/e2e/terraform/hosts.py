"""The case of instances."""

from __future__ import annotations

import platform

from terraforming import Case, nothing_left


def machines(case: Case) -> None:
    """Instances by an image that is looked up and by a launch template, behind a load balancer and an Elastic IP."""
    kind = "t4g.micro" if platform.machine() == "aarch64" else "t3.micro"
    configuration = case.configuration("machines", instance_type=kind)
    made = configuration.apply()

    def asked(name: str) -> str:
        return case.curl("--max-time", "5", f"http://{name}/", place="london", check=False).strip()

    case.until(lambda: asked(made["address"]) == "first", "the page of the instance", 60)
    for page in ("first", "template", "grouped"):
        case.until(lambda page=page: asked(made["balancer"]) == page, f"{page} through the load balancer", 60)
    changed = configuration.apply(body="second")
    assert changed["instances"][0] != made["instances"][0]  # replaced, with its Elastic IP
    case.until(lambda: asked(changed["address"]) == "second", "the changed page", 60)
    members = case.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
    assert [each["LifecycleState"] for each in members] == ["InService"] * 2
    configuration.destroy()
    assert case.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    states = {
        each["State"]["Name"]
        for one in case.client("ec2").describe_instances()["Reservations"]
        for each in one["Instances"]
    }
    assert states <= {"terminated"}
    assert case.client("ec2").describe_volumes()["Volumes"] == []
    assert nothing_left(case)
