"""Dials, weights and affinity over ten thousand flows of each protocol, and what becomes of them when endpoints die."""

from __future__ import annotations

import pytest

FLOWS = 10_000
FEW = 1_000


def test_dials_and_weights_hold_within_three_per_cent_and_all_flows_are_answered(
    kunren, account, until, front_of, accelerated
):
    fronts = {region: front_of(kunren, account, region) for region in ("us-east-1", "eu-west-1")}
    endpoints, targets = {}, {}
    for name, region in (("heavy", "us-east-1"), ("light", "us-east-1"), ("far", "eu-west-1")):
        front = fronts[region]
        targets[name] = front.target(name, 0, 80, 53)
        balancer = front.balancer(name, Subnets=front.subnets[:1])
        groups = front.group(targets[name]), front.group(targets[name], Protocol="UDP", Port=53, HealthCheckPort="80")
        front.listen(balancer, groups[0])
        front.listen(balancer, groups[1], 53, Protocol="UDP")
        endpoints[name] = balancer["LoadBalancerArn"]
        front.wait_active(balancer)
        for each in groups:
            front.wait_for(each, "healthy")
    weights = [{"EndpointId": endpoints["heavy"], "Weight": 192}, {"EndpointId": endpoints["light"], "Weight": 64}]
    near = []
    for protocol, port in (("TCP", 80), ("UDP", 53)):
        listener = accelerated.listen((port, port), protocol=protocol)
        near.append(accelerated.group(listener, "us-east-1", *weights, TrafficDialPercentage=50))
        accelerated.group(listener, "eu-west-1", endpoints["far"])
    for group in near:
        until(lambda group=group: accelerated.health(group) == ["HEALTHY"] * 2, "healthy endpoints")
    accelerated.deployed()
    client = fronts["us-east-1"].client("--from", "virginia")
    first, second = accelerated.addresses

    def asked(count, **more):
        return client.tell(many=[first, 53 if more.get("udp") else 80], count=count, **more)["said"]

    for protocol in ({}, {"udp": True}):
        said = asked(FLOWS, **protocol)
        assert sum(said.values()) == FLOWS
        shares = {name: count / FLOWS for name, count in said.items()}
        assert shares == pytest.approx({"heavy": 0.375, "light": 0.125, "far": 0.5}, abs=0.03), said

    def dialled(percentage):
        for group in near:
            accelerated.api.update_endpoint_group(EndpointGroupArn=group, TrafficDialPercentage=percentage)
        accelerated.deployed()

    dialled(0)
    assert asked(FEW) == {"far": FEW}
    # (A socket may have the port of an earlier flow, which stays where it was until it is idle.)
    until(lambda: asked(FEW, udp=True) == {"far": FEW}, "no new flow in the near region")
    dialled(100)
    assert set(asked(FEW)) == {"heavy", "light"}

    # With affinity all flows of a client go to one endpoint, also where another joins that is not its own.
    for listener in {group.partition("/endpoint-group/")[0] for group in near}:
        accelerated.api.update_listener(ListenerArn=listener, ClientAffinity="SOURCE_IP")
    accelerated.deployed()
    [own] = asked(FEW)
    until(lambda: asked(FEW, udp=True) == {own: FEW}, "one endpoint for all ports and protocols")

    # The endpoint that a client sticks to dies: new flows of both protocols go to the other, those of then stay.
    other = {"heavy": "light", "light": "heavy"}[own]
    targets[own].do("close 80")
    until(lambda: set(asked(10, timeout=1)) == {other}, "new TCP flows at the other endpoint")
    until(lambda: set(asked(10, udp=True, timeout=1)) == {other}, "new UDP flows at the other endpoint")
    assert accelerated.addresses == [first, second]
    shown = accelerated.api.describe_accelerator(AcceleratorArn=accelerated.arn)["Accelerator"]
    assert shown["IpSets"][0]["IpAddresses"] == [first, second], "addresses stay"
