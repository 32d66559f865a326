"""Fleets as their users have them: instances that boot, one that is interrupted and replaced, events, the end."""

import json
import platform

import pytest

SMALL, LARGE = ("t4g.nano", "t4g.small") if platform.machine() == "aarch64" else ("t3a.nano", "t3a.small")
REGION = "eu-west-1"  # a market that no other test moves


class Fleets:
    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.ec2, self.sqs = kunren.client("ec2", account, REGION), kunren.client("sqs", account, REGION)
        self.events = kunren.client("events", account, REGION)
        images = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        data = {"ImageId": images["Images"][0]["ImageId"], "InstanceType": SMALL}
        self.image = data["ImageId"]
        self.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)
        self.heard = []

    def listen(self, *sources):
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        named = {"QueueUrl": self.queue, "AttributeNames": ["QueueArn"]}
        arn = self.sqs.get_queue_attributes(**named)["Attributes"]["QueueArn"]
        self.events.put_rule(Name="fleets", EventPattern=json.dumps({"source": sources}))
        self.events.put_targets(Rule="fleets", Targets=[{"Id": "queue", "Arn": arn}])

    def hear(self):
        """(detail-type, sub-type) of all events until now, in no order."""
        for each in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", ()):
            event = json.loads(each["Body"])
            self.heard.append((event["detail-type"], event["detail"]["sub-type"]))
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return set(self.heard)

    def create(self, *overrides, total, kind="on-demand", **given):
        configs = [{"LaunchTemplateSpecification": {"LaunchTemplateName": "web", "Version": "$Default"},
                    "Overrides": list(overrides)}]  # fmt: skip
        capacity = {"TotalTargetCapacity": total, "DefaultTargetCapacityType": kind}
        return self.ec2.create_fleet(LaunchTemplateConfigs=configs, TargetCapacitySpecification=capacity, **given)

    def request(self, *zones, **given):
        """A Spot Fleet request of one instance."""
        specs = [{"ImageId": self.image, "InstanceType": SMALL, "Placement": {"AvailabilityZone": each}}
                 for each in zones]  # fmt: skip
        role = "arn:aws:iam::123456789012:role/fleets"
        config = {"IamFleetRole": role, "TargetCapacity": 1, "LaunchSpecifications": specs, **given}
        return self.ec2.request_spot_fleet(SpotFleetRequestConfig=config)["SpotFleetRequestId"]

    def spot_fleet(self, id):
        return self.ec2.describe_spot_fleet_requests(SpotFleetRequestIds=[id])["SpotFleetRequestConfigs"][0]

    def spot_members(self, id):
        shown = self.ec2.describe_spot_fleet_instances(SpotFleetRequestId=id)["ActiveInstances"]
        return {each["InstanceId"] for each in shown}

    def fleet(self, id):
        return self.ec2.describe_fleets(FleetIds=[id])["Fleets"][0]

    def members(self, id):
        return {each["InstanceId"] for each in self.ec2.describe_fleet_instances(FleetId=id)["ActiveInstances"]}

    def instances(self, ids):
        shown = self.ec2.describe_instances(InstanceIds=list(ids))["Reservations"]
        return [one for each in shown for one in each["Instances"]]

    def states(self, ids):
        return {each["State"]["Name"] for each in self.instances(ids)}

    def why(self, before, now):
        """What is there instead."""
        requests = self.ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        told = {each["InstanceId"]: (each["State"], each["Status"]["Code"]) for each in requests}
        return f"another than {before}: {now} {[self.states([each]) for each in now]} {told}"

    def replaced(self, members, before):
        """The one member that runs, once it is another than before."""

        def other():
            found = members()
            return found if len(found) == 1 and found != before and self.states(found) == {"running"} else None

        return self.until(other, lambda: self.why(before, members()), 60)


@pytest.fixture
def fleets(kunren, account, until):
    return Fleets(kunren, account, until)


def test_fleets_replace_who_is_interrupted_and_end_with_their_instances(fleets, until):
    fleets.listen("aws.ec2fleet", "aws.ec2spotfleet")
    zone, other = (f"{REGION}{each}" for each in "ab")
    id = fleets.create({"AvailabilityZone": zone}, {"AvailabilityZone": other}, total=1, kind="spot")["FleetId"]
    request = fleets.request(zone, other, ExcessCapacityTerminationPolicy="default")
    until(lambda: fleets.fleet(id)["ActivityStatus"] == "fulfilled", "fulfilled")
    until(lambda: fleets.spot_fleet(request)["ActivityStatus"] == "fulfilled", "fulfilled")
    members = {id: lambda: fleets.members(id), request: lambda: fleets.spot_members(request)}
    first = {each: now() for each, now in members.items()}
    fleets.kunren.run("spot", zone, SMALL, "--capacity", "0", check=True)
    _an_instant_fleet_of_two_types_boots_and_ends_with_its_fleet(fleets, until)  # while the notice runs
    second = {each: fleets.replaced(now, first[each]) for each, now in members.items()}
    fleets.kunren.run("spot", zone, SMALL, "--capacity", "-1", check=True)
    assert {each["StateReason"]["Code"] for one in first.values() for each in fleets.instances(one)} == {
        "Server.SpotInstanceTermination"
    }
    assert {each["Placement"]["AvailabilityZone"] for one in second.values() for each in fleets.instances(one)} == {
        other
    }
    fleets.ec2.delete_fleets(FleetIds=[id], TerminateInstances=True)
    fleets.ec2.cancel_spot_fleet_requests(SpotFleetRequestIds=[request], TerminateInstances=True)
    until(lambda: fleets.states(second[id] | second[request]) == {"terminated"}, "the instances end", 60)
    until(lambda: fleets.fleet(id)["FleetState"] == "deleted", "the fleet is deleted")
    until(lambda: fleets.spot_fleet(request)["SpotFleetRequestState"] == "cancelled", "the request is cancelled")
    wanted = set()
    for name, ends in (("EC2 Fleet", "deleted"), ("EC2 Spot Fleet", "cancelled")):
        states = ("submitted", "active", f"{ends}_terminating", ends)
        wanted |= {(f"{name} State Change", each) for each in states}
        wanted |= {(f"{name} Instance Change", each) for each in ("launched", "termination_notified", "terminated")}
        wanted |= {(f"{name} Spot Instance Request Change", each) for each in ("submitted", "active")}
    until(lambda: fleets.hear() == wanted, lambda: sorted(fleets.heard), 60)


def _an_instant_fleet_of_two_types_boots_and_ends_with_its_fleet(fleets, until):
    """There is no more room for the small type."""
    zone = f"{REGION}a"
    overrides = [
        {"InstanceType": LARGE, "WeightedCapacity": 2, "Priority": 1, "AvailabilityZone": zone},
        {"InstanceType": SMALL, "WeightedCapacity": 1, "Priority": 0, "AvailabilityZone": zone},
    ]
    options = {"AllocationStrategy": "capacity-optimized-prioritized"}
    made = fleets.create(*overrides, total=3, kind="spot", Type="instant", SpotOptions=options)
    assert made["Errors"] == []
    ids = [one for each in made["Instances"] for one in each["InstanceIds"]]
    assert [(each["InstanceType"], each["Lifecycle"]) for each in made["Instances"]] == [(LARGE, "spot")]
    assert len(ids) == 2
    until(lambda: fleets.states(ids) == {"running"}, "the instances run", 60)
    ended = fleets.ec2.delete_fleets(FleetIds=[made["FleetId"]], TerminateInstances=True)
    assert ended["SuccessfulFleetDeletions"][0]["CurrentFleetState"] == "deleted_terminating"
    until(lambda: fleets.states(ids) == {"terminated"}, "the instances end", 60)
    until(lambda: fleets.fleet(made["FleetId"])["FleetState"] == "deleted", "the fleet is deleted")
