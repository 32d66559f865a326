"""Whom a refresh replaces next, played until all are new."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kunren.services.autoscaling import choices, refreshing
from kunren.services.autoscaling.model import Configuration, Group, Member, Refresh

OLD = Configuration(template="lt-1", template_name="web", version="1")


def member(id, launched, state="InService", **given):
    return Member(id=id, zone="ab"[int(id[2:]) % 2], instance_type="t3.micro", version="1", state=state, since=launched,
                  launched=launched, activity="", **given)  # fmt: skip


def group(*members, desired=None, **given):
    return Group(
        account="1", region="us-east-1", id="web", min_size=0, max_size=99, desired=desired or len(members),
        template="lt-1", template_name="web", version="1", subnets=(), zones=("a", "b"), created_at=0.0,
        members={each.id: each for each in members}, **given,
    )  # fmt: skip


def refresh(held, **preferences):
    found = refreshing.preferences({"InstanceWarmup": 0, **preferences}, held)
    made = Refresh(account="1", region="us-east-1", id="r", group="web", status="InProgress", started=100.0,
                   created=100.0, preferences=found, target=OLD, before=OLD)  # fmt: skip
    return replace(made, total=len(refreshing.old(held, made)))


def played(held, running):
    """Every look until nothing is left: (ready, all that run) after each, and the group."""
    seen, now, number = [], 200.0, 1000
    for _ in range(500):
        if refreshing.progress(held, running, now).left == 0:
            return seen, held
        step = refreshing.step(held, running, now)
        left = {id: each for id, each in held.members.items() if id not in {one.id for one in step.end}}
        serving = [each for each in left.values() if each.state in choices.SERVING]
        ready = [each for each in serving if each.state == "InService"]
        seen.append((len(ready), len(serving)))
        members = {id: replace(each, state="InService", since=now) for id, each in left.items()}
        for _ in range(held.desired + step.surge - len(serving)):
            number += 1
            members[f"i-{number}"] = member(f"i-{number}", now, "Pending")
        held, now = replace(held, members=members), now + 1
    raise AssertionError(f"no end: {seen}")


@given(st.integers(1, 12), st.integers(0, 100), st.integers(0, 100))
def test_percents_are_kept_and_everybody_is_replaced(count, least, more):
    most = max(100, min(200, least + more))
    held = group(*(member(f"i-{number}", float(number)) for number in range(count)))
    seen, after = played(held, refresh(held, MinHealthyPercentage=least, MaxHealthyPercentage=most))
    assert all(each.launched >= 100 for each in after.members.values())
    floor = -(-count * least // 100)
    assert all(ready >= min(floor, count - 1 if most == 100 else floor) for ready, _ in seen)
    assert all(there <= max(count * most // 100, count + (most > 100)) for _, there in seen)


def test_the_default_replaces_a_tenth_at_a_time():
    held = group(*(member(f"i-{number}", float(number)) for number in range(20)))
    assert len(refreshing.step(held, refresh(held), 200.0).end) == 2
    assert refreshing.step(held, refresh(held), 200.0).surge == 0


def test_a_checkpoint_holds_the_rest_back():
    held = group(*(member(f"i-{number}", float(number)) for number in range(10)))
    running = refresh(held, MinHealthyPercentage=0, CheckpointPercentages=[20, 100])
    assert len(refreshing.step(held, running, 200.0).end) == 2
    assert len(refreshing.step(held, replace(running, checkpoints=1), 200.0).end) == 10


def test_of_checkpoints_that_are_reached_at_once_the_last_one_counts():
    """Two instances, checkpoints at 10, 40 and 100 percent: half are new, so that it waits at 40 alone."""
    held = group(member("i-1", 1.0), member("i-2", 2.0))
    running = refresh(held, CheckpointPercentages=[10, 40, 100])
    assert [refreshing.reached(running, done) for done in (0, 50, 100)] == [None, 1, 1]
    assert refreshing.reached(replace(running, checkpoints=2), 50) is None


def test_where_the_last_checkpoint_is_below_100_percent_the_rest_stays():
    held = group(member("i-1", 1.0), member("i-2", 2.0))
    running = refresh(held, CheckpointPercentages=[50])
    assert [refreshing.is_done_in_part(replace(running, checkpoints=each)) for each in (0, 1)] == [False, True]
    assert not refreshing.is_done_in_part(replace(refresh(held, CheckpointPercentages=[50, 100]), checkpoints=2))


def test_protected_ones_and_those_in_standby_are_treated_as_one_says():
    held = group(member("i-1", 1.0, protected=True), member("i-2", 2.0, "Standby"), desired=1)
    assert {each.id for each in refreshing.blocked(held, refresh(held))} == {"i-1", "i-2"}
    ignoring = refresh(held, ScaleInProtectedInstances="Ignore", StandbyInstances="Ignore")
    assert refreshing.old(held, ignoring) == []
    taking = refresh(held, ScaleInProtectedInstances="Refresh", StandbyInstances="Terminate")
    assert {each.id for each in refreshing.step(held, taking, 200.0).end} == {"i-1", "i-2"}


def test_a_rollback_replaces_the_new_ones_and_leaves_the_old():
    held = group(member("i-1", 1.0), member("i-2", 150.0))
    back = replace(refresh(held), status="RollbackInProgress", rolled_back_at=180.0)
    assert [each.id for each in refreshing.old(held, back)] == ["i-2"]
    assert refreshing.configuration(held, back) == OLD


def test_what_matches_is_known_by_template_version_and_type():
    one = member("i-1", 1.0)
    assert refreshing.matches(one, OLD, "1")
    assert not refreshing.matches(one, OLD, "2")
