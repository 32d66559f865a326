"""Stacks: boto3 and the AWS CLI deploy templates, packets meet what they made, and nothing is lost or left over."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

NETWORK = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Cidr: {Type: String, Default: 10.77.0.0/16}
  Words: {Type: String, Default: hello}
  Keep: {Type: String, Default: Delete}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    DeletionPolicy: KEEP
    Properties: {CidrBlock: !Ref Cidr, EnableDnsHostnames: "true", Tags: [{Key: Name, Value: !Sub "${AWS::StackName}"}]}
  Gateway: {Type: AWS::EC2::InternetGateway, DeletionPolicy: KEEP}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    DeletionPolicy: KEEP
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
  One:
    Type: AWS::EC2::Subnet
    DeletionPolicy: KEEP
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [0, !GetAZs ""]
  Two:
    Type: AWS::EC2::Subnet
    DeletionPolicy: KEEP
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [1, !GetAZs ""]
  Routes: {Type: AWS::EC2::RouteTable, DeletionPolicy: KEEP, Properties: {VpcId: !Ref Vpc}}
  Out:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    DeletionPolicy: KEEP
    Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  RoutesOne:
    {Type: AWS::EC2::SubnetRouteTableAssociation, DeletionPolicy: KEEP, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref One}}
  RoutesTwo:
    {Type: AWS::EC2::SubnetRouteTableAssociation, DeletionPolicy: KEEP, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref Two}}
  Front:
    Type: AWS::EC2::SecurityGroup
    DeletionPolicy: KEEP
    Properties:
      GroupDescription: front
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 0.0.0.0/0}]
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    DependsOn: [Out, RoutesOne, RoutesTwo]
    DeletionPolicy: KEEP
    Properties: {Subnets: [!Ref One, !Ref Two], SecurityGroups: [!Ref Front]}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    DeletionPolicy: KEEP
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      Protocol: HTTP
      DefaultActions:
        - {Type: fixed-response, FixedResponseConfig: {StatusCode: 200, ContentType: text/plain, MessageBody: !Ref Words}}
Outputs:
  Name: {Value: !GetAtt Balancer.DNSName}
"""
QUEUE = {"Type": "AWS::SQS::Queue"}


class Stacks:
    """One account's stacks."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.api = self.client("cloudformation")

    def client(self, service):
        return self.kunren.client(service, self.account)

    def create(self, name, template, wanted="CREATE_COMPLETE", **more):
        text = template if isinstance(template, str) else json.dumps(template)
        id = self.api.create_stack(StackName=name, TemplateBody=text, Capabilities=["CAPABILITY_NAMED_IAM"], **more)[
            "StackId"
        ]
        return self.settled(id, wanted)

    def update(self, name, template, wanted="UPDATE_COMPLETE", **more):
        text = template if isinstance(template, str) else json.dumps(template)
        id = self.api.update_stack(StackName=name, TemplateBody=text, Capabilities=["CAPABILITY_NAMED_IAM"], **more)[
            "StackId"
        ]
        return self.settled(id, wanted)

    def delete(self, id, wanted="DELETE_COMPLETE", **more):
        self.api.delete_stack(StackName=id, **more)
        return self.settled(id, wanted)

    def settled(self, id, wanted):
        def done():
            stack = self.api.describe_stacks(StackName=id)["Stacks"][0]
            return stack if not stack["StackStatus"].endswith("IN_PROGRESS") else None

        stack = self.until(done, lambda: f"{id} settled: {self.events(id)[:5]}", 90)
        assert stack["StackStatus"] == wanted, self.events(id)
        return stack

    def events(self, id):
        shown = self.api.describe_stack_events(StackName=id)["StackEvents"]
        return [
            (each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", "")) for each in shown
        ]

    def physical(self, id):
        shown = self.api.describe_stack_resources(StackName=id)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in shown if "PhysicalResourceId" in each}

    def queues(self):
        return {each.rpartition("/")[2] for each in self.client("sqs").list_queues().get("QueueUrls", [])}


@pytest.fixture
def stacks(kunren, account, until):
    return Stacks(kunren, account, until)


def outputs(stack):
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def test_a_network_serves_is_changed_in_place_rolls_back_and_serves_on_when_it_is_retained(stacks, kunren, until):
    def said():
        return kunren.exec("curl", "-s", "-m", "5", f"http://{name}/", check=False).stdout

    template = NETWORK.replace("KEEP", "Retain")
    stack = stacks.create("network", template)
    name = outputs(stack)["Name"]
    assert said() == "hello"
    before = stacks.physical("network")
    words = [{"ParameterKey": "Words", "ParameterValue": "changed"}]
    stacks.update("network", template, Parameters=words)
    until(lambda: said() == "changed", "the new words")
    assert stacks.physical("network") == before
    broken = template.replace("MessageBody: !Ref Words", "MessageBody: lost").replace(
        "Outputs:",
        "  Bad: {Type: AWS::EC2::Route, DependsOn: Listener, Properties: {RouteTableId: rtb-0, GatewayId: !Ref Gateway}}\nOutputs:",
    )
    stacks.update("network", broken, "UPDATE_ROLLBACK_COMPLETE", Parameters=words)
    until(lambda: said() == "changed", "the words from before")
    assert stacks.physical("network") == before
    stacks.delete(stack["StackId"])
    assert {each[1] for each in stacks.events(stack["StackId"]) if each[0] == "Balancer"} >= {"DELETE_SKIPPED"}
    assert said() == "changed"


def test_policies_decide_what_stays(stacks):
    queue = lambda name, **more: {**QUEUE, "Properties": {"QueueName": name}, **more}  # noqa: E731
    bad = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "no/name"}, "DependsOn": ["A", "B", "C"]}
    parts = {
        "A": queue("plain"),
        "B": queue("kept", DeletionPolicy="Retain"),
        "C": queue("made", DeletionPolicy="RetainExceptOnCreate"),
    }
    failed = stacks.create("policies", {"Resources": {**parts, "Bad": bad}}, "ROLLBACK_COMPLETE")
    assert stacks.queues() == {"kept"}
    with pytest.raises(ClientError, match="is in ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update("policies", {"Resources": {"A": queue("plain")}})
    stacks.delete(failed["StackId"])
    stacks.client("sqs").delete_queue(QueueUrl=stacks.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"])

    parts["D"] = queue("old", UpdateReplacePolicy="Retain")
    stack = stacks.create("policies", {"Resources": parts})
    parts["D"] = queue("new", UpdateReplacePolicy="Retain")
    parts["E"] = queue("swapped")
    stacks.update("policies", {"Resources": parts})
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped"}
    parts["E"] = queue("swapped-2")
    del parts["B"]
    stacks.update("policies", {"Resources": parts})
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped-2"}
    parts["E"], parts["F"] = queue("swapped-3"), {**bad, "DependsOn": "E"}
    stacks.update("policies", {"Resources": parts}, "UPDATE_ROLLBACK_COMPLETE")
    assert stacks.queues() == {"plain", "kept", "made", "old", "new", "swapped-2"}
    parts["C"] = queue("made", DeletionPolicy="Delete")
    stacks.update("policies", {"Resources": parts}, "UPDATE_ROLLBACK_COMPLETE")
    stacks.delete(stack["StackId"])
    assert stacks.queues() == {"kept", "made", "old"}


def test_a_rollback_leaves_what_had_the_name_before(stacks):
    tables, parameters = stacks.client("dynamodb"), stacks.client("ssm")
    table = {
        "TableName": "theirs",
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    tables.create_table(**table)
    tables.get_waiter("table_exists").wait(TableName="theirs", WaiterConfig={"Delay": 1})
    tables.put_item(TableName="theirs", Item={"k": {"S": "kept"}})
    parameters.put_parameter(Name="theirs", Value="kept", Type="String")
    wanted = {
        "T": {"Type": "AWS::DynamoDB::Table", "Properties": table},
        "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "theirs", "Type": "String", "Value": "new"}},
        "S": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "theirs", "GenerateSecretString": {}}},
        "Q": {**QUEUE, "Properties": {"QueueName": "theirs"}},
        "N": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "theirs"}},
        "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"theirs-{stacks.account}"}},
    }
    stacks.client("secretsmanager").create_secret(Name="theirs", SecretString="kept")
    stacks.client("sqs").create_queue(QueueName="theirs")
    topic = stacks.client("sns").create_topic(Name="theirs")["TopicArn"]
    stacks.client("s3").create_bucket(Bucket=f"theirs-{stacks.account}")
    for logical, each in wanted.items():
        stack = stacks.create(f"taken-{logical}", {"Resources": {logical: each}}, "ROLLBACK_COMPLETE")
        stacks.delete(stack["StackId"])
    assert tables.scan(TableName="theirs")["Items"] == [{"k": {"S": "kept"}}]
    assert parameters.get_parameter(Name="theirs")["Parameter"]["Value"] == "kept"
    assert stacks.client("secretsmanager").get_secret_value(SecretId="theirs")["SecretString"] == "kept"
    assert stacks.queues() == {"theirs"} and stacks.client("sns").get_topic_attributes(TopicArn=topic)
    assert stacks.client("s3").list_objects_v2(Bucket=f"theirs-{stacks.account}")["KeyCount"] == 0


def test_a_stack_policy_lets_through_what_it_allows(stacks):
    queue = lambda **properties: {"Resources": {"A": {**QUEUE, "Properties": properties}, "B": QUEUE}}  # noqa: E731
    allow = {"Effect": "Allow", "Action": "Update:Modify", "Principal": "*", "Resource": "*"}
    policy = json.dumps({"Statement": [allow]})
    stacks.create("policed", queue(QueueName="one"), StackPolicyBody=policy)
    assert stacks.api.get_stack_policy(StackName="policed")["StackPolicyBody"] == policy
    stacks.update("policed", queue(QueueName="one", DelaySeconds=1))
    stacks.update("policed", queue(QueueName="two"), "UPDATE_ROLLBACK_COMPLETE")
    without = {"Resources": {"A": queue(QueueName="one", DelaySeconds=1)["Resources"]["A"]}}
    stacks.update("policed", without, "UPDATE_ROLLBACK_COMPLETE")
    assert "one" in stacks.queues() and len(stacks.queues()) == 2
    override = json.dumps({"Statement": [{**allow, "Action": "Update:*"}]})
    stacks.update("policed", queue(QueueName="two"), StackPolicyDuringUpdateBody=override)
    stacks.update("policed", queue(QueueName="three"), "UPDATE_ROLLBACK_COMPLETE")
    assert "two" in stacks.queues()


def test_a_full_bucket_stays_and_protection_holds(stacks):
    template = {
        "Resources": {
            "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"full-{stacks.account}"}},
            "Q": QUEUE,
        }
    }
    stack = stacks.create("bucket", template, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="cannot be deleted while TerminationProtection is enabled"):
        stacks.api.delete_stack(StackName="bucket")
    stacks.api.update_termination_protection(StackName="bucket", EnableTerminationProtection=False)
    stacks.client("s3").put_object(Bucket=f"full-{stacks.account}", Key="k", Body=b"1")
    with pytest.raises(ClientError, match="only supported for stacks in the DELETE_FAILED state"):
        stacks.api.delete_stack(StackName="bucket", RetainResources=["B"])
    failed = stacks.delete(stack["StackId"], "DELETE_FAILED")
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
    stacks.delete(stack["StackId"], DeletionMode="FORCE_DELETE_STACK")
    assert stacks.client("s3").list_objects_v2(Bucket=f"full-{stacks.account}")["KeyCount"] == 1


CUSTOM = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      Timeout: 30
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              word = event["ResourceProperties"]["Word"]
              status = cfnresponse.FAILED if word == "bad" else cfnresponse.SUCCESS
              cfnresponse.send(event, context, status, {"Twice": word * 2}, "thing-" + word, reason="asked for")
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Function.Arn, Word: WORD, Number: 1}
Outputs:
  Twice: {Value: !GetAtt Thing.Twice}
  Id: {Value: !Ref Thing}
"""


def test_functions_make_resources_of_their_own(stacks):
    stack = stacks.create("custom", CUSTOM.replace("WORD", "ab"))
    assert outputs(stack) == {"Twice": "abab", "Id": "thing-ab"}
    stack = stacks.update("custom", CUSTOM.replace("WORD", "xy"))
    assert outputs(stack) == {"Twice": "xyxy", "Id": "thing-xy"}
    assert ("Thing", "DELETE_COMPLETE", "") in stacks.events("custom")  # another id is another thing
    stacks.update("custom", CUSTOM.replace("WORD", "bad"), "UPDATE_ROLLBACK_COMPLETE")
    why = next(each[2] for each in stacks.events("custom") if each[1] == "UPDATE_FAILED")
    assert "Received response status [FAILED] from custom resource. Message returned: asked for" in why
    assert stacks.physical("custom")["Thing"] == "thing-xy"
    stacks.delete(stack["StackId"])


def test_stacks_inside_stacks_and_values_between_them(stacks):
    s3, bucket = stacks.client("s3"), f"templates-{stacks.account}"
    s3.create_bucket(Bucket=bucket)
    child = {
        "Parameters": {"Delay": {"Type": "Number"}},
        "Resources": {"Q": {**QUEUE, "Properties": {"DelaySeconds": {"Ref": "Delay"}}}},
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}}},
    }
    s3.put_object(Bucket=bucket, Key="child.json", Body=json.dumps(child))
    parent = {
        "Resources": {
            "Child": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {
                    "TemplateURL": f"https://{bucket}.s3.amazonaws.com/child.json",
                    "Parameters": {"Delay": 7},
                },
            }
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Arn"]}, "Export": {"Name": "queue-arn"}}},
    }
    stack = stacks.create("parent", parent)
    shown = {each["StackName"]: each for each in stacks.api.describe_stacks()["Stacks"]}
    inner = next(each for name, each in shown.items() if name != "parent")
    assert inner["ParentId"] == inner["RootId"] == stack["StackId"]
    user = {
        "Resources": {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "queue-arn"}},
            }
        }
    }
    using = stacks.create("user", user)
    value = stacks.client("ssm").get_parameter(Name=stacks.physical("user")["P"])["Parameter"]["Value"]
    assert value == outputs(stack)["Arn"] == stacks.api.list_exports()["Exports"][0]["Value"]
    assert stacks.api.list_imports(ExportName="queue-arn")["Imports"] == ["user"]
    with pytest.raises(ClientError, match="Export queue-arn cannot be deleted as it is in use by user"):
        stacks.api.delete_stack(StackName="parent")
    stacks.delete(using["StackId"])
    stacks.delete(stack["StackId"])
    assert stacks.queues() == set()


def test_a_wait_condition_waits_for_signals(stacks, kunren, until):
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    wait = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": {"Ref": "H"}, "Timeout": "43200", "Count": 2},
    }
    template = {"Resources": {"H": handle, "W": wait}, "Outputs": {"Data": {"Value": {"Fn::GetAtt": ["W", "Data"]}}}}
    id = stacks.api.create_stack(StackName="wait", TemplateBody=json.dumps(template))["StackId"]
    url = until(lambda: stacks.physical(id).get("H"), "the handle")
    for number in "12":
        signal_body = json.dumps({"Status": "SUCCESS", "UniqueId": number, "Data": f"d{number}", "Reason": ""})
        kunren.exec("curl", "-sSf", "-X", "PUT", "-H", "Content-Type:", "--data-binary", signal_body, url)
    assert json.loads(outputs(stacks.settled(id, "CREATE_COMPLETE"))["Data"]) == {"1": "d1", "2": "d2"}
    refused = kunren.exec(
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-X",
        "PUT",
        "-d",
        "{}",
        re.sub(r"7CH%7C.{36}", "7CH%7C" + "0" * 36, url),
    )
    assert refused.stdout == "403"


def executed(stacks, wanted):
    """Execute the change set that is there, and return its changes."""
    held = [
        each
        for each in stacks.api.list_change_sets(StackName="app")["Summaries"]
        if each["ExecutionStatus"] == "AVAILABLE"
    ]
    named = {"ChangeSetName": held[0]["ChangeSetId"]}
    found = stacks.api.describe_change_set(**named)["Changes"]
    stacks.api.execute_change_set(**named)
    stacks.settled("app", wanted)
    return found


def test_operations_are_steered_while_they_run(stacks, until):
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    wait = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": {"Handle": {"Ref": "H"}, "Timeout": "43200"}}
    waiting = {"Resources": {"H": handle, "W": wait, "Q": QUEUE}}
    late = stacks.create("late", waiting, "ROLLBACK_COMPLETE", TimeoutInMinutes=1)
    events = stacks.events(late["StackId"])
    assert ("W", "CREATE_FAILED", "Resource creation cancelled") in events
    assert any(each[1] == "ROLLBACK_IN_PROGRESS" and "exceeded the specified timeout" in each[2] for each in events)

    id = stacks.api.create_stack(StackName="given-up", TemplateBody=json.dumps(waiting))["StackId"]
    until(lambda: "Q" in stacks.physical(id), "the queue")
    with pytest.raises(ClientError, match="is in CREATE_IN_PROGRESS state and can not be updated"):
        stacks.api.update_stack(StackName=id, TemplateBody=json.dumps(waiting))
    stacks.delete(id)

    secret = {"Parameters": {"S": {"Type": "String", "NoEcho": True}}}
    named = {**QUEUE, "Properties": {"QueueName": {"Ref": "S"}}}
    hush = [{"ParameterKey": "S", "ParameterValue": "hush-hush"}]
    first = stacks.create("long", {**secret, "Resources": {"Q": named}}, Parameters=hush)
    told = json.dumps(
        [first["Parameters"], stacks.api.describe_stack_events(StackName="long")["StackEvents"]], default=str
    )
    assert '"ParameterValue": "****"' in told and '"QueueName\\":\\"****' in told
    key = "{{resolve:secretsmanager:stack-secret}}"
    stacks.client("secretsmanager").create_secret(Name="stack-secret", SecretString="top-secret")
    value = {"Fn::Sub": f"${{S}} and {key}"}
    kept = {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "n", "Type": "String", "Value": value}}}
    stacks.create("hidden", {**secret, "Resources": kept}, Parameters=hush)
    assert stacks.client("ssm").get_parameter(Name="n")["Parameter"]["Value"] == "hush-hush and top-secret"
    drift = stacks.api.detect_stack_resource_drift(StackName="hidden", LogicalResourceId="P")["StackResourceDrift"]
    told = json.dumps([stacks.api.describe_stack_events(StackName="hidden")["StackEvents"], drift], default=str)
    assert f"**** and {key}" in told and "hush-hush" not in told and "top-secret" not in told
    grown = json.dumps({**secret, "Resources": {"Q": named, "H": handle, "W": wait}})
    stacks.api.update_stack(
        StackName="long", TemplateBody=grown, Parameters=[{"ParameterKey": "S", "UsePreviousValue": True}]
    )
    until(lambda: "H" in stacks.physical("long"), "the handle")
    with pytest.raises(ClientError, match=r"Stack \[arn.* cannot be deleted while in status UPDATE_IN_PROGRESS"):
        stacks.api.delete_stack(StackName="long")
    stacks.api.cancel_update_stack(StackName="long")
    stacks.settled("long", "UPDATE_ROLLBACK_COMPLETE")
    assert stacks.queues() == {"hush-hush"} and set(stacks.physical("long")) == {"Q"}


def test_a_request_that_is_made_again_makes_no_second_stack(stacks):
    stacks.client("ssm").put_parameter(Name="looked-up", Value="v", Type="String")
    looked_up = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "looked-up"}
    template = json.dumps({"Parameters": {"P": looked_up}, "Resources": {"Q": QUEUE}})

    def create(_):
        return stacks.api.create_stack(StackName="again", TemplateBody=template, ClientRequestToken="t")["StackId"]

    with ThreadPoolExecutor(6) as pool:
        (id,) = set(pool.map(create, range(6)))
    stacks.settled(id, "CREATE_COMPLETE")
    stacks.delete(id)
    assert stacks.queues() == set()


def test_the_cli_packages_and_deploys(stacks, kunren, tmp_path):
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}", "AWS_ACCESS_KEY_ID": stacks.account,
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip

    def aws(*arguments, code=0):
        done = subprocess.run(
            ["aws", "cloudformation", *arguments], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text("def handler(event, context):\n    return event['n'] + 1\n")
    text = CUSTOM.partition("  Thing:")[0].replace("index.handler", "app.handler")
    template = re.sub(
        r"      Code:\n.*", "      Code: code\nParameters: {N: {Type: String, Default: 30}}\n", text, flags=re.DOTALL
    )
    (tmp_path / "t.yaml").write_text(template.replace("Timeout: 30", "Timeout: !Ref N"))
    stacks.client("s3").create_bucket(Bucket=f"code-{stacks.account}")
    aws(
        "package",
        "--template-file",
        str(tmp_path / "t.yaml"),
        "--s3-bucket",
        f"code-{stacks.account}",
        "--output-template-file",
        str(tmp_path / "p.yaml"),
    )
    deploy = (
        "deploy",
        "--stack-name",
        "app",
        "--template-file",
        str(tmp_path / "p.yaml"),
        "--capabilities",
        "CAPABILITY_IAM",
    )

    def deployed(*more):
        """The CLI names a change set by the second in which it makes it: here two would be in one."""
        second = int(time.time())
        stacks.until(lambda: int(time.time()) > second, "the next second")
        return aws(*deploy, *more)

    # the CLI asks again after 30 s where a stack is not complete at once: so change sets are executed by hand
    deployed("--no-execute-changeset")
    executed(stacks, "CREATE_COMPLETE")
    assert "No changes to deploy" in deployed("--no-fail-on-empty-changeset")
    deployed("--no-execute-changeset", "--parameter-overrides", "N=20", "--tags", "team=blue")
    found = executed(stacks, "UPDATE_COMPLETE")
    assert {each["ResourceChange"]["LogicalResourceId"] for each in found} == {"Function", "Role"}
    function = stacks.physical("app")["Function"]
    client = stacks.client("lambda")
    assert client.invoke(FunctionName=function, Payload=b'{"n": 41}')["Payload"].read() == b"42"
    shown = client.get_function(FunctionName=function)
    assert (shown["Configuration"]["Timeout"], shown["Tags"]["team"]) == (20, "blue")


def test_what_is_wrong_is_refused_before_anything_is_made(stacks):
    def refused(template, words, **more):
        with pytest.raises(ClientError, match=words):
            stacks.api.create_stack(StackName="wrong", TemplateBody=json.dumps(template), **more)

    refused({"Resources": {"A": QUEUE, "D": {"Type": "AWS::RDS::DBInstance"}}}, r"\[AWS::RDS::DBInstance\]")
    refused(
        {"Resources": {"A": {"Type": "AWS::IAM::Role", "Properties": {}}}},
        r"Requires capabilities : \[CAPABILITY_IAM\]",
    )
    refused({"Resources": {"A": QUEUE}}, "Tag keys must not begin with aws:", Tags=[{"Key": "aws:x", "Value": "y"}])
    assert stacks.api.list_stacks()["StackSummaries"] == [] and stacks.queues() == set()
    with pytest.raises(ClientError, match="Stack with id wrong does not exist"):
        stacks.api.describe_stacks(StackName="wrong")
    stacks.create("right", {"Resources": {"A": QUEUE}})
    with pytest.raises(ClientError, match=r"Stack \[right\] already exists"):
        stacks.create("right", {"Resources": {"A": QUEUE}})
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("right", {"Resources": {"A": QUEUE}})
    broken = {"Resources": {"A": QUEUE, "B": {**QUEUE, "Properties": {"Nope": 1}}}}
    stacks.update("right", broken, "UPDATE_ROLLBACK_COMPLETE")
    assert any("#: extraneous key [Nope] is not permitted" in each[2] for each in stacks.events("right"))
    assert len(stacks.queues()) == 1


def test_a_daemon_killed_in_between_goes_on_and_makes_nothing_twice(own_kunren, until):
    own_kunren.up("--speed", "20")
    stacks = Stacks(own_kunren, "000000000000", until)
    extra = "".join(
        f"  B{n}: {{Type: AWS::S3::Bucket, DependsOn: [Vpc]}}\n  T{n}: {{Type: AWS::SNS::Topic}}\n" for n in range(6)
    )
    template = NETWORK.replace("KEEP", "Delete").replace("Outputs:", extra + "Outputs:")

    def killed_after(count, id):
        until(lambda: len(stacks.events(id)) >= count, f"{count} events")
        os.kill(own_kunren.pid, signal.SIGKILL)
        own_kunren.up("--speed", "20")
        stacks.api = stacks.client("cloudformation")

    default = len(stacks.client("ec2").describe_vpcs()["Vpcs"])
    id = stacks.api.create_stack(StackName="killed", TemplateBody=template)["StackId"]
    killed_after(24, id)
    stack = stacks.settled(id, "CREATE_COMPLETE")
    assert own_kunren.exec("curl", "-s", f"http://{outputs(stack)['Name']}/").stdout == "hello"
    ec2, s3, sns = (stacks.client(each) for each in ("ec2", "s3", "sns"))
    assert len(ec2.describe_vpcs()["Vpcs"]) == default + 1
    assert len(s3.list_buckets()["Buckets"]) == len(sns.list_topics()["Topics"]) == 6
    assert not [each for each in stacks.events(id) if each[1].endswith("FAILED")]
    before = len(stacks.events(id))
    stacks.api.delete_stack(StackName=id)
    killed_after(before + 4, id)
    stacks.settled(id, "DELETE_COMPLETE")
    assert len(ec2.describe_vpcs()["Vpcs"]) == default
    assert s3.list_buckets()["Buckets"] == sns.list_topics()["Topics"] == []
