"""`kunren trace` and `kunren graph` through accelerators: each request is explained, sent by the trace, and sent again by
a client that knows nothing of it; explanation, what the kernel has, and the client's answer must be one."""

from __future__ import annotations

import json

HOME = "us-west-2"


class Traced:
    """One `kunren trace --json` that agrees with what happened."""

    def __init__(self, kunren, url, *options):
        done = kunren.run("trace", "--json", *options, url)
        assert done.returncode == 0, done.stdout + done.stderr
        self.report = json.loads(done.stdout)
        self.steps = {each["stage"]: each for each in self.report["steps"]}
        self.expected, self.observed = self.report["expected"], self.report["observed"]

    @property
    def endpoints(self):
        """Who may get the flow, in which region, and how probably."""
        return {each["id"]: (each["group"], round(each["probability"], 3)) for each in self.expected["endpoints"]}

    @property
    def groups(self):
        """What the explanation says of each endpoint group."""
        return [(each["what"], each["because"]) for each in self.steps["endpoint group"]["considered"]]


def fixed(kunren, account, region, body):
    """An internet-facing Application Load Balancer with a fixed answer: its ARN and its DNS name."""
    elb, ec2 = kunren.client("elbv2", account, region), kunren.client("ec2", account, region)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    everybody = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everybody])
    made = elb.create_load_balancer(Name="fixed", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": body}
    action = {"Type": "fixed-response", "FixedResponseConfig": response}
    elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Port=80, Protocol="HTTP", DefaultActions=[action])
    waiter = elb.get_waiter("load_balancer_available")
    waiter.wait(LoadBalancerArns=[made["LoadBalancerArn"]], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return made["LoadBalancerArn"]


def test_every_kind_of_request_through_an_accelerator_is_explained_as_it_goes(kunren, account, site, until):
    api = kunren.client("globalaccelerator", account, HOME)
    target = site.target("echo")
    targets = site.group((target, 80), HealthCheckPath="/health")
    site.listen(site.forward(targets))
    other = fixed(kunren, account, "eu-west-1", "other")
    site.wait_active()
    made = api.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]
    arn, name, first = made["AcceleratorArn"], made["DnsName"], made["IpSets"][0]["IpAddresses"][0]
    listener = api.create_listener(
        AcceleratorArn=arn, Protocol="TCP", IdempotencyToken="one",
        PortRanges=[{"FromPort": 80, "ToPort": 80}, {"FromPort": 8000, "ToPort": 8100}],
    )["Listener"]["ListenerArn"]  # fmt: skip

    def group(region, endpoint):
        return api.create_endpoint_group(
            ListenerArn=listener, EndpointGroupRegion=region, EndpointConfigurations=[{"EndpointId": endpoint}],
            IdempotencyToken=region, PortOverrides=[{"ListenerPort": 8080, "EndpointPort": 80}],
        )["EndpointGroup"]["EndpointGroupArn"]  # fmt: skip

    def health(of):
        shown = api.describe_endpoint_group(EndpointGroupArn=of)["EndpointGroup"]["EndpointDescriptions"]
        return [each["HealthState"] for each in shown]

    def deployed():
        def status():
            return api.describe_accelerator(AcceleratorArn=arn)["Accelerator"]["Status"]

        until(lambda: status() == "DEPLOYED", "the accelerator deployed")

    east, west = group("us-east-1", site.arn), group("eu-west-1", other)
    until(lambda: [health(each) for each in (east, west)] == [["HEALTHY"]] * 2, "healthy endpoints")
    deployed()
    near, far = site.client("virginia"), site.client("london")

    # the nearest region, by the accelerator's own name
    traced = Traced(kunren, f"http://{name}/", "--from", "virginia")
    assert traced.steps["DNS"]["chosen"].startswith(traced.observed["address"])
    assert traced.steps["edge location"]["chosen"] == traced.observed["edge"] == "virginia"
    assert traced.steps["accelerator"]["chosen"] == "TCP :80, 8000-8100"
    assert traced.steps["endpoint group"]["chosen"] == "us-east-1"
    assert [what for what, _ in traced.groups] == [
        "us-east-1, 1 ms away, dial 100 %", "eu-west-1, 78 ms away, dial 100 %"
    ]  # fmt: skip
    assert {region for region, _ in traced.endpoints.values()} == {"us-east-1"}
    assert traced.observed["endpoint"] in traced.endpoints
    assert traced.steps["endpoint"]["chosen"].startswith(traced.observed["endpoint"])
    assert "the client's own address (preserved)" in traced.steps["endpoint"]["because"]
    assert traced.observed["target"] == f"{target.address}:80"
    assert "echo" in near.get(f"http://{name}/")["body"]

    # another place, another region: a fixed answer
    traced = Traced(kunren, f"http://{name}/", "--from", "london")
    assert (traced.observed["edge"], traced.steps["endpoint group"]["chosen"]) == ("london", "eu-west-1")
    assert (traced.observed["status"], traced.observed["answered_by"]) == (200, "load balancer")
    assert far.get(f"http://{name}/")["body"] == "other"

    # a port override
    traced = Traced(kunren, f"http://{first}:8080/", "--from", "virginia")
    assert "port 80 in place of 8080" in traced.steps["endpoint"]["because"]
    assert traced.observed["endpoint"].endswith(":80")
    assert traced.observed["target"] == f"{target.address}:80"
    assert near.status(f"http://{first}:8080/") == 200

    # a connection alone, and a port that the load balancer's security group keeps out
    traced = Traced(kunren, f"tcp://{first}:80", "--from", "tokyo")
    assert (traced.observed["outcome"], traced.observed["edge"]) == ("connected", "tokyo")
    traced = Traced(kunren, f"tcp://{first}:8001", "--from", "virginia")
    assert traced.steps["client network"]["chosen"] == "dropped"
    assert (traced.observed["outcome"], traced.observed["edge"]) == ("timeout", "virginia")

    # no listener
    traced = Traced(kunren, f"tcp://{first}:81", "--from", "virginia")
    assert traced.steps["accelerator"]["chosen"] == "dropped"
    assert (traced.observed["outcome"], traced.observed["edge"]) == ("timeout", None)

    # the dial divides, and the affinity of a client's address decides
    api.update_endpoint_group(EndpointGroupArn=east, TrafficDialPercentage=50)
    deployed()
    traced = Traced(kunren, f"http://{first}/", "--from", "virginia")
    assert {region: sum(share for each, share in traced.endpoints.values() if each == region)
            for region in ("us-east-1", "eu-west-1")} == {"us-east-1": 0.5, "eu-west-1": 0.5}  # fmt: skip
    assert traced.groups[0][1] == "1 of 1 endpoints healthy, gets 50 % of the flows"
    chosen = traced.steps["endpoint group"]["chosen"]
    assert (traced.observed["answered_by"] == "target") == (chosen == "us-east-1")
    api.update_listener(ListenerArn=listener, ClientAffinity="SOURCE_IP")
    deployed()
    for place in ("virginia", "tokyo", "saopaulo", "london"):
        foretold = Traced(kunren, f"http://{first}/", "--from", place, "--no-send").endpoints
        traced = Traced(kunren, f"http://{first}/", "--from", place)
        assert {traced.observed["endpoint"]} == set(foretold), "the one that the hash leads to"
    stays = Traced(kunren, f"http://{first}/", "--from", "tokyo").observed["endpoint"]
    api.update_endpoint_group(EndpointGroupArn=east, HealthCheckIntervalSeconds=10, ThresholdCount=2)
    deployed()
    assert Traced(kunren, f"http://{first}/", "--from", "tokyo").observed["endpoint"] == stays
    api.update_listener(ListenerArn=listener, ClientAffinity="NONE")

    # the edge's address instead of the client's
    hidden = {"EndpointId": site.arn, "Weight": 10, "ClientIPPreservationEnabled": False}
    api.update_endpoint_group(EndpointGroupArn=east, TrafficDialPercentage=100, EndpointConfigurations=[hidden])
    deployed()
    traced = Traced(kunren, f"http://{first}/", "--from", "virginia")
    assert "the edge's address 198.18.128.10" in traced.steps["endpoint"]["because"]
    assert traced.observed["target"] == f"{target.address}:80"
    assert near.get_address() not in near.get(f"http://{first}/")["body"]

    # failover, although the other group's dial is at zero
    api.update_endpoint_group(EndpointGroupArn=west, TrafficDialPercentage=0)
    target.do("health 503")
    until(lambda: health(east) == ["UNHEALTHY"], "an endpoint without a healthy target")
    until(lambda: near.get(f"http://{first}/").get("body") == "other", "flows in the other region")
    traced = Traced(kunren, f"http://{first}/", "--from", "virginia")
    assert traced.steps["endpoint group"]["chosen"] == "eu-west-1"
    assert "the 3 closest that has one, whatever its dial" in traced.steps["endpoint group"]["because"]
    assert traced.groups[0] == (
        "us-east-1, 1 ms away, dial 100 %", "0 of 1 endpoints healthy, gets 0 % of the flows"
    )  # fmt: skip

    shown = json.loads(kunren.run("graph", "--format", "json", "--name", name, check=True).stdout)
    states = {each["name"]: each["state"] for each in shown["nodes"] if each["kind"] in ("accelerator", "endpoint")}
    assert states == {"front": "DEPLOYED", "web": "UNHEALTHY", "fixed": "HEALTHY"}
    assert {each["kind"] for each in shown["nodes"]} >= {"endpoint-group", "load-balancer", "target-group", "target"}

    api.update_accelerator(AcceleratorArn=arn, Enabled=False)
    deployed()
    steps = Traced(kunren, f"http://{first}/", "--from", "virginia", "--no-send").steps
    assert steps["edge location"]["chosen"] == "none"
