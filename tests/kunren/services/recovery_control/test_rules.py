"""Safety rules, by the examples of "Creating safety rules in ARC" and by what each word of a rule means."""

import pytest

from kunren.services.recovery_control.model import RoutingControl, SafetyRule
from kunren.services.recovery_control.rules import broken, holds

NOW = 1000.0


def controls(**states):
    return {
        name: RoutingControl(account="1", region="", id=name, name=name, panel="p", cluster="c", state=state)
        for name, state in states.items()
    }


def rule(*names, targets=(), kind="ATLEAST", threshold=1, inverted=False, wait_ms=0):
    return SafetyRule(
        account="1", region="", id="r", name="r", panel="p", gating=bool(targets), controls=names, targets=targets,
        config={"Type": kind, "Threshold": threshold, "Inverted": inverted}, wait_ms=wait_ms,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "threshold", "inverted", "on", "expected"),
    [
        ("ATLEAST", 1, False, [True, False], True), ("ATLEAST", 2, False, [True, False], False),
        ("AND", 0, False, [True, True], True), ("AND", 0, False, [True, False], False),
        ("OR", 0, False, [False, True], True), ("OR", 0, True, [False, True], False),
    ],
)  # fmt: skip
def test_what_a_rule_asks_for(kind, threshold, inverted, on, expected):
    assert holds({"Type": kind, "Threshold": threshold, "Inverted": inverted}, on) is expected


def test_an_assertion_keeps_one_cell_on():
    keep = rule("east", "west")
    assert broken([keep], controls(east="On", west="Off"), {"east": "Off"}, NOW) is keep
    assert broken([keep], controls(east="On", west="Off"), {"east": "Off", "west": "On"}, NOW) is None
    assert broken([keep], controls(east="Off", west="Off", other="Off"), {"other": "On"}, NOW) is None


def test_a_gate_is_a_switch_for_switches():
    gate = rule("manual", targets=("east",))
    assert broken([gate], controls(manual="Off", east="On"), {"east": "Off"}, NOW) is gate
    assert broken([gate], controls(manual="On", east="On"), {"east": "Off"}, NOW) is None


def test_a_wait_period_keeps_switches_from_flapping():
    keep = rule("east", "west", wait_ms=5000)
    before = controls(east="On", west="On")
    before["west"] = RoutingControl(
        account="1", region="", id="west", name="west", panel="p", cluster="c", state="On", changed_at=NOW - 4.9
    )
    assert broken([keep], before, {"east": "Off"}, NOW) is keep
    assert broken([keep], before, {"east": "Off"}, NOW + 0.2) is None
