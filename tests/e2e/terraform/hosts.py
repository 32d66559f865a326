"""The cases of instances and of containers."""

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


def tasks(case: Case) -> None:
    """A cluster with capacity providers, and a task definition of which a change is another revision."""
    configuration, ecs = case.configuration("tasks"), case.client("ecs")

    def printed(definition: str, subnet: str) -> list[str]:
        network = {"awsvpcConfiguration": {"subnets": [subnet]}}
        asked = {"cluster": "main", "taskDefinition": definition, "networkConfiguration": network}
        task = ecs.run_task(**asked)["tasks"][0]["taskArn"]
        ecs.get_waiter("tasks_running").wait(cluster="main", tasks=[task], WaiterConfig={"Delay": 1})
        stream = f"ecs/web/{task.rpartition('/')[2]}"
        logs = case.client("logs")
        case.until(lambda: logs.get_log_events(logGroupName="/ecs/web", logStreamName=stream)["events"], "its log", 30)
        ecs.stop_task(cluster="main", task=task)
        ecs.get_waiter("tasks_stopped").wait(cluster="main", tasks=[task], WaiterConfig={"Delay": 1})
        return [
            each["message"] for each in logs.get_log_events(logGroupName="/ecs/web", logStreamName=stream)["events"]
        ]

    made = configuration.apply()
    assert printed(made["definition"], made["subnets"][0]) == ["first"]
    changed = configuration.apply(planned=False, word="second")
    assert changed["definition"].endswith(":task-definition/web:2")
    assert printed(changed["definition"], made["subnets"][0]) == ["second"]
    configuration.adopt("aws_ecs_cluster.main", "aws_ecs_task_definition.web", aws_ecs_cluster="{name}",
                        aws_ecs_task_definition="{arn}")  # fmt: skip
    configuration.destroy()
    assert ecs.list_clusters()["clusterArns"] == ecs.list_task_definitions()["taskDefinitionArns"] == []
    assert nothing_left(case)
