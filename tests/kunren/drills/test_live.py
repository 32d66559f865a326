from kunren.drills.history import RECORD, Event
from kunren.drills.live import Live
from kunren.drills.view import event, line
from kunren.drills.watch import changes, states

MS = 1_000_000


def feed(live, number, start_ms, took_ms=1, kind=Event.OK, client=1):
    rows = RECORD.pack(start_ms * MS, number, client, Event.INVOKE, 0, 0, 0, 0)
    if took_ms is not None:
        rows += RECORD.pack((start_ms + took_ms) * MS, number, client, kind, 0, 0, 0, 0)
    live.recorded(rows)


def test_it_is_steady_once_nothing_failed_for_so_long_of_every_client():
    live = Live()
    for number in range(20):
        feed(live, number, number * 100, kind=Event.FAIL if number == 3 else Event.OK)
    assert not live.steady(1300 * MS, 1000 * MS, 1.0, 1)
    assert live.steady(1600 * MS, 1000 * MS, 1.0, 1)
    assert not live.steady(1600 * MS, 1000 * MS, 1.0, 2), "nothing was heard of the second client"
    assert live.steady(1300 * MS, 1000 * MS, 0.9, 1)


def test_what_is_under_way_is_waited_for_and_a_failure_after_it_counts():
    live = Live()
    for number in range(10):
        feed(live, number, number * 100, None if number == 9 else 1)
    assert not live.steady(5000 * MS, 1000 * MS, 1.0, 1)
    assert live.steady(5000 * MS, 800 * MS, 1.0, 1)
    feed(live, 11, 1100, kind=Event.FAIL)
    assert not live.steady(5000 * MS, 800 * MS, 1.0, 1)


def test_a_second_in_words():
    live = Live()
    feed(live, 0, 100, 5)
    feed(live, 1, 200, 9, Event.FAIL)
    assert line(2_000_000_000, live.over(0, 1_000_000_000)).split() == [
        "2.0", "s", "2/s", "1", "ok", "1", "bad", "p50", "5.0", "ms", "p99", "5.0", "ms",
    ]  # fmt: skip


def test_what_happened_in_words():
    at = {"time_ns": 1_500_000_000}
    assert event({"note": "fault", "name": "a dies", "state": "started", **at}).strip() == "1.5 s  ── a dies: started"
    assert event({"note": "health", "what": "target a", "before": "healthy", "now": "", **at}).endswith(
        "healthy → gone"
    )
    assert event({"note": "end", "reason": "it was interrupted", **at}).endswith("ended early: it was interrupted")


def test_health_is_what_the_graph_says_of_parts_that_have_one():
    nodes = [
        {"kind": "target", "name": "10.0.0.1:80", "region": "us-east-1", "state": "healthy"},
        {"kind": "hosted-zone", "name": "a.test", "region": "", "state": "INSYNC"},
        {"kind": "record", "name": "www.a.test", "region": "", "state": ""},
    ]
    before = states({"nodes": nodes})
    assert before == {"target 10.0.0.1:80 in us-east-1": "healthy"}
    assert changes(before, {"target b": "initial"}) == [
        {"what": "target 10.0.0.1:80 in us-east-1", "before": "healthy", "now": ""},
        {"what": "target b", "before": "", "now": "initial"},
    ]
