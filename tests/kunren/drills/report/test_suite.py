import re
from dataclasses import replace

import pytest

from kunren.drills.checkers.judge import judge
from kunren.drills.document import BadDrill
from kunren.drills.report.suite import as_json, read_suite, suite_page
from kunren.drills.shipped import shipped


@pytest.fixture
def suite():
    return read_suite(shipped()["four-strategies"])


def test_the_four_strategies_are_a_suite_of_drills_and_a_drill_is_none(suite):
    assert [each.name for each in suite.drills] == [
        "backup-and-restore",
        "pilot-light",
        "warm-standby",
        "active-active",
    ]
    assert [each.cost for each in suite.drills] == sorted(each.cost for each in suite.drills)
    assert read_suite(shipped()["az-lost"]) is None


def test_a_suite_that_is_wrong_is_refused(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("suite: []\n")
    with pytest.raises(BadDrill, match="a list of files of drills"):
        read_suite(path)
    path.write_text("suite: [a.yaml]\nsweet: 1\n")
    with pytest.raises(BadDrill, match="no key 'sweet'"):
        read_suite(path)


def test_every_strategy_is_drawn_with_its_numbers(suite, made):
    one = judge(
        made(objectives={"rto": 3.0}, faults=["fault"]).every(10, 9000, lambda at: False).fault(3000).ended(9000)
    )
    results = [
        replace(one, drill=each.name, rto_s=seconds, rpo_s=seconds / 2)
        for each, seconds in zip(suite.drills, (600, 60, 20, 0), strict=True)
    ]
    html = suite_page(suite, results)
    assert html.count('<circle class="strategy"') == 4
    for text in ("RTO 600 s, RPO 300 s", "<strong>60 s</strong>", "Warm standby", "RTO 0 s, RPO 0 s"):
        assert text in html
    across = [float(each) for each in re.findall(r'class="strategy" cx="([\d.]+)"', html)]
    assert across == sorted(across, reverse=True)
    told = as_json(suite, [[each] for each in results])
    assert (told["drill"], [each["cost"] for each in told["runs"]]) == ("four-strategies", [1.05, 1.25, 1.5, 2.0])
    assert told["rto_s"] == 600
    twice = as_json(suite, [[each, replace(each, rto_s=each.rto_s + 1)] for each in results])
    assert [each["rto_s"] for each in twice["runs"]] == [601, 61, 21, 1]
    assert [each["rto_s"] for each in twice["runs"][0]["runs"]] == [600, 601]
