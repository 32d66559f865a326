"""A service of ECS on container instances of one's own behind a load balancer, for drills that take instances away."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import boto3

from kunren.drills.shipped.parts import PATIENCE, Site

PROGRAM = Path(__file__).with_name("web.py")
IMAGE = "public.ecr.aws/docker/library/python:3"
WITHIN_S = 120
_ARM = platform.machine() == "aarch64"
_PARAMETER = f"/aws/service/ecs/optimized-ami/amazon-linux-2023{'/arm64' if _ARM else ''}/recommended"
_STATES = ["pending", "running", "stopping", "stopped"]


class Fleet:
    """Everything carries the name; a cluster of that name, too."""

    def __init__(self, name: str) -> None:
        self.name, self.site = name, Site(name)
        region = self.site.region
        self.ecs, self.iam = boto3.client("ecs", region_name=region), boto3.client("iam")
        self.ssm, self.ec2 = boto3.client("ssm", region_name=region), self.site.ec2

    def create(
        self, per_zone: int, tasks: int, delay_s: int, config: str = "", spot: bool = False, slow_ms: int = 0
    ) -> dict[str, Any]:
        """So many instances in each of two zones, and so many tasks on them, when all are healthy. What a drill needs:
        `name` (DNS), `cluster`, and what `Site` gives."""
        made = self.site.create(zones=0, delay_s=delay_s)
        self.ecs.create_cluster(clusterName=self.name)
        self._role("ec2", "service-role/AmazonEC2ContainerServiceforEC2Role")
        self.iam.create_instance_profile(InstanceProfileName=self.name)
        self.iam.add_role_to_instance_profile(InstanceProfileName=self.name, RoleName=f"{self.name}-ec2")
        for subnet in made["subnets"]:
            self._launch(subnet, made["security_group"], per_zone, config, spot)
        self._until(lambda: len(self.connected()) == per_zone * len(made["subnets"]), "the agents are connected")
        self.site.wait()
        self._serve(made, tasks, slow_ms)
        return {**made, "cluster": self.name, "service": "web"}

    def _launch(self, subnet: str, group: str, count: int, config: str, spot: bool) -> None:
        image = json.loads(self.ssm.get_parameter(Name=_PARAMETER)["Parameter"]["Value"])["image_id"]
        lines = f"ECS_CLUSTER={self.name}\n{config}"
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": self.name}]}]
        self.ec2.run_instances(
            ImageId=image, InstanceType="t4g.small" if _ARM else "t3.small", MinCount=count, MaxCount=count,
            SubnetId=subnet, SecurityGroupIds=[group], IamInstanceProfile={"Name": self.name}, TagSpecifications=tags,
            UserData=f"#!/bin/bash\ncat >> /etc/ecs/ecs.config <<'END'\n{lines}\nEND\n",
            **({"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}),
        )  # fmt: skip

    def _serve(self, made: dict[str, Any], count: int, slow_ms: int) -> None:
        definition = self.ecs.register_task_definition(
            family=self.name, networkMode="awsvpc", requiresCompatibilities=["EC2"], cpu="256", memory="256",
            containerDefinitions=[
                {
                    "name": "web", "image": IMAGE, "command": ["python3", "-c", PROGRAM.read_text()],
                    "portMappings": [{"containerPort": 80}], "stopTimeout": 30,
                    "environment": [{"name": "VERSION", "value": "one"}, {"name": "SLOW_MS", "value": str(slow_ms)}],
                }
            ],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
        network = {"subnets": made["subnets"], "securityGroups": [made["security_group"]]}
        behind = {"targetGroupArn": made["group"], "containerName": "web", "containerPort": 80}
        self.ecs.create_service(
            cluster=self.name, serviceName="web", taskDefinition=definition, desiredCount=count, launchType="EC2",
            networkConfiguration={"awsvpcConfiguration": network}, loadBalancers=[behind],
        )  # fmt: skip
        waiter = self.ecs.get_waiter("services_stable")
        waiter.wait(cluster=self.name, services=["web"], WaiterConfig=PATIENCE)

        def serving() -> bool:
            told = self.site.elb.describe_target_health(TargetGroupArn=made["group"])["TargetHealthDescriptions"]
            return bool(sum(each["TargetHealth"]["State"] == "healthy" for each in told) == count)

        self._until(serving, "all tasks are healthy")

    def connected(self) -> list[dict[str, Any]]:
        """The container instances whose agents are there."""
        arns = self.ecs.list_container_instances(cluster=self.name)["containerInstanceArns"]
        if not arns:
            return []
        shown = self.ecs.describe_container_instances(cluster=self.name, containerInstances=arns)
        return [each for each in shown["containerInstances"] if each["agentConnected"]]

    def role(self, service: str) -> str:
        """A role that the service takes; its ARN."""
        return self._role(service)

    def _role(self, service: str, policy: str = "") -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        name = f"{self.name}-{service}"
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if policy:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
        return str(arn)

    def _until(self, holds: Any, what: str) -> None:
        ending = time.monotonic() + WITHIN_S
        while not holds():
            if time.monotonic() > ending:
                raise TimeoutError(f"{what}: not within {WITHIN_S} s")
            time.sleep(0.1)

    # -- the way back ------------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """All that carries its name."""
        clusters = self.ecs.describe_clusters(clusters=[self.name])["clusters"]
        there = bool(clusters) and clusters[0]["status"] == "ACTIVE"
        if there and self.ecs.list_services(cluster=self.name)["serviceArns"]:
            self.ecs.delete_service(cluster=self.name, service="web", force=True)
            waiter = self.ecs.get_waiter("services_inactive")
            waiter.wait(cluster=self.name, services=["web"], WaiterConfig=PATIENCE)
        self._remove_machines()
        if there:
            self._until(lambda: not self.connected(), "the instances are deregistered")
            self.ecs.delete_cluster(cluster=self.name)
        for arn in self.ecs.list_task_definitions(familyPrefix=self.name)["taskDefinitionArns"]:
            self.ecs.deregister_task_definition(taskDefinition=arn)
        self._remove_roles()
        self.site.remove()

    def _remove_machines(self) -> None:
        filters = [{"Name": "tag:Name", "Values": [self.name]}, {"Name": "instance-state-name", "Values": _STATES}]
        found = self.ec2.describe_instances(Filters=filters)["Reservations"]
        ids = [each["InstanceId"] for reservation in found for each in reservation["Instances"]]
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
            self.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=PATIENCE)

    def _remove_roles(self) -> None:
        missing = self.iam.exceptions.NoSuchEntityException
        try:
            self.iam.remove_role_from_instance_profile(InstanceProfileName=self.name, RoleName=f"{self.name}-ec2")
            self.iam.delete_instance_profile(InstanceProfileName=self.name)
        except missing:
            pass
        for service in ("ec2", "fis"):
            name = f"{self.name}-{service}"
            try:
                for each in self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                    self.iam.detach_role_policy(RoleName=name, PolicyArn=each["PolicyArn"])
                self.iam.delete_role(RoleName=name)
            except missing:
                pass
