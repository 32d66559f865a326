"""Lifecycle policies: which images a repository is to lose ("Lifecycle policies in Amazon ECR", "Lifecycle policy
evaluation rules"). Pure.

All rules are evaluated at once, then applied by priority: what a rule identifies by its tags, no rule behind it can
expire, whether or not the first one does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kunren.core.errors import NotImplementedByKunren
from kunren.services.ecr.errors import InvalidParameterException
from kunren.services.ecr.model import Image

DAY_S = 86_400
_WILDCARDS_MAX = 4
TAGGED, UNTAGGED, ANY = "tagged", "untagged", "any"
MORE_THAN, SINCE_PUSHED, SINCE_PULLED = "imageCountMoreThan", "sinceImagePushed", "sinceImagePulled"
_COUNTS = (MORE_THAN, SINCE_PUSHED, SINCE_PULLED, "sinceImageTransitioned")


class Rule(NamedTuple):
    priority: int
    status: str
    prefixes: tuple[str, ...]
    patterns: tuple[str, ...]
    count_type: str
    number: int

    def identifies(self, image: Image) -> bool:
        """Whether its tags are those that the rule is about."""
        tags = image.image_tags
        if self.status == ANY:
            return True
        if self.status == UNTAGGED:
            return not tags
        by_prefix = all(any(tag.startswith(each) for tag in tags) for each in self.prefixes)
        return bool(tags) and by_prefix and all(any(_fits(tag, each) for tag in tags) for each in self.patterns)


class Due(NamedTuple):
    image: Image
    priority: int


def _fits(tag: str, pattern: str) -> bool:
    """Each piece at its first place: no pattern takes longer than the tag is long."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return tag == pattern
    last, end = pieces.pop(), len(first)
    for each in pieces:
        if (start := tag.find(each, end)) < 0:
            return False
        end = start + len(each)
    return tag.startswith(first) and tag.endswith(last) and end + len(last) <= len(tag)


def due(rules: Iterable[Rule], images: Sequence[Image], now: float) -> list[Due]:
    """What is to be expired, each by one rule; the oldest first. An image that an index lists stays."""
    listed = {each for image in images for each in image.manifests}
    claimed: set[str] = set()
    found: list[Due] = []
    for rule in sorted(rules):
        identified = [each for each in images if rule.identifies(each)]
        counted = _counted(rule, identified, now)
        kept = claimed | listed
        found += [Due(each, rule.priority) for each in counted if each.digest not in kept]
        claimed |= {each.digest for each in identified}
    return sorted(found, key=lambda each: (each.image.pushed_at, each.image.digest))


def _counted(rule: Rule, images: Sequence[Image], now: float) -> list[Image]:
    """Those of the identified images that are too many or too old."""
    if rule.count_type == MORE_THAN:
        youngest_first = sorted(images, key=lambda each: (each.pushed_at, each.digest), reverse=True)
        return youngest_first[rule.number :]
    if rule.count_type == SINCE_PULLED:
        return [each for each in images if (each.pulled_at or each.pushed_at) < now - rule.number * DAY_S]
    return [each for each in images if each.pushed_at < now - rule.number * DAY_S]


def parse(text: str) -> list[Rule]:
    """The rules of a policy's text, by priority. Raises InvalidParameterException, NotImplementedByKunren."""
    try:
        rules = json.loads(text)["rules"]
        if not isinstance(rules, list) or not rules:
            raise _invalid("it has no rules")
        parsed = sorted(_rule(each) for each in rules)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _invalid(f"{error}" if isinstance(error, ValueError) else f"{error!r}") from None
    if len({each.priority for each in parsed}) != len(parsed):
        raise _invalid("Duplicate rulePriority")
    if any(each.status == ANY for each in parsed[:-1]):
        raise _invalid("a rule with tagStatus any must have the highest rulePriority and be evaluated last")
    if sum(each.status == UNTAGGED for each in parsed) > 1:
        raise _invalid("only one rule may select untagged images")
    selections = [each for rule in parsed for each in (*rule.prefixes, *rule.patterns)]
    if len(set(selections)) != len(selections):
        raise _invalid("the same tag prefix or pattern is in more than one rule")
    return parsed


def _rule(told: dict[str, Any]) -> Rule:
    priority, selection, action = told["rulePriority"], told["selection"], told["action"]
    if type(priority) is not int or priority < 1:
        raise ValueError("rulePriority must be a positive integer")
    if action.get("type") == "transition":
        raise NotImplementedByKunren("ecr", "PutLifecyclePolicy with rules of action type transition")
    if action.get("type") != "expire":
        raise ValueError("action type must be expire")
    status, kind, count = selection["tagStatus"], selection["countType"], selection["countNumber"]
    prefixes, patterns = selection.get("tagPrefixList") or [], selection.get("tagPatternList") or []
    if status not in (TAGGED, UNTAGGED, ANY):
        raise ValueError(f"tagStatus {status} is not one of tagged, untagged, any")
    if (status == TAGGED) != bool(prefixes or patterns) or (prefixes and patterns):
        raise ValueError("tagPrefixList or tagPatternList is required with tagStatus tagged, and only there")
    if any(each.count("*") > _WILDCARDS_MAX for each in map(str, patterns)):
        raise ValueError(f"a tagPatternList may have {_WILDCARDS_MAX} wildcards (*) per string at most")
    if kind not in _COUNTS:
        raise ValueError(f"countType {kind} is not one of {', '.join(_COUNTS)}")
    if kind == _COUNTS[3]:
        raise NotImplementedByKunren("ecr", f"PutLifecyclePolicy with countType {kind}")
    if type(count) is not int or count < 1:
        raise ValueError("countNumber must be a positive integer")
    if (selection.get("countUnit") == "days") != (kind != MORE_THAN):
        raise ValueError("countUnit days is required where countType is a time, and only there")
    return Rule(priority, status, tuple(map(str, prefixes)), tuple(map(str, patterns)), kind, count)


def _invalid(why: str) -> InvalidParameterException:
    return InvalidParameterException(
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation "
        f"failure:\n{why}'"
    )


def excluded(tag: str, filters: Iterable[str]) -> bool:
    """Whether a tag is exempt from its repository's mutability ("Image tag mutability exclusion filters")."""
    return any(_fits(tag, each) for each in filters)
