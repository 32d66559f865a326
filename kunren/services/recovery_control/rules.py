"""Whether safety rules let routing controls change: pure ("Safety rules in ARC")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.services.recovery_control.model import ON, RoutingControl, SafetyRule


def holds(config: Mapping[str, Any], states: Iterable[bool]) -> bool:
    """Whether enough of the controls are on: all (AND), any (OR), or so many (ATLEAST); Inverted turns it round."""
    on = list(states)
    kind = config["Type"]
    found = all(on) if kind == "AND" else any(on) if kind == "OR" else sum(on) >= config["Threshold"]
    return found != bool(config["Inverted"])


def broken(
    rules: Iterable[SafetyRule], controls: Mapping[str, RoutingControl], changes: Mapping[str, str], now: float
) -> SafetyRule | None:
    """The first rule that forbids these changes (new states by ARN); None where none does. `controls` are as they are.

    An assertion is about how it would be afterwards, a gate about how its gating controls are, after this change too. A
    rule whose controls changed less than its wait period ago forbids further changes of them.
    """

    def on(arn: str) -> bool:
        found = controls.get(arn)
        return changes.get(arn, found.state if found is not None else "") == ON

    for rule in rules:
        held = rule.targets if rule.gating else rule.controls
        if not set(held) & set(changes):
            continue
        if not holds(rule.config, map(on, rule.controls)):
            return rule
        latest = max((controls[each].changed_at for each in held if each in controls), default=0.0)
        if now - latest < rule.wait_ms / 1000:
            return rule
    return None
