"""The cloudfront service's resources. The service is global: they live in the region "". Configurations are kept in the
wire's shape, completed with AWS's defaults. Times are AWS's, seconds since 1970."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

DEVELOPMENT, LIVE = "DEVELOPMENT", "LIVE"


class Distribution(Resource, frozen=True, kw_only=True):
    """`revision` rises with each change; the edge says in `DistributionStatus` which one it has."""

    kind: ClassVar[str] = "cloudfront.distribution"

    domain_name: str
    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float
    revision: int = 1
    tags: dict[str, str] = {}


class DistributionStatus(Resource, frozen=True, kw_only=True):
    """Observed: the revision that every edge location has, and the time of what it has seen invalidated."""

    kind: ClassVar[str] = "cloudfront.distribution-status"
    durable: ClassVar[bool] = False

    revision: int
    invalidated_at: float = 0.0


class CachePolicy(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.cache-policy"

    config: dict[str, Any]
    etag: str
    modified_time: float


class OriginRequestPolicy(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.origin-request-policy"

    config: dict[str, Any]
    etag: str
    modified_time: float


class ResponseHeadersPolicy(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.response-headers-policy"

    config: dict[str, Any]
    etag: str
    modified_time: float


class ContinuousDeploymentPolicy(Resource, frozen=True, kw_only=True):
    """Sessions that began before `sessions_since` are over."""

    kind: ClassVar[str] = "cloudfront.continuous-deployment-policy"

    config: dict[str, Any]
    etag: str
    modified_time: float
    sessions_since: float


class MonitoringSubscription(Resource, frozen=True, kw_only=True):
    """Id is the distribution's."""

    kind: ClassVar[str] = "cloudfront.monitoring-subscription"

    enabled: bool


class FunctionStage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a CloudFront Function. `etag` tells one text from another."""

    code: str
    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float


class Function(Resource, frozen=True, kw_only=True):
    """Id is the name."""

    kind: ClassVar[str] = "cloudfront.function"

    development: FunctionStage
    live: FunctionStage | None = None
    tags: dict[str, str] = {}


class PublicKey(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.public-key"

    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float


class KeyGroup(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.key-group"

    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float


class OriginAccessControl(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.origin-access-control"

    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float


class OriginAccessIdentity(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "cloudfront.origin-access-identity"

    config: dict[str, Any]
    etag: str
    created_time: float
    modified_time: float

    @property
    def canonical_user(self) -> str:
        """S3's name for it, always the same for the same identity."""
        return hashlib.sha384(f"{self.account}/{self.id}".encode()).hexdigest()


class Invalidation(Resource, frozen=True, kw_only=True):
    """Id is `{distribution id}|{invalidation id}`."""

    kind: ClassVar[str] = "cloudfront.invalidation"

    paths: tuple[str, ...]
    caller_reference: str
    created_time: float
