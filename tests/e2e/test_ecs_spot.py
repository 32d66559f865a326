"""A Spot Instance of a cluster is told of its interruption: metadata, EventBridge, and the agent that drains it."""

import json
import platform

import pytest

from .test_ecs_instances import Fleet

TYPE = "t4g.medium" if platform.machine() == "aarch64" else "t3a.medium"


@pytest.fixture
def fleet(kunren, account, until):
    return Fleet(kunren, account, until)


def test_an_interruption_drains_the_instance_and_leaves_tasks_that_no_service_has(kunren, account, fleet, until):
    events, sqs = kunren.client("events", account), kunren.client("sqs", account)
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    kinds = ["EC2 Spot Instance Interruption Warning", "ECS Container Instance State Change"]
    events.put_rule(Name="told", EventPattern=json.dumps({"detail-type": kinds}))
    events.put_targets(Rule="told", Targets=[{"Id": "1", "Arn": arn}])

    id = fleet.launch(InstanceType=TYPE, InstanceMarketOptions={"MarketType": "spot"})
    shown = until(lambda: fleet.connected(1), "the agent is connected", 60)[0]
    zone = next(each["value"] for each in shown["attributes"] if each["name"] == "ecs.availability-zone")
    fleet.register("host", "host", 8080)
    task = fleet.ecs.run_task(cluster="fleet", taskDefinition="host")["tasks"][0]["taskArn"]
    fleet.reached(task)
    try:
        assert kunren.run("spot", zone, TYPE, "--capacity", "0").returncode == 0
        drained = until(lambda: fleet.instances(status="DRAINING"), "drained by its agent", 30)[0]
    finally:
        kunren.run("spot", zone, TYPE, "--capacity", "-1")
    assert (drained["ec2InstanceId"], drained["agentConnected"], drained["runningTasksCount"]) == (id, True, 1)
    token = 'T=$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" http://169.254.169.254/latest/api/token)'
    ask = f'{token}; curl -s -H "X-aws-ec2-metadata-token: $T" http://169.254.169.254/latest/meta-data/'
    action = json.loads(kunren.run("ssh", id, "--", "sh", "-c", f"{ask}spot/instance-action").stdout)
    assert action["action"] == "terminate"
    assert fleet.task(task)["lastStatus"] == "RUNNING"
    refused = fleet.ecs.run_task(cluster="fleet", taskDefinition="host")
    assert refused["tasks"] == []

    told = []

    def heard():
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
            body = json.loads(each["Body"])
            told.append((body["detail-type"], body["detail"].get("status") or body["detail"].get("instance-action")))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
        return {(kinds[0], "terminate"), (kinds[1], "ACTIVE"), (kinds[1], "DRAINING")} <= set(told)

    until(heard, "EventBridge is told")
    fleet.ec2.terminate_instances(InstanceIds=[id])
    ended = fleet.reached(task, "STOPPED")
    assert ended["stoppedReason"] == f"Host EC2 (instance {id}) terminated."
