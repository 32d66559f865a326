"""Conditions and ranges of requests for one object: pure answers to headers (RFC 9110; S3 API Reference, GetObject,
PutObject, CopyObject)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kunren.services.s3.errors import no_such_key, refusal
from kunren.services.s3.model import Version

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def check_read(version: Version, given: Mapping[str, Any], prefix: str = "") -> None:
    """Raises PreconditionFailed or NotModified. `prefix` is "CopySource" for the source of a copy, where both kinds of
    conditions end in PreconditionFailed."""
    etag, modified = version.etag, int(version.modified)
    match, none_match = given.get(f"{prefix}IfMatch"), given.get(f"{prefix}IfNoneMatch")
    since, unmodified = given.get(f"{prefix}IfModifiedSince"), given.get(f"{prefix}IfUnmodifiedSince")
    if match is not None:
        if not _names(match, etag):
            raise refusal("PreconditionFailed", Condition="If-Match")
    elif unmodified is not None and modified > seconds_of(unmodified):
        raise refusal("PreconditionFailed", Condition="If-Unmodified-Since")
    same = none_match is not None and _names(none_match, etag)
    older = none_match is None and since is not None and modified <= seconds_of(since)
    if same or older:
        if prefix:
            raise refusal("PreconditionFailed", Condition="If-None-Match" if same else "If-Modified-Since")
        unchanged = refusal("NotModified")
        unchanged.headers.append(("ETag", f'"{etag}"'))
        raise unchanged


def check_write(current_of: Callable[[str], Version | None], given: Mapping[str, Any], key: str) -> None:
    """For PutObject, CompleteMultipartUpload and DeleteObject; `current_of` gives a key's latest version, and is asked
    only where a condition is set. Raises PreconditionFailed, NoSuchKey."""
    if given.get("IfNoneMatch") is None and given.get("IfMatch") is None:
        return
    current = current_of(key)
    there = current if current is not None and not current.marker else None
    if given.get("IfNoneMatch") is not None:
        if given["IfNoneMatch"] != "*":
            raise refusal(
                "InvalidArgument",
                "A header you provided implies functionality that is not implemented.",
            )
        if there is not None:
            raise refusal("PreconditionFailed", Condition="If-None-Match")
    if given.get("IfMatch") is not None:
        if there is None:
            raise no_such_key(key)
        if not _names(given["IfMatch"], there.etag):
            raise refusal("PreconditionFailed", Condition="If-Match")


def _names(header: str, etag: str) -> bool:
    tags = [each.strip().removeprefix("W/").strip('"') for each in header.split(",")]
    return "*" in tags or etag in tags


def seconds_of(moment: Any) -> float:
    """A datetime, or seconds, as seconds since 1970."""
    return float(moment.timestamp()) if hasattr(moment, "timestamp") else float(moment)


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """(first byte, how many) that a Range header asks for; None for all. What is no single range of bytes is ignored,
    as S3 does. Raises InvalidRange."""
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = min(int(found[2]), size)
        if not count:
            raise _unsatisfiable(header, size)
        return size - count, count
    first = int(found[1])
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise _unsatisfiable(header, size)
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return first, last - first + 1


def _unsatisfiable(header: str | None, size: int) -> Exception:
    error = refusal("InvalidRange", RangeRequested=header or "", ActualObjectSize=size)
    error.headers.append(("Content-Range", f"bytes */{size}"))
    return error


def part_range(version: Version, number: int) -> tuple[int, int]:
    """(first byte, how many) of a part of an object. Raises InvalidPartNumber."""
    if not version.parts:
        if number != 1:
            raise refusal("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=1)
        return 0, version.size
    start = 0
    for each in version.parts:
        if each.number == number:
            return start, each.size
        start += each.size
    raise refusal("InvalidPartNumber", PartNumberRequested=number, ActualPartCount=len(version.parts))
