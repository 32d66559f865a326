"""Rules of composite alarms."""

import pytest

from kunren.services.cloudwatch.alarms.rules import BadRule, alarms, holds, in_cycle, parse

STATES = {"cpu": "ALARM", "disk full": "OK", "net": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("text", "true"),
    [
        ("ALARM(cpu)", True),
        ('ALARM("disk full")', False),
        ('ALARM(cpu) AND NOT ALARM("disk full")', True),
        ("OK(cpu) OR INSUFFICIENT_DATA(net)", True),
        ("NOT (ALARM(cpu) OR OK(net))", False),
        ("TRUE AND NOT FALSE", True),
        ("OK(nobody)", False),
        ("ALARM(cpu) OR ALARM(net) AND FALSE", True),
        ("alarm(cpu)", True),
    ],
)
def test_a_rule_holds(text, true):
    assert holds(parse(text), STATES.get) is true


def test_the_alarms_of_a_rule():
    assert alarms(parse('ALARM(a) AND (OK("b c") OR NOT ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:d))')) == {
        "a", "b c", "arn:aws:cloudwatch:us-east-1:1:alarm:d"
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "ALARM", "ALARM(", "ALARM(a", "a", "ALARM(a) ALARM(b)", "(" * 200, "NOT", "ALARM()"]
)
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(BadRule):
        parse(text)


def test_who_follows_himself():
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a"
    rules = {"a": parse("ALARM(b)"), "b": parse(f"NOT ALARM({arn})"), "c": parse("ALARM(a) OR ALARM(metric)")}
    assert [in_cycle(name, rules.get) for name in ("a", "b", "c", "metric")] == [True, True, False, False]
