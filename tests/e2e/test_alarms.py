"""Alarms as their users have them: one that tells a queue and a function, metrics by every
protocol, an alarm on a load balancer."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

CODE = "def handler(event, context):\n    print(event['alarmData']['state']['value'])\n"
SETTINGS = {
    "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
    "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching",
}  # fmt: skip


@pytest.fixture
def cloudwatch(kunren, account):
    return kunren.client("cloudwatch", account)


def test_an_alarm_goes_over_and_tells_a_queue_and_a_function(kunren, account, cloudwatch, until):
    sns, sqs, functions, logs = (kunren.client(each, account) for each in ("sns", "sqs", "lambda", "logs"))
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{account}:alerts")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py", CODE)
    function = functions.create_function(
        FunctionName="heal", Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}", Handler="code.handler",
        Role=f"arn:aws:iam::{account}:role/heal", Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]  # fmt: skip
    functions.add_permission(FunctionName="heal", StatementId="alarms", Action="lambda:InvokeFunction",
                             Principal="lambda.alarms.cloudwatch.amazonaws.com", SourceAccount=account)  # fmt: skip
    cloudwatch.put_metric_alarm(AlarmName="errors", **SETTINGS, AlarmActions=[topic, function])
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule="ALARM(errors)")

    def put_and_look():
        cloudwatch.put_metric_data(
            Namespace="Shop", MetricData=[{"MetricName": "Errors", "Values": [1.0], "Counts": [2]}]
        )
        return cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]["StateValue"] == "ALARM"

    until(put_and_look, "the alarm")
    (message,) = until(lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"), "the message")
    told = json.loads(json.loads(message["Body"])["Message"])
    assert (told["AlarmName"], told["NewStateValue"], told["Region"]) == ("errors", "ALARM", "US East (N. Virginia)")
    assert told["NewStateReason"].startswith("Threshold Crossed: 1 datapoint [")
    assert json.loads(message["Body"])["Subject"] == 'ALARM: "errors" in US East (N. Virginia)'

    def printed():
        groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/heal")["logGroups"]
        found = logs.filter_log_events(logGroupName="/aws/lambda/heal")["events"] if groups else []
        return [each["message"].strip() for each in found if each["message"].strip() == "ALARM"]

    until(printed, "the function's line")
    of_function = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": "heal"}]}
    listed = {each["MetricName"] for each in cloudwatch.list_metrics(**of_function)["Metrics"]}
    assert listed == {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"}
    shown = cloudwatch.describe_alarms(AlarmNames=["any"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"][0]
    assert shown["StateValue"] == "ALARM"


def test_every_protocol_says_the_same(kunren, account, cloudwatch):
    """boto3 and the CLI speak CBOR, older clients the query protocol, those between JSON."""
    dimensions = [{"Name": "Host", "Value": "a"}]
    datum = {"MetricName": "Latency", "Value": 1.0, "Unit": "Milliseconds", "Dimensions": dimensions}
    cloudwatch.put_metric_data(Namespace="App", MetricData=[datum])
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/monitoring/aws4_request, "
                               "SignedHeaders=host, Signature=0"}  # fmt: skip
    form = {
        "Action": "PutMetricData", "Version": "2010-08-01", "Namespace": "App",
        "MetricData.member.1.MetricName": "Latency", "MetricData.member.1.Value": "2",
        "MetricData.member.1.Unit": "Milliseconds", "MetricData.member.1.Dimensions.member.1.Name": "Host",
        "MetricData.member.1.Dimensions.member.1.Value": "a",
    }  # fmt: skip
    url = f"http://127.0.0.1:{kunren.port}/"
    with urlopen(Request(url, urlencode(form).encode(), signed)) as answer:
        assert b"<PutMetricDataResponse" in answer.read()
    target = {
        "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
        "Content-Type": "application/x-amz-json-1.0",
    }
    document = json.dumps({"Namespace": "App", "MetricData": [{**datum, "Value": 3.0}]}).encode()
    with urlopen(Request(url, document, {**signed, **target})) as answer:
        assert answer.status == 200
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "test",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url}  # fmt: skip
    command = ["aws", "cloudwatch", "list-metrics", "--output", "json"]
    listed = subprocess.run(command, env=environment, check=True, capture_output=True)
    (metric,) = json.loads(listed.stdout)["Metrics"]
    assert metric == {"Namespace": "App", "MetricName": "Latency", "Dimensions": dimensions}
    end = datetime.now(UTC) + timedelta(days=2)  # the daemon's clock is ahead of ours
    over = {"StartTime": end - timedelta(days=4), "EndTime": end}
    found = cloudwatch.get_metric_statistics(**metric, **over, Period=345_600, Statistics=["Sum", "Maximum"])
    assert [(each["Sum"], each["Maximum"], each["Unit"]) for each in found["Datapoints"]] == [
        (6.0, 3.0, "Milliseconds")
    ]
    stat = {"Metric": metric, "Period": 345_600, "Stat": "p50"}
    queries = [{"Id": "m1", "MetricStat": stat}, {"Id": "e1", "Expression": "m1 * 10", "Label": "ten"}]
    data = cloudwatch.get_metric_data(**over, MetricDataQueries=queries)["MetricDataResults"]
    assert [(each["Label"], each["Values"]) for each in data] == [("Latency", [2.0]), ("ten", [20.0])]
    with pytest.raises(cloudwatch.exceptions.ClientError, match="SEARCH"):
        cloudwatch.get_metric_data(
            **over, MetricDataQueries=[{"Id": "e1", "Expression": "SEARCH('{App,Host}', 'Sum')"}]
        )


def test_an_alarm_watches_a_load_balancer(site, cloudwatch, until):
    """What clients get is what the metrics say: a target's errors are the target's, those of none the balancer's."""
    target = site.target("shop", 80)
    shop, nobody = site.group((target, 80)), site.group((target, 81))
    listener = site.listen(site.forward(shop))
    site.rule(listener, 1, [{"Field": "path-pattern", "Values": ["/nobody"]}], site.forward(nobody))
    site.wait_healthy(shop)
    site.wait_active()
    balancer = {"Name": "LoadBalancer", "Value": site.arn.partition(":loadbalancer/")[2]}
    group = {"Name": "TargetGroup", "Value": shop.rpartition(":")[2]}
    cloudwatch.put_metric_alarm(
        AlarmName="5xx", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count", Statistic="Sum",
        Dimensions=[balancer, group], Period=60, EvaluationPeriods=1, Threshold=2.0, TreatMissingData="notBreaching",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    end = datetime.now(UTC) + timedelta(days=2)

    def told(name, dimensions, stat="Sum"):
        asked = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}
        found = cloudwatch.get_metric_data(
            StartTime=end - timedelta(days=4), EndTime=end,
            MetricDataQueries=[{"Id": "m", "MetricStat": {"Metric": asked, "Period": 345_600, "Stat": stat}}],
        )["MetricDataResults"][0]["Values"]  # fmt: skip
        return found[0] if found else None

    client = site.client()
    assert [client.status(f"{site.url}/") for _ in range(5)] == [200] * 5
    assert client.status(f"{site.url}/nobody") == 502
    target.do("health 500")
    assert [client.status(f"{site.url}/health") for _ in range(3)] == [500] * 3
    assert told("RequestCount", [balancer, group]) == 8.0
    assert told("HTTPCode_Target_2XX_Count", [balancer]) == 5.0
    assert told("HTTPCode_Target_5XX_Count", [balancer, group]) == 3.0
    assert told("HTTPCode_ELB_5XX_Count", [balancer]) == told("HTTPCode_ELB_502_Count", [balancer]) == 1.0
    assert told("TargetResponseTime", [balancer, group], "SampleCount") == 8.0
    assert 0 < told("TargetResponseTime", [balancer, group], "p99") < 30
    until(lambda: told("HealthyHostCount", [group, balancer], "Maximum") == 1.0, "the healthy host")
    until(lambda: told("UnHealthyHostCount", [{**group, "Value": nobody.rpartition(":")[2]}, balancer], "Maximum") == 1.0,
          "the unhealthy host")  # fmt: skip
    until(lambda: cloudwatch.describe_alarms(AlarmNames=["5xx"], StateValue="ALARM")["MetricAlarms"]
          or ([client.status(f"{site.url}/health") for _ in range(3)] and None), "the alarm")  # fmt: skip
