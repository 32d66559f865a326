"""Drills as their users run them, on a world twenty times as fast."""

from __future__ import annotations

import json


def test_a_bad_change_is_measured_from_the_call_to_the_one_that_took_it_back(kunren, tmp_path):
    result, junit = tmp_path / "result.json", tmp_path / "junit.xml"
    done = kunren.run("drill", "run", "bad-rule-change", "--json", str(result), "--junit", str(junit))
    told = json.loads(result.read_text())
    assert done.returncode == {"True": 0, "False": 1}.get(str(told["verdict"]), 2), done.stdout + done.stderr
    assert told["speed"] == 20.0
    assert told["rto_s"] >= 20.0
    assert told["operations"]["failed"] > 0
    assert [(each["name"], each["healed_s"] - each["started_s"] >= 20.0) for each in told["faults"]] == [
        ("the rule answers 503", True)
    ]
    assert "</testsuites>" in junit.read_text()
    again = tmp_path / "again.json"
    assert kunren.run("drill", "check", "--json", str(again), told["history"]).returncode == done.returncode
    assert json.loads(again.read_text()) == told
    assert kunren.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
