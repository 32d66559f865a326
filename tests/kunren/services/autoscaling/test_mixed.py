"""Purchase options and types of a mixed instances policy."""

import math

import pytest

from kunren.core.errors import AwsError
from kunren.services.autoscaling import mixed
from kunren.services.autoscaling.errors import ValidationError
from kunren.services.autoscaling.model import Member
from kunren.services.ec2.instances.types import MACHINE, all_types

TEMPLATE = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "web", "Version": "1"}
PRICES = {"c": 3.0, "b": 1.0, "a": 2.0}


def policy(*types, **distribution):
    listed = [each if isinstance(each, dict) else {"InstanceType": each} for each in types]
    return mixed.complete({"LaunchTemplate": {"Overrides": listed}, "InstancesDistribution": distribution}, TEMPLATE)


def order(made, market="spot", room=None, held=()):
    found = mixed.in_order(
        made, market, lambda name: (PRICES[name], (room or {}).get(name, math.inf)), PRICES.__getitem__, held
    )
    return "".join(each["InstanceType"] for each in found)


def test_the_base_is_on_demand_and_the_percentage_is_rounded_up():
    made = policy("a", OnDemandBaseCapacity=2, OnDemandPercentageAboveBaseCapacity=25)
    assert [mixed.on_demand_part(made, each) for each in (1, 2, 3, 6, 10)] == [1, 2, 3, 3, 4]
    assert mixed.next_market(made, 10, 3) == "on-demand"
    assert mixed.next_market(made, 10, 4) == "spot"
    assert mixed.next_market(None, 10, 10) == "on-demand"


def test_strategies_order_the_types():
    assert order(policy("c", "b", "a"), "on-demand") == "cba"
    assert order(policy("c", "b", "a", OnDemandAllocationStrategy="lowest-price"), "on-demand") == "bac"
    assert order(policy("c", "b", "a")) == "bac"
    room = {"a": 0, "b": 5, "c": 9}
    assert order(policy("a", "b", "c", SpotAllocationStrategy="capacity-optimized"), room=room) == "cba"
    assert order(policy("a", "b", "c", SpotAllocationStrategy="capacity-optimized-prioritized")) == "abc"
    assert order(policy("a", "b", "c", SpotAllocationStrategy="price-capacity-optimized"), room={"b": 0}) == "acb"


def test_the_cheapest_pools_take_turns():
    held = [Member(id="i-1", zone="z", instance_type="b", version="1", state="InService", since=0.0, activity="")]
    assert order(policy("c", "b", "a", SpotInstancePools=2), held=held) == "abc"


def test_weights_are_given_for_all_types_or_none():
    heavy = {"InstanceType": "a", "WeightedCapacity": "4"}
    assert mixed.weight(policy(heavy)["LaunchTemplate"]["Overrides"][0]) == 4
    with pytest.raises(ValidationError, match="all of the overrides"):
        policy(heavy, "b")


def test_attributes_choose_types():
    needs = {"VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 4096, "Max": 8192}}
    made = policy({"InstanceRequirements": needs})
    assert made["InstancesDistribution"]["OnDemandAllocationStrategy"] == "lowest-price"
    cost = lambda name: all_types()[name].price  # noqa: E731
    for market in ("on-demand", "spot"):
        found = mixed.in_order(made, market, lambda name: (cost(name), math.inf), cost, ())
        assert found[0]["InstanceType"] == ("c6g.large" if MACHINE == "arm64" else "c6a.large")
        assert len(found) > 1
        assert not any("InstanceRequirements" in each for each in found)
    with pytest.raises(ValidationError, match="MemoryMiB"):
        policy({"InstanceRequirements": {"VCpuCount": {"Min": 1}}})
    with pytest.raises(ValidationError, match="together"):
        policy({"InstanceRequirements": needs, "InstanceType": "a"})
    with pytest.raises(ValidationError, match="No instance type"):
        policy({"InstanceRequirements": {**needs, "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice": 10}})
    with pytest.raises(AwsError, match="bandwidths"):
        policy({"InstanceRequirements": {**needs, "NetworkBandwidthGbps": {"Min": 1}}})
