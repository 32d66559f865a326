"""CodeDeploy as its users have it: functions whose traffic is shifted, checked by hooks, and rolled back."""

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
