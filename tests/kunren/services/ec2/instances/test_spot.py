"""Spot requests by what is decided of them: the controller's clock and the world are left out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kunren.services.ec2.instances import events, images, spot
from kunren.services.ec2.instances.model import Instance, SpotMarket, SpotRequest
from kunren.services.ec2.instances.types import MACHINE

IMAGE = images.built_in("us-east-1").id
TYPE = "t3.micro" if MACHINE == "x86_64" else "t4g.micro"
STATES = ("pending", "running", "stopping", "stopped", "shutting-down", "terminated")


def run(ec2, **options):
    market = {"MarketType": "spot", "SpotOptions": options}
    return ec2.run_instances(ImageId=IMAGE, InstanceType=TYPE, MinCount=1, MaxCount=1, InstanceMarketOptions=market)


def test_run_instances_makes_a_request_of_its_own(ec2):
    made = run(ec2, MaxPrice="0.01")["Instances"][0]
    assert made["InstanceLifecycle"] == "spot"
    request = ec2.describe_spot_instance_requests()["SpotInstanceRequests"][0]
    assert request["SpotInstanceRequestId"] == made["SpotInstanceRequestId"]
    assert (request["State"], request["Status"]["Code"], request["Type"]) == ("active", "fulfilled", "one-time")
    assert (request["SpotPrice"], request["InstanceId"]) == ("0.010000", made["InstanceId"])
    assert ec2.refused("stop_instances", InstanceIds=[made["InstanceId"]])[0] == "UnsupportedOperation"


def test_a_price_below_the_market_is_refused_and_nothing_is_left(ec2):
    market = {"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.001"}}
    code, text = ec2.refused(
        "run_instances", ImageId=IMAGE, InstanceType=TYPE, MinCount=1, MaxCount=1, InstanceMarketOptions=market
    )
    assert code == "SpotMaxPriceTooLow"
    assert "0.001" in text
    assert ec2.describe_spot_instance_requests()["SpotInstanceRequests"] == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"InstanceInterruptionBehavior": "stop"}, "InvalidParameterCombination"),
        ({"InstanceInterruptionBehavior": "hibernate"}, "InvalidParameterCombination"),
        (
            {"InstanceInterruptionBehavior": "hibernate", "SpotInstanceType": "persistent"},
            "UnsupportedHibernationConfiguration",
        ),
        ({"MaxPrice": "free"}, "InvalidParameterValue"),
    ],
)
def test_options_that_do_not_fit_are_refused(ec2, options, code):
    market = {"MarketType": "spot", "SpotOptions": options}
    asked = {"ImageId": IMAGE, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1, "InstanceMarketOptions": market}
    assert ec2.refused("run_instances", **asked)[0] == code


def test_a_market_has_room_for_what_its_capacity_leaves(ec2):
    made = run(ec2)["Instances"][0]
    zone = made["Placement"]["AvailabilityZone"]
    found = spot.market(ec2.store.snapshot(), ec2.region, zone, TYPE)
    assert spot.room(ec2.store.snapshot(), found) == math.inf
    for capacity, left in ((3, 2), (1, 0), (0, 0)):
        assert spot.room(ec2.store.snapshot(), spot.moved(found, 0.0, None, capacity)) == left


def test_who_was_interrupted_is_started_by_the_market_alone(ec2):
    made = run(ec2, SpotInstanceType="persistent", InstanceInterruptionBehavior="stop")["Instances"][0]["InstanceId"]
    with ec2.store.write() as tx:
        instance = tx.get(Instance, ec2.account, ec2.region, made)
        tx.put(spot.taken(instance, "stop"))
        tx.put(spot.coded(spot.request_of(tx, instance), 0.0, "instance-stopped-by-price", state="open"))
    code, text = ec2.refused("start_instances", InstanceIds=[made])
    assert code == "IncorrectSpotRequestState"
    assert made in text


def test_requests_are_open_until_they_are_fulfilled_or_cancelled(ec2):
    launch = {"ImageId": IMAGE, "InstanceType": TYPE}
    made = ec2.request_spot_instances(InstanceCount=2, LaunchSpecification=launch)["SpotInstanceRequests"]
    assert [(each["State"], each["Status"]["Code"]) for each in made] == [("open", "pending-evaluation")] * 2
    ids = [each["SpotInstanceRequestId"] for each in made]
    cancelled = ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=ids)["CancelledSpotInstanceRequests"]
    assert {each["State"] for each in cancelled} == {"cancelled"}
    assert ec2.refused("describe_spot_instance_requests", SpotInstanceRequestIds=["sir-0"])[0] == (
        "InvalidSpotInstanceRequestID.NotFound"
    )


def test_prices_have_a_history(ec2):
    usual = spot.usual_price(TYPE)
    with ec2.store.write() as tx:
        market = SpotMarket(account="", region="us-east-1", id=f"us-east-1a|{TYPE}")
        tx.put(spot.moved(market, ec2.clock.now() - 10, 0.5, None))
    shown = ec2.describe_spot_price_history(InstanceTypes=[TYPE], AvailabilityZone="us-east-1a")["SpotPriceHistory"]
    assert [each["SpotPrice"] for each in shown] == ["0.500000", f"{usual:.6f}"]


def a_request(**given):
    values = {"launch": {}, "instance_type": TYPE, "persistent": False, "behavior": "terminate", "price": 1.0}
    return SpotRequest(account="1", region="us-east-1", id="sir-1", created_at=0.0, **{**values, **given})


def test_a_notice_comes_two_minutes_before_the_end_whatever_is_asked_for():
    assert (found := spot.interrupted(a_request(), 100.0, "no-capacity")).notice_at == 100.0
    assert found.interrupt_at == 220.0
    later = spot.interrupted(a_request(), 100.0, "by-experiment", 900.0, rebalance=True)
    assert (later.notice_at, later.interrupt_at, later.rebalance_at) == (880.0, 1000.0, 100.0)
    assert spot.interrupted(later, 500.0, "by-price") == later


def test_metadata_tells_the_interruption_only_after_its_notice(ec2):
    made = run(ec2)["Instances"][0]["InstanceId"]
    with ec2.store.write() as tx:
        instance = tx.get(Instance, ec2.account, ec2.region, made)
        request = spot.interrupted(spot.request_of(tx, instance), 1_767_637_200.0, "no-capacity")
        tx.put(request)
        assert spot.told_in_metadata(tx, instance) == {}
        tx.put(spot.noticed(tx, ec2.api.entropy, request, instance, 1_767_637_200.0))
        told = spot.told_in_metadata(tx, instance)
    assert told["spot"] == {
        "instance-action": '{"action": "terminate", "time": "2026-01-05T18:22:00Z"}',
        "termination-time": "2026-01-05T18:22:00Z",
    }
    assert spot.taken(instance, "stop").wanted == "stopped"
    assert replace(spot.taken(instance, "terminate"), reason=None).reason_code == "Server.SpotInstanceTermination"


def test_every_state_between_two_looks_is_told():
    assert events.passed("", "running") == ["pending", "running"]
    assert events.passed("running", "pending") == []  # booted again after a crash
    assert events.passed("running", "stopped") == ["stopping", "stopped"]
    assert events.passed("stopped", "running") == ["pending", "running"]
    assert events.passed("running", "terminated") == ["shutting-down", "terminated"]
    assert events.passed("shutting-down", "terminated") == ["terminated"]


@given(st.sampled_from(("", *STATES)), st.sampled_from(STATES))
def test_what_is_told_ends_with_what_is_so(told, now):
    found = events.passed(told, now)
    assert found == [] or found[-1] == now
    assert len(found) == len(set(found))
