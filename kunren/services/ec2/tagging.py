"""Rules about tags on EC2 resources: pure. "Tag restrictions" in the EC2 user guide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.services.ec2 import errors

TAGS_MAX = 50
KEY_MAX = 127
VALUE_MAX = 255


def checked(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags of a request as a dictionary. Raises InvalidParameterValue."""
    result: dict[str, str] = {}
    for tag in tags:
        key, value = tag.get("Key"), tag.get("Value") or ""
        if not key:
            raise errors.InvalidParameterValue("Tag keys must not be null or empty")
        if key.startswith("aws:"):
            raise errors.InvalidParameterValue("Tag keys starting with 'aws:' are reserved for internal use")
        if len(key) > KEY_MAX:
            raise errors.InvalidParameterValue(f"Tag key exceeds the maximum length of {KEY_MAX} characters")
        if len(value) > VALUE_MAX:
            raise errors.InvalidParameterValue(f"Tag value exceeds the maximum length of {VALUE_MAX} characters")
        if key in result:
            raise errors.InvalidParameterValue(f"Duplicate tag keys found: {key}")
        result[key] = value
    return result


def merged(have: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Raises TagLimitExceeded."""
    result = {**have, **more}
    if len(result) > TAGS_MAX:
        raise errors.TagLimitExceeded()
    return result


def without(have: Mapping[str, str], tags: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    """What DeleteTags leaves: all go where no tags are named; a tag with a value goes only if it has that value."""
    if not tags:
        return {key: value for key, value in have.items() if key.startswith("aws:")}
    gone = {tag["Key"] for tag in tags if tag.get("Key") in have and tag.get("Value") in (None, have[tag["Key"]])}
    return {key: value for key, value in have.items() if key not in gone}


def at_creation(params: Mapping[str, Any], resource_type: str) -> dict[str, str]:
    """The tags of `TagSpecifications` for the one resource that the operation makes."""
    result: dict[str, str] = {}
    for spec in params.get("TagSpecifications") or ():
        if spec.get("ResourceType") is None:
            raise errors.MissingParameter("ResourceType")
        if spec["ResourceType"] != resource_type:
            raise errors.InvalidParameterValue(
                f"'{spec['ResourceType']}' is not a valid taggable resource type for this operation."
            )
        result.update(checked(spec.get("Tags") or ()))
    return merged({}, result)
