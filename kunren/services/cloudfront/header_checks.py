"""What a response headers policy may say. Pure.

Developer Guide, "Understand response headers policies"; Quotas, "Quotas on response headers policies".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.errors import (
    InvalidArgument,
    TooManyCustomHeadersInResponseHeadersPolicy,
    TooManyRemoveHeadersInResponseHeadersPolicy,
)

CUSTOM_MAX = REMOVED_MAX = 10
_KEPT = re.compile(
    r"connection|content-(encoding|length)|expect|host|keep-alive|proxy-(authenticate|authorization|connection)|trailer"
    r"|transfer-encoding|upgrade|via|warning|x-accel-(buffering|charset|limit-rate|redirect)|x-amz-cf-.*"
    r"|x-amzn-(auth|cf-billing|cf-id|cf-xff|errortype|fle-profile|header-count|header-order|lambda-integration-tag"
    r"|requestid)|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip"
)
"""Headers that a policy can't remove."""


def check_response_headers(config: Mapping[str, Any]) -> None:
    """Raises what is wrong with a response headers policy."""
    custom, removed = items(config.get("CustomHeadersConfig")), items(config.get("RemoveHeadersConfig"))
    if len(custom) > CUSTOM_MAX:
        raise TooManyCustomHeadersInResponseHeadersPolicy
    if len(removed) > REMOVED_MAX:
        raise TooManyRemoveHeadersInResponseHeadersPolicy
    names = [each["Header"].lower() for each in custom]
    if len(set(names)) < len(names):
        raise InvalidArgument("The parameter CustomHeadersConfig contains duplicates.")
    for each in removed:
        if _KEPT.fullmatch(each["Header"].lower()):
            raise InvalidArgument(f"The header {each['Header']} cannot be removed.")
    rate = (config.get("ServerTimingHeadersConfig") or {}).get("SamplingRate")
    if rate is not None and not 0 <= rate <= 100:
        raise InvalidArgument("The parameter SamplingRate must be from 0 to 100.")
    xss = (config.get("SecurityHeadersConfig") or {}).get("XSSProtection") or {}
    if xss.get("ModeBlock") and xss.get("ReportUri"):
        raise InvalidArgument("The parameter ReportUri cannot be used when ModeBlock is true.")
    if cors := config.get("CorsConfig"):
        _check_cors(cors)


def _check_cors(cors: Mapping[str, Any]) -> None:
    """With credentials no wildcard means anything (Fetch standard, "CORS protocol and credentials")."""
    lists = {
        member: items(cors.get(member))
        for member in (
            "AccessControlAllowOrigins", "AccessControlAllowHeaders", "AccessControlAllowMethods",
            "AccessControlExposeHeaders",
        )
    }  # fmt: skip
    for member, values in lists.items():
        if cors["AccessControlAllowCredentials"] and {"*", "ALL"} & set(values):
            raise InvalidArgument(f"The parameter {member} cannot be a wildcard when credentials are allowed.")
    if "*" in lists["AccessControlAllowOrigins"] and len(lists["AccessControlAllowOrigins"]) > 1:
        raise InvalidArgument("The parameter AccessControlAllowOrigins cannot have other origins beside *.")
