"""CodeDeploy as its users have it: instances on which an agent installs, in place or on a copied fleet."""

import base64
import io
import zipfile

import pytest

ROLE = "arn:aws:iam::000000000000:role/deployer"
USER_DATA = """#!/bin/bash
cd /home/ec2-user
wget -q https://aws-codedeploy-us-east-1.s3.us-east-1.amazonaws.com/latest/install
chmod +x ./install
./install auto
service codedeploy-agent status
"""
APPSPEC = """version: 0.0
os: linux
files:
  - source: /www
    destination: /srv/www
permissions:
  - object: /srv/www
    pattern: "*.html"
    mode: 640
    type: [file]
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
      timeout: 60
  AfterInstall:
    - location: scripts/note.sh
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 60
      runas: root
  ValidateService:
    - location: scripts/check.sh
"""
SCRIPTS = {
    "stop.sh": 'kill "$(cat /run/web.pid)"',
    "note.sh": 'echo "$APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $LIFECYCLE_EVENT $DEPLOYMENT_ID" > /srv/www/note.txt',
    "start.sh": "cd /srv/www; python3 -m http.server 80 > /dev/null 2>&1 < /dev/null & echo $! > /run/web.pid",
    "check.sh": "for i in $(seq 100); do curl -sf localhost/ && exit 0; sleep 0.1; done; exit 1",
}


class Fleet:
    """Instances of one account that the agent runs on, tagged for one deployment group, and a bucket of revisions."""

    def __init__(self, kunren, account, until, tmp_path):
        self.kunren, self.account, self.until, self.folder = kunren, account, until, tmp_path
        self.ec2, self.api = kunren.client("ec2", account), kunren.client("codedeploy", account)
        self.bucket = f"revisions-{account}"
        kunren.client("s3", account).create_bucket(Bucket=self.bucket)
        iam = kunren.client("iam", account)
        iam.create_role(RoleName="web", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="web")
        iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.vpc = vpc
        self.security_group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.security_group, IpPermissions=[rule])
        self.subnets = [
            each["SubnetId"]
            for each in sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        ][:2]
        self.api.create_application(applicationName="web")

    def data(self):
        """What instances are launched with."""
        image = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        image = image["Images"][0]
        return {
            "ImageId": image["ImageId"], "SecurityGroupIds": [self.security_group],
            "InstanceType": "t3.micro" if image["Architecture"] == "x86_64" else "t4g.micro",
            "IamInstanceProfile": {"Name": "web"},
        }  # fmt: skip

    def launch(self, count):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}]
        made = self.ec2.run_instances(
            MinCount=count, MaxCount=count, SubnetId=self.subnets[0], UserData=USER_DATA, TagSpecifications=tags,
            **self.data(),
        )  # fmt: skip
        return [each["InstanceId"] for each in made["Instances"]]

    def group(self, filters=({"Key": "Name", "Value": "web", "Type": "KEY_AND_VALUE"},), **settings):
        self.api.create_deployment_group(
            applicationName="web", deploymentGroupName="fleet", serviceRoleArn=ROLE, ec2TagFilters=list(filters),
            **settings,
        )  # fmt: skip

    def push(self, name, page, **scripts):
        """A revision in S3."""
        files = {"appspec.yml": APPSPEC, "www/index.html": page}
        for script, text in {**SCRIPTS, **{f"{key}.sh": value for key, value in scripts.items()}}.items():
            files[f"scripts/{script}"] = f"#!/bin/sh\n{text}\n"
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        self.kunren.client("s3", self.account).put_object(Bucket=self.bucket, Key=f"{name}.zip", Body=out.getvalue())
        return self.revision(name)

    def push_by_cli(self, name, page):
        """The same as the AWS CLI does it, from a folder."""
        self.push(name, page)
        packed = self.kunren.client("s3", self.account).get_object(Bucket=self.bucket, Key=f"{name}.zip")["Body"].read()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(self.folder / name)
        self.kunren.exec(
            "env", f"AWS_ACCESS_KEY_ID={self.account}", "AWS_REGION=us-east-1", "aws", "deploy", "push",
            "--application-name", "web", "--s3-location", f"s3://{self.bucket}/{name}.zip", "--source",
            str(self.folder / name),
        )  # fmt: skip
        return self.revision(name)

    def revision(self, name):
        place = {"bucket": self.bucket, "key": f"{name}.zip", "bundleType": "zip"}
        return {"revisionType": "S3", "s3Location": place}

    def deploy(self, revision, **more):
        return self.api.create_deployment(
            applicationName="web", deploymentGroupName="fleet", revision=revision, **more
        )["deploymentId"]  # fmt: skip

    def ended(self, id):
        def ended():
            info = self.api.get_deployment(deploymentId=id)["deploymentInfo"]
            return info if info["status"] in ("Succeeded", "Failed", "Stopped") else None

        return self.until(ended, lambda: f"the end of {self.targets(id)}", 90)

    def targets(self, id):
        ids = self.api.list_deployment_targets(deploymentId=id)["targetIds"]
        found = self.api.batch_get_deployment_targets(deploymentId=id, targetIds=ids)["deploymentTargets"]
        return {each["instanceTarget"]["targetId"]: each["instanceTarget"] for each in found}

    def pages(self, *places):
        """What is at each of these, INSTANCE or INSTANCE/PATH, one behind the other."""
        shown = self.ec2.describe_instances(InstanceIds=[each.partition("/")[0] for each in places])
        addresses = {
            each["InstanceId"]: each["PublicIpAddress"] for one in shown["Reservations"] for each in one["Instances"]
        }
        urls = [f"http://{addresses[id]}/{path}" for id, _, path in (each.partition("/") for each in places)]
        return self.kunren.exec("curl", "-sS", "-m", "3", *urls).stdout


def names(target):
    return [each["lifecycleEventName"] for each in target["lifecycleEvents"]]


class Balancer:
    """A load balancer in front of a fleet, once its targets are healthy."""

    def __init__(self, fleet, ids, elb):
        self.fleet, self.elb = fleet, elb
        self.targets = targets = elb.create_target_group(
            Name="fleet", Protocol="HTTP", Port=80, VpcId=fleet.vpc, HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=9, HealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": "10"}
        elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=[attribute])
        if ids:
            elb.register_targets(TargetGroupArn=targets, Targets=[{"Id": each} for each in ids])
        made = elb.create_load_balancer(Name="fleet", Subnets=fleet.subnets, SecurityGroups=[fleet.security_group])
        self.arn, self.name = (made["LoadBalancers"][0][each] for each in ("LoadBalancerArn", "DNSName"))
        forward = [{"Type": "forward", "TargetGroupArn": targets}]
        elb.create_listener(LoadBalancerArn=self.arn, Port=80, Protocol="HTTP", DefaultActions=forward)

        fleet.until(lambda: self.states() == dict.fromkeys(ids, "healthy"), "healthy targets")

    def states(self):
        shown = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in shown}

    def ids(self):
        return set(self.states())

    def page(self):
        return self.fleet.kunren.exec("curl", "-sS", "-m", "3", f"http://{self.name}/").stdout

    def load(self):
        """A client that asks until the file `done` is there."""
        ask = f"curl -sS -m 3 http://{self.name}/ || echo lost"
        loop = f"while [ ! -e {self.fleet.folder}/done ]; do {ask}; sleep 0.02; done"
        return self.fleet.kunren.popen("--", "sh", "-c", loop, stdout=-1)

    def remove(self):
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)


@pytest.fixture
def fleet(kunren, account, until, tmp_path):
    made = Fleet(kunren, account, until, tmp_path)
    yield made
    ids = [
        each["InstanceId"]
        for reservation in made.ec2.describe_instances()["Reservations"]
        for each in reservation["Instances"]
    ]
    made.ec2.terminate_instances(InstanceIds=ids)


def test_agents_install_what_the_load_balancer_never_misses(fleet, kunren, account):
    ids = sorted(fleet.launch(2))
    fleet.group(deploymentConfigName="CodeDeployDefault.AllAtOnce")
    first = fleet.deploy(fleet.push_by_cli("one", "one\n"))
    info = fleet.ended(first)
    assert (info["status"], info["deploymentOverview"]["Succeeded"]) == ("Succeeded", 2), fleet.targets(first)
    assert fleet.pages(*ids, f"{ids[0]}/note.txt") == f"one\none\nweb fleet AfterInstall {first}\n"
    installing = [
        "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall", "ApplicationStart",
        "ValidateService",
    ]  # fmt: skip
    assert names(fleet.targets(first)[ids[0]]) == installing

    balancer = Balancer(fleet, ids, kunren.client("elbv2", account))
    fleet.api.update_deployment_group(
        applicationName="web", currentDeploymentGroupName="fleet", deploymentConfigName="CodeDeployDefault.OneAtATime",
        deploymentStyle={"deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        loadBalancerInfo={"targetGroupInfoList": [{"name": "fleet"}]},
        autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]},
    )  # fmt: skip
    with balancer.load() as load:
        id = fleet.deploy(fleet.push("two", "two\n"))
        info = fleet.ended(id)
        (fleet.folder / "done").touch()
        answers = load.communicate(timeout=30)[0].split()
    balancer.remove()
    targets = fleet.targets(id)
    assert info["status"] == "Succeeded", targets
    assert set(answers) == {"one", "two"}
    out, back = ("BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic"), (
        "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic",
    )  # fmt: skip
    assert names(targets[ids[0]]) == [*out, *installing, *back]
    earlier, later = sorted(targets.values(), key=lambda each: each["lifecycleEvents"][0]["startTime"])
    assert earlier["lifecycleEvents"][-1]["endTime"] <= later["lifecycleEvents"][0]["startTime"]

    fleet.api.update_deployment_group(
        applicationName="web", currentDeploymentGroupName="fleet",
        deploymentStyle={"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"},
    )  # fmt: skip
    bad = fleet.deploy(fleet.push("three", "three\n", check="echo it is broken; exit 3"))
    info = fleet.ended(bad)
    assert (info["status"], info["errorInformation"]["code"]) == ("Failed", "HEALTH_CONSTRAINTS")
    targets = fleet.targets(bad)
    assert [targets[each]["status"] for each in ids] == ["Failed", "Skipped"]
    failed = targets[ids[0]]["lifecycleEvents"][-1]["diagnostics"]
    assert (failed["errorCode"], failed["scriptName"]) == ("ScriptFailed", "scripts/check.sh")
    assert failed["message"] == "Script at specified location: scripts/check.sh failed with exit code 3"
    assert "[stdout]it is broken" in failed["logTail"]
    assert fleet.ended(info["rollbackInfo"]["rollbackDeploymentId"])["status"] == "Succeeded"
    assert fleet.pages(*ids) == "two\ntwo\n"


def test_a_fleet_is_copied_waits_for_its_traffic_and_replaces_the_first(fleet, kunren, account, until):
    scaling = kunren.client("autoscaling", account)
    balancer = Balancer(fleet, [], kunren.client("elbv2", account))
    data = {**fleet.data(), "UserData": base64.b64encode(USER_DATA.encode()).decode()}
    fleet.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=1, MaxSize=2, LaunchTemplate={"LaunchTemplateName": "web"},
        VPCZoneIdentifier=fleet.subnets[0], TargetGroupARNs=[balancer.targets],
    )  # fmt: skip

    def serving(group):
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
        members = found[0]["Instances"] if found else ()
        return [each["InstanceId"] for each in members if each["LifecycleState"] == "InService"]

    (old,) = until(lambda: serving("web"), "the first instance in service", 60)
    fleet.group(
        filters=[], autoScalingGroups=["web"], deploymentConfigName="CodeDeployDefault.AllAtOnce",
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        loadBalancerInfo={"targetGroupInfoList": [{"name": "fleet"}]},
        blueGreenDeploymentConfiguration={
            "greenFleetProvisioningOption": {"action": "COPY_AUTO_SCALING_GROUP"},
            "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 1000},
            "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 0},
        },
    )  # fmt: skip
    id = fleet.deploy(fleet.push("one", "one\n"))
    until(lambda: fleet.api.get_deployment(deploymentId=id)["deploymentInfo"]["status"] == "Ready", "ready", 90)
    copied = f"CodeDeploy_fleet_{id}"
    (new,) = serving(copied)
    assert {each: (shown["instanceLabel"], shown["status"]) for each, shown in fleet.targets(id).items()} == {
        old: ("Blue", "Pending"), new: ("Green", "Ready"),
    }  # fmt: skip
    assert balancer.ids() == {old}
    fleet.api.continue_deployment(deploymentId=id, deploymentWaitType="READY_WAIT")
    assert fleet.ended(id)["status"] == "Succeeded", fleet.targets(id)
    assert balancer.ids() == {new}
    assert balancer.page() == "one\n"
    assert not serving("web")
    shown = fleet.api.get_deployment_group(applicationName="web", deploymentGroupName="fleet")["deploymentGroupInfo"]
    assert [each["name"] for each in shown["autoScalingGroups"]] == [copied]
    hook = shown["autoScalingGroups"][0]["hook"]

    def hooks():
        return scaling.describe_lifecycle_hooks(AutoScalingGroupName=copied)["LifecycleHooks"]

    until(lambda: [each["LifecycleHookName"] for each in hooks()] == [hook], "CodeDeploy's hook")
    scaling.set_desired_capacity(AutoScalingGroupName=copied, DesiredCapacity=2)
    until(lambda: len(serving(copied)) == 2, "one more in service", 90)
    (more,) = set(serving(copied)) - {new}
    assert fleet.pages(more) == "one\n"  # from the moment that it was
    made = fleet.api.list_deployments(applicationName="web", deploymentGroupName="fleet")["deployments"]
    assert fleet.api.get_deployment(deploymentId=made[0])["deploymentInfo"]["creator"] == "autoscaling"
    balancer.remove()
    scaling.delete_auto_scaling_group(AutoScalingGroupName=copied, ForceDelete=True)
