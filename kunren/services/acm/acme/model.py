"""What ACME consists of. Ids are ARNs but for accounts and orders, whose ids stand in their URLs (UUIDs); all times are
AWS time, in seconds since 1970."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource

# of a domain validation
VALIDATING = "VALIDATING"
VALID = "VALID"
INVALID = "INVALID"
# of an account
DEACTIVATED = "DEACTIVATED"
REVOKED = "REVOKED"
# of an order, as RFC 8555 spells them
READY = "ready"
PROCESSING = "processing"
ORDER_VALID = "valid"
ORDER_INVALID = "invalid"


class AcmeEndpoint(Resource, frozen=True, kw_only=True):
    """A server with a URL of its own. `key_algorithms` None allows every one."""

    kind: ClassVar[str] = "acm.acme-endpoint"

    contact: str  # REQUIRED | NOT_REQUIRED
    key_algorithms: tuple[str, ...] | None
    certificate_tags: dict[str, str]
    created_at: float
    updated_at: float
    idempotency_token: str = ""
    tags: dict[str, str] = {}

    @property
    def uuid(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def host(self) -> str:
        return f"acm-acme-enroll.{self.region}.api.aws"

    def url(self, path: str) -> str:
        return f"https://{self.host}/{self.uuid}/{path}"


class DomainScope(msgspec.Struct, frozen=True, kw_only=True):
    """Which names a domain validation allows."""

    exact_domain: bool = False
    subdomains: bool = False
    wildcards: bool = False


class AcmeDomainValidation(Resource, frozen=True, kw_only=True):
    """A domain that an endpoint may issue for, once its CNAME was seen. `recorded` says that ACM itself has put the
    CNAME into the hosted zone."""

    kind: ClassVar[str] = "acm.acme-domain-validation"

    endpoint_arn: str
    domain_name: str
    scope: DomainScope
    hosted_zone_id: str | None
    record_name: str
    record_value: str
    created_at: float
    updated_at: float
    validating_since: float
    status: str = VALIDATING
    recorded: bool = False
    failure_reason: str | None = None
    failure_message: str | None = None
    idempotency_token: str = ""
    tags: dict[str, str] = {}


class AcmeExternalAccountBinding(Resource, frozen=True, kw_only=True):
    """A secret by which clients register accounts. `mac_key` is base64url without padding."""

    kind: ClassVar[str] = "acm.acme-external-account-binding"

    endpoint_arn: str
    role_arn: str
    key_id: str
    mac_key: str
    created_at: float
    updated_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    idempotency_token: str = ""
    tags: dict[str, str] = {}


class AcmeAccount(Resource, frozen=True, kw_only=True):
    """A client's key. `jwk` is its public key (RFC 7517), `thumbprint` that key's (RFC 7638)."""

    kind: ClassVar[str] = "acm.acme-account"

    endpoint_arn: str
    jwk: dict[str, str]
    thumbprint: str
    binding_arn: str
    created_at: float
    contacts: tuple[str, ...] = ()
    status: str = VALID


class AcmeOrder(Resource, frozen=True, kw_only=True):
    """A certificate wanted. `authorizations` are ids, one per identifier; `csr` is DER in base64url; `problem` is the
    ACME error type and its detail; `certificate_id` is the last part of the certificate's ARN."""

    kind: ClassVar[str] = "acm.acme-order"

    endpoint_arn: str
    account_id: str
    identifiers: tuple[str, ...]
    authorizations: tuple[str, ...]
    created_at: float
    expires_at: float
    status: str = READY
    deactivated: tuple[str, ...] = ()  # those authorizations that the client gave up
    csr: str = ""
    certificate_id: str | None = None
    problem: tuple[str, str] | None = None


KINDS = (AcmeEndpoint, AcmeDomainValidation, AcmeExternalAccountBinding, AcmeAccount, AcmeOrder)
