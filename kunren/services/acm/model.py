"""The acm service's resources. A certificate's id is its ARN; every time is seconds since 1970.

`created_at`, `issued_at` and `imported_at` are AWS time; what stands in the certificate itself (`X509Facts`) is wall
time, since that is what a client's TLS library compares it with.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource

PENDING_VALIDATION = "PENDING_VALIDATION"
ISSUED = "ISSUED"
EXPIRED = "EXPIRED"
FAILED = "FAILED"
REVOKED = "REVOKED"
VALIDATION_TIMED_OUT = "VALIDATION_TIMED_OUT"
SUCCESS = "SUCCESS"
AMAZON_ISSUED = "AMAZON_ISSUED"
IMPORTED = "IMPORTED"


class DomainValidation(msgspec.Struct, frozen=True, kw_only=True):
    """One name of a certificate and the CNAME that proves it. `status` is what the validator saw last."""

    domain_name: str
    validation_domain: str
    record_name: str
    record_value: str
    status: str = PENDING_VALIDATION  # PENDING_VALIDATION | SUCCESS | FAILED


class X509Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate says of itself, in ACM's words."""

    serial: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    key_algorithm: str  # "RSA_2048", "EC_prime256v1", ...
    signature_algorithm: str
    key_usages: tuple[str, ...]
    extended_key_usages: tuple[tuple[str, str], ...]  # name, OID
    not_before: float
    not_after: float


class CertificateMaterial(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a server needs. `chain_pem` is empty for an imported certificate that came without a chain,
    `private_key_pem` where an ACME client keeps the key."""

    certificate_pem: str
    chain_pem: str
    private_key_pem: str


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    status: str  # PENDING_AUTO_RENEWAL | PENDING_VALIDATION | SUCCESS | FAILED
    updated_at: float
    reason: str | None = None


class AcmeOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Who ordered a certificate over ACME, and where."""

    endpoint_arn: str
    account_id: str


class Certificate(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "acm.certificate"

    type: str  # AMAZON_ISSUED | IMPORTED
    domain_name: str
    names: tuple[str, ...]
    key_algorithm: str
    created_at: float
    validation: tuple[DomainValidation, ...] = ()
    export: str = "DISABLED"
    transparency_logging: str = "ENABLED"
    idempotency_token: str = ""
    tags: dict[str, str] = {}

    status: str = PENDING_VALIDATION
    failure_reason: str | None = None
    issued_at: float | None = None
    imported_at: float | None = None
    exported: bool = False
    renewal: Renewal | None = None
    facts: X509Facts | None = None
    material: CertificateMaterial | None = None
    revoked_at: float | None = None
    revocation_reason: str | None = None
    acme: AcmeOrigin | None = None

    def status_at(self, wall: float) -> str:
        """The status to show: an issued certificate whose last day is over is EXPIRED."""
        if self.status == ISSUED and self.facts is not None and self.facts.not_after < wall:
            return EXPIRED
        return self.status


class Issuance(Resource, frozen=True, kw_only=True):
    """The authority's ledger: one certificate that it signed, kept until its end even where ACM's own is deleted or
    renewed. `id` is the serial number in hexadecimal; account and region are empty. Times are wall time."""

    kind: ClassVar[str] = "acm.issuance"

    certificate_arn: str
    not_after: float
    revoked_at: float | None = None
    reason: str | None = None  # RFC 5280's name of it


class AccountConfiguration(Resource, frozen=True, kw_only=True):
    """PutAccountConfiguration's one setting; id is "configuration"."""

    kind: ClassVar[str] = "acm.account-configuration"

    days_before_expiry: int
