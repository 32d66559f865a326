"""Whatever happens to a fleet of type maintain, it comes to its target, as far as there is room."""

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kunren.services.ec2.instances.model import Instance

from .conftest import LARGE, SMALL, Fleets

ZONES = ("us-east-1a", "us-east-1b")
WEIGHTS = {SMALL: 1, LARGE: 3}
step = st.one_of(
    st.tuples(st.just("target"), st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.just("room"), st.sampled_from(ZONES), st.integers(-1, 2)),
    st.tuples(st.just("terminate"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("stop"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("start"), st.integers(0, 9), st.just(0)),
)
strategies = st.sampled_from(["lowest-price", "diversified", "capacity-optimized", "price-capacity-optimized"])


class Course:
    def __init__(self, ec2, strategy):
        self.fleets, self.ec2, self.room = Fleets(ec2), ec2, dict.fromkeys(ZONES, math.inf)
        overrides = [
            {"InstanceType": kind, "AvailabilityZone": zone, "WeightedCapacity": WEIGHTS[kind]}
            for kind in WEIGHTS for zone in ZONES
        ]  # fmt: skip
        options = {"AllocationStrategy": strategy}
        self.id = self.fleets.create(*overrides, total=2, spot=1, SpotOptions=options)["FleetId"]

    def take(self, what, one, other):
        running = [each for each in self.ec2.store.snapshot().every(Instance) if each.wanted != "terminated"]
        running.sort(key=lambda each: each.id)
        if what == "target":
            capacity = {"TotalTargetCapacity": one + other, "OnDemandTargetCapacity": one, "SpotTargetCapacity": other}
            self.ec2.modify_fleet(FleetId=self.id, TargetCapacitySpecification=capacity)
        elif what == "room":
            self.room[one] = math.inf if other < 0 else other
            for kind in WEIGHTS:
                self.fleets.market(one, kind, capacity=other)
        elif running:
            wanted = {"terminate": "terminated", "stop": "stopped", "start": "running"}[what]
            self.fleets.change(running[one % len(running)].id, wanted=wanted)

    def looks_right(self):
        shown = self.fleets.fleet(self.id)
        wanted, have = shown["TargetCapacitySpecification"], shown["FulfilledCapacity"]
        on_demand = shown["FulfilledOnDemandCapacity"]
        assert shown["FleetState"] == "active"
        most = max(WEIGHTS.values()) - 1
        assert wanted["OnDemandTargetCapacity"] <= on_demand <= wanted["OnDemandTargetCapacity"] + most
        assert have - on_demand <= wanted["SpotTargetCapacity"] + most
        if math.inf in self.room.values():
            assert have - on_demand >= wanted["SpotTargetCapacity"]
        tagged = {each.id for each in self.ec2.store.snapshot().every(Instance) if each.wanted != "terminated"}
        assert self.fleets.members(self.id) == tagged


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strategies, st.lists(st.lists(step, min_size=1, max_size=3), max_size=5))
def test_a_fleet_comes_to_its_target(new_caller, strategy, rounds):
    course = Course(new_caller(), strategy)
    for steps in ((), *rounds):
        for each in steps:
            course.take(*each)
        course.fleets.settle()
        course.looks_right()
