"""The rule: the first, by priority, whose conditions all hold."""

from __future__ import annotations

from kunren.services.elbv2 import words
from kunren.services.elbv2.associations import rules_of
from kunren.services.elbv2.matcher import Considered as Tried
from kunren.services.elbv2.matcher import choose
from kunren.services.elbv2.model import Rule
from kunren.trace.course import Course
from kunren.trace.model import Considered, Step

STAGE = "rule"


def stage(course: Course) -> Step | None:
    assert course.listener is not None
    rules = rules_of(course.snapshot, course.listener)
    tried = choose(rules, course.asked())
    chosen = tried[-1]
    course.rule = chosen.rule
    considered = tuple(
        Considered(what=_name(each.rule), taken=each is chosen, because=_why(each)) for each in tried
    )  # fmt: skip
    if chosen.rule.priority:
        told = (each.asks if each.asks == each.has else f"{each.asks} ({each.has})" for each in chosen.verdicts)
        because = f"the first whose conditions all hold: {'; '.join(told)}"
    elif len(tried) > 1:
        because = f"none of the {len(tried) - 1} rules before it holds"
    else:
        because = "the listener has no other rule"
    return Step(stage=STAGE, chosen=_name(chosen.rule), because=because, considered=considered)


def _name(rule: Rule) -> str:
    if not rule.priority:
        return "default rule"
    return f"rule {rule.priority} ({words.conditions(rule.conditions)})"


def _why(tried: Tried) -> str:
    if tried.matches:
        return "all conditions hold" if tried.verdicts else "takes what no other rule does"
    if len(tried.verdicts) == 1:
        return f"fails: {tried.verdicts[0].has}"
    return "; ".join(f"{each.asks} fails: {each.has}" for each in tried.verdicts if not each.holds)
