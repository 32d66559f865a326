"""Spot Instances as their users have them: noticed two minutes before, in metadata and by EventBridge, then taken."""

import json

import pytest

REGION = "eu-west-2"  # a market that no other test moves
WATCHER = """#!/bin/sh
# What runs on a Spot Instance: it looks for its notice and writes down what it saw.
B=http://169.254.169.254/latest/meta-data
touch /var/lib/watching
while sleep 0.2; do
    if curl -sSf $B/spot/instance-action > /var/lib/action 2>/dev/null; then
        curl -sS $B/events/recommendations/rebalance > /var/lib/rebalance
        echo noticed; exit 0
    fi
done &
"""


class Spots:
    """Spot Instances of one account, and a queue that hears what EventBridge is told of them."""

    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.account = account
        self.ec2, self.sqs = kunren.client("ec2", account, REGION), kunren.client("sqs", account, REGION)
        self.fis, self.iam = kunren.client("fis", account, REGION), kunren.client("iam", account)
        events = kunren.client("events", account, REGION)
        images = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        self.image = images["Images"][0]["ImageId"]
        self.type = "t3.micro" if images["Images"][0]["Architecture"] == "x86_64" else "t4g.micro"
        self.subnet, self.other_subnet = self.ec2.describe_subnets()["Subnets"][:2]
        self.zone = self.subnet["AvailabilityZone"]
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name="ec2", EventPattern=json.dumps({"source": ["aws.ec2"]}))
        events.put_targets(Rule="ec2", Targets=[{"Id": "queue", "Arn": arn}])
        self.heard = []

    def hear(self):
        """(detail-type, detail) of all events until now."""
        for each in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", ()):
            event = json.loads(each["Body"])
            self.heard.append((event["detail-type"], event["detail"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return self.heard

    def states(self, id):
        kind = "EC2 Instance State-change Notification"
        return [each["state"] for name, each in self.hear() if name == kind and each["instance-id"] == id]

    def instance(self, id):
        return self.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]

    def wait(self, id, state):
        self.until(lambda: self.instance(id)["State"]["Name"] == state, f"{id} {state}", 60)
        return self.instance(id)

    def request(self, id):
        return self.ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[id])["SpotInstanceRequests"][0]

    def status(self, id):
        found = self.request(id)
        return found["State"], found["Status"]["Code"]


@pytest.fixture
def spots(kunren, account, until):
    return Spots(kunren, account, until)


def test_a_spot_instance_is_noticed_and_taken_and_a_persistent_one_comes_back(spots, until):
    options = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.02"}}
    id = spots.ec2.run_instances(
        ImageId=spots.image, InstanceType=spots.type, MinCount=1, MaxCount=1, UserData=WATCHER,
        SubnetId=spots.subnet["SubnetId"], InstanceMarketOptions=options,
    )["Instances"][0]["InstanceId"]  # fmt: skip
    persistent = Persistent(spots)
    shown = spots.wait(id, "running")
    request, volume = shown["SpotInstanceRequestId"], shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    home = spots.kunren.state / "data" / "disks" / volume / "var/lib"  # read here: time inside is short
    until(lambda: (home / "watching").exists(), "user data", 60)
    action = home / "action"
    assert spots.status(request) == ("active", "fulfilled")
    persistent.interrupt()  # its two minutes and those of the other are the same
    moved = spots.kunren.run("spot", spots.zone, spots.type, "--price", "0.5", check=True).stdout
    try:
        assert "0.500000" in moved
        until(lambda: spots.status(request)[1] == "marked-for-termination", "the mark")
        seen = until(lambda: action.exists() and action.read_text(), "the notice inside")
        assert json.loads(seen)["action"] == "terminate"
        gone = spots.wait(id, "terminated")
        history = spots.ec2.describe_spot_price_history(InstanceTypes=[spots.type], AvailabilityZone=spots.zone)
        assert history["SpotPriceHistory"][0]["SpotPrice"] == "0.500000"
    finally:
        spots.kunren.run("spot", spots.zone, spots.type, "--price", "0.003", check=True)
    assert gone["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    until(lambda: spots.status(request) == ("closed", "instance-terminated-by-price"), "the request closed")
    warned = ("EC2 Spot Instance Interruption Warning", {"instance-id": id, "instance-action": "terminate"})
    until(lambda: warned in spots.hear(), "the warning on the queue")
    passed = ["pending", "running", "shutting-down", "terminated"]  # in any order: EventBridge keeps none
    until(lambda: sorted(spots.states(id)) == passed, lambda: spots.states(id))
    persistent.comes_back(until)


class Persistent:
    """A request in the other zone, whose instance an experiment interrupts."""

    def __init__(self, spots):
        self.spots = spots
        launch = {"ImageId": spots.image, "InstanceType": spots.type, "SubnetId": spots.other_subnet["SubnetId"]}
        self.request = spots.ec2.request_spot_instances(
            Type="persistent", InstanceInterruptionBehavior="stop", LaunchSpecification=launch
        )["SpotInstanceRequests"][0]["SpotInstanceRequestId"]

    def fulfilled(self):
        status = lambda: self.spots.status(self.request)  # noqa: E731
        self.spots.until(lambda: status() == ("active", "fulfilled"), status)

    def interrupt(self):
        spots = self.spots
        self.fulfilled()
        self.id = spots.request(self.request)["InstanceId"]
        spots.wait(self.id, "running")
        role = spots.iam.create_role(RoleName="fis", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        targets = {"spots": {"resourceType": "aws:ec2:spot-instance", "selectionMode": "ALL",
                             "resourceArns": [f"arn:aws:ec2:{REGION}:{spots.account}:instance/{self.id}"]}}  # fmt: skip
        interrupt = {
            "actionId": "aws:ec2:send-spot-instance-interruptions",
            "parameters": {"durationBeforeInterruption": "PT2M"},
            "targets": {"SpotInstances": "spots"},
        }
        template = spots.fis.create_experiment_template(
            clientToken="t", description="d", roleArn=role, stopConditions=[{"source": "none"}], targets=targets,
            actions={"interrupt": interrupt},
        )["experimentTemplate"]["id"]  # fmt: skip
        spots.fis.start_experiment(clientToken="e", experimentTemplateId=template)

    def comes_back(self, until):
        spots, id = self.spots, self.id
        back = ["pending", "pending", "running", "running", "stopped", "stopping"]
        until(lambda: sorted(spots.states(id)) == back, lambda: spots.states(id), 60)
        for told in (
            ("EC2 Instance Rebalance Recommendation", {"instance-id": id}),
            ("EC2 Spot Instance Interruption Warning", {"instance-id": id, "instance-action": "stop"}),
        ):
            until(lambda told=told: told in spots.hear(), told)
        self.fulfilled()
        spots.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[self.request])
        spots.ec2.terminate_instances(InstanceIds=[id])
        spots.wait(id, "terminated")
        until(lambda: spots.status(self.request)[0] == "cancelled", lambda: spots.status(self.request))
