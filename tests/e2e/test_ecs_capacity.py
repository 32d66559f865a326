"""Capacity providers as their users have them: tasks without room make a group grow; one that shrinks drains first."""

import base64
import json
import platform

import pytest
from botocore.exceptions import ClientError

USER_DATA = "#!/bin/bash\necho ECS_CLUSTER=fleet >> /etc/ecs/ecs.config\n"
NONE = {"cluster": "fleet", "capacityProviders": [], "defaultCapacityProviderStrategy": []}


class Fleet:
    """A cluster, the role of its instances, and a group that is empty."""

    def __init__(self, kunren, account, until):
        self.until = until
        self.ec2, self.ecs, self.api, iam, ssm = (
            kunren.client(each, account) for each in ("ec2", "ecs", "autoscaling", "iam", "ssm")
        )
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                                "Action": "sts:AssumeRole"}]}  # fmt: skip
        iam.create_role(RoleName="fleet", AssumeRolePolicyDocument=json.dumps(trust))
        iam.create_instance_profile(InstanceProfileName="fleet")
        iam.add_role_to_instance_profile(InstanceProfileName="fleet", RoleName="fleet")
        self.ecs.create_cluster(clusterName="fleet")
        machine = "" if platform.machine() == "x86_64" else "/arm64"
        path = f"/aws/service/ecs/optimized-ami/amazon-linux-2023{machine}/recommended"
        data = {
            "ImageId": json.loads(ssm.get_parameter(Name=path)["Parameter"]["Value"])["image_id"],
            "InstanceType": "t4g.small" if machine else "t3.small", "IamInstanceProfile": {"Name": "fleet"},
            "UserData": base64.b64encode(USER_DATA.encode()).decode(),
        }  # fmt: skip
        self.ec2.create_launch_template(LaunchTemplateName="fleet", LaunchTemplateData=data)
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        self.subnet = subnets[0]["SubnetId"]
        self.api.create_auto_scaling_group(
            AutoScalingGroupName="fleet", MinSize=0, MaxSize=3, VPCZoneIdentifier=self.subnet,
            LaunchTemplate={"LaunchTemplateName": "fleet", "Version": "1"},
        )  # fmt: skip
        self.arn = self.group()["AutoScalingGroupARN"]

    def group(self):
        return self.api.describe_auto_scaling_groups(AutoScalingGroupNames=["fleet"])["AutoScalingGroups"][0]

    def remove(self):
        self.api.delete_auto_scaling_group(AutoScalingGroupName="fleet", ForceDelete=True)


@pytest.fixture
def fleet(kunren, account, until):
    made = Fleet(kunren, account, until)
    yield made
    made.remove()


def test_tasks_wait_until_their_provider_has_grown_and_leave_before_it_shrinks(fleet, until):
    ecs, api = fleet.ecs, fleet.api
    with pytest.raises(ClientError, match="was not found"):
        ecs.put_cluster_capacity_providers(
            cluster="fleet", capacityProviders=["own"], defaultCapacityProviderStrategy=[]
        )
    made = ecs.create_capacity_provider(
        name="own", autoScalingGroupProvider={
            "autoScalingGroupArn": fleet.arn, "managedScaling": {"status": "ENABLED"},
        },
    )["capacityProvider"]  # fmt: skip
    assert made["autoScalingGroupProvider"]["managedDraining"] == "ENABLED"
    ecs.put_cluster_capacity_providers(
        cluster="fleet", capacityProviders=["own"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "own", "weight": 1}],
    )  # fmt: skip
    until(lambda: api.describe_policies(AutoScalingGroupName="fleet")["ScalingPolicies"], "the managed policy")
    until(lambda: api.describe_lifecycle_hooks(AutoScalingGroupName="fleet")["LifecycleHooks"], "the draining hook")

    container = {"name": "web", "image": "public.ecr.aws/docker/library/python:3", "memory": 128,
                 "command": ["sleep", "100000"], "stopTimeout": 2}  # fmt: skip
    ecs.register_task_definition(
        family="web", networkMode="host", requiresCompatibilities=["EC2"], containerDefinitions=[container]
    )
    (task,) = ecs.run_task(cluster="fleet", taskDefinition="web")["tasks"]
    assert (task["lastStatus"], task["capacityProviderName"]) == ("PROVISIONING", "own")

    def shown():
        return ecs.describe_tasks(cluster="fleet", tasks=[task["taskArn"]])["tasks"][0]

    until(lambda: shown()["lastStatus"] == "RUNNING", "the task on an instance of the grown group", 90)
    host = ecs.describe_container_instances(cluster="fleet", containerInstances=[shown()["containerInstanceArn"]])
    assert host["containerInstances"][0]["capacityProviderName"] == "own"
    used = host["containerInstances"][0]["ec2InstanceId"]
    with pytest.raises(ClientError, match="is in use and cannot be removed"):
        ecs.put_cluster_capacity_providers(**NONE)

    # the instance that is terminated drains: it goes once its task is gone
    api.terminate_instance_in_auto_scaling_group(InstanceId=used, ShouldDecrementDesiredCapacity=True)

    def draining():
        found = ecs.list_container_instances(cluster="fleet", status="DRAINING")["containerInstanceArns"]
        return found == [shown()["containerInstanceArn"]]

    until(draining, "draining", 60)
    state = {each["InstanceId"]: each["LifecycleState"] for each in fleet.group()["Instances"]}[used]
    assert state == "Terminating:Wait"
    ecs.stop_task(cluster="fleet", task=task["taskArn"])
    until(lambda: used not in [each["InstanceId"] for each in fleet.group()["Instances"]], "it gone", 60)

    with pytest.raises(ClientError, match="in use"):
        ecs.delete_capacity_provider(capacityProvider="own")
    ecs.put_cluster_capacity_providers(**NONE)
    with pytest.raises(ClientError, match="not associated with the cluster"):
        ecs.run_task(cluster="fleet", taskDefinition="web", capacityProviderStrategy=[{"capacityProvider": "own"}])
    ecs.delete_capacity_provider(capacityProvider="own")
    gone = lambda: ecs.describe_capacity_providers(capacityProviders=["own"])["capacityProviders"]  # noqa: E731
    until(lambda: gone()[0]["status"] == "INACTIVE", "deleted")
    assert api.describe_policies(AutoScalingGroupName="fleet")["ScalingPolicies"] == []
