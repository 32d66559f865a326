"""The shipped templates of drills: each is deployed and gives what serves. (Whole drills take minutes.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from stacking import CAPABILITIES, outputs

TEMPLATES = Path(__file__).parents[3] / "examples" / "drills" / "templates"
# template → the service's strategy and tasks; an account may have four VPCs beside its default one
SERVICES = {
    "blue-green-bad": ("CANARY", 2), "blue-green-good": ("BLUE_GREEN", 2), "rolling-bad": ("ROLLING", 4),
    "scale-in": ("ROLLING", 4), "spot-drain": ("ROLLING", 2),
}  # fmt: skip


@pytest.fixture
def deployed(stacks):
    """`deployed(*names)`: the outputs of each, deployed side by side."""
    ids = []

    def deploy(*names):
        for name in names:
            body, settings = (TEMPLATES / f"{name}.yaml").read_text(), []
            if "  Delay:" in body:
                settings = [{"ParameterKey": "Delay", "ParameterValue": "1"}]
            told = {"StackName": name, "TemplateBody": body, "Parameters": settings, "Capabilities": CAPABILITIES}
            ids.append(stacks.api.create_stack(**told)["StackId"])
        return {name: outputs(stacks.settled(name, "CREATE_COMPLETE")) for name in names}

    yield deploy
    for each in ids:
        stacks.api.delete_stack(StackName=each)
    for each in ids:
        stacks.settled(each, "DELETE_COMPLETE")


def served(stacks, made):
    """By template: what users get, the deployment's strategy, how many tasks run."""
    urls = [f"http://{values['Name']}/" for values in made.values()]
    pages = stacks.kunren.exec("curl", "-s", "-m", "5", "-w", "\\n", *urls, check=False).stdout.splitlines()
    found = {}
    for (name, values), said in zip(made.items(), pages, strict=True):
        asked = {"cluster": values["Cluster"], "services": [values["Service"]]}
        shown = stacks.client("ecs").describe_services(**asked)["services"][0]
        shifts = "advancedConfiguration" in shown["loadBalancers"][0]
        assert shifts == name.startswith("blue-green")
        found[name] = (said, shown["deploymentConfiguration"].get("strategy", "ROLLING"), shown["runningCount"])
    return found


def test_a_service_on_fargate_serves_by_its_first_version(stacks, deployed):
    names = [each for each in SERVICES if each != "spot-drain"]
    assert served(stacks, deployed(*names)) == {each: ("one", *SERVICES[each]) for each in names}


def test_tasks_are_on_a_spot_instance_and_targets_in_two_zones(stacks, deployed):
    made = deployed("spot-drain", "two-zones")
    spot, zones = made["spot-drain"], made["two-zones"]
    assert served(stacks, {"spot-drain": spot}) == {"spot-drain": ("one", *SERVICES["spot-drain"])}
    found = stacks.client("ec2").describe_instances(InstanceIds=[spot["Machine"]])["Reservations"][0]["Instances"][0]
    assert found["InstanceLifecycle"] == "spot"
    assert spot["MachineArn"] == f"arn:aws:ec2:us-east-1:{stacks.account}:instance/{spot['Machine']}"
    ecs, cluster = stacks.client("ecs"), spot["Cluster"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=ecs.list_tasks(cluster=cluster)["taskArns"])["tasks"]
    hosts = sorted({each["containerInstanceArn"] for each in tasks})
    machines = ecs.describe_container_instances(cluster=cluster, containerInstances=hosts)["containerInstances"]
    assert len(machines) == 2 and spot["Machine"] in {each["ec2InstanceId"] for each in machines}
    shown = stacks.client("elbv2").describe_target_health(TargetGroupArn=zones["Group"])["TargetHealthDescriptions"]
    assert {each["Target"]["Id"] for each in shown} == {"10.62.0.200", "10.62.1.200"}
    assert (zones["Zone"], zones["ZoneId"]) == ("us-east-1a", "use1-az1")
