from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ecs.model import Binding, ContainerInstance, ContainerState, Task, TaskDefinition
from kunren.services.ecs.services.expressions import BadExpression, matches
from kunren.services.ecs.services.placement import Needs, Place, place, reason
from kunren.services.ecs.services.places import place_of, ports_of

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
    assert place(places(2), Needs(ports=frozenset({("tcp", 80)})), 9) == ["i-0", "i-1"]


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
    taken = frozenset({("tcp", 80)})
    assert "already using a port" in reason([Place("i-1", ports=taken)], Needs(ports=taken), [])


def test_a_port_that_tcp_has_is_free_for_udp():
    host = Place("i-1", ports=frozenset({("tcp", 53)}))
    assert place([host], Needs(ports=frozenset({("udp", 53)})), 2) == ["i-1"]
    assert place([host], Needs(ports=frozenset({("tcp", 53)})), 1) == []


class Reader:
    """A store that has one task definition."""

    def __init__(self, definition):
        self.definition = definition

    def get(self, kind, account, region, id):
        return self.definition


def test_ports_of_an_instance_are_those_stated_and_those_chosen_by_protocol():
    here = {"account": "123456789012", "region": "us-east-1"}
    maps = [{"containerPort": 53, "hostPort": 53, "protocol": "udp"}, {"containerPort": 80, "hostPort": 0}]
    document = {
        "networkMode": "bridge",
        "containerDefinitions": [{"name": "dns", "image": "dns", "portMappings": maps}],
    }
    definition = TaskDefinition(
        **here, id="dns:1", family="dns", revision=1, document=document, registered_at=0.0, registered_by="x"
    )
    chosen = ContainerState(name="dns", id="c", image="dns", bindings=(Binding(container_port=80, host_port=32768),))
    task = Task(**here, id="t", cluster="shop", definition="dns:1", launch_type="EC2", instance="i", group="family:dns",
                cpu="256", memory="512", containers=(chosen,), created_at=0.0)  # fmt: skip
    host = ContainerInstance(**here, id="i", cluster="shop", instance_id="i-1", registered_at=0.0,
                             resources={"CPU": 1024, "MEMORY": 2048, "PORTS": ["22"], "PORTS_UDP": []})  # fmt: skip
    found = place_of(Reader(definition), host, [task], "family:dns")
    assert found.ports == {("tcp", 22), ("udp", 53), ("tcp", 32768)}
    assert (found.cpu, found.memory, found.tasks) == (768, 1536, 1)
    assert ports_of(definition) == {("udp", 53)}


PORTS = st.frozensets(st.tuples(st.sampled_from(["tcp", "udp"]), st.integers(1, 3)), max_size=3)
HOSTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), PORTS, st.sampled_from("ab")), max_size=5)


@given(
    HOSTS, st.integers(0, 2), st.integers(0, 2), PORTS, st.integers(0, 8), st.booleans(),
    st.lists(st.sampled_from([("spread", "instanceId"), ("binpack", "memory"), ("binpack", "cpu"), ("random", "")])),
)  # fmt: skip
def test_nothing_is_placed_over_what_there_is_and_all_that_is_possible_is(
    hosts, cpu, memory, ports, count, distinct, strategies
):
    found = [Place(f"i-{n}", {ZONE: zone}, *left, taken) for n, (*left, taken, zone) in enumerate(hosts)]
    rules = [{"type": "distinctInstance"}] if distinct else []
    liked = [{"type": kind, "field": by} for kind, by in strategies]
    chosen = Counter(place(found, Needs(cpu, memory, ports, "family:web"), count, rules, liked))
    room = {each.id: _room(each, cpu, memory, ports, distinct, count) for each in found}
    assert all(number <= room[id] for id, number in chosen.items())
    assert chosen.total() == min(count, sum(room.values()))


def _room(host, cpu, memory, ports, distinct, count):
    if host.ports & ports:
        return 0
    limits = [left // need for left, need in ((host.cpu, cpu), (host.memory, memory)) if need]
    return min([*limits, count, *([1] if distinct or ports else [])])
