"""Functions on managed instances: behind a capacity provider's subnets, kept running, several invocations at once."""

import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"
SOURCE = """
import os, socket, time

def handler(event, context):
    time.sleep(event.get("sleep", 0))
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.connect(("198.18.0.2", 53))
    return {"address": probe.getsockname()[0], "parent": os.getppid(), "says": "SAYS",
            "concurrency": os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]}
"""


def package(says="one"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", SOURCE.replace("SAYS", says))
    return out.getvalue()


class Managed:
    """One account's function on managed instances."""

    def __init__(self, kunren, account, until):
        self.account, self.until = account, until
        self.client = kunren.client("lambda", account, config=Config(retries={"max_attempts": 0}))
        ec2 = kunren.client("ec2", account)
        subnets = ec2.describe_subnets()["Subnets"]
        groups = ec2.describe_security_groups()["SecurityGroups"]
        self.vpc = {"SubnetIds": [subnets[0]["SubnetId"]], "SecurityGroupIds": [groups[0]["GroupId"]]}

    def provider(self, name="mine"):
        return self.client.create_capacity_provider(
            CapacityProviderName=name,
            VpcConfig=self.vpc,
            PermissionsConfig={"CapacityProviderOperatorRoleArn": ROLE},
            CapacityProviderScalingConfig={"MaxVCpuCount": 30, "ScalingMode": "Auto"},
            Tags={"a": "b"},
        )["CapacityProvider"]["CapacityProviderArn"]

    def create(self, provider, name="f", **params):
        capacity = {"CapacityProviderArn": provider, "PerExecutionEnvironmentMaxConcurrency": 2}
        return self.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=ROLE,
            Handler="app.handler",
            Timeout=30,
            Code={"ZipFile": package()},
            CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": capacity},
            **params,
        )

    def state(self, qualifier="$LATEST.PUBLISHED"):
        return self.client.get_function_configuration(FunctionName="f", Qualifier=qualifier)["State"]

    def invoke(self, **event):
        answer = self.client.invoke(FunctionName="f", Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        return answer["ExecutedVersion"], json.load(answer["Payload"])

    def scale(self, minimum, maximum):
        return self.client.put_function_scaling_config(
            FunctionName="f",
            Qualifier="$LATEST.PUBLISHED",
            FunctionScalingConfig={"MinExecutionEnvironments": minimum, "MaxExecutionEnvironments": maximum},
        )

    def scaling(self):
        told = self.client.get_function_scaling_config(FunctionName="f", Qualifier="$LATEST.PUBLISHED")
        return told["AppliedFunctionScalingConfig"], told.get("RequestedFunctionScalingConfig")


@pytest.fixture
def home(kunren, account, until):
    return Managed(kunren, account, until)


def refusal(call, *args, **params):
    with pytest.raises(ClientError) as caught:
        call(*args, **params)
    return caught.value.response["Error"]["Code"]


def test_a_function_lives_in_its_providers_subnets_and_scales_as_it_is_told(home):
    provider = home.provider()
    made = home.create(provider, PublishTo="LATEST_PUBLISHED")
    assert made["MemorySize"] == 2048
    assert "VpcConfig" not in made
    home.until(lambda: home.state() == "Active", "the version to be active", 60)
    home.until(lambda: home.state("$LATEST") == "ActiveNonInvocable", "$LATEST to be deployed", 60)
    version, told = home.invoke()
    assert (version, told["concurrency"]) == ("$LATEST.PUBLISHED", "2")
    assert told["address"].startswith("172.31.")
    assert home.scaling() == ({"MinExecutionEnvironments": 3}, None)
    assert refusal(home.client.invoke, FunctionName="f", Qualifier="$LATEST") == "InvalidParameterValueException"

    home.scale(1, 1)
    one = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 1}
    home.until(lambda: home.scaling() == (one, None), "two environments to end", 60)
    enough = threading.Event()

    def keep_busy():
        parents = set()
        while not enough.is_set():
            try:
                parents.add(home.invoke(sleep=1)[1]["parent"])
            except home.client.exceptions.TooManyRequestsException:
                continue
        return parents

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(keep_busy) for _ in range(2)]
        try:
            home.until(lambda: throttled(home), "the environment to be full", 60)
        finally:
            enough.set()
        parents = set.union(*(each.result() for each in running))
    assert len(parents) == 1

    listed = home.client.list_function_versions_by_capacity_provider(CapacityProviderName="mine")
    assert listed["CapacityProviderArn"] == provider
    arn = f"arn:aws:lambda:us-east-1:{home.account}:function:f:$LATEST.PUBLISHED"
    assert listed["FunctionVersions"] == [{"FunctionArn": arn, "State": "Active"}]
    home.scale(0, 0)
    assert home.state() == "Deactivated"
    assert refusal(home.client.invoke, FunctionName="f") == "ResourceConflictException"
    assert refusal(home.scale, 2, 1) == "InvalidParameterValueException"
    assert refusal(home.client.delete_capacity_provider, CapacityProviderName="mine") == "ResourceConflictException"
    home.client.delete_function(FunctionName="f")
    deleted = home.client.delete_capacity_provider(CapacityProviderName="mine")["CapacityProvider"]
    assert deleted["State"] == "Deleting"


def throttled(home):
    try:
        home.invoke()
    except home.client.exceptions.TooManyRequestsException:
        return True
    return False


def test_publishing_again_replaces_what_runs(home):
    provider = home.provider()
    home.create(provider)
    assert refusal(home.client.invoke, FunctionName="f") == "NoPublishedVersionException"
    home.until(lambda: home.state("$LATEST") == "ActiveNonInvocable", "$LATEST to be deployed", 60)
    made = home.client.publish_version(FunctionName="f", PublishTo="LATEST_PUBLISHED")
    assert (made["Version"], made["FunctionArn"].rpartition(":")[2]) == ("$LATEST.PUBLISHED", "$LATEST.PUBLISHED")
    home.scale(1, 1)
    home.until(lambda: home.state() == "Active", "the version to be active", 60)
    assert home.invoke()[1]["says"] == "one"
    home.client.update_function_code(FunctionName="f", ZipFile=package("two"), PublishTo="LATEST_PUBLISHED")
    home.until(lambda: home.invoke()[1]["says"] == "two", "the new code to run", 60)
    numbered = home.client.publish_version(FunctionName="f")
    versions = home.client.list_versions_by_function(FunctionName="f")["Versions"]
    assert [each["Version"] for each in versions] == ["$LATEST", "1", "$LATEST.PUBLISHED"]
    capacity = numbered["CapacityProviderConfig"]["LambdaManagedInstancesCapacityProviderConfig"]
    assert capacity == {
        "CapacityProviderArn": provider,
        "PerExecutionEnvironmentMaxConcurrency": 2,
        "ExecutionEnvironmentMemoryGiBPerVCpu": 2.0,
    }
    home.client.delete_function(FunctionName="f")


def test_providers_are_read_changed_and_listed(home, kunren):
    arn = home.provider()
    cli = ("env", f"AWS_ACCESS_KEY_ID={home.account}", "AWS_REGION=us-east-1", "aws", "--output", "json", "lambda")
    told = kunren.exec(*cli, "get-capacity-provider", "--capacity-provider-name", "mine").stdout
    shown = json.loads(told)["CapacityProvider"]
    assert (shown["CapacityProviderArn"], shown["State"], shown["VpcConfig"]) == (arn, "Active", home.vpc)
    assert shown["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 30, "ScalingMode": "Auto"}
    changed = home.client.update_capacity_provider(
        CapacityProviderName=arn, CapacityProviderScalingConfig={"MaxVCpuCount": 40}
    )["CapacityProvider"]
    assert changed["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 40}
    assert home.client.list_tags(Resource=arn)["Tags"] == {"a": "b"}
    listed = home.client.list_capacity_providers(State="Active")["CapacityProviders"]
    assert [each["CapacityProviderArn"] for each in listed] == [arn]
    assert refusal(home.provider) == "ResourceConflictException"
    assert refusal(home.create, arn.replace("mine", "none")) == "ResourceNotFoundException"
    assert refusal(home.create, arn, MemorySize=512) == "InvalidParameterValueException"
    home.client.delete_capacity_provider(CapacityProviderName="mine")
    assert refusal(home.client.get_capacity_provider, CapacityProviderName="mine") == "ResourceNotFoundException"
