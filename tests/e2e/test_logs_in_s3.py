"""Logs of a load balancer from end to end: boto3 turns them on, curl asks, S3 holds the files."""

import gzip
import ipaddress
import json
import re

import pytest


def test_requests_and_connections_are_in_the_bucket_five_minutes_later(own_kunren, account, until):
    own_kunren.up("--speed", "300")  # five minutes in a second
    elb, s3, ec2 = (own_kunren.client(each, account) for each in ("elbv2", "s3", "ec2"))
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    arn, name = balancer["LoadBalancerArn"], balancer["DNSName"]
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "hello"}}
    listener = elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=[action])["Listeners"][
        0
    ]
    nobody = elb.create_target_group(
        Name="nobody", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", HealthCheckTimeoutSeconds=2,
        HealthCheckIntervalSeconds=300,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    cidr = ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["CidrBlock"]
    elb.register_targets(TargetGroupArn=nobody, Targets=[{"Id": str(ipaddress.ip_network(cidr)[-2])}])
    elb.create_rule(
        ListenerArn=listener["ListenerArn"], Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/nobody"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": nobody}],
    )  # fmt: skip
    wanted = {
        "access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs", "access_logs.s3.prefix": "web",
        "connection_logs.s3.enabled": "true", "connection_logs.s3.bucket": "logs",
        "health_check_logs.s3.enabled": "true", "health_check_logs.s3.bucket": "logs",
        "health_check_logs.s3.prefix": "checks",
    }  # fmt: skip
    attributes = [{"Key": key, "Value": value} for key, value in wanted.items()]

    def refused():
        with pytest.raises(elb.exceptions.InvalidConfigurationRequestException) as caught:
            elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
        assert "Access Denied for bucket: logs. Please check S3bucket permission" in str(caught.value)
        shown = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        assert {"Key": "access_logs.s3.enabled", "Value": "false"} in shown

    refused()  # there is no such bucket
    s3.create_bucket(Bucket="logs")
    refused()  # it has no policy
    allow = {
        "Effect": "Allow", "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::logs/*AWSLogs/{account}/*",
    }  # fmt: skip
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)

    def keys(prefix=""):
        return [each["Key"] for each in s3.list_objects_v2(Bucket="logs", Prefix=prefix).get("Contents", [])]

    assert keys()[:1] == [f"AWSLogs/{account}/ELBConnectionLogTestFile"]
    assert keys("checks")[0] == f"checks/AWSLogs/{account}/ELBHealthCheckLogTestFile"
    assert keys("web") == [f"web/AWSLogs/{account}/ELBAccessLogTestFile"]
    test_file = s3.get_object(Bucket="logs", Key=keys("web")[0])["Body"].read().decode()
    assert test_file.startswith("Enable AccessLog for ELB: app/web/")

    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig={"Delay": 1})

    def asked():
        return own_kunren.exec("curl", "-sf", f"http://{name}/first", check=False).stdout == "hello"

    until(asked, "an answer")
    files = f"AWSLogs/{account}/elasticloadbalancing/us-east-1/"

    def lines(prefix):
        """The lines of all files so far; their names are right."""
        found = keys(prefix)
        stem = rf"{account}_elasticloadbalancing_us-east-1_app\.web\.[0-9a-f]{{16}}_\d{{8}}T\d\d[0-5][05]Z"
        path = rf"{re.escape(prefix)}\d{{4}}/\d\d/\d\d/(conn_log\.|health_check_log_)?{stem}_198\.1[89]\.\d+\.\d+_[a-z0-9]{{8}}\.log\.gz"
        assert all(re.fullmatch(path, each) for each in found), found
        bodies = (s3.get_object(Bucket="logs", Key=each)["Body"].read() for each in found)
        return [line.split(" ") for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    # asked again and again: the first answer may be of a listener that does not log yet
    requests = until(lambda: asked() and lines(f"web/{files}"), "the access log")
    assert requests[0][0] == "http" and requests[0][8] == "200"
    assert f'"GET http://{name}:80/first HTTP/1.1"' in " ".join(requests[0])
    connections = until(lambda: lines(files), "the connection log")
    assert connections[0][3:11] == ["80", *["-"] * 7]
    identities = {words[11] for words in connections}
    until(lambda: any(identities & set(words) for words in lines(f"web/{files}")), "a request of the same connection")

    check = until(lambda: lines(f"checks/{files}"), "the health check log")[0]
    assert (check[0], check[4:6], check[6]) == ("http", ["nobody", "FAIL"], "-"), check
    assert check[7] in ("TimedOut", "ConnectionReset") and check[8].startswith("app/web/")

    off = [{"Key": f"{kind}_logs.s3.enabled", "Value": "false"} for kind in ("access", "connection", "health_check")]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)
    assert own_kunren.status()["parts"]
