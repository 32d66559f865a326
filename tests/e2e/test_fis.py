"""Experiments as their users run them: boto3 makes templates and starts them, clients in the world meet what they do."""

from __future__ import annotations

import io
import json
import os
import signal
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ONCE = Config(retries={"total_max_attempts": 1})


class Chaos:
    """An account's experiments, by a role that exists."""

    def __init__(self, kunren, account, until):
        self.fis, self.until, self.account = kunren.client("fis", account), until, account
        iam = kunren.client("iam", account)
        self.role = iam.create_role(RoleName="fis", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self._tokens = 0

    def template(self, actions, targets=None, **given):
        self._tokens += 1
        wanted = {"stopConditions": [{"source": "none"}], "roleArn": self.role, **given}
        made = self.fis.create_experiment_template(
            clientToken=f"t{self._tokens}", description="d", actions=actions, targets=targets or {}, **wanted
        )
        return made["experimentTemplate"]

    def start(self, template, **given):
        self._tokens += 1
        made = self.fis.start_experiment(clientToken=f"e{self._tokens}", experimentTemplateId=template["id"], **given)
        return made["experiment"]["id"]

    def get(self, id):
        return self.fis.get_experiment(id=id)["experiment"]

    def wait(self, id, *statuses):
        self.until(lambda: self.get(id)["state"]["status"] in statuses, lambda: f"{self.get(id)['state']}")
        return self.get(id)

    def states(self, id):
        return {name: each["state"]["status"] for name, each in self.get(id)["actions"].items()}

    def refused(self, code, match, **given):
        with pytest.raises(ClientError, match=match) as caught:
            self.template(**given)
        assert caught.value.response["Error"]["Code"] == code


@pytest.fixture
def chaos(kunren, account, until):
    return Chaos(kunren, account, until)


def subnet_arn(account, subnet):
    return f"arn:aws:ec2:us-east-1:{account}:subnet/{subnet}"


def disrupt(scope="all", duration="PT12H", **given):
    parameters = {"scope": scope, "duration": duration, **given}
    return {"actionId": "aws:network:disrupt-connectivity", "parameters": parameters, "targets": {"Subnets": "cut"}}


def waiting(duration="PT1M", *after):
    return {"actionId": "aws:fis:wait", "parameters": {"duration": duration}, "startAfter": list(after)}


def test_a_subnet_is_cut_off_and_an_experiment_stopped_midway_leaves_nothing(kunren, account, site, until, chaos):
    site.listen(site.fixed("here"))
    site.wait_active()
    nodes = site.ec2.describe_network_interfaces(Filters=[{"Name": "requester-id", "Values": ["amazon-elb"]}])
    urls = {each["SubnetId"]: f"http://{each['Association']['PublicIp']}" for each in nodes["NetworkInterfaces"]}
    near, far = (urls[each] for each in site.subnets)
    client = site.client()
    assert [client.status(each) for each in (near, far)] == [200, 200]
    acls = site.ec2.describe_network_acls()["NetworkAcls"]
    site.ec2.create_tags(Resources=[site.subnets[1]], Tags=[{"Key": "drill", "Value": "yes"}])
    target = {"resourceType": "aws:ec2:subnet", "resourceTags": {"drill": "yes"}, "selectionMode": "ALL",
              "filters": [{"path": "VpcId", "values": [site.vpc]}]}  # fmt: skip
    template = chaos.template(
        {"first": waiting(), "cut": {**disrupt(), "startAfter": ["first"]}, "last": waiting("PT1M", "cut")},
        {"cut": target},
        tags={"team": "sre"},
    )
    assert template["experimentOptions"] == {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"}
    experiment = chaos.start(template)
    assert chaos.wait(experiment, "running")["experimentTemplateId"] == template["id"]
    until(lambda: chaos.states(experiment) == {"first": "completed", "cut": "running", "last": "pending"}, "the cut")
    resolved = chaos.fis.list_experiment_resolved_targets(experimentId=experiment)["resolvedTargets"]
    assert [each["targetInformation"] for each in resolved] == [{"arn": subnet_arn(account, site.subnets[1])}]
    managed = site.ec2.describe_network_acls(Filters=[{"Name": "tag:managedByFIS", "Values": ["true"]}])["NetworkAcls"]
    assert [each["Associations"][0]["SubnetId"] for each in managed] == [site.subnets[1]]
    assert client.status(far, timeout=1) != 200
    assert client.status(near) == 200

    chaos.fis.stop_experiment(id=experiment)
    stopped = chaos.wait(experiment, "stopped")
    assert stopped["state"]["reason"] == "Experiment halted by user request."
    assert chaos.states(experiment) == {"first": "completed", "cut": "stopped", "last": "cancelled"}
    left = site.ec2.describe_network_acls()["NetworkAcls"]
    assert [(each["NetworkAclId"], each["Entries"]) for each in left] == [
        (each["NetworkAclId"], each["Entries"]) for each in acls
    ]
    assert client.status(far) == 200
    with pytest.raises(ClientError, match="cannot be stopped"):
        chaos.fis.stop_experiment(id=experiment)
    listed = chaos.fis.list_experiments(experimentTemplateId=template["id"])["experiments"]
    assert [each["id"] for each in listed] == [experiment]


def test_scopes_routes_and_endpoints_come_and_go(kunren, account, site, chaos, until):
    ec2, subnet = site.ec2, site.subnets[0]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=site.vpc, ServiceName="com.amazonaws.us-east-1.sqs", VpcEndpointType="Interface", SubnetIds=[subnet],
        SecurityGroupIds=[site.front],
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
    gateway = ec2.create_vpc_endpoint(
        VpcId=site.vpc, ServiceName="com.amazonaws.us-east-1.s3",
        RouteTableIds=[ec2.describe_route_tables()["RouteTables"][0]["RouteTableId"]],
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip

    def seen():
        found = {
            "acls": ec2.describe_network_acls()["NetworkAcls"],
            "tables": ec2.describe_route_tables()["RouteTables"],
            "endpoints": [each["Groups"] for each in ec2.describe_vpc_endpoints()["VpcEndpoints"]],
            "groups": ec2.describe_security_groups()["SecurityGroups"],
        }
        for each in found["acls"]:
            each["Associations"] = sorted(one["SubnetId"] for one in each["Associations"])
        return found

    def entries():
        acls = ec2.describe_network_acls(Filters=[{"Name": "tag:managedByFIS", "Values": ["true"]}])["NetworkAcls"]
        return [
            (each["Egress"], each["RuleAction"], each["CidrBlock"])
            for each in acls[0]["Entries"]
            if each["RuleNumber"] < 32767
        ]

    def run(action, look, targets):
        experiment = chaos.start(chaos.template({"do": action}, targets))
        until(lambda: chaos.states(experiment).get("do") == "running", lambda: str(chaos.get(experiment)))
        found = look()
        chaos.fis.stop_experiment(id=experiment)
        chaos.wait(experiment, "stopped")
        return found

    before = seen()
    cut = {
        "cut": {"resourceType": "aws:ec2:subnet", "resourceArns": [subnet_arn(account, subnet)], "selectionMode": "ALL"}
    }
    vpc = ec2.describe_vpcs()["Vpcs"][0]["CidrBlock"]
    assert run(disrupt("vpc"), entries, cut) == [(True, "allow", vpc), (False, "allow", vpc)]
    s3 = ec2.describe_prefix_lists(Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.s3"]}])
    (block,) = s3["PrefixLists"][0]["Cidrs"]
    denied = [
        (True, "deny", block),
        (True, "allow", "0.0.0.0/0"),
        (False, "deny", block),
        (False, "allow", "0.0.0.0/0"),
    ]
    assert run(disrupt("s3"), entries, cut) == denied
    named = disrupt("prefix-list", prefixListIdentifier=s3["PrefixLists"][0]["PrefixListId"])
    assert run(named, entries, cut) == denied
    others = [each["CidrBlock"] for each in ec2.describe_subnets()["Subnets"] if each["SubnetId"] != subnet]
    assert [
        each[2] for each in run(disrupt("availability-zone"), entries, cut) if each[0] and each[1] == "deny"
    ] == sorted(others)

    across = {
        "actionId": "aws:network:route-table-disrupt-cross-region-connectivity",
        "parameters": {"duration": "PT10M", "region": "eu-west-1"}, "targets": {"Subnets": "cut"},
    }  # fmt: skip

    def routes():
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "RouteTables"
        ]
        return {each.get("DestinationCidrBlock"): each["State"] for each in table["Routes"]}, [
            each.get("GatewayId") for each in table["Routes"]
        ]

    states, gateways = run(across, routes, cut)
    assert sorted(states.values()).count("blackhole") == 1 and states["0.0.0.0/0"] == "active"
    assert gateway in gateways

    block_endpoint = {
        "actionId": "aws:network:disrupt-vpc-endpoint", "parameters": {"duration": "PT10M"},
        "targets": {"VPCEndpoints": "it"},
    }  # fmt: skip
    it = {"it": {"resourceType": "aws:ec2:vpc-endpoint", "selectionMode": "COUNT(1)",
                 "resourceArns": [f"arn:aws:ec2:us-east-1:{account}:vpc-endpoint/{endpoint}"]}}  # fmt: skip

    def guard():
        (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["Groups"]
        (group,) = ec2.describe_security_groups(GroupIds=[found["GroupId"]])["SecurityGroups"]
        return group["IpPermissions"], group["IpPermissionsEgress"]

    assert run(block_endpoint, guard, it) == ([], [])
    assert seen() == before


def test_stop_conditions_the_lever_and_what_is_refused(kunren, account, chaos, until):
    cloudwatch, s3, logs = (kunren.client(each, account) for each in ("cloudwatch", "s3", "logs"))
    cloudwatch.put_metric_alarm(AlarmName="errors", Namespace="n", MetricName="m", Statistic="Sum", Period=60,
                                EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
                                TreatMissingData="ignore")  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="-")
    arn = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    s3.create_bucket(Bucket=f"fis-{account}")
    logs.create_log_group(logGroupName="fis")
    group = logs.describe_log_groups()["logGroups"][0]["arn"]
    asserts = {"actionId": "aws:cloudwatch:assert-alarm-state", "parameters": {"alarmArns": arn, "alarmStates": "OK"}}
    watched = chaos.template(
        {"ok": asserts, "wait": waiting("PT12H", "ok")},
        stopConditions=[{"source": "aws:cloudwatch:alarm", "value": arn}],
        logConfiguration={"logSchemaVersion": 2, "cloudWatchLogsConfiguration": {"logGroupArn": group},
                          "s3Configuration": {"bucketName": f"fis-{account}", "prefix": "logs"}},
        experimentReportConfiguration={"outputs": {"s3Configuration": {"bucketName": f"fis-{account}"}}},
    )  # fmt: skip
    experiment = chaos.start(watched)
    until(lambda: chaos.states(experiment) == {"ok": "completed", "wait": "running"}, "the assertion")
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="-")
    assert "stop condition" in chaos.wait(experiment, "stopped")["state"]["reason"]
    until(lambda: chaos.get(experiment)["experimentReport"]["state"]["status"] == "completed", "the report")
    written = {each["Key"]: each for each in s3.list_objects_v2(Bucket=f"fis-{account}")["Contents"]}
    report = s3.get_object(Bucket=f"fis-{account}", Key=f"{experiment}-report.pdf")["Body"].read()
    assert report.startswith(b"%PDF-1.4") and b"aws:fis:wait" in report
    (key,) = [each for each in written if each.startswith("logs/AWSLogs/")]
    lines = [json.loads(each) for each in s3.get_object(Bucket=f"fis-{account}", Key=key)["Body"].read().splitlines()]
    kinds = [each["log_type"] for each in lines]
    assert kinds == ["experiment-start", "action-start", "action-end", "action-start", "action-end", "experiment-end"]
    assert lines[-1]["details"]["experiment_state"]["status"] == "stopped" and lines[0]["version"] == "2"
    events = logs.filter_log_events(logGroupName="fis")["events"]
    assert [json.loads(each["message"])["log_type"] for each in events] == kinds

    failed = chaos.start(chaos.template({"bad": asserts, "wait": waiting("PT1M", "bad")}))
    assert "failed" in chaos.wait(failed, "failed")["state"]["reason"]
    assert chaos.states(failed) == {"bad": "failed", "wait": "cancelled"}

    long = chaos.start(chaos.template({"wait": waiting("PT12H")}))
    assert list(chaos.states(long)) == ["wait"]
    chaos.wait(long, "running")
    lever = {"status": "engaged", "reason": "an incident"}
    assert chaos.fis.update_safety_lever_state(id="default", state=lever)["safetyLever"]["state"] == lever
    chaos.wait(long, "stopped")
    with pytest.raises(ClientError, match="safety lever"):
        chaos.start(watched)
    chaos.fis.update_safety_lever_state(id="default", state={"status": "disengaged", "reason": "over"})

    nobody = {"resourceType": "aws:ec2:subnet", "resourceTags": {"no": "body"}, "selectionMode": "PERCENT(50)"}
    empty = chaos.start(chaos.template({"cut": disrupt()}, {"cut": nobody}))
    assert chaos.wait(empty, "failed")["state"]["error"]["location"] == "cut"
    theirs = {"resourceType": "aws:ec2:subnet", "resourceArns": [subnet_arn("999999999999", "subnet-1")],
              "selectionMode": "ALL"}  # fmt: skip
    chaos.wait(chaos.start(chaos.template({"cut": disrupt()}, {"cut": theirs})), "failed")
    skip = {"emptyTargetResolutionMode": "skip"}
    skipping = chaos.template({"cut": disrupt()}, {"cut": nobody}, experimentOptions=skip)
    skipped = chaos.start(skipping)
    chaos.wait(skipped, "completed")
    assert chaos.states(skipped) == {"cut": "skipped"}
    preview = chaos.start(chaos.template({"wait": waiting("PT12H")}), experimentOptions={"actionsMode": "skip-all"})
    chaos.wait(preview, "completed")

    stop = {"actionId": "aws:rds:reboot-db-instances", "targets": {"DBInstances": "x"}}
    chaos.refused(
        "ValidationException",
        "aws:rds:reboot-db-instances is an action of AWS's that Kunren does not run yet",
        actions={"a": stop},
    )
    chaos.refused(
        "ValidationException", "The role .* does not exist", actions={"a": waiting()}, roleArn=chaos.role + "x"
    )
    both = {**nobody, "resourceArns": [subnet_arn(account, "subnet-1")]}
    chaos.refused(
        "ValidationException", "both resource ARNs and resource tags", actions={"a": disrupt()}, targets={"cut": both}
    )
    chaos.refused(
        "ValidationException", "start after each other", actions={"a": waiting("PT1M", "b"), "b": waiting("PT1M", "a")}
    )
    assert "aws:rds:reboot-db-instances" not in [each["id"] for each in chaos.fis.list_actions()["actions"]]
    assert chaos.fis.get_action(id="aws:fis:wait")["action"]["parameters"]["duration"]["required"] is True


def test_calls_of_a_role_meet_errors_of_the_api(kunren, until):
    chaos = Chaos(kunren, "000000000000", until)
    app = kunren.client("iam").create_role(RoleName="app", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    given = kunren.client("sts").assume_role(RoleArn=app, RoleSessionName="session")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], "us-east-1")
    endpoint = f"http://127.0.0.1:{kunren.port}"
    ec2, sqs = (session.client(each, endpoint_url=endpoint, config=ONCE) for each in ("ec2", "sqs"))
    roles = {"them": {"resourceType": "aws:iam:role", "resourceArns": [app], "selectionMode": "ALL"}}

    def met(kind, service, operation, call):
        parameters = {"duration": "PT12H", "service": service, "operations": operation, "percentage": "100"}
        action = {"actionId": f"aws:fis:inject-api-{kind}", "parameters": parameters, "targets": {"Roles": "them"}}
        experiment = chaos.start(chaos.template({"it": action}, roles))
        until(lambda: chaos.states(experiment).get("it") == "running", "the error")
        with pytest.raises(ClientError) as caught:
            call()
        assert kunren.client("ec2").describe_vpcs()["Vpcs"]  # others are not concerned
        chaos.fis.stop_experiment(id=experiment)
        chaos.wait(experiment, "stopped")
        call()
        error = caught.value.response
        return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]

    assert met("throttle-error", "ec2", "DescribeVpcs", ec2.describe_vpcs) == ("RequestLimitExceeded", 503)
    assert met("unavailable-error", "ec2", "DescribeSubnets,DescribeVpcs", ec2.describe_vpcs) == ("Unavailable", 503)
    assert met("internal-error", "sqs", "ListQueues", sqs.list_queues) == ("InternalFailure", 500)


def zipped(code):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("index.py", code)
    return held.getvalue()


def test_invocations_are_delayed_fail_and_answer_otherwise(kunren, account, chaos, until):
    functions = kunren.client("lambda", account)
    made = functions.create_function(
        FunctionName="f", Runtime="python3.12", Handler="index.go", Role=chaos.role, Timeout=2,
        Code={"ZipFile": zipped("def go(event, context):\n    print('trace', event['of'])\n    return 'ran'\n")},
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 1})
    them = {
        "them": {"resourceType": "aws:lambda:function", "resourceArns": [made["FunctionArn"]], "selectionMode": "ALL"}
    }

    def invoked(of="-"):
        answer = functions.invoke(FunctionName="f", Payload=json.dumps({"of": of}))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def met(kind, of="-", **parameters):
        action = {"actionId": f"aws:lambda:invocation-{kind}", "targets": {"Functions": "them"},
                  "parameters": {"duration": "PT12H", **parameters}}  # fmt: skip
        experiment = chaos.start(chaos.template({"it": action}, them))
        until(lambda: chaos.states(experiment).get("it") == "running", "the fault")
        answer = invoked(of)
        chaos.fis.stop_experiment(id=experiment)
        chaos.wait(experiment, "stopped")
        return answer

    assert invoked() == (None, "ran")
    assert met("add-delay", startupDelayMilliseconds="50") == (None, "ran")
    late = met("add-delay", startupDelayMilliseconds="60000")
    assert late[0] == "Unhandled" and "timed out" in late[1]["errorMessage"]
    assert met("error", "error-alone", preventExecution="true")[0] == "Unhandled"
    assert met("error", "run-and-error", preventExecution="false")[0] == "Unhandled"
    response = {"statusCode": "503", "contentTypeHeader": "text/plain"}
    shown = met("http-integration-response", "response-alone", preventExecution="true", **response)
    assert shown == (None, {"statusCode": 503, "headers": {"Content-Type": "text/plain"}, "body": ""})
    shown = met("http-integration-response", "run-and-response", preventExecution="false", **response)
    assert shown == (None, {"statusCode": 503, "headers": {"Content-Type": "text/plain"}, "body": ""})
    assert met("error", preventExecution="true", invocationPercentage="0") == (None, "ran")
    assert invoked("last") == (None, "ran")
    logs = kunren.client("logs", account)

    def traces():
        lines = logs.filter_log_events(logGroupName="/aws/lambda/f")["events"]
        return {each["message"].split()[1] for each in lines if each["message"].startswith("trace")} - {"-"}

    until(lambda: {"run-and-error", "run-and-response", "last"} <= traces(), "the traces of what ran")
    assert traces() == {"run-and-error", "run-and-response", "last"}


def test_a_killed_kunren_goes_on_with_its_experiments_and_heals(own_kunren, until):
    own_kunren.up("--speed", "60")
    chaos = Chaos(own_kunren, "000000000000", until)
    ec2 = own_kunren.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    cut = {
        "cut": {
            "resourceType": "aws:ec2:subnet",
            "resourceArns": [subnet_arn("000000000000", subnet)],
            "selectionMode": "ALL",
        }
    }
    experiment = chaos.start(chaos.template({"cut": disrupt(duration="PT2M"), "last": waiting("PT1M", "cut")}, cut))
    until(lambda: chaos.states(experiment).get("cut") == "running", "the cut")
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up("--speed", "60")
    ec2, chaos.fis = own_kunren.client("ec2"), own_kunren.client("fis")
    acls = len(ec2.describe_network_acls()["NetworkAcls"])
    assert acls == 2 or chaos.states(experiment)["cut"] == "completed"  # where coming up took those two minutes
    chaos.wait(experiment, "completed")
    assert chaos.states(experiment) == {"cut": "completed", "last": "completed"}
    assert len(ec2.describe_network_acls()["NetworkAcls"]) == 1


def test_the_scenario_of_a_zone_without_power_cuts_its_subnets(kunren, account, site, chaos, until):
    path = Path(__file__).parents[2] / "examples" / "experiments" / "az-power-interruption.json"
    scenario = json.loads(path.read_text())
    subnets = site.ec2.describe_subnets()["Subnets"]
    tag = [{"Key": "AzImpairmentPower", "Value": "DisruptSubnet"}]
    site.ec2.create_tags(Resources=[each["SubnetId"] for each in subnets], Tags=tag)
    made = chaos.fis.create_experiment_template(clientToken="one", **{**scenario, "roleArn": chaos.role})
    experiment = chaos.start(made["experimentTemplate"])
    cut = "Pause-network-connectivity"
    until(lambda: chaos.states(experiment).get(cut) == "running", "the cut")
    managed = [{"Name": "tag:managedByFIS", "Values": ["true"]}]
    (acl,) = site.ec2.describe_network_acls(Filters=managed)["NetworkAcls"]
    zones = {each["SubnetId"]: each["AvailabilityZone"] for each in subnets}
    assert [zones[each["SubnetId"]] for each in acl["Associations"]] == ["us-east-1a"]
    until(lambda: chaos.states(experiment)[cut] == "completed", "the end of the cut")
    assert site.ec2.describe_network_acls(Filters=managed)["NetworkAcls"] == []
    chaos.fis.stop_experiment(id=experiment)
    chaos.wait(experiment, "stopped")


def test_replication_of_buckets_is_paused_and_goes_on(kunren, account, chaos, until):
    s3 = kunren.client("s3", account)
    source, paused, free = (f"{name}-{account}" for name in ("source", "paused", "free"))
    for name in (source, paused, free):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=source, Tagging={"TagSet": [{"Key": "drill", "Value": "yes"}]})
    rules = [
        {"Status": "Enabled", "Priority": number, "Filter": {"Prefix": ""}, "Destination": {"Bucket": f"arn:aws:s3:::{name}"},
         "DeleteMarkerReplication": {"Status": "Disabled"}}
        for number, name in enumerate((paused, free))
    ]  # fmt: skip
    configuration = {"Role": chaos.role, "Rules": rules}
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration=configuration)
    pause = {
        "actionId": "aws:s3:bucket-pause-replication", "targets": {"Buckets": "them"},
        "parameters": {"duration": "PT12H", "region": "us-east-1", "destinationBuckets": paused},
    }  # fmt: skip
    target = {"resourceType": "aws:s3:bucket", "selectionMode": "ALL"}
    by_arn = {**target, "resourceArns": [f"arn:aws:s3:::{source}"]}
    chaos.refused(
        "ValidationException", "does not support resourceArns", actions={"p": pause}, targets={"them": by_arn}
    )
    experiment = chaos.start(chaos.template({"p": pause}, {"them": {**target, "resourceTags": {"drill": "yes"}}}))
    until(lambda: chaos.states(experiment) == {"p": "running"}, "the action")
    s3.put_object(Bucket=source, Key="a", Body=b"1")

    def keys(name):
        return [each["Key"] for each in s3.list_objects_v2(Bucket=name).get("Contents", [])]

    until(lambda: keys(free) == ["a"], "the copy that goes on")
    assert keys(paused) == []
    assert s3.head_object(Bucket=source, Key="a")["ReplicationStatus"] == "PENDING"
    chaos.fis.stop_experiment(id=experiment)
    until(lambda: keys(paused) == ["a"], "the copy that was held up")
    assert s3.head_object(Bucket=source, Key="a")["ReplicationStatus"] == "COMPLETED"
    assert len(s3.list_object_versions(Bucket=free)["Versions"]) == 1


def test_target_accounts_are_configured_and_experiments_act_in_them(kunren, account, chaos, until):
    other = f"2{account[1:]}"
    theirs = kunren.client("ec2", other)
    subnet = theirs.describe_subnets()["Subnets"][0]
    theirs.create_tags(Resources=[subnet["SubnetId"]], Tags=[{"Key": "drill", "Value": account}])
    role = kunren.client("iam", other).create_role(RoleName="fis", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    target = {"resourceType": "aws:ec2:subnet", "resourceTags": {"drill": account}, "selectionMode": "ALL"}
    across = {"accountTargeting": "multi-account"}
    template = chaos.template({"cut": disrupt()}, {"cut": target}, experimentOptions=across)["id"]
    with pytest.raises(ClientError, match="needs target account configurations"):
        chaos.start({"id": template})
    given = {"experimentTemplateId": template, "accountId": other}
    with pytest.raises(ClientError, match="does not exist"):
        chaos.fis.create_target_account_configuration(**given, roleArn=role + "x")
    chaos.fis.create_target_account_configuration(**given, roleArn=role, description="theirs")
    with pytest.raises(ClientError) as caught:
        chaos.fis.create_target_account_configuration(**given, roleArn=role)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    assert chaos.fis.get_experiment_template(id=template)["experimentTemplate"]["targetAccountConfigurationsCount"] == 1
    experiment = chaos.start({"id": template})
    until(lambda: chaos.states(experiment) == {"cut": "running"}, "the cut")
    managed = [{"Name": "tag:managedByFIS", "Values": ["true"]}]
    (acl,) = theirs.describe_network_acls(Filters=managed)["NetworkAcls"]
    assert [each["SubnetId"] for each in acl["Associations"]] == [subnet["SubnetId"]]
    shown = chaos.fis.list_experiment_target_account_configurations(experimentId=experiment)
    assert shown["targetAccountConfigurations"] == [{"roleArn": role, "accountId": other, "description": "theirs"}]
    chaos.fis.stop_experiment(id=experiment)
    chaos.wait(experiment, "stopped")
    assert theirs.describe_network_acls(Filters=managed)["NetworkAcls"] == []
    chaos.fis.delete_target_account_configuration(**given)
    assert (
        chaos.fis.list_target_account_configurations(experimentTemplateId=template)["targetAccountConfigurations"] == []
    )
