"""Where a group launches next, and whom it ends."""

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.autoscaling import choices
from kunren.services.autoscaling.model import Group, Member

SUBNETS = {"subnet-1": "a", "subnet-2": "b", "subnet-3": "c"}


def member(number, zone="a", version="1", state="InService", **given):
    return Member(
        id=f"i-{number}", zone=zone, instance_type="t3.micro", version=version, state=state, since=float(number),
        activity="", **given,
    )  # fmt: skip


def group(*members, **given):
    return Group(
        account="1", region="us-east-1", id="web", min_size=0, max_size=9, desired=1, template="lt-1",
        template_name="web", version="$Default", subnets=tuple(SUBNETS), zones=("a", "b", "c"), created_at=0.0,
        members={each.id: each for each in members}, **given,
    )  # fmt: skip


def test_the_zone_with_the_fewest_gets_the_next():
    held = [member(1, "a"), member(2, "b")]
    assert choices.next_subnet(SUBNETS, held, []) == "subnet-3"
    assert choices.next_subnet(SUBNETS, held, ["subnet-3"]) == "subnet-1"


def test_zones_that_refused_a_launch_are_passed_over_unless_all_did():
    assert choices.open_subnets(SUBNETS, {"a", "c"}) == {"subnet-2": "b"}
    assert choices.open_subnets(SUBNETS, {"a", "b", "c"}) == SUBNETS


def test_the_zone_with_the_most_gives_first_and_the_oldest_template_goes_first():
    held = group(member(1, "a", "2"), member(2, "a", "1"), member(3, "b", "1"))
    assert [each.id for each in choices.to_end(held, 1, "2")] == ["i-2"]
    assert [each.id for each in choices.to_end(held, 2, "2")] == ["i-2", "i-3"]


def test_protected_ones_stay_and_those_that_go_already_do_not_count():
    held = group(member(1, protected=True), member(2, state="Terminating"))
    assert choices.active(held) == [held.members["i-1"]]
    assert choices.to_end(held, 1, "1") == []


def test_the_newest_goes_first_where_the_policy_says_so():
    held = group(member(1), member(2), policies=("NewestInstance",))
    assert [each.id for each in choices.to_end(held, 1, "1")] == ["i-2"]


@given(st.integers(0, 30), st.integers(0, 30))
def test_growing_and_shrinking_keeps_zones_balanced(up, down):
    held = []
    for number in range(up):
        held.append(member(number, SUBNETS[choices.next_subnet(SUBNETS, held, [])]))
    assert choices.balances(held, ("a", "b", "c"))
    ended = choices.to_end(group(*held), down, "1")
    left = [each for each in held if each not in ended]
    assert len(left) == max(0, up - down)
    assert choices.balances(left, ("a", "b", "c"))
