"""Task definitions: what they get by default, and which are none."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from kunren.services.ecs.agents.placing import needs_of
from kunren.services.ecs.model import Cluster, Task, TaskDefinition
from kunren.services.ecs.tasks.ask import ask_for_task
from kunren.services.ecs.tasks.controller import TaskController
from kunren.services.ecs.tasks.plan import plans
from kunren.world.ids import several_users

WEB = {"name": "web", "image": "nginx"}
FARGATE = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}


def test_revisions_count_up_and_are_never_used_again(ecs):
    first = ecs.register_task_definition(family="web", containerDefinitions=[WEB], **FARGATE)["taskDefinition"]
    assert first["taskDefinitionArn"] == "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"
    assert first["compatibilities"] == ["EC2", "FARGATE"]
    assert first["containerDefinitions"] == [
        {**WEB, "cpu": 0, "essential": True, "environment": [], "mountPoints": [], "volumesFrom": [],
         "systemControls": [], "portMappings": []}
    ]  # fmt: skip
    ecs.deregister_task_definition(taskDefinition="web:1")
    assert (
        ecs.delete_task_definitions(taskDefinitions=["web:1"])["taskDefinitions"][0]["status"] == "DELETE_IN_PROGRESS"
    )
    again = ecs.register_task_definition(family="web", containerDefinitions=[WEB], **FARGATE)["taskDefinition"]
    assert again["revision"] == 2
    assert ecs.refused("describe_task_definition", taskDefinition="web:1") == (
        "ClientException",
        "Unable to describe task definition.",
    )


def test_a_family_stands_for_its_last_active_revision(ecs):
    for _ in range(11):
        ecs.register_task_definition(family="web", containerDefinitions=[WEB], **FARGATE)
    ecs.deregister_task_definition(taskDefinition="web:11")
    assert ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["revision"] == 10
    listed = [each.rpartition(":")[2] for each in ecs.list_task_definitions(sort="DESC")["taskDefinitionArns"]]
    assert listed == [str(each) for each in range(10, 0, -1)]
    first = ecs.list_task_definitions(maxResults=7)
    rest = ecs.list_task_definitions(maxResults=7, nextToken=first["nextToken"])
    assert len(first["taskDefinitionArns"]) + len(rest["taskDefinitionArns"]) == 10
    assert ecs.list_task_definition_families()["families"] == ["web"]


def test_sizes_are_kept_in_units_of_cpu_and_mebibytes(ecs):
    sizes = {**FARGATE, "cpu": ".5 vCPU", "memory": "1 GB"}
    shown = ecs.register_task_definition(family="web", containerDefinitions=[WEB], **sizes)["taskDefinition"]
    assert (shown["cpu"], shown["memory"]) == ("512", "1024")
    ecs.create_cluster()
    network = {"awsvpcConfiguration": {"subnets": [ecs.subnet], "assignPublicIp": "ENABLED"}}
    asked = {"taskDefinition": "web", "networkConfiguration": network}
    task = ecs.run_task(launchType="FARGATE", overrides={"cpu": "1 vCPU", "memory": "2GB"}, **asked)["tasks"][0]
    assert (task["cpu"], task["memory"]) == ("1024", "2048")
    text = "Assign public IP is not supported for this launch type."
    assert ecs.refused("run_task", launchType="EC2", **asked) == ("InvalidParameterException", text)


def test_families_without_an_active_revision_are_listed_too_unless_the_status_says_otherwise(ecs):
    for family in ("old", "web"):
        ecs.register_task_definition(family=family, containerDefinitions=[WEB], **FARGATE)
    ecs.deregister_task_definition(taskDefinition="old:1")
    assert ecs.list_task_definition_families()["families"] == ["old", "web"]
    assert ecs.list_task_definition_families(status="ACTIVE")["families"] == ["web"]
    assert ecs.list_task_definition_families(status="INACTIVE")["families"] == ["old"]


def test_what_a_container_reserves_does_not_bound_it(ecs):
    ecs.create_cluster()
    soft = {**WEB, "memoryReservation": 64}
    hard = {**soft, "name": "hard", "memory": 128}
    ecs.register_task_definition(family="web", networkMode="awsvpc", containerDefinitions=[soft, hard])
    definition = next(ecs.store.snapshot().every(TaskDefinition))
    cluster = next(ecs.store.snapshot().every(Cluster))
    with ecs.store.write() as tx:
        task = ask_for_task(tx, ecs.entropy, at=1.0, cluster=cluster, definition=definition, launch_type="EC2")
    assert (task.memory, needs_of(definition, "g").memory) == ("128", 128)
    assert [each.memory_bytes for each in plans(task, definition).values()] == [1 << 40, 128 << 20]


WAITS = {"dependsOn": [{"containerName": "other", "condition": "HEALTHY"}]}
ORDINARY = pytest.mark.skipif(several_users(), reason="root has users to give")
WRONG = [
    ({"containerDefinitions": []}, "Container list cannot be empty."),
    ({"containerDefinitions": [{"image": "nginx"}]}, "Container.name should not be null or empty."),
    ({"cpu": "256", "memory": "4096"}, "No Fargate configuration exists for given values: 256 CPU, 4096 memory. See the "
     "Amazon ECS documentation for the valid values."),
    ({"cpu": "256", "memory": "1536"}, "No Fargate configuration exists for given values: 256 CPU, 1536 memory. See the "
     "Amazon ECS documentation for the valid values."),
    ({"cpu": "much"}, "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon "
     "ECS Developer Guide."),
    ({"containerDefinitions": [{**WEB, "cpu": 200}, {**WEB, "name": "other", "cpu": 57}]},
     "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."),
    ({"containerDefinitions": [{**WEB, "memory": 513}]},
     "The 'memory' setting for container 'web' is greater than for the task."),
    ({"executionRoleArn": "x", "containerDefinitions": [{**WEB, "logConfiguration": {"logDriver": "awslogs"}}]},
     "Log driver awslogs requires options: awslogs-region, awslogs-group"),
    ({"containerDefinitions": [{**WEB, "portMappings": [{"name": "HTTP", "containerPort": 80}]}]},
     "The port mapping name HTTP is invalid."),
    ({"containerDefinitions": [{**WEB, "portMappings": [{"name": "a", "containerPort": each} for each in (80, 81)]}]},
     "Port mapping names must be unique within a task definition."),
    ({"networkMode": "bridge", "requiresCompatibilities": ["EC2"],
      "containerDefinitions": [{**WEB, "portMappings": [{"containerPort": 80, "hostPort": 65536}]}]},
     "Invalid host port 65536."),
    ({"ephemeralStorage": {"sizeInGiB": 20}}, "EphemeralStorage size should be at least 21"),
    ({"ephemeralStorage": {"sizeInGiB": 201}}, "EphemeralStorage size should be at most 200"),
    ({"volumes": [{"name": "../../home"}]}, "Volume.name contains invalid characters."),
    ({"volumes": [{}]}, "Volume.name should not be null or empty."),
    ({"containerDefinitions": [{**WEB, "secrets": [{"name": "S", "valueFrom": "s"}]}]},
     "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."),
    ({"containerDefinitions": [{**WEB, "name": f"web{number}"} for number in range(11)]}, "Too many containers."),
    ({"containerDefinitions": [{**WEB, "command": ["x" * 66_000]}]},
     "Actual length: '66175'. Max allowed length is '65536' bytes."),
    ({"networkMode": "bridge"}, "Fargate only supports network mode ‘awsvpc’."),
    ({"containerDefinitions": [{**WEB, "logConfiguration": {"logDriver": "awslogs"}}]},
     "Fargate requires task definition to have execution role ARN to support log driver awslogs."),
    ({"containerDefinitions": [{**WEB, "essential": False}]},
     "At least one essential container must be defined in the task definition."),
    ({"containerDefinitions": [{**WEB, "privileged": True}]},
     "Fargate compatible task definitions do not support privileged."),
    ({"containerDefinitions": [WEB, WEB]}, "Container names must be unique within a task definition."),
    ({"containerDefinitions": [{**WEB, **WAITS}, {**WEB, "name": "other"}]},
     "Container 'other' must have a health check for the condition HEALTHY."),
    ({"containerDefinitions": [
        {**WEB, "dependsOn": [{"containerName": "b", "condition": "START"}]},
        {"name": "b", "image": "b", "dependsOn": [{"containerName": "web", "condition": "START"}]}]},
     "There is a cycle between container dependencies."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "text"), WRONG)
def test_what_is_no_definition_is_refused_and_makes_none(ecs, given, text):
    asked = {"family": "web", "containerDefinitions": [WEB], **FARGATE, **given}
    assert ecs.refused("register_task_definition", **asked) == ("ClientException", text)
    assert ecs.list_task_definitions()["taskDefinitionArns"] == []


@pytest.mark.parametrize(
    "given",
    [
        {"volumes": [{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]},
        pytest.param({"containerDefinitions": [{**WEB, "user": "1000"}]}, marks=ORDINARY),
        {"containerDefinitions": [{**WEB, "firelensConfiguration": {"type": "fluentbit"}}]},
        {"volumes": [{"name": "v", "host": {"sourcePath": "/srv"}}], "requiresCompatibilities": ["EC2"]},
        {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}},
    ],
)
def test_what_nobody_runs_here_is_refused_by_name(ecs, given):
    code, text = ecs.refused(
        "register_task_definition", **{"family": "web", "containerDefinitions": [WEB], **FARGATE, **given}
    )
    assert code == "NotImplemented"
    assert text.startswith("Kunren's ecs has no ")


def test_a_deleted_definition_stays_as_long_as_a_task_of_it_runs(ecs):
    ecs.create_cluster(clusterName="shop")
    ecs.register_task_definition(family="web", containerDefinitions=[WEB], **FARGATE)
    task = ecs.run_task(
        cluster="shop", taskDefinition="web", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [ecs.subnet]}},
    )["tasks"][0]  # fmt: skip
    ecs.deregister_task_definition(taskDefinition="web:1")
    ecs.delete_task_definitions(taskDefinitions=["web:1"])
    shown = ecs.describe_task_definition(taskDefinition="web:1")["taskDefinition"]
    assert shown["status"] == "DELETE_IN_PROGRESS"
    assert ecs.refused("run_task", cluster="shop", taskDefinition="web:1") == (
        "ClientException",
        "TaskDefinition is inactive",
    )
    assert ecs.describe_tasks(cluster="shop", tasks=[task["taskArn"]])["tasks"][0]["lastStatus"] == "PROVISIONING"
    controller = TaskController(ecs.store, ecs.clock, None, {}, Path("tasks"))
    row = next(ecs.store.snapshot().every(Task))
    controller._delete_definition(row)
    assert ecs.describe_task_definition(taskDefinition="web:1")["taskDefinition"]["revision"] == 1
    with ecs.store.write() as tx:
        tx.put(replace(row, last_status="STOPPED"))
    controller._delete_definition(row)
    assert ecs.refused("describe_task_definition", taskDefinition="web:1")[0] == "ClientException"
