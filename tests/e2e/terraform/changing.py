"""The cases of services, fleets and deployments: what changes while it runs."""

from __future__ import annotations

import json
import platform
import zipfile
from pathlib import Path
from typing import Any

from oci import PYTHON, layer, layout, python_files
from terraforming import Case, Terraform, nothing_left, packed

ARM = platform.machine() == "aarch64"
ANSWERS = """
import os, socket
page = os.environ["PAGE"].encode()
server = socket.create_server(("", 8080))
while True:
    client, _ = server.accept()
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(page) + page)
    client.close()
"""


def services(case: Case) -> None:
    """A service on Fargate with all that stands around one; its second version is an image that is pushed to ECR."""
    configuration = case.configuration("services")

    def asked(balancer: str) -> str:
        return case.curl(f"http://{balancer}/", place="london", check=False).strip()

    made = configuration.apply()  # which waits until the service is steady
    assert asked(made["balancer"]) == "first"
    _push(case, made["registry"], configuration.folder / "image")
    changed = configuration.apply(planned=False, built="1", page="second", most="6")
    assert changed["definition"].endswith(":task-definition/web:2")
    assert asked(changed["balancer"]) == "second"
    inside = ("exec", "--subnet", made["subnet"], "--security-group", made["group"], "--")
    assert len(case.kunren.run(*inside, "dig", "+short", "web.shop.local").stdout.split()) == 2
    scaled = "{service_namespace}/{resource_id}/{scalable_dimension}"
    configuration.adopt(
        "aws_ecs_service.web", "aws_ecs_task_definition.web", "aws_ecr_repository.web", "aws_service_discovery_service.web",
        "aws_appautoscaling_target.web", "aws_appautoscaling_policy.cpu", "aws_appautoscaling_policy.steps",
        aws_ecs_service="shop/web", aws_ecs_task_definition="{arn}", aws_appautoscaling_target=scaled,
        aws_appautoscaling_policy=f"{scaled}/{{name}}",
    )  # fmt: skip
    configuration.destroy()
    assert case.client("ecs").list_clusters()["clusterArns"] == []
    assert case.client("ecr").describe_repositories()["repositories"] == []
    assert case.client("servicediscovery").list_namespaces()["Namespaces"] == []
    scalable = case.client("application-autoscaling")
    assert scalable.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"] == []
    assert case.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert nothing_left(case)


def _push(case: Case, repository: str, folder: Path) -> None:
    """By skopeo, as the tag 1, with the password that the AWS CLI prints."""
    layout(folder, layer({"app.py": ANSWERS}, files=python_files()), Cmd=[PYTHON, "/app.py"])
    registry, credentials = repository.partition("/")[0], f"--authfile {folder}/auth.json"
    login = f"aws ecr get-login-password | skopeo login {credentials} -u AWS --password-stdin {registry}"
    copy = f"skopeo --insecure-policy copy {credentials} oci:{folder} docker://{repository}:1"
    who = ("env", f"AWS_ACCESS_KEY_ID={case.account}", "AWS_REGION=us-east-1")
    case.kunren.exec(*who, "sh", "-c", f"{login} && {copy}")


def fleet(case: Case) -> None:
    """A cluster on a group of instances, by a capacity provider and without; what is changed replaces them."""
    configuration, api = case.configuration("fleet", arm=json.dumps(ARM)), case.client("autoscaling")

    def pages(balancer: str) -> list[str]:
        urls = [f"http://{balancer}/{query}" for query in ("", "?to=direct")]
        return case.curl("--fail", *urls, place="london", check=False).splitlines()

    def refreshes(group: str) -> list[str]:
        found = api.describe_instance_refreshes(AutoScalingGroupName=group)["InstanceRefreshes"]
        return [each["Status"] for each in found]

    made = configuration.apply()
    case.until(lambda: pages(made["balancer"]) == ["provided first", "direct first"], "both services", 60)
    assert refreshes(made["group"]) == []
    configuration.apply(planned=False, page="second", tier="two", target="60")
    case.until(lambda: refreshes(made["group"]) == ["Successful"], "instances of the changed template", 90)
    case.until(lambda: pages(made["balancer"]) == ["provided second", "direct second"], "the changed services", 60)
    configuration.adopt(
        "aws_autoscaling_group.fleet", "aws_launch_template.fleet", "aws_autoscaling_policy.cpu",
        "aws_autoscaling_policy.steps", "aws_autoscaling_lifecycle_hook.leave", "aws_ecs_capacity_provider.fleet",
        "aws_ecs_cluster_capacity_providers.main", "aws_ecs_service.provided",
        aws_autoscaling_policy="{autoscaling_group_name}/{name}", aws_ecs_capacity_provider="{name}",
        aws_autoscaling_lifecycle_hook="{autoscaling_group_name}/{name}", aws_ecs_service="fleet/provided",
    )  # fmt: skip
    configuration.destroy()
    assert api.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert case.client("ecs").list_clusters()["clusterArns"] == []
    ec2 = case.client("ec2")
    shown = [each for one in ec2.describe_instances()["Reservations"] for each in one["Instances"]]
    assert {each["State"]["Name"] for each in shown} <= {"terminated"}
    assert ec2.describe_launch_templates()["LaunchTemplates"] == ec2.describe_volumes()["Volumes"] == []
    assert case.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert nothing_left(case)


SAYS = "def handler(event, context):\n    return {!r}\n"
APPSPEC = """version: 0.0
os: linux
files:
  - source: /index.html
    destination: /srv/www
hooks:
  ApplicationStart:
    - location: start.sh
"""
START = "#!/bin/sh\ncd /srv/www; python3 -m http.server 80 > /dev/null 2>&1 < /dev/null &\n"


def deploys(case: Case) -> None:
    """CodeDeploy's three platforms: Terraform makes them, deployments change what runs, and no plan undoes it."""
    kind, bucket = "t4g.micro" if ARM else "t3.micro", f"revisions-{case.account}"
    configuration = case.configuration("deploys", instance_type=kind, bucket=bucket)
    packed(configuration, "app.zip", "app.py", SAYS.format("first"))
    with zipfile.ZipFile(configuration.folder / "revision.zip", "w") as opened:
        for name, text in {"appspec.yml": APPSPEC, "start.sh": START, "index.html": "deployed"}.items():
            opened.writestr(name, text)
    api, functions = case.client("codedeploy"), case.client("lambda")

    def invoked() -> str:
        return str(json.load(functions.invoke(FunctionName="shop", Qualifier="live")["Payload"]))

    def asked(name: str) -> str:
        return case.curl(f"http://{name}/", place="london", check=False).strip()

    made = configuration.apply()
    case.until(lambda: asked(made["balancer"]) == "first", "the service", 60)
    assert invoked() == "first"

    packed(configuration, "app.zip", "app.py", SAYS.format("second"))
    made = configuration.apply(planned=False, share="60", page="second")
    assert invoked() == asked(made["balancer"]) == "first"  # nothing is deployed yet
    versions = {"Name": "shop", "Alias": "live", "CurrentVersion": "1", "TargetVersion": "2"}
    definition = {
        "TaskDefinition": made["definition"],
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
    }
    begun = [
        _deploy(api, "functions", "live", _written("AWS::Lambda::Function", versions)),
        _deploy(api, "services", "web", _written("AWS::ECS::Service", definition)),
        _deploy(api, "servers", "web", {
            "revisionType": "S3", "s3Location": {"bucket": bucket, "key": "web.zip", "bundleType": "zip"},
        }),
    ]  # fmt: skip
    for each in begun:
        api.get_waiter("deployment_successful").wait(deploymentId=each)
    assert (invoked(), asked(made["balancer"]), asked(made["server"])) == ("second", "second", "deployed")
    _adopted(configuration)
    configuration.destroy()
    assert api.list_applications()["applications"] == []
    assert [each for each in api.list_deployment_configs()["deploymentConfigsList"] if "Default." not in each] == []
    assert case.client("ecs").list_clusters()["clusterArns"] == case.client("s3").list_buckets()["Buckets"] == []
    assert nothing_left(case)


def _deploy(api: Any, application: str, group: str, revision: dict[str, Any]) -> str:
    asked = {"applicationName": application, "deploymentGroupName": group, "revision": revision}
    return str(api.create_deployment(**asked)["deploymentId"])


def _written(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A revision that is an AppSpec file alone."""
    document = {"version": 0.0, "Resources": [{"one": {"Type": kind, "Properties": properties}}]}
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(document)}}


def _adopted(configuration: Terraform) -> None:
    configuration.adopt(
        "aws_codedeploy_app.functions", "aws_codedeploy_app.servers", "aws_codedeploy_deployment_config.half",
        "aws_codedeploy_deployment_config.zonal", "aws_codedeploy_deployment_group.functions",
        "aws_codedeploy_deployment_group.services", "aws_codedeploy_deployment_group.servers",
        aws_codedeploy_app="{name}", aws_codedeploy_deployment_group="{app_name}:{deployment_group_name}",
    )  # fmt: skip
