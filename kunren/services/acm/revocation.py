"""Taking certificates back: what RevokeCertificate and ACME may revoke, and the status that the world can ask for.

The authority's ledger (`Issuance`) has a row per certificate signed, so that a revocation list and an OCSP answer hold
after ACM's own certificate was renewed or deleted. Certificates say where to ask (`POINTERS`); `RevocationStatus`
answers there, over plain HTTP as all authorities do.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import msgspec

from kunren.control.store import Store, Tx
from kunren.core.ca import CertificateAuthority, Pointers
from kunren.core.clock import Clock
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.core.revocation import KNOWN_GOOD, Revoked, revocation_list, status_answer
from kunren.services.acm.errors import ConflictException, ValidationException
from kunren.services.acm.model import (
    AMAZON_ISSUED,
    ISSUED,
    REVOKED,
    Certificate,
    Issuance,
)

if TYPE_CHECKING:
    from kunren.core.ca import IssuedCertificate

# ACM User Guide, "ACME certificate characteristics": revocation traffic goes to http://*.amazontrust.com
_DOMAIN = ".m01.amazontrust.com"
POINTERS = Pointers(
    ocsp=f"http://ocsp{_DOMAIN}",
    revocation_list=f"http://crl{_DOMAIN}/m01.crl",
    issuer=f"http://crt{_DOMAIN}/m01.cer",
)
# ACM User Guide, "Revoke an AWS Certificate Manager public certificate"; the model spells one of them in two ways
REASONS: dict[str, str | None] = {
    "UNSPECIFIED": None,
    "AFFILIATION_CHANGED": "affiliation_changed",
    "SUPERCEDED": "superseded",
    "SUPERSEDED": "superseded",
    "CESSATION_OF_OPERATION": "cessation_of_operation",
}
_KEPT_AFTER_END_S = 86400.0


def check_revocable(certificate: Certificate, reason: str) -> None:
    """What RevokeCertificate refuses, beside a certificate in use. Raises ValidationException, ConflictException."""
    if reason not in REASONS:
        raise ValidationException(f"The revocation reason {reason} is not supported for a public certificate.")
    if certificate.acme is not None:
        raise ValidationException(f"Certificate {certificate.id} was issued through ACME: its ACME client revokes it.")
    if certificate.type != AMAZON_ISSUED:
        raise ValidationException(f"Certificate {certificate.id} was not issued by ACM and cannot be revoked.")
    if certificate.status == REVOKED:
        raise ConflictException(f"Certificate {certificate.id} is already revoked.")
    if certificate.status != ISSUED or not certificate.exported:
        raise ValidationException(f"Certificate {certificate.id} has not been exported and cannot be revoked.")


def record(tx: Tx, arn: str, issued: IssuedCertificate) -> None:
    """Write a signed certificate into the ledger, in the transaction that makes it known."""
    tx.put(Issuance(account="", region="", id=f"{issued.serial:x}", certificate_arn=arn, not_after=issued.not_after))


def revoke(tx: Tx, certificate: Certificate, shown: str, reason: str | None, now: float, wall: float) -> None:
    """The certificate is REVOKED, with everything that was signed under its ARN and still lasts."""
    tx.put(msgspec.structs.replace(certificate, status=REVOKED, revoked_at=now, revocation_reason=shown))
    for each in tx.list(Issuance, "", ""):
        if each.certificate_arn == certificate.id and each.revoked_at is None and each.not_after > wall:
            tx.put(msgspec.structs.replace(each, revoked_at=wall, reason=reason))


def forget_ended(store: Store, wall: float) -> None:
    """Drop what no client accepts any more from the ledger."""
    ended = [each for each in store.snapshot().list(Issuance, "", "") if each.not_after + _KEPT_AFTER_END_S < wall]
    if ended:
        with store.write() as tx:
            for each in ended:
                tx.delete(each)


class RevocationStatus:
    """`ocsp`, `crl` and `crt` under `m01.amazontrust.com`: a front of the gateway (`kunren.core.fronts`)."""

    def __init__(self, store: Store, ca: CertificateAuthority, clock: Clock) -> None:
        self._store = store
        self._ca = ca
        self._clock = clock

    def claims(self, host: str, path: str) -> bool:
        return host.partition(":")[0].endswith(_DOMAIN)

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        service = request.host.removesuffix(_DOMAIN)
        reading = request.method in ("GET", "HEAD")
        if service == "ocsp" and (asked := _ocsp_request(request)) is not None:
            body = status_answer(self._ca.signer(), asked, self._lookup, self._clock.wall())
            return FrontAnswer(200, [("Content-Type", "application/ocsp-response")], body)
        if service == "crl" and request.path == "/m01.crl" and reading:
            wall = self._clock.wall()
            body = revocation_list(self._ca.signer(), self._revoked(), int(wall), wall)
            return FrontAnswer(200, [("Content-Type", "application/pkix-crl")], body)
        if service == "crt" and request.path == "/m01.cer" and reading:
            body = ssl.PEM_cert_to_DER_cert(self._ca.intermediate_pem)
            return FrontAnswer(200, [("Content-Type", "application/pkix-cert")], body)
        return FrontAnswer(404, [("Content-Type", "text/plain")], b"")

    def _lookup(self, serial: int) -> Revoked | Literal["good"] | None:
        found = self._store.snapshot().get(Issuance, "", "", f"{serial:x}")
        if found is None:
            return None
        return KNOWN_GOOD if found.revoked_at is None else Revoked(serial, found.revoked_at, found.reason)

    def _revoked(self) -> list[Revoked]:
        return [
            Revoked(int(each.id, 16), each.revoked_at, each.reason)
            for each in self._store.snapshot().list(Issuance, "", "")
            if each.revoked_at is not None
        ]


def _ocsp_request(request: FrontRequest) -> bytes | None:
    """The DER of an OCSP request by POST, or by GET with the request in the path (RFC 6960 A.1); None for neither."""
    if request.method == "POST":
        return request.body
    if request.method != "GET" or len(request.path) < 2:
        return None
    try:
        return base64.b64decode(unquote(request.path[1:]))
    except (binascii.Error, ValueError):
        return b""
