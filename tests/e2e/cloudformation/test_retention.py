"""The table of AWS: which policy keeps a resource of which type through which event; what is kept still does its work."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import QUEUE

POLICIES = ("", "Delete", "Retain", "RetainExceptOnCreate")
OUTCOMES = {  # event → the policies by which a resource stays ("DeletionPolicy", "UpdateReplacePolicy")
    "create rollback": {"Retain"},
    "replacement": {"Retain"},
    "removal": {"Retain", "RetainExceptOnCreate"},
    "stack delete": {"Retain", "RetainExceptOnCreate"},
    "failed delete": {"Retain", "RetainExceptOnCreate"},
}
CODE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": context.function_name + "\\n"}
"""


def one_of_each(name, account, subnets, ref):
    """Short type → type and properties, each with a name of its own; `ref` refers to another of the same name. The load
    balancer's listener sends what its security group lets in to the function, as its target group and permission say."""
    front = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}
    return {
        "Queue": ("SQS::Queue", {"QueueName": name}),
        "Bucket": ("S3::Bucket", {"BucketName": f"{name}-{account}"}),
        "Parameter": ("SSM::Parameter", {"Name": name, "Type": "String", "Value": "kept"}),
        "Zone": ("Route53::HostedZone", {"Name": f"{name}-{account}.test"}),
        "Log": ("Logs::LogGroup", {"LogGroupName": name}),
        "Topic": ("SNS::Topic", {"TopicName": name}),
        "Table": (
            "DynamoDB::Table",
            {
                "TableName": name,
                "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        ),
        "Function": (
            "Lambda::Function",
            {
                "FunctionName": name, "Handler": "index.handler", "Runtime": "python3.12",
                "Role": f"arn:aws:iam::{account}:role/any", "Code": {"ZipFile": CODE},
            },
        ),
        "Permission": (
            "Lambda::Permission",
            {
                "FunctionName": ref("Function"), "Action": "lambda:InvokeFunction",
                "Principal": "elasticloadbalancing.amazonaws.com",
            },
        ),
        "Front": ("EC2::SecurityGroup", {"GroupName": name, "GroupDescription": "d", "SecurityGroupIngress": [front]}),
        "Targets": (
            "ElasticLoadBalancingV2::TargetGroup",
            {
                "Name": name, "TargetType": "lambda",
                "Targets": [{"Id": {"Fn::GetAtt": [ref("Function")["Ref"], "Arn"]}}],
            },
        ),
        "Balancer": (
            "ElasticLoadBalancingV2::LoadBalancer",
            {"Name": name, "Subnets": subnets, "SecurityGroups": [{"Fn::GetAtt": [ref("Front")["Ref"], "GroupId"]}]},
        ),
        "Listener": (
            "ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("Balancer"), "Port": 80, "Protocol": "HTTP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref("Targets")}],
            },
        ),
    }  # fmt: skip


def template(word, account, subnets, attribute, policies):
    made = {}
    for policy in policies:
        name = f"{word}-{policy or 'none'}".lower()
        for short, (kind, properties) in one_of_each(
            name, account, subnets, lambda short, policy=policy: {"Ref": f"{short}{policy or 'None'}"}
        ).items():
            made[f"{short}{policy or 'None'}"] = {
                "Type": f"AWS::{kind}", "Properties": properties, **({attribute: policy} if policy else {}),
            }  # fmt: skip
        made[f"Targets{policy or 'None'}"]["DependsOn"] = f"Permission{policy or 'None'}"
    return made


def works(stacks, word, policies):
    """Short type with policy → whether the one of that name does its work now, for who uses it."""
    client, account = stacks.client, stacks.account

    def queue(name):
        url = client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        client("sqs").send_message(QueueUrl=url, MessageBody="kept")
        return client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"] == "kept"

    def bucket(name):
        at = {"Bucket": f"{name}-{account}", "Key": "k"}
        client("s3").put_object(**at, Body=b"kept")
        return client("s3").get_object(**at)["Body"].read() == b"kept"

    def log(name):
        at = {"logGroupName": name, "logStreamName": "s"}
        client("logs").create_log_stream(**at)
        return bool(client("logs").describe_log_streams(logGroupName=name)["logStreams"])

    def topic(name):
        arn = f"arn:aws:sns:us-east-1:{account}:{name}"
        return bool(client("sns").publish(TopicArn=arn, Message="kept")["MessageId"])

    def table(name):
        client("dynamodb").put_item(TableName=name, Item={"k": {"S": "kept"}})
        return client("dynamodb").scan(TableName=name)["Items"] == [{"k": {"S": "kept"}}]

    def function(name):
        return json.load(client("lambda").invoke(FunctionName=name)["Payload"])["body"] == f"{name}\n"

    asked = {
        "Queue": queue,
        "Bucket": bucket,
        "Parameter": lambda name: client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "kept",
        "Log": log,
        "Topic": topic,
        "Table": table,
        "Function": function,
    }
    found = {}
    names = {policy: f"{word}-{policy or 'none'}".lower() for policy in policies}
    for policy, name in names.items():
        for short, does in asked.items():
            try:
                found[short, policy] = does(name)
            except ClientError:
                found[short, policy] = False
    balancers = client("elbv2").describe_load_balancers()["LoadBalancers"]
    urls = [f"http://{each['DNSName']}/" for each in balancers if each["LoadBalancerName"] in names.values()]
    questions = [text for name in names.values() for text in ("SOA", f"{name}-{account}.test")]
    ask = f"dig +noall +answer {' '.join(questions)}; " + "; ".join(f"curl -s -m 30 {url}" for url in urls)
    said = stacks.kunren.exec("sh", "-c", ask, check=False).stdout.splitlines()
    for policy, name in names.items():
        found["Zone", policy] = any(line.startswith(f"{name}-{account}.test.") for line in said)
        found["Balancer", policy] = name in said
    return found


@pytest.mark.parametrize("event", OUTCOMES)
def test_each_policy_has_for_each_type_the_outcome_that_aws_documents(stacks, event):
    account = stacks.account
    policies = [each for each in POLICIES if event != "replacement" or each != "RetainExceptOnCreate"]
    attribute = "UpdateReplacePolicy" if event == "replacement" else "DeletionPolicy"
    subnets = sorted(each["SubnetId"] for each in stacks.client("ec2").describe_subnets()["Subnets"])[:2]
    parts = lambda word: template(word, account, subnets, attribute, policies)  # noqa: E731
    first = parts("one")
    if event == "create rollback":
        bad = {**QUEUE, "Properties": {"QueueName": "no/name"}, "DependsOn": [*first]}
        stacks.create("table", {"Resources": {**first, "Bad": bad}}, "ROLLBACK_COMPLETE")
    elif event == "failed delete":
        full = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"full-{account}"}}
        stack = stacks.create("table", {"Resources": {**first, "Full": full}})
        stacks.client("s3").put_object(Bucket=f"full-{account}", Key="k", Body=b"1")
        stacks.delete(stack["StackId"], "DELETE_FAILED")
        stacks.delete(stack["StackId"], RetainResources=["Full"])
        assert stacks.client("s3").list_objects_v2(Bucket=f"full-{account}")["KeyCount"] == 1
    else:
        stack = stacks.create("table", {"Resources": {**first, "Other": QUEUE}})
    if event == "removal":
        stacks.update("table", {"Resources": {"Other": QUEUE}})
    elif event == "replacement":
        stacks.update("table", {"Resources": {**parts("two"), "Other": QUEUE}})
    elif event == "stack delete":
        stacks.delete(stack["StackId"])
    found = works(stacks, "one", policies)
    assert found == {(short, policy): policy in OUTCOMES[event] for short, policy in found}
    if event == "replacement":
        assert all(works(stacks, "two", policies).values())
