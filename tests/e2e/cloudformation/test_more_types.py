"""Types around the common ones: made, changed where they can be, and gone again, in one stack each."""

from __future__ import annotations

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

of = lambda kind, **properties: {"Type": f"AWS::{kind}", "Properties": properties}  # noqa: E731
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


def test_parts_of_identities_and_of_what_watches(stacks):
    def template(retention, users):
        pattern = {"MetricName": "Errors", "MetricNamespace": "Shop", "MetricValue": "1"}
        return {
            "Resources": {
                "Role": of("IAM::Role", AssumeRolePolicyDocument=TRUST),
                "RoleText": of("IAM::RolePolicy", RoleName={"Ref": "Role"}, PolicyName="p", PolicyDocument=ALLOW),
                "Group": of("IAM::Group"),
                "GroupText": of("IAM::GroupPolicy", GroupName={"Ref": "Group"}, PolicyName="p", PolicyDocument=ALLOW),
                "One": of("IAM::User"),
                "Two": of("IAM::User"),
                "UserText": of("IAM::UserPolicy", UserName={"Ref": "One"}, PolicyName="p", PolicyDocument=ALLOW),
                "Members": of(
                    "IAM::UserToGroupAddition", GroupName={"Ref": "Group"}, Users=[{"Ref": each} for each in users]
                ),
                "Key": of("IAM::AccessKey", UserName={"Ref": "One"}),
                "Logs": of("Logs::LogGroup", RetentionInDays=retention),
                "Stream": of("Logs::LogStream", LogGroupName={"Ref": "Logs"}),
                "Errors": of(
                    "Logs::MetricFilter", LogGroupName={"Ref": "Logs"}, FilterPattern="ERROR",
                    MetricTransformations=[pattern],
                ),
                "Alarm": of(
                    "CloudWatch::Alarm", MetricName="Errors", Namespace="Shop", Statistic="Sum", Period=60, Threshold=1,
                    EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold",
                ),
                "Both": of("CloudWatch::CompositeAlarm", AlarmRule={"Fn::Sub": 'ALARM("${Alarm}")'}),
            },
            "Outputs": {"Secret": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}}},
        }  # fmt: skip

    stack = stacks.create("parts", template(1, ["One"]))
    ids, iam = stacks.physical("parts"), stacks.client("iam")
    assert len(stack["Outputs"][0]["OutputValue"]) == 40
    assert iam.list_role_policies(RoleName=ids["Role"])["PolicyNames"] == ["p"]
    members = lambda: {each["UserName"] for each in iam.get_group(GroupName=ids["Group"])["Users"]}  # noqa: E731
    assert members() == {ids["One"]}
    assert stacks.client("cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    stacks.update("parts", template(3, ["Two"]))
    assert members() == {ids["Two"]}
    stacks.delete(stack["StackId"])
    assert iam.list_users()["Users"] == [] and iam.list_groups()["Groups"] == []


def test_around_networks_and_experiments(stacks):
    ec2 = stacks.client("ec2")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    bucket = f"flows-{stacks.account}"
    stacks.client("s3").create_bucket(Bucket=bucket)
    template = {
        "Resources": {
            "Pair": of("EC2::KeyPair", KeyName="front"),
            "Apart": of("EC2::PlacementGroup", Strategy="partition", PartitionCount=3),
            "Interface": of("EC2::NetworkInterface", SubnetId=subnets[0], SourceDestCheck=False, Description="one"),
            "Flows": of(
                "EC2::FlowLog", ResourceId=subnets[0], ResourceType="Subnet", TrafficType="ALL",
                LogDestinationType="s3", LogDestination=f"arn:aws:s3:::{bucket}",
            ),
            "Balancer": of("ElasticLoadBalancingV2::LoadBalancer", Type="network", Scheme="internal", Subnets=subnets),
            "Service": of(
                "EC2::VPCEndpointService", NetworkLoadBalancerArns=[{"Ref": "Balancer"}], AcceptanceRequired=False
            ),
            "Allowed": of("EC2::VPCEndpointServicePermissions", ServiceId={"Ref": "Service"}, AllowedPrincipals=["*"]),
            "Role": of("IAM::Role", AssumeRolePolicyDocument=TRUST),
            "Experiment": of(
                "FIS::ExperimentTemplate", Description="waits", RoleArn={"Fn::GetAtt": ["Role", "Arn"]}, Targets={},
                Actions={"Wait": {"ActionId": "aws:fis:wait", "Parameters": {"duration": "PT1M"}}},
                StopConditions=[{"Source": "none"}], Tags={"Name": "waits"},
            ),
        },
        "Outputs": {"Pair": {"Value": {"Fn::GetAtt": ["Pair", "KeyPairId"]}}},
    }  # fmt: skip
    stack = stacks.create("around", template)
    ids = stacks.physical("around")
    name = f"/ec2/keypair/{stack['Outputs'][0]['OutputValue']}"
    held = stacks.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    assert "PRIVATE KEY" in held
    (placed,) = ec2.describe_placement_groups()["PlacementGroups"]
    assert (placed["GroupName"], placed["Strategy"], placed["PartitionCount"]) == (ids["Apart"], "partition", 3)
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[ids["Interface"]])["NetworkInterfaces"][0]
    assert (shown["SourceDestCheck"], shown["Description"]) == (False, "one")
    permitted = ec2.describe_vpc_endpoint_service_permissions(ServiceId=ids["Service"])["AllowedPrincipals"]
    assert [each["Principal"] for each in permitted] == ["*"]
    experiment = stacks.client("fis").get_experiment_template(id=ids["Experiment"])["experimentTemplate"]
    assert experiment["actions"] == {"Wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}}}
    template["Resources"]["Interface"]["Properties"]["Description"] = "two"
    template["Resources"]["Experiment"]["Properties"]["Actions"]["Wait"]["Parameters"]["duration"] = "PT2M"
    stacks.update("around", template)
    assert stacks.physical("around") == ids
    experiment = stacks.client("fis").get_experiment_template(id=ids["Experiment"])["experimentTemplate"]
    assert experiment["actions"]["Wait"]["parameters"] == {"duration": "PT2M"}
    stacks.delete(stack["StackId"])
    assert ec2.describe_key_pairs()["KeyPairs"] == [] and ec2.describe_flow_logs()["FlowLogs"] == []
    try:
        gone = ec2.describe_network_interfaces(NetworkInterfaceIds=[ids["Interface"]])["NetworkInterfaces"] == []
    except ClientError as error:
        gone = error.response["Error"]["Code"] == "InvalidNetworkInterfaceID.NotFound"
    assert gone


def test_routing_controls_with_their_rule(stacks):
    panel = {"Fn::GetAtt": ["Panel", "ControlPanelArn"]}
    control = lambda name: of(  # noqa: E731
        "Route53RecoveryControl::RoutingControl", ClusterArn={"Ref": "Cluster"}, ControlPanelArn=panel, Name=name
    )
    rule = {"AssertedControls": [{"Ref": "A"}, {"Ref": "B"}], "WaitPeriodMs": 5000}
    template = {
        "Resources": {
            "Cluster": of("Route53RecoveryControl::Cluster", Name="cluster"),
            "Panel": of("Route53RecoveryControl::ControlPanel", ClusterArn={"Ref": "Cluster"}, Name="panel"),
            "A": control("a"),
            "B": control("b"),
            "Rule": of(
                "Route53RecoveryControl::SafetyRule", ControlPanelArn=panel, Name="one", AssertionRule=rule,
                RuleConfig={"Inverted": False, "Threshold": 1, "Type": "ATLEAST"},
            ),
        }
    }  # fmt: skip
    stack = stacks.create("controls", template)
    config = stacks.kunren.client("route53-recovery-control-config", stacks.account, region="us-west-2")
    ids = stacks.physical("controls")
    shown = config.describe_safety_rule(SafetyRuleArn=ids["Rule"])["AssertionRule"]
    assert (sorted(shown["AssertedControls"]), shown["Name"]) == (sorted([ids["A"], ids["B"]]), "one")
    stacks.delete(stack["StackId"])
    assert config.list_clusters()["Clusters"] == []


def test_a_zone_is_signed_by_a_template(stacks, kunren):
    name = f"signed{stacks.account}.test"
    principal = {"Service": "dnssec-route53.amazonaws.com", "AWS": f"arn:aws:iam::{stacks.account}:root"}
    policy = {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}]}
    zone = {"Ref": "Zone"}
    template = {
        "Resources": {
            "Zone": of("Route53::HostedZone", Name=name),
            "Key": of("KMS::Key", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", KeyPolicy=policy),
            "Signing": of(
                "Route53::KeySigningKey", HostedZoneId=zone, Name="front", Status="ACTIVE",
                KeyManagementServiceArn={"Fn::GetAtt": ["Key", "Arn"]},
            ),
            "Signed": {**of("Route53::DNSSEC", HostedZoneId=zone), "DependsOn": "Signing"},
        }
    }  # fmt: skip
    stack = stacks.create("signed", template)
    assert "257 3 13" in kunren.exec("dig", "+short", name, "DNSKEY").stdout
    stacks.delete(stack["StackId"])


def test_a_key_value_store_is_filled_from_an_object(stacks):
    bucket, source = (
        f"pairs-{stacks.account}",
        {"SourceType": "S3", "SourceArn": f"arn:aws:s3:::pairs-{stacks.account}/pairs.json"},
    )
    s3, cloudfront = stacks.client("s3"), stacks.client("cloudfront")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="pairs.json", Body=b'{"data": [{"key": "old.test", "value": "new.test"}]}')
    stack = stacks.create(
        "store", {"Resources": {"Store": of("CloudFront::KeyValueStore", Name="pairs", ImportSource=source)}}
    )
    store = cloudfront.describe_key_value_store(Name="pairs")["KeyValueStore"]
    values = boto3.client(
        "cloudfront-keyvaluestore", endpoint_url=f"http://kvs@127.0.0.1:{stacks.kunren.port}", region_name="us-east-1",
        aws_access_key_id=stacks.account, aws_secret_access_key="test", config=Config(proxies={}),
    )  # fmt: skip
    assert values.get_key(KvsARN=store["ARN"], Key="old.test")["Value"] == "new.test"
    stacks.delete(stack["StackId"])
    assert cloudfront.list_key_value_stores()["KeyValueStoreList"]["Quantity"] == 0


def test_a_users_password_may_be_a_secure_text_that_nobody_is_shown(stacks):
    iam, secret = stacks.client("iam"), "Secure-text-19"
    stacks.client("ssm").put_parameter(Name="/password", Value=secret, Type="SecureString")
    login = {"Password": "{{resolve:ssm-secure:/password}}", "PasswordResetRequired": True}
    user = {"Type": "AWS::IAM::User", "Properties": {"UserName": "with-password", "LoginProfile": login}}
    stack = stacks.create("users", {"Resources": {"U": user}})["StackId"]
    assert iam.get_login_profile(UserName="with-password")["LoginProfile"]["UserName"] == "with-password"
    assert secret not in str(stacks.api.describe_stack_events(StackName=stack)["StackEvents"])
    user["Properties"].pop("LoginProfile")
    stacks.update("users", {"Resources": {"U": user}})
    with pytest.raises(ClientError, match="Login profile"):
        iam.get_login_profile(UserName="with-password")
    stacks.delete(stack)
