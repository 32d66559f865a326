"""StartTask: on which container instances a task may be."""

import pytest
from msgspec.structs import replace

from kunren.services.ecs.model import ContainerInstance

SIZE = {"CPU": 1024, "MEMORY": 512, "PORTS": ["22"], "PORTS_UDP": []}
HOST = ContainerInstance(
    account="123456789012", region="us-east-1", id="a" * 32, cluster="shop", instance_id="i-1", resources=SIZE, registered_at=1.0
)  # fmt: skip
WEB = {
    "name": "web",
    "image": "nginx",
    "cpu": 10,
    "memory": 64,
    "portMappings": [{"containerPort": 80, "hostPort": 80}],
}


@pytest.fixture
def start(ecs):
    ecs.create_cluster(clusterName="shop")

    def started(host, **members):
        with ecs.store.write() as tx:
            tx.put(host)
        ecs.register_task_definition(family="web", containerDefinitions=[{**WEB, **members}])
        answer = ecs.start_task(cluster="shop", taskDefinition="web", containerInstances=[host.id])
        return [*(each["lastStatus"] for each in answer["tasks"]), *(each["reason"] for each in answer["failures"])]

    return started


@pytest.mark.parametrize(
    ("host", "members", "told"),
    [
        (HOST, {}, "PENDING"),
        (replace(HOST, agent_connected=False), {}, "AGENT"),
        (replace(HOST, status="DRAINING"), {}, "INACTIVE"),
        (HOST, {"memory": 513}, "RESOURCE:MEMORY"),
        (HOST, {"cpu": 1025}, "RESOURCE:CPU"),
        (HOST, {"portMappings": [{"containerPort": 22, "hostPort": 22}]}, "RESOURCE:PORTS"),
    ],
)
def test_a_task_is_started_where_there_is_room_for_it(start, host, members, told):
    assert start(host, **members) == [told]


def test_a_port_of_an_instance_is_one_tasks(start):
    assert start(HOST) == ["PENDING"]
    assert start(HOST) == ["RESOURCE:PORTS"]


def test_a_task_is_refused_a_size_of_storage_that_fargate_has_not(ecs):
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(
        family="web",
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "web", "image": "nginx"}],
    )
    asked = {"cluster": "shop", "taskDefinition": "web", "launchType": "FARGATE"}
    network = {"awsvpcConfiguration": {"subnets": [ecs.subnet]}}
    for size, text in ((20, "at least 21"), (-5, "at least 21"), (201, "at most 200")):
        refused = ecs.refused(
            "run_task", **asked, networkConfiguration=network, overrides={"ephemeralStorage": {"sizeInGiB": size}}
        )
        assert refused == ("InvalidParameterException", f"EphemeralStorage size should be {text}")
