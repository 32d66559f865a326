import pytest

from kunren.drills.checkers.judge import judge
from kunren.drills.checkers.summary import worst
from kunren.drills.history import Event, Reason
from kunren.drills.junit import junit


def outage(made, start_ms=3000, end_ms=5000, until_ms=10_000, **header):
    history = made(faults=["fault"], **header).every(10, until_ms, lambda at: start_ms <= at < end_ms)
    return history.fault(start_ms, 8000)


def test_a_drill_that_holds(made):
    found = judge(outage(made, objectives={"rto": 3.0, "availability": 0.7, "error_budget": 0.3}).ended(10_000))
    assert found.verdict is True
    assert found.rto_s == 2.001
    assert found.rpo_s is None
    assert found.operations == {"sent": 1000, "ok": 800, "failed": 200, "unknown": 0}
    assert [each.measured for each in found.objectives] == [2.001, pytest.approx(5 / 7), pytest.approx(2 / 7)]
    assert found.faults == ({"name": "fault", "remedy": False, "started_s": 3.0, "healed_s": 8.0},)
    told = found.as_json()
    assert list(told) == [
        "drill", "verdict", "reason", "objectives", "rto_s", "rpo_s", "operations", "latency_ms", "faults", "speed", "seed", "history",
    ]  # fmt: skip
    assert {"name", "target", "measured", "met"} <= set(told["objectives"][0])


def test_a_target_that_is_missed_is_named(made):
    found = judge(outage(made, objectives={"rto": 1.0}).ended(10_000))
    assert found.verdict is False
    assert found.reason == "rto is 2 s, not within 1 s"


def test_the_clocks_speed_counts_for_waits_and_not_for_latencies(made):
    found = judge(outage(made, objectives={"rto": 30.0}, speed=10.0, steady_s=10.0).ended(10_000))
    assert found.rto_s == 20.01
    assert found.latency_ms["before"] == {"p50": 1.0, "p99": 1.0}


def test_a_fault_that_nobody_recovers_from_is_false_once_the_target_has_passed_and_unknown_before(made):
    lasting = {"start_ms": 3000, "end_ms": 99_999}
    found = judge(outage(made, objectives={"rto": 3.0}, **lasting).ended(10_000))
    assert (found.verdict, found.rto_s) == (False, None)
    assert found.reason == "rto is over 3 s: no steady recovery from 'fault' in the 7.0 s that were watched"
    assert judge(outage(made, objectives={"rto": 30.0}, **lasting).ended(10_000)).verdict == "unknown"


def test_a_history_that_says_nothing_is_unknown_whatever_it_shows(made):
    held = {"rto": 3.0}
    assert "in the middle" in judge(outage(made, objectives=held).note("steady", 0).history()).reason
    interrupted = judge(outage(made, objectives=held).ended(10_000, "it was interrupted"))
    assert (interrupted.verdict, interrupted.reason) == ("unknown", "it was interrupted")
    never = made(objectives=held, faults=["fault"]).every(10, 1000, lambda at: False).ended(1000)
    assert judge(never).reason == "not everything was done to the world that should have been: fault"


def test_a_load_generator_that_was_too_slow_makes_it_unknown(made):
    history = made(objectives={"availability": 0.5}).every(10, 5000, lambda at: False, late_us=300_000)
    found = judge(history.ended(5000))
    assert found.verdict == "unknown"
    assert found.reason.startswith(
        "the load generator was too slow: 100% of the operations began more than 250 ms late"
    )


def test_latencies_count_from_the_intended_start(made):
    history = made().operation(0, 0, 500, late_us=490_000).operation(1, 10, 1)
    assert judge(history.ended(1000)).latency_ms["before"] == {"p50": 1.0, "p99": 500.0}


def test_requests_cut_off_and_the_phases(made):
    history = made(objectives={"cut_off": 0, "latency_p99_after": 5.0, "latency_p50_during": 1.0}, faults=["fault"])
    history.every(10, 10_000, lambda at: False).fault(3000, 6000)
    history.operation(5000, 4000, 3, Event.FAIL, reason=Reason.CUT)
    found = judge(history.ended(10_000))
    assert [(each.measured, each.met) for each in found.objectives] == [(1.0, False), (1.0, True), (1.0, True)]


def test_traffic_that_stops_before_the_fault_tells_nothing(made):
    history = made(objectives={"rto": 3.0, "cut_off": 0, "availability": 0.5}, faults=["fault"])
    found = judge(history.every(10, 2000, lambda at: False).fault(3000, 4000).ended(10_000))
    assert (found.verdict, found.rto_s) == ("unknown", None)
    assert [(each.measured, each.met) for each in found.objectives] == [(None, "unknown")] * 3
    assert [each.why for each in found.objectives] == [
        f"{name} is unknown: no operation began after the fault" for name in ("rto", "cut_off", "availability")
    ]


def test_writes_that_were_not_read_back_are_unknown(made):
    history = made(objectives={"rpo": 0.0, "lost": 0}, faults=["fault"]).client(1, writes=True)
    history.every(10, 1000, lambda at: False).fault(500)
    assert judge(history.ended(1000)).verdict == "unknown"
    history = made(objectives={"rpo": 0.2, "lost": 60}, faults=["fault"]).client(1, writes=True)
    history.every(10, 1000, lambda at: False).fault(500).seen(*range(40))
    found = judge(history.ended(1000))
    assert [(each.measured, each.met) for each in found.objectives] == [(0.6, False), (60.0, True)]


def test_an_objective_of_one_traffic_looks_at_that_alone(made):
    history = made(faults=["fault"]).client(2, "others")
    history.notes[0]["objectives"] = [
        {"name": "availability", "target": 1.0, "traffic": each} for each in ("users", "others")
    ]
    history.every(10, 2000, lambda at: True).every(10, 2000, lambda at: False, client=2).fault(500)
    assert [each.met for each in judge(history.ended(2000)).objectives] == [False, True]


def test_the_worst_run_stands_for_all_and_junit_has_every_one(made):
    good = judge(outage(made, objectives={"rto": 3.0}).ended(10_000))
    slow = judge(outage(made, objectives={"rto": 1.0}).ended(10_000))
    unknown = judge(outage(made, objectives={"rto": 3.0}).history())
    assert worst([good, slow, unknown]) is slow
    assert worst([good, unknown]) is unknown
    text = junit([good, slow, unknown])
    assert text.count("<testsuite ") == 3
    assert '<failure message="rto is 2 s, not within 1 s" />' in text
    assert text.count("<error ") == 1
