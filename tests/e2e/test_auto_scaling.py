"""Auto Scaling groups as their users have them: real instances behind a load balancer, replaced when they fail."""

import base64

import pytest
from botocore.exceptions import ClientError

SERVER = """#!/bin/sh
mkdir -p /srv/www; hostname > /srv/www/index.html; cd /srv/www
python3 -m http.server 80 > /dev/null 2>&1 &
echo $! > /run/web
"""


class Scaling:
    """One account's group behind a load balancer in two zones."""

    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.ec2, self.elb = kunren.client("ec2", account), kunren.client("elbv2", account)
        self.api = kunren.client("autoscaling", account)
        images = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        kind = "t3.micro" if images["Images"][0]["Architecture"] == "x86_64" else "t4g.micro"
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:2]
        self.subnets = [each["SubnetId"] for each in subnets]
        self.zones = [each["AvailabilityZone"] for each in subnets]
        group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        data = {"ImageId": images["Images"][0]["ImageId"], "InstanceType": kind, "SecurityGroupIds": [group],
                "UserData": base64.b64encode(SERVER.encode()).decode()}  # fmt: skip
        self.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
        self.targets = self.elb.create_target_group(
            Name="web", Protocol="HTTP", Port=80, VpcId=self.vpc, HealthCheckIntervalSeconds=25,
            HealthCheckTimeoutSeconds=24, HealthyThresholdCount=2, UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        self.elb.modify_target_group_attributes(
            TargetGroupArn=self.targets,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}],
        )
        balancer = self.elb.create_load_balancer(Name="web", Subnets=self.subnets, SecurityGroups=[group])
        self.balancer = balancer["LoadBalancers"][0]
        forward = [{"Type": "forward", "TargetGroupArn": self.targets}]
        self.elb.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"], Port=80, Protocol="HTTP", DefaultActions=forward
        )

    def group(self):
        return self.api.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"][0]

    def members(self, state="InService"):
        return sorted(each["InstanceId"] for each in self.group()["Instances"] if each["LifecycleState"] == state)

    def healthy(self):
        shown = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return sorted(each["Target"]["Id"] for each in shown if each["TargetHealth"]["State"] == "healthy")

    def steady(self, count):
        """So many in service and all of them healthy targets, nobody else in the group."""
        held = self.members()
        return len(held) == count == len(self.group()["Instances"]) and self.healthy() == held and held

    def pages(self):
        done = self.kunren.exec(
            "sh", "-c", f"for i in 1 2 3 4 5 6; do curl -sS -m 3 http://{self.balancer['DNSName']}/; done", check=False
        )
        return set(done.stdout.split())


@pytest.fixture
def scaling(kunren, account, until):
    made = Scaling(kunren, account, until)
    yield made
    made.elb.delete_load_balancer(LoadBalancerArn=made.balancer["LoadBalancerArn"])


def test_a_group_keeps_its_number_its_health_and_its_zones(scaling, until):
    api = scaling.api
    api.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=1, MaxSize=4, DesiredCapacity=2, HealthCheckType="ELB",
        HealthCheckGracePeriod=100, VPCZoneIdentifier=",".join(scaling.subnets), TargetGroupARNs=[scaling.targets],
        LaunchTemplate={"LaunchTemplateName": "web", "Version": "$Latest"},
        Tags=[{"Key": "Name", "Value": "web", "PropagateAtLaunch": True}],
        LifecycleHookSpecificationList=[{
            "LifecycleHookName": "leave", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "HeartbeatTimeout": 7200,
        }],
    )  # fmt: skip
    first = until(lambda: scaling.steady(2), "two in service", 60)
    assert sorted(each["AvailabilityZone"] for each in scaling.group()["Instances"]) == scaling.zones
    until(lambda: len(scaling.pages()) == 2, "both answer")
    shown = scaling.ec2.describe_instances(InstanceIds=first)["Reservations"][0]["Instances"][0]
    tags = {each["Key"]: each["Value"] for each in shown["Tags"]}
    assert (tags["Name"], tags["aws:autoscaling:groupName"]) == ("web", "web")

    # one that ends by itself is replaced at once, without the hook: it is gone already
    scaling.kunren.run("ssh", first[0], "--", "poweroff")
    second = until(lambda: (held := scaling.steady(2)) and first[0] not in held and held, "a replacement", 60)
    # one whose server is dead fails the load balancer's checks, and waits for the hook before it goes
    scaling.kunren.run("ssh", first[1], "--", "sh", "-c", "kill $(cat /run/web)")
    until(lambda: scaling.members("Terminating:Wait") == [first[1]], "the hook that waits", 90)
    assert (
        scaling.ec2.describe_instances(InstanceIds=[first[1]])["Reservations"][0]["Instances"][0]["State"]["Name"]
        == "running"
    )
    api.complete_lifecycle_action(
        AutoScalingGroupName="web", LifecycleHookName="leave", InstanceId=first[1], LifecycleActionResult="CONTINUE"
    )
    third = until(lambda: (held := scaling.steady(2)) and first[1] not in held and held, "another", 60)
    assert set(second) & set(third)

    with pytest.raises(ClientError, match="above max value 4"):
        api.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=5)
    api.delete_lifecycle_hook(AutoScalingGroupName="web", LifecycleHookName="leave")
    api.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=1)
    until(lambda: scaling.steady(1), "one left", 60)
    done = api.describe_scaling_activities(AutoScalingGroupName="web")["Activities"]
    assert {each["StatusCode"] for each in done} == {"Successful"}
    assert sum("Launching" in each["Description"] for each in done) == 4
    with pytest.raises(ClientError, match="still in the group"):
        api.delete_auto_scaling_group(AutoScalingGroupName="web")
    api.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    until(lambda: api.describe_auto_scaling_groups()["AutoScalingGroups"] == [], "the group gone", 60)
    left = scaling.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running", "pending"]}])
    assert left["Reservations"] == []
