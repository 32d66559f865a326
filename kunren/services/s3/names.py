"""Names of buckets, keys, and what headers may carry ("General purpose buckets naming rules", "Object key naming")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from kunren.services.s3.errors import invalid_argument, refusal

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.))*[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_BAD_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_BAD_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
KEY_BYTES_MAX = 1024
METADATA_BYTES_MAX = 2048
TAGS_MAX = 10
STORAGE_CLASSES = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
    "GLACIER_IR",
)  # fmt: skip
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


def check_bucket_name(name: str) -> None:
    """Raises InvalidBucketName."""
    fine = 3 <= len(name) <= 63 and _BUCKET.fullmatch(name) and not _ADDRESS.fullmatch(name)
    if not fine or name.startswith(_BAD_STARTS) or name.endswith(_BAD_ENDS):
        raise refusal("InvalidBucketName", BucketName=name)


def check_key(key: str) -> None:
    """Raises KeyTooLongError."""
    size = len(key.encode("utf-8", "surrogateescape"))
    if size > KEY_BYTES_MAX:
        raise refusal("KeyTooLongError", Size=size, MaxSizeAllowed=KEY_BYTES_MAX)


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raises MetadataTooLarge."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        raise refusal("MetadataTooLarge", Size=size, MaxSizeAllowed=METADATA_BYTES_MAX)


def tags_of_header(text: str | None) -> dict[str, str]:
    """The tags of `x-amz-tagging`, which is a query string. Raises InvalidArgument, InvalidTag."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag"
            " name duplicates.", "x-amz-tagging", text,
        ) from None  # fmt: skip
    if len({name for name, _ in pairs}) != len(pairs):
        raise invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag"
            " name duplicates.", "x-amz-tagging", text,
        )  # fmt: skip
    tags = dict(pairs)
    check_tags([{"Key": name, "Value": value} for name, value in tags.items()], TAGS_MAX)
    return tags


def check_tags(tags: Sequence[Mapping[str, Any]], most: int) -> dict[str, str]:
    """A TagSet as a mapping. Raises InvalidTag, BadRequest's kin as S3 words them."""
    if len(tags) > most:
        what = "Object" if most == TAGS_MAX else "Bucket"
        raise refusal("InvalidTag", f"{what} tags cannot be greater than {most}")
    names = [each["Key"] for each in tags]
    if len(set(names)) != len(names):
        raise refusal("InvalidTag", "Cannot provide multiple Tags with the same key")
    for each in tags:
        if not 1 <= len(each["Key"]) <= 128:
            raise refusal("InvalidTag", "The TagKey you have provided is invalid", TagKey=each["Key"])
        if len(each["Value"]) > 256:
            raise refusal("InvalidTag", TagKey=each["Key"], TagValue=each["Value"])
        if each["Key"].lower().startswith("aws:"):
            raise refusal("InvalidTag", "System tags cannot be added/updated by requester")
    return {each["Key"]: each["Value"] for each in tags}
