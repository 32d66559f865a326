"""A service of ECS behind a load balancer, for drills that change it: two versions, two target groups, one rule."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import boto3

from kunren.drills.shipped.parts import PATIENCE, Site

PROGRAM = Path(__file__).with_name("web.py")
IMAGE = "public.ecr.aws/docker/library/python:3"
STEADY_S = 120


class EcsSite:
    """`create` gives what a drill needs: `name` (DNS), `cluster`, `service`, and the ARNs of `good` and `bad`."""

    def __init__(self, name: str) -> None:
        self.name, self.site = name, Site(name)
        self.ecs = boto3.client("ecs", region_name=self.site.region)

    def create(
        self,
        count: int,
        delay_s: int = 60,
        shifts: bool = False,
        good: dict[str, str] | None = None,
        bad: dict[str, str] | None = None,
        bad_program: str = "",
        **service: Any,
    ) -> dict[str, Any]:
        made = self.site.create(zones=0, delay_s=delay_s)
        other = self.site.target_group(f"{self.name}-2", made["vpc"], [], delay_s)
        rule = self._rule(made, other)
        self.site.wait()
        self.ecs.create_cluster(clusterName=self.name)
        first = self.version("one", good or {})
        second = self.version("two", {**(good or {}), **(bad or {})}, bad_program)
        behind = {"targetGroupArn": made["group"], "containerName": "web", "containerPort": 80}
        if shifts:
            behind["advancedConfiguration"] = {
                "alternateTargetGroupArn": other, "productionListenerRule": rule,
                "roleArn": "arn:aws:iam::000000000000:role/ecsInfrastructureRole",
            }  # fmt: skip
        network = {
            "subnets": made["subnets"], "securityGroups": [made["security_group"]], "assignPublicIp": "ENABLED",
        }  # fmt: skip
        self.ecs.create_service(
            cluster=self.name, serviceName="web", taskDefinition=first, desiredCount=count, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network}, loadBalancers=[behind], **service,
        )  # fmt: skip
        self.wait()
        balancer = made["balancer"].partition(":loadbalancer/")[2]
        groups = [each.rpartition(":")[2] for each in (made["group"], other)]
        return {
            "name": made["name"], "cluster": self.name, "service": "web", "good": first, "bad": second,
            "balancer": balancer, "groups": groups,
        }  # fmt: skip

    def version(self, version: str, environment: dict[str, str], program: str = "") -> str:
        """A task definition that runs the program; its ARN."""
        told = {"VERSION": version, **environment}
        return str(
            self.ecs.register_task_definition(
                family=self.name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
                containerDefinitions=[
                    {
                        "name": "web", "image": IMAGE, "command": ["python3", "-c", program or PROGRAM.read_text()],
                        "portMappings": [{"containerPort": 80}], "stopTimeout": 30,
                        "environment": [{"name": name, "value": value} for name, value in told.items()],
                    }
                ],
            )["taskDefinition"]["taskDefinitionArn"]
        )  # fmt: skip

    def _rule(self, made: dict[str, Any], other: str) -> str:
        groups = [{"TargetGroupArn": made["group"], "Weight": 100}, {"TargetGroupArn": other, "Weight": 0}]
        return str(
            self.site.elb.create_rule(
                ListenerArn=made["listener"], Priority=10,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}],
                Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
            )["Rules"][0]["RuleArn"]
        )  # fmt: skip

    def wait(self) -> None:
        """Until the service's deployment is complete."""
        waiter = self.ecs.get_waiter("services_stable")
        waiter.wait(cluster=self.name, services=["web"], WaiterConfig=PATIENCE)
        ending = time.monotonic() + STEADY_S
        while self._state() != "COMPLETED":
            if time.monotonic() > ending:
                raise TimeoutError("the service's first deployment is not complete")
            time.sleep(0.1)

    def _state(self) -> str:
        shown = self.ecs.describe_services(cluster=self.name, services=["web"])["services"][0]
        return str(shown["deployments"][0]["rolloutState"])

    def remove(self) -> None:
        """All that carries its name."""
        clusters = self.ecs.describe_clusters(clusters=[self.name])["clusters"]
        if clusters and clusters[0]["status"] == "ACTIVE":
            shown = self.ecs.describe_services(cluster=self.name, services=["web"])["services"]
            if shown and shown[0]["status"] == "ACTIVE":
                self.ecs.delete_service(cluster=self.name, service="web", force=True)
            if shown:
                waiter = self.ecs.get_waiter("services_inactive")
                waiter.wait(cluster=self.name, services=["web"], WaiterConfig=PATIENCE)
            self.ecs.delete_cluster(cluster=self.name)
        for arn in self.ecs.list_task_definitions(familyPrefix=self.name)["taskDefinitionArns"]:
            self.ecs.deregister_task_definition(taskDefinition=arn)
        self.site.remove()
