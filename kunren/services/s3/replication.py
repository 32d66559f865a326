"""Replication: which rules are well formed, and where a new version goes ("Replicating objects").

Pure functions; `replicating.py` copies, behind the answer, as S3 does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kunren.services.s3.errors import invalid_argument, refusal
from kunren.services.s3.model import Bucket, Version

RULES_MAX = 1000


def checked(given: Mapping[str, Any], bucket: Bucket, find: Callable[[str], Bucket | None]) -> dict[str, Any]:
    """The configuration, each rule with an id. Raises InvalidRequest, InvalidArgument, MalformedXML."""
    if bucket.versioning != "Enabled":
        raise refusal("InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication"
                      " configuration")  # fmt: skip
    rules = given.get("Rules") or []
    if not 1 <= len(rules) <= RULES_MAX:
        raise refusal("MalformedXML")
    priorities = [each.get("Priority") for each in rules if each.get("Filter") is not None]
    if len(set(priorities)) != len(priorities):
        raise invalid_argument("Found duplicate priority", "Priority", priorities[0])
    for rule in rules:
        name = str((rule.get("Destination") or {}).get("Bucket", "")).removeprefix("arn:aws:s3:::")
        target = find(name)
        if target is None:
            raise refusal("InvalidRequest", "Destination bucket must exist.")
        if target.versioning != "Enabled":
            raise refusal("InvalidRequest", "Destination bucket must have versioning enabled.")
        if rule.get("Filter") is not None and rule.get("DeleteMarkerReplication") is None:
            raise refusal("InvalidRequest", "DeleteMarkerReplication must be specified for this version of Cross Region"
                          " Replication configuration schema. Please refer to S3 Developer Guide for more"
                          " information.")  # fmt: skip
    return {**given, "Rules": [{"ID": f"rule-{at}", **rule} for at, rule in enumerate(rules, 1)]}


def rules_for(configuration: Mapping[str, Any] | None, version: Version) -> list[Mapping[str, Any]]:
    """The rules by which a version goes elsewhere: for each destination, the one with the highest priority.

    A replica goes nowhere again; a delete marker only where the rule says so, or is of the older kind.
    """
    if configuration is None or version.replication == "REPLICA":
        return []
    best: dict[str, Mapping[str, Any]] = {}
    for rule in sorted(configuration.get("Rules") or (), key=lambda each: -(each.get("Priority") or 0)):
        if rule.get("Status") == "Enabled" and _covers(rule, version):
            best.setdefault(destination(rule), rule)
    return list(best.values())


def destination(rule: Mapping[str, Any]) -> str:
    """The name of the bucket that a rule copies to."""
    return str(rule["Destination"]["Bucket"]).removeprefix("arn:aws:s3:::")


def _covers(rule: Mapping[str, Any], version: Version) -> bool:
    given = rule.get("Filter")
    if given is None:
        return version.key.startswith(rule.get("Prefix") or "")
    if version.marker and (rule.get("DeleteMarkerReplication") or {}).get("Status") != "Enabled":
        return False
    both = given.get("And") or given
    wanted: Sequence[Mapping[str, str]] = list(both.get("Tags") or ()) + ([both["Tag"]] if both.get("Tag") else [])
    if version.marker and wanted:
        return False
    return version.key.startswith(both.get("Prefix") or "") and all(
        version.tags.get(each["Key"]) == each["Value"] for each in wanted
    )
