"""The shipped templates of drills on ECS: each is deployed and gives what serves. (Whole drills take minutes.)"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kunren.drills.access import Access
from kunren.drills.deployment import Deployment
from kunren.drills.model import Architecture

TEMPLATES = Path(__file__).parents[3] / "examples" / "drills" / "templates"
SETTINGS = {
    "blue-green-bad": {"alarms": "on"}, "blue-green-good": {"strategy": "BLUE_GREEN", "bake_minutes": 1},
    "rolling-bad": {}, "spot-drain": {"draining": True, "delay": 5},
}  # fmt: skip


@pytest.fixture
def deployments(kunren, tmp_path):
    access = Access(kunren.state, f"http://127.0.0.1:{kunren.port}")
    made = {
        name: Deployment(access, Architecture(settings=settings, template=TEMPLATES / f"{name}.yaml"), tmp_path)
        for name, settings in SETTINGS.items()
    }
    try:
        yield made
    finally:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda each: each.remove(), made.values()))


def test_each_template_serves_by_its_first_version(kunren, deployments):
    with ThreadPoolExecutor() as pool:
        deployed = dict(zip(deployments, pool.map(lambda each: each.deploy(), deployments.values()), strict=True))

    def said(name):
        return kunren.exec("curl", "-s", "-m", "5", f"http://{deployed[name]['name']}/", check=False).stdout

    assert {name: said(name) for name in deployed} == dict.fromkeys(SETTINGS, "one")
    ecs, ec2 = kunren.client("ecs"), kunren.client("ec2")
    strategies = {}
    for name, values in deployed.items():
        service = ecs.describe_services(cluster=values["cluster"], services=[values["service"]])["services"][0]
        told = service["deploymentConfiguration"]
        strategies[name] = (told.get("strategy", "ROLLING"), service["runningCount"])
        assert ("advancedConfiguration" in service["loadBalancers"][0]) == name.startswith("blue-green")
    assert strategies == {
        "blue-green-bad": ("CANARY", 2), "blue-green-good": ("BLUE_GREEN", 2), "rolling-bad": ("ROLLING", 4),
        "spot-drain": ("ROLLING", 2),
    }  # fmt: skip
    spot = deployed["spot-drain"]
    machine = ec2.describe_instances(InstanceIds=[spot["machine"]])["Reservations"][0]["Instances"][0]
    assert machine["InstanceLifecycle"] == "spot"
    assert spot["machine_arn"] == f"arn:aws:ec2:us-east-1:000000000000:instance/{spot['machine']}"
    tasks = ecs.list_tasks(cluster=spot["cluster"])["taskArns"]
    hosts = {each["containerInstanceArn"] for each in ecs.describe_tasks(cluster=spot["cluster"], tasks=tasks)["tasks"]}
    shown = ecs.describe_container_instances(cluster=spot["cluster"], containerInstances=list(hosts))
    assert spot["machine"] in {each["ec2InstanceId"] for each in shown["containerInstances"]}
