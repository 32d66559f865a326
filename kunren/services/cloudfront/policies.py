"""Finding policies: the account's own, and those that AWS manages. Pure reads."""

from __future__ import annotations

from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.services.cloudfront.errors import (
    NoSuchCachePolicy,
    NoSuchOriginRequestPolicy,
    NoSuchResponseHeadersPolicy,
)
from kunren.services.cloudfront.managed import CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES
from kunren.services.cloudfront.model import CachePolicy, OriginRequestPolicy, ResponseHeadersPolicy

View: TypeAlias = Snapshot | Tx


def cache_policy(view: View, account: str, identity: str) -> dict[str, Any]:
    """Its configuration. Raises NoSuchCachePolicy."""
    if identity in CACHE_POLICIES:
        return CACHE_POLICIES[identity]
    found = view.get(CachePolicy, account, "", identity)
    if found is None:
        raise NoSuchCachePolicy
    return found.config


def origin_request_policy(view: View, account: str, identity: str) -> dict[str, Any]:
    """Its configuration. Raises NoSuchOriginRequestPolicy."""
    if identity in ORIGIN_REQUEST_POLICIES:
        return ORIGIN_REQUEST_POLICIES[identity]
    found = view.get(OriginRequestPolicy, account, "", identity)
    if found is None:
        raise NoSuchOriginRequestPolicy
    return found.config


def response_headers_policy(view: View, account: str, identity: str) -> dict[str, Any]:
    """Its configuration. Raises NoSuchResponseHeadersPolicy."""
    if identity in RESPONSE_HEADERS_POLICIES:
        return RESPONSE_HEADERS_POLICIES[identity]
    found = view.get(ResponseHeadersPolicy, account, "", identity)
    if found is None:
        raise NoSuchResponseHeadersPolicy
    return found.config
