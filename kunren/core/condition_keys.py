"""Condition keys whose values a request gives, whatever it asks for (IAM user guide, "AWS global condition context
keys"). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

Facts = Mapping[str, str | tuple[str, ...]]


@lru_cache(maxsize=1024)
def of_request(
    source_ip: str, secure: bool, region: str, seconds: int, agent: str | None = None, referer: str | None = None,
    ec2: bool = False,
) -> Facts:  # fmt: skip
    """What is the same for all that a client asks for within a second of AWS time, by lower-case name."""
    found: dict[str, str | tuple[str, ...]] = {
        "aws:sourceip": source_ip,
        "aws:securetransport": str(secure).lower(),
        "aws:requestedregion": region,
        "aws:currenttime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(seconds),
    }
    if agent is not None:
        found["aws:useragent"] = agent
    if referer is not None:
        found["aws:referer"] = referer
    if ec2:
        found["ec2:region"] = region
    return found
