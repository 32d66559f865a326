"""CodeDeploy as its users have it: functions whose traffic is shifted, checked by hooks, and rolled back."""

import base64
import io
import json
import zipfile
from collections import Counter

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/deployer"
ANSWER = "def handler(event, context):\n    return {!r}\n"
HOOK = """
import boto3
def handler(event, context):
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"], status={!r},
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"])
"""


def package(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    return out.getvalue()


class Site:
    """A function `shop` with versions 1 and 2 behind the alias `live`, and an application that deploys it."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.functions, self.api = kunren.client("lambda", account), kunren.client("codedeploy", account)
        self.function("shop", ANSWER.format("one"))
        self.functions.publish_version(FunctionName="shop")
        self.functions.create_alias(FunctionName="shop", Name="live", FunctionVersion="1")
        self.publish("two")
        self.api.create_application(applicationName="shop", computePlatform="Lambda")
        self.api.create_deployment_config(
            deploymentConfigName="half", computePlatform="Lambda",
            trafficRoutingConfig={
                "type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 50, "linearInterval": 1},
            },
        )  # fmt: skip

    def function(self, name, source):
        self.functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": package(source)}
        )
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})

    def publish(self, answer):
        code = package(ANSWER.format(answer))
        return self.functions.update_function_code(FunctionName="shop", ZipFile=code, Publish=True)["Version"]

    def group(self, **settings):
        self.api.create_deployment_group(
            applicationName="shop", deploymentGroupName="live", serviceRoleArn=ROLE,
            deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}, **settings,
        )  # fmt: skip

    def revision(self, current="1", target="2", **hooks):
        properties = {"Name": "shop", "Alias": "live", "CurrentVersion": current, "TargetVersion": target}
        content = json.dumps({
            "version": 0.0, "Resources": [{"shop": {"Type": "AWS::Lambda::Function", "Properties": properties}}],
            "Hooks": [{name: function} for name, function in hooks.items()],
        })  # fmt: skip
        return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}

    def deploy(self, revision, **more):
        return self.api.create_deployment(
            applicationName="shop", deploymentGroupName="live", revision=revision, **more
        )["deploymentId"]  # fmt: skip

    def status(self, id):
        return self.api.get_deployment(deploymentId=id)["deploymentInfo"]["status"]

    def ended(self, id):
        self.until(lambda: self.status(id) in ("Succeeded", "Failed", "Stopped"), "the deployment's end", 90)
        return self.api.get_deployment(deploymentId=id)["deploymentInfo"]

    def asked(self, count=20, qualifier="live"):
        """Who answered so many invocations of the alias, or of a version."""
        return Counter(
            json.load(self.functions.invoke(FunctionName="shop", Qualifier=qualifier)["Payload"]) for _ in range(count)
        )

    def alias(self):
        found = self.functions.get_alias(FunctionName="shop", Name="live")
        return found["FunctionVersion"], (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}

    def events(self, id):
        found = self.api.get_deployment_target(deploymentId=id, targetId="shop")["deploymentTarget"]["lambdaTarget"]
        return {each["lifecycleEventName"]: each["status"] for each in found["lifecycleEvents"]}

    def listener(self):
        """A queue that topic and rule fill; what gives the messages so far."""
        sqs = self.kunren.client("sqs", self.account)
        url = sqs.create_queue(QueueName="told")["QueueUrl"]
        heard = []

        def told():
            for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages") or ():
                heard.append(json.loads(each["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
            return heard

        return f"arn:aws:sqs:us-east-1:{self.account}:told", told


@pytest.fixture
def site(kunren, account, until):
    return Site(kunren, account, until)


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_traffic_goes_to_both_versions_and_then_to_the_new_one_alone(site, kunren, account, until):
    queue, told = site.listener()
    rules, sns = kunren.client("events", account), kunren.client("sns", account)
    rules.put_rule(Name="deployments", EventPattern=json.dumps({"source": ["aws.codedeploy"]}))
    rules.put_targets(Rule="deployments", Targets=[{"Id": "queue", "Arn": queue}])
    topic = sns.create_topic(Name="deployments")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    site.function("check", HOOK.format("Succeeded"))
    trigger = {"triggerName": "ended", "triggerTargetArn": topic, "triggerEvents": ["DeploymentSuccess"]}
    site.group(deploymentConfigName="half", triggerConfigurations=[trigger])
    assert site.asked(5) == {"one": 5}
    assert site.asked(1, "2") == {"two": 1}  # which is warm from now on

    revision = site.revision(BeforeAllowTraffic="check", AfterAllowTraffic="check")
    made = kunren.exec(
        "env", f"AWS_ACCESS_KEY_ID={account}", "AWS_REGION=us-east-1", "aws", "deploy", "create-deployment", "--application-name", "shop", "--deployment-group-name", "live",
        "--revision", json.dumps(revision), "--query", "deploymentId", "--output", "text",
    )  # fmt: skip
    id = made.stdout.strip()
    assert len(id) == 11
    assert id.startswith("d-")
    assert refusal(site.deploy, revision=revision) == "DeploymentLimitExceededException"
    until(lambda: site.alias() == ("1", {"2": 0.5}), "half of the traffic with the new version")
    seen = Counter()
    until(lambda: seen.update(site.asked(4)) or len(seen) == 2, "answers of both versions")
    info = site.ended(id)
    assert (info["status"], info["creator"], info["deploymentOverview"]["Succeeded"]) == ("Succeeded", "user", 1)
    assert site.alias() == ("2", {})
    assert site.asked() == {"two": 20}
    assert list(site.events(id).items()) == [
        ("BeforeAllowTraffic", "Succeeded"), ("AllowTraffic", "Succeeded"), ("AfterAllowTraffic", "Succeeded"),
    ]  # fmt: skip
    site.api.get_waiter("deployment_successful").wait(deploymentId=id)
    group = site.api.get_deployment_group(applicationName="shop", deploymentGroupName="live")["deploymentGroupInfo"]
    assert group["lastSuccessfulDeployment"]["deploymentId"] == id
    assert group["computePlatform"] == "Lambda"

    until(lambda: len(told()) == 3, "what was told")
    events = [each for each in told() if "detail" in each]
    assert sorted(each["detail"]["state"] for each in events) == ["START", "SUCCESS"]
    assert {each["detail-type"] for each in events} == {"CodeDeploy Deployment State-change Notification"}
    assert events[0]["detail"]["instanceGroupId"] == group["deploymentGroupId"]
    (note,) = [each for each in told() if "detail" not in each]
    assert note["Subject"] == f"SUCCEEDED: AWS CodeDeploy {id} in us-east-1 to shop"
    assert json.loads(note["Message"])["deploymentId"] == id


def test_a_hook_that_fails_gives_the_traffic_back(site):
    site.function("refuse", HOOK.format("Failed"))
    site.group(autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
    id = site.deploy(site.revision(AfterAllowTraffic="refuse"))
    info = site.ended(id)
    assert (info["status"], info["errorInformation"]["code"]) == ("Failed", "HOOK_EXECUTION_FAILURE")
    assert site.events(id)["AllowTraffic"] == "Succeeded"
    back = site.ended(info["rollbackInfo"]["rollbackDeploymentId"])
    assert (back["status"], back["creator"]) == ("Succeeded", "codeDeployRollback")
    assert back["rollbackInfo"]["rollbackTriggeringDeploymentId"] == id
    assert site.alias() == ("1", {})
    assert site.asked(5) == {"one": 5}

    gone = site.ended(site.deploy(site.revision(BeforeAllowTraffic="nobody")))
    assert (gone["status"], gone["errorInformation"]["code"]) == ("Failed", "HOOK_EXECUTION_FAILURE")
    assert site.alias() == ("1", {})


def test_an_alarm_or_a_user_stops_a_canary_and_it_is_rolled_back(site, kunren, account, until):
    alarms = kunren.client("cloudwatch", account)
    alarms.put_metric_alarm(
        AlarmName="errors", Namespace="Shop", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
    )  # fmt: skip
    site.group(
        deploymentConfigName="CodeDeployDefault.LambdaCanary10Percent30Minutes",
        alarmConfiguration={"enabled": True, "alarms": [{"name": "errors"}]},
        autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_STOP_ON_ALARM"]},
    )
    id = site.deploy(site.revision())
    until(lambda: site.alias() == ("1", {"2": 0.1}), "a tenth of the traffic with the new version")
    alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="too many")
    info = site.ended(id)
    assert (info["status"], info["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE")
    assert site.ended(info["rollbackInfo"]["rollbackDeploymentId"])["status"] == "Succeeded"
    assert site.alias() == ("1", {})
    assert site.ended(site.deploy(site.revision()))["status"] == "Stopped"  # the alarm is still there
    assert site.alias() == ("1", {})

    site.api.update_deployment_group(
        applicationName="shop", currentDeploymentGroupName="live", alarmConfiguration={"enabled": False}
    )
    id = site.deploy(site.revision())
    until(lambda: site.alias() == ("1", {"2": 0.1}), "a tenth of the traffic with the new version")
    assert site.api.stop_deployment(deploymentId=id, autoRollbackEnabled=True)["status"] == "Pending"
    info = site.ended(id)
    assert (info["status"], info["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    site.ended(info["rollbackInfo"]["rollbackDeploymentId"])
    assert site.alias() == ("1", {})
    assert site.events(id) == {
        "BeforeAllowTraffic": "Succeeded", "AllowTraffic": "Skipped", "AfterAllowTraffic": "Skipped",
    }  # fmt: skip
    listed = site.api.list_deployments(applicationName="shop", deploymentGroupName="live")["deployments"]
    assert listed[:2] == [info["rollbackInfo"]["rollbackDeploymentId"], id]


def test_what_is_wrong_with_a_revision_is_told_by_the_deployment(site, kunren, account):
    site.group()
    for revision, code, text in (
        (site.revision(current="2", target="1"), "INVALID_LAMBDA_CONFIGURATION", "does not match the current version"),
        (site.revision(target="1"), "INVALID_LAMBDA_CONFIGURATION", "missing or has an invalid configuration"),
        (site.revision(target="9"), "INVALID_LAMBDA_FUNCTION", "shop:9"),
        (site.revision(ApplicationStop="x"), "INVALID_REVISION", "ApplicationStop"),
    ):
        info = site.ended(site.deploy(revision))
        assert (info["status"], info["errorInformation"]["code"]) == ("Failed", code)
        assert text in info["errorInformation"]["message"]
    assert site.alias() == ("1", {})

    s3 = kunren.client("s3", account)
    s3.create_bucket(Bucket=f"revisions-{account}")
    s3.put_object(
        Bucket=f"revisions-{account}", Key="shop.json", Body=site.revision()["appSpecContent"]["content"].encode()
    )
    place = {"bucket": f"revisions-{account}", "key": "shop.json", "bundleType": "JSON"}
    assert site.ended(site.deploy({"revisionType": "S3", "s3Location": place}))["status"] == "Succeeded"
    assert site.alias() == ("2", {})
    found = site.api.list_application_revisions(applicationName="shop", deployed="include")["revisions"]
    assert found == [{"revisionType": "S3", "s3Location": place}]

    for params, code in (
        ({"revision": {"revisionType": "S3", "s3Location": {**place, "bundleType": "zip"}}}, "InvalidRevisionException"),
        ({"revision": {"revisionType": "GitHub", "gitHubLocation": {"repository": "a/b", "commitId": "1"}}}, "NotImplemented"),
        ({"deploymentConfigName": "CodeDeployDefault.OneAtATime", "revision": site.revision()}, "InvalidComputePlatformException"),
        ({}, "RevisionRequiredException"),
    ):  # fmt: skip
        assert refusal(site.api.create_deployment, applicationName="shop", deploymentGroupName="live", **params) == code
    assert refusal(site.api.get_deployment, deploymentId="d-000000000") == "DeploymentDoesNotExistException"
    assert refusal(site.api.get_deployment, deploymentId="x") == "InvalidDeploymentIdException"
    assert refusal(site.api.list_deployments, applicationName="shop") == "DeploymentGroupNameRequiredException"
    assert refusal(site.api.delete_deployment_config, deploymentConfigName="CodeDeployDefault.OneAtATime") == (
        "InvalidOperationException"
    )
    names = site.api.list_deployment_configs()["deploymentConfigsList"]
    assert len(names) == 18
    canary = site.api.get_deployment_config(deploymentConfigName="CodeDeployDefault.LambdaCanary10Percent5Minutes")
    assert canary["deploymentConfigInfo"]["trafficRoutingConfig"] == {
        "type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": 5},
    }  # fmt: skip
    arn = f"arn:aws:codedeploy:us-east-1:{account}:application:shop"
    site.api.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}, {"Key": "x", "Value": "y"}])
    site.api.untag_resource(ResourceArn=arn, TagKeys=["x"])
    assert site.api.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    site.api.update_application(applicationName="shop", newApplicationName="store")
    assert site.api.list_deployment_groups(applicationName="store")["deploymentGroups"] == ["live"]
    site.api.delete_application(applicationName="store")
    assert refusal(site.api.get_application, applicationName="store") == "ApplicationDoesNotExistException"


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
