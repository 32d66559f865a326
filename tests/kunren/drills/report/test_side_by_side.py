from kunren.drills.checkers.judge import Measured, Result
from kunren.drills.report.side_by_side import as_json, better, rows


def result(availability, rto, verdict):
    objectives = (
        Measured("availability", 1.0, availability, availability == 1, ""),
        Measured("rto", 60.0, rto, True, "", "users"),
    )
    counts = {"sent": 200, "ok": int(200 * availability), "failed": 200 - int(200 * availability), "unknown": 0}
    return Result("change", verdict, "", objectives, rto, None, counts, {}, (), 1.0, None, "")


def test_two_ways_of_a_change_are_seen_side_by_side():
    left, right = result(1.0, 0.0, True), result(0.9, 12.5, False)
    assert rows(left, right) == [
        ["availability", "100 %", "90 %", "left"],
        ["rto (users)", "0 s", "12.5 s", "left"],
        ["operations sent", "200", "200", ""],
        ["operations ok", "200", "180", ""],
        ["operations failed", "0", "20", ""],
        ["operations unknown", "0", "0", ""],
        ["verdict", "holds", "does not hold", ""],
    ]
    told = as_json("change", left, right, ({"strategy": "BLUE_GREEN"}, {"strategy": "ROLLING"}))
    assert told["right"]["settings"] == {"strategy": "ROLLING"}
    assert told["left"]["result"]["verdict"] is True
    assert told["compared"]["availability"] == {"left": "100 %", "right": "90 %", "better": "left"}


def test_more_is_better_of_availability_alone():
    assert better("availability", 0.9, 0.99) == "right"
    assert better("rto", 0.9, 0.99) == "left"
    assert better("rto", 1.0, 1.0) == "="
    assert better("rto", None, 1.0) == ""
