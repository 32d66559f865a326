"""Lifecycle rules: what is well formed, and what is due for a version of an object ("Managing the lifecycle").

Pure functions of rules, versions and the time; `keeping.py` acts on them by the clock. Days count from midnight UTC
after they are over, as S3 counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.model import Upload, Version

DAY_S = 86_400.0
RULES_MAX = 1000
_ACTIONS = (
    "Expiration", "Transitions", "NoncurrentVersionExpiration", "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)  # fmt: skip
_DEEPER = ("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
SMALL = 128 * 1024


class Due(NamedTuple):
    """What is to be done now: "expire", "remove" or "transition" (to `storage_class`), by which rule."""

    action: str
    rule: str
    storage_class: str = ""


def checked(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rules, each with an id. Raises MalformedXML, InvalidArgument, InvalidRequest."""
    if not 1 <= len(rules) <= RULES_MAX:
        raise refusal("MalformedXML")
    out = [{"ID": f"rule-{position}", **rule} for position, rule in enumerate(rules, 1)]
    if len({each["ID"] for each in out}) != len(out):
        raise invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", out[-1]["ID"])
    for rule in out:
        if rule.get("Status") not in ("Enabled", "Disabled"):
            raise refusal("MalformedXML")
        if rule.get("Filter") is not None and rule.get("Prefix") is not None:
            raise refusal("MalformedXML")
        if not any(rule.get(each) for each in _ACTIONS):
            raise refusal("InvalidRequest", "At least one action needs to be specified in a rule")
        _check_times(rule)
    return out


def _check_times(rule: Mapping[str, Any]) -> None:
    expiration = rule.get("Expiration") or {}
    days = expiration.get("Days")
    if days is not None and days < 1:
        raise invalid_argument("'Days' for Expiration action must be a positive integer", "Days", days)
    for transition in rule.get("Transitions") or ():
        after = transition.get("Days")
        if (after is None) == (transition.get("Date") is None):
            raise refusal("MalformedXML")
        if after is not None and after < 30 and transition.get("StorageClass") in ("STANDARD_IA", "ONEZONE_IA"):
            kind = transition["StorageClass"]
            raise invalid_argument(
                f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{kind}'",
                "Days", after,
            )  # fmt: skip
        if after is not None and days is not None and days <= after:
            raise invalid_argument(
                "'Days' in the Expiration action for filter '(prefix=" + _prefix(rule) + ")' must be greater than"
                " 'Days' in the Transition action", "Days", days,
            )  # fmt: skip


def _prefix(rule: Mapping[str, Any]) -> str:
    given = rule.get("Filter") or {}
    return str(rule.get("Prefix") or given.get("Prefix") or (given.get("And") or {}).get("Prefix") or "")


def covers(rule: Mapping[str, Any], key: str, size: int, tags: Mapping[str, str]) -> bool:
    """Whether a rule's filter takes in an object."""
    given = rule.get("Filter") or {}
    both = given.get("And") or given
    wanted = list(both.get("Tags") or ()) + ([both["Tag"]] if both.get("Tag") else [])
    larger, smaller = both.get("ObjectSizeGreaterThan"), both.get("ObjectSizeLessThan")
    return (
        key.startswith(_prefix(rule))
        and all(tags.get(each["Key"]) == each["Value"] for each in wanted)
        and (larger is None or size > larger)
        and (smaller is None or size < smaller)
    )


def deadline(since: float, days: int) -> float:
    """The midnight (UTC) after so many days: when S3 regards them as over."""
    due = since + days * DAY_S
    return due if due % DAY_S == 0 else (due // DAY_S + 1) * DAY_S


def expiration(rules: Sequence[Mapping[str, Any]], version: Version) -> tuple[float, str] | None:
    """When the current version expires, by which rule: what `x-amz-expiration` says."""
    found: list[tuple[float, str]] = []
    for rule in rules:
        given = rule.get("Expiration") or {}
        if rule["Status"] != "Enabled" or not covers(rule, version.key, version.size, version.tags):
            continue
        if given.get("Days") is not None:
            found.append((deadline(version.modified, given["Days"]), rule["ID"]))
        elif given.get("Date") is not None:
            found.append((_moment(given["Date"]), rule["ID"]))
    return min(found) if found else None


def due(
    rules: Sequence[Mapping[str, Any]], version: Version, now: float, replaced: float | None, newer: int, alone: bool
) -> Due | None:
    """What is due for a version now. `replaced` is when it stopped being current (None: it is), `newer` how many
    noncurrent versions are newer than it, `alone` whether it is the only one of its key. Removal goes first."""
    deepest: Due | None = None
    for rule in rules:
        if rule["Status"] != "Enabled" or not covers(rule, version.key, version.size, version.tags):
            continue
        found = (
            _current(rule, version, now, alone)
            if replaced is None
            else _noncurrent(rule, version, now, replaced, newer)
        )
        if found is not None and found.action != "transition":
            return found
        if found is not None and (deepest is None or _depth(found.storage_class) > _depth(deepest.storage_class)):
            deepest = found
    return deepest


def _current(rule: Mapping[str, Any], version: Version, now: float, alone: bool) -> Due | None:
    given = rule.get("Expiration") or {}
    if version.marker:
        orphan = alone and (given.get("ExpiredObjectDeleteMarker") or given.get("Days") is not None)
        return Due("remove", rule["ID"]) if orphan else None
    over = given.get("Days") is not None and now >= deadline(version.modified, given["Days"])
    if over or (given.get("Date") is not None and now >= _moment(given["Date"])):
        return Due("expire", rule["ID"])
    best: Due | None = None
    for each in rule.get("Transitions") or ():
        moment = deadline(version.modified, each["Days"]) if each.get("Days") is not None else _moment(each["Date"])
        best = _deeper(best, rule, version, each["StorageClass"], now >= moment)
    return best


def _noncurrent(rule: Mapping[str, Any], version: Version, now: float, replaced: float, newer: int) -> Due | None:
    given = rule.get("NoncurrentVersionExpiration") or {}
    days = given.get("NoncurrentDays")
    if days is not None and now >= deadline(replaced, days) and newer >= (given.get("NewerNoncurrentVersions") or 0):
        return Due("remove", rule["ID"])
    best: Due | None = None
    for each in rule.get("NoncurrentVersionTransitions") or ():
        enough = newer >= (each.get("NewerNoncurrentVersions") or 0)
        moment = deadline(replaced, each.get("NoncurrentDays") or 0)
        best = _deeper(best, rule, version, each["StorageClass"], enough and now >= moment)
    return best


def _deeper(best: Due | None, rule: Mapping[str, Any], version: Version, kind: str, is_due: bool) -> Due | None:
    enough = version.size >= SMALL
    if not is_due or version.marker or not enough or _depth(kind) <= _depth(version.storage_class):
        return best
    if best is not None and _depth(kind) <= _depth(best.storage_class):
        return best
    return Due("transition", rule["ID"], kind)


def _depth(kind: str) -> int:
    return _DEEPER.index(kind) if kind in _DEEPER else 0


def abort_due(rules: Sequence[Mapping[str, Any]], upload: Upload, now: float) -> bool:
    """Whether an upload in progress has been going on for too long."""
    for rule in rules:
        days = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
        if rule["Status"] != "Enabled" or days is None or not upload.key.startswith(_prefix(rule)):
            continue
        if now >= deadline(upload.initiated, days):
            return True
    return False


def _moment(value: Any) -> float:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return float(value.timestamp()) if hasattr(value, "timestamp") else float(value)
