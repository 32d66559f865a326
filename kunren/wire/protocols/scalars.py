"""Scalars in every place AWS puts them: timestamps in three formats, numbers, booleans, blobs, as text and back.

Parsing functions raise ValueError for text that is not of the type; each protocol says so in its own words.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kunren.core.clock import http_date
from kunren.wire.catalog import Member, Shape

ISO8601 = "iso8601"
RFC822 = "rfc822"
UNIX = "unixtimestamp"

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*([Zz]|[+-]\d\d:?\d\d)?")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_LIMITS = {"integer": 2**31, "long": 2**63}


def timestamp_format(member: Member | None, shape: Shape, default: str) -> str:
    """The format that holds at this place: the member's own, the shape's, else the place's default."""
    told = (member.timestamp_format if member is not None else None) or shape.timestamp_format or default
    return told.lower()


def parse_timestamp_text(text: str) -> datetime:
    """Any of AWS's three formats, as AWS's own parsers accept them. Raises ValueError."""
    text = text.strip()
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        micro = int((fraction or "0")[:6].ljust(6, "0"))
        seconds = min(int(second or 0), 59)
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), seconds, micro, tzinfo=UTC)
        if zone and zone not in "zZ":
            sign = -1 if zone[0] == "-" else 1
            digits = zone[1:].replace(":", "")
            offset = sign * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
            return datetime.fromtimestamp(moment.timestamp() - offset, UTC)
        return moment
    if match := _COMPACT.fullmatch(text):
        return datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    try:
        return from_epoch(float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # slow to import, and rarely needed

    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(text) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970 as an aware datetime, to the microsecond. Raises ValueError outside years 1 to 9999."""
    if not math.isfinite(seconds):
        raise ValueError(seconds)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(seconds) from error


def epoch(value: Any) -> float:
    """A handler's timestamp (datetime, seconds, or text) as seconds since 1970."""
    if isinstance(value, datetime):
        return value.timestamp() if value.tzinfo is not None else value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, str):
        return parse_timestamp_text(value).timestamp()
    return float(value)


def format_iso8601(value: Any) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-01-02T03:04:05.678Z."""
    moment = value if isinstance(value, datetime) and value.tzinfo is UTC else datetime.fromtimestamp(epoch(value), UTC)
    return (
        f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{moment.hour:02d}:{moment.minute:02d}:"
        f"{moment.second:02d}.{moment.microsecond // 1000:03d}Z"
    )


def format_rfc822(value: Any) -> str:
    """RFC 822 as HTTP has it: Mon, 02 Jan 2006 15:04:05 GMT."""
    return http_date(int(epoch(value)))


def epoch_milliseconds(value: Any) -> float | int:
    """Seconds since 1970 with at most three decimals; whole seconds as a whole number."""
    seconds = round(epoch(value), 3)
    return int(seconds) if seconds == int(seconds) else seconds


def format_unix(value: Any) -> str:
    return str(epoch_milliseconds(value))


TIMESTAMP_FORMATTERS: dict[str, Callable[[Any], str]] = {
    ISO8601: format_iso8601,
    RFC822: format_rfc822,
    UNIX: format_unix,
}


def parse_integer(text: str) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def in_integer_range(kind: str, number: int) -> bool:
    """Whether a whole number fits the model's type (integer: 32 bits, long: 64)."""
    limit = _LIMITS.get(kind, 2**63)
    return -limit <= number < limit


def parse_sized_integer(kind: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = parse_integer(text)
        if not in_integer_range(kind, number):
            raise ValueError(text)
        return number

    return parse


def parse_float(text: str) -> float:
    text = text.strip()
    if text in ("NaN", "Infinity", "-Infinity"):
        return float(text)
    if not text or not (text[-1].isdigit() or text[-1] == ".") or "_" in text:
        raise ValueError(text)
    return float(text)


def parse_boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered == "true":
        return True
    if lowered == "false":
        return False
    raise ValueError(text)


def parse_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=False)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(text) from error


def format_float(value: Any) -> str:
    number = float(value)
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def format_blob(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")


def format_boolean(value: Any) -> str:
    return "true" if value else "false"


def text_parser(member: Member | None, shape: Shape) -> Callable[[str], Any]:
    """Text → value, for shapes of a scalar type. The result raises ValueError."""
    match shape.type:
        case "integer" | "long" | "short" | "byte" | "bigInteger":
            return parse_sized_integer(shape.type)
        case "float" | "double" | "bigDecimal":
            return parse_float
        case "boolean":
            return parse_boolean
        case "timestamp":
            return parse_timestamp_text
        case "blob":
            return parse_blob
        case _:
            return str


def text_formatter(member: Member | None, shape: Shape, default_timestamp: str) -> Callable[[Any], str]:
    """Value → text, for shapes of a scalar type."""
    match shape.type:
        case "integer" | "long" | "short" | "byte" | "bigInteger":
            return _format_integer
        case "float" | "double" | "bigDecimal":
            return format_float
        case "boolean":
            return format_boolean
        case "timestamp":
            return TIMESTAMP_FORMATTERS[timestamp_format(member, shape, default_timestamp)]
        case "blob":
            return format_blob
        case _:
            return str


def _format_integer(value: Any) -> str:
    return str(int(value))
