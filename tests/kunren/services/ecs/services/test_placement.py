from collections import Counter

import pytest

from kunren.services.ecs.services.expressions import BadExpression, matches
from kunren.services.ecs.services.placement import Needs, Place, place, reason

ZONE = "ecs.availability-zone"


def places(count=4, cpu=1024, memory=2048):
    return [Place(f"i-{each}", {ZONE: "ab"[each % 2], "kind": str(each)}, cpu, memory) for each in range(count)]


def test_tasks_spread_over_zones_then_over_instances():
    assert place(places(), Needs(cpu=256, memory=128), 5) == ["i-0", "i-1", "i-2", "i-3", "i-0"]


def test_binpack_fills_one_instance_before_the_next():
    chosen = place(places(), Needs(memory=1024), 3, strategies=[{"type": "binpack", "field": "memory"}])
    assert chosen == ["i-0", "i-0", "i-1"]


def test_random_goes_by_chance():
    chosen = place(places(), Needs(), 2, strategies=[{"type": "random"}], chance=[0.99, 0.3])
    assert chosen == ["i-3", "i-1"]


def test_there_is_no_more_than_fits():
    assert Counter(place(places(2), Needs(memory=1024), 9)) == {"i-0": 2, "i-1": 2}
    assert place(places(2), Needs(ports=frozenset({80})), 9) == ["i-0", "i-1"]


def test_distinct_instances_take_one_task_of_a_group_each():
    assert len(place(places(3), Needs(group="service:web"), 9, [{"type": "distinctInstance"}])) == 3


def test_members_are_those_that_an_expression_means():
    only = [{"type": "memberOf", "expression": "attribute:kind in [1, 3]"}]
    assert place(places(), Needs(), 2, only) == ["i-1", "i-3"]
    named = [{"type": "memberOf", "expression": "ec2InstanceId == i-2"}]
    hosts = [Place("a1", cpu=256, machine="i-1"), Place("b2", cpu=256, machine="i-2")]
    assert place(hosts, Needs(cpu=128), 2, named) == ["b2", "b2"]


@pytest.mark.parametrize(
    ("expression", "is_so"),
    [
        ("attribute:ecs.instance-type == t2.small", True),
        ("attribute:ecs.instance-type =~ t2.*", True),
        ("attribute:ecs.instance-type =~ g3.* and attribute:ecs.availability-zone == us-east-1d", False),
        ("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", True),
        ("not (attribute:ecs.availability-zone == us-east-1a) || attribute:stack exists", True),
        ("attribute:gone !exists", True),
        ("attribute:size > 10 && attribute:size <= 20", True),
        ("attribute:size not_in [12, 13]", False),
        ("ec2InstanceId in ['i-1', 'i-2']", True),
        ("attribute:stack != prod", False),
    ],
)
def test_the_cluster_query_language(expression, is_so):
    attributes = {"ecs.instance-type": "t2.small", "ecs.availability-zone": "us-east-1a", "stack": "prod", "size": "12"}
    assert matches("i-1", attributes, expression) is is_so


@pytest.mark.parametrize(
    "expression", ["", "attribute:a ==", "(attribute:a == b", "attribute:a == b c", "\x00", "attribute:a in b"]
)
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(BadExpression):
        matches("i-1", {"a": "b"}, expression)


def test_why_nothing_is_placed_is_said():
    assert reason([], Needs(), []) == "No Container Instances were found in your cluster."
    assert "has insufficient memory available" in reason(places(), Needs(memory=9999), [])
    assert "has insufficient CPU units available" in reason(places(), Needs(cpu=9999), [])
    assert "already using a port" in reason([Place("i-1", ports=frozenset({80}))], Needs(ports=frozenset({80})), [])
