"""Recovery from what is configured, compliance, drills and advice: the pure parts of Resilience Hub."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kunren.services.resiliencehub.advice import missing_parts
from kunren.services.resiliencehub.discovery import Unresolved, bucket_and_key, of_state
from kunren.services.resiliencehub.estimate import recoveries
from kunren.services.resiliencehub.facts import BALANCER, FUNCTION, TABLE, Behind, Component, Facts, Way
from kunren.services.resiliencehub.model import DISRUPTIONS, NEVER_S, ComponentFound, DrillResult, Policy, Recovery
from kunren.services.resiliencehub.verdict import compliance, measured, overall, worst


def balancer(region="us-east-1", zones=2, *behind):
    return Component("web", "n", ("arn",), BALANCER, region, zones, behind)


def found(component, *others, ways=()):
    return recoveries(component, Facts((component, *others), ways))


@pytest.mark.parametrize(
    ("behind", "zones", "disruption", "rto_s", "missing"),
    [
        (Behind(2, 2, 65.0), 2, "Hardware", 65, ()),
        (Behind(2, 2, 65.0), 2, "AZ", 65, ()),
        (Behind(2, 2, 12.0), 2, "AZ", 60, ()),
        (Behind(2, 1, 12.0), 2, "AZ", NEVER_S, ("single-az",)),
        (Behind(2, 2, 12.0), 1, "AZ", NEVER_S, ("single-az",)),
        (Behind(1, 1, 12.0), 2, "Software", NEVER_S, ("single-target",)),
        (Behind(2, 2, None), 2, "Software", NEVER_S, ("no-health-check",)),
    ],
)
def test_a_load_balancer_recovers_as_its_health_checks_and_zones_let_it(behind, zones, disruption, rto_s, missing):
    recovery = found(balancer("us-east-1", zones, behind))[disruption]
    assert (recovery.rto_s, recovery.missing) == (rto_s, missing)


def test_a_region_needs_a_replica_a_way_to_it_and_something_that_notices():
    here, there = balancer("us-east-1", 2, Behind(2, 2, 12.0)), balancer("eu-west-1", 2, Behind(2, 2, 12.0))
    blind, seeing = Way("www.example.test", None, 60), Way("www.example.test", 90.0, 60)
    assert found(here)["Region"].missing == ("no-replica",)
    assert found(here, there)["Region"].missing == ("no-way",)
    assert found(here, there, ways=(blind,))["Region"].missing == ("no-failover-check",)
    assert found(here, there, ways=(blind, seeing))["Region"].rto_s == 150
    assert found(here, there, ways=(Way("ga", 0.0, 0),))["Region"].rto_s == 12


def policy(**targets):
    return Policy(account="1", region="r", id="arn:p", name="p", tier="Critical", targets=targets)


def test_advice_names_what_is_missing_only_where_the_policy_is_breached():
    here, there = balancer("us-east-1", 2, Behind(2, 2, 12.0)), balancer("eu-west-1", 2, Behind(2, 2, 12.0))
    ways = (Way("www.example.test", 30.0, 300),)
    component = ComponentFound(name="web", type="n", resources=("arn",), recoveries=found(here, there, ways=ways))
    strict, loose = dict.fromkeys(DISRUPTIONS, (60, 0)), dict.fromkeys(DISRUPTIONS, (900, 0))
    assert missing_parts(component, policy(**strict)) == ["ttl"]
    assert missing_parts(component, policy(**loose)) == []
    function = ComponentFound(
        name="f", type="n", resources=("f",), recoveries=found(Component("f", "n", ("f",), FUNCTION, "us-east-1"))
    )
    assert missing_parts(function, policy(**strict)) == ["no-version", "no-replica"]
    table = found(Component("t", "n", ("t",), TABLE, "us-east-1"))
    assert (table["AZ"].rto_s, table["Software"].missing) == (0, ("no-backup",))


def test_what_a_drill_measured_goes_before_an_estimate_and_the_last_counts():
    component = ComponentFound(
        name="web", type="n", resources=("arn",), recoveries=found(balancer("us-east-1", 2, Behind(2, 2, 12.0)))
    )

    def result(number, rto_s, disruption="AZ", resources=("arn",)):
        return DrillResult(account="", region="", id=str(number), drill=f"d{number}", disruption=disruption,
                           resources=resources, verdict=True, rto_s=rto_s, rpo_s=0.0, at=float(number))  # fmt: skip

    shown = compliance(measured(component, [replace(result(1, 7.4), rpo_s=None)]).recoveries, None)["AZ"]
    assert (shown["rtoReferenceId"], shown["rpoReferenceId"]) == ("rto:d1", "rpo:estimate")
    now = measured(component, [result(2, 7.4), result(1, 99.0), result(3, 1.0, resources=("other",))])
    assert (now.recoveries["AZ"].rto_s, now.recoveries["AZ"].drill) == (7, "d2")
    assert now.recoveries["Hardware"] == component.recoveries["Hardware"]
    assert measured(component, [result(1, None)]).recoveries["AZ"].rto_s == NEVER_S


seconds = st.integers(0, 1000)


@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=5), seconds, seconds)
def test_the_worst_component_decides(each, rto_s, rpo_s):
    components = [
        ComponentFound(name=str(n), type="n", resources=(), recoveries={"AZ": Recovery(rto_s=rto, rpo_s=rpo)})
        for n, (rto, rpo) in enumerate(each)
    ]
    wanted = policy(AZ=(rto_s, rpo_s))
    status = compliance(worst(components), wanted)["AZ"]["complianceStatus"]
    assert (status == "PolicyMet") == all(rto <= rto_s and rpo <= rpo_s for rto, rpo in each)
    assert overall(["PolicyMet", status, "NotApplicable"]) == status


def test_state_files_and_addresses_of_objects():
    assert bucket_and_key("s3://b/a/k") == ("b", "a/k")
    assert bucket_and_key("https://b.s3.us-east-1.amazonaws.com/a/k") == ("b", "a/k")
    assert bucket_and_key("https://s3.us-east-1.amazonaws.com/b/a/k") == ("b", "a/k")
    with pytest.raises(Unresolved):
        bucket_and_key("https://example.test/a/k")
    lb = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/web/1"
    state = {"resources": [{"mode": "managed", "type": "aws_lb", "name": "web",
                            "instances": [{"index_key": 0, "attributes": {"arn": lb}}]}]}  # fmt: skip
    (one,) = of_state(state, "s", "2", "us-east-1")
    assert (one.logical, one.type, one.region, one.account) == ("web[0]", BALANCER, "eu-west-1", "1")
