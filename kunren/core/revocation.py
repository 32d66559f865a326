"""Which certificates an authority takes back, in the two forms that TLS clients read: a revocation list (RFC 5280) and
OCSP (RFC 6960). Pure but for the signing key that is passed in, as `CertificateAuthority.signer` gives it.

Both are DER and signed by the issuer itself. OCSP answers one certificate per request, as the large public responders
do (RFC 5019), and says "unauthorized" of a serial number that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

LASTS = timedelta(days=7)
KNOWN_GOOD: Literal["good"] = "good"


class Revoked(NamedTuple):
    """A serial number taken back at `at` (seconds since 1970, wall time). `reason` is RFC 5280's name of it
    ("superseded"); None says nothing."""

    serial: int
    at: float
    reason: str | None


# what is known of a serial number: revoked, good, or nothing (None)
Lookup = Callable[[int], "Revoked | Literal['good'] | None"]


def revocation_list(signer: tuple[Any, Any], revoked: Iterable[Revoked], number: int, wall: float) -> bytes:
    """The list as of now, DER. `number` never falls."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key, issuer = signer
    now = datetime.fromtimestamp(int(wall), UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now)
        .next_update(now + LASTS)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial).revocation_date(_when(each))
        if each.reason is not None:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags[each.reason]), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return bytes(builder.sign(key, SHA256()).public_bytes(Encoding.DER))


def status_answer(signer: tuple[Any, Any], request: bytes, lookup: Lookup, wall: float) -> bytes:
    """The OCSP response to an OCSP request, both DER."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import ocsp

    try:
        asked = ocsp.load_der_ocsp_request(request)
    except (ValueError, NotImplementedError):  # not DER, or several certificates at once
        return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    key, issuer = signer
    found = lookup(asked.serial_number) if _names_issuer(asked, issuer) else None
    if found is None:
        return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    response = _status(asked, found, issuer, datetime.fromtimestamp(int(wall), UTC)).sign(key, SHA256())
    return bytes(response.public_bytes(Encoding.DER))


def _status(asked: Any, found: Revoked | Literal["good"], issuer: Any, now: datetime) -> Any:
    from cryptography import x509
    from cryptography.x509 import ocsp

    revoked = found if isinstance(found, Revoked) else None
    builder = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    builder = builder.add_response_by_hash(
        issuer_name_hash=asked.issuer_name_hash,
        issuer_key_hash=asked.issuer_key_hash,
        serial_number=asked.serial_number,
        algorithm=asked.hash_algorithm,
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=now,
        next_update=now + LASTS,
        revocation_time=_when(revoked) if revoked else None,
        revocation_reason=x509.ReasonFlags[revoked.reason] if revoked and revoked.reason else None,
    )
    for extension in asked.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            builder = builder.add_extension(extension.value, critical=False)
    return builder


def _names_issuer(asked: Any, issuer: Any) -> bool:
    """Whether the request's hashes of name and key are those of this issuer."""
    from cryptography.hazmat.primitives.hashes import Hash
    from cryptography.x509 import SubjectKeyIdentifier

    hashed = Hash(asked.hash_algorithm)
    hashed.update(issuer.subject.public_bytes())
    if hashed.finalize() != asked.issuer_name_hash:
        return False
    if asked.hash_algorithm.name == "sha1":
        return bool(SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest == asked.issuer_key_hash)
    hashed = Hash(asked.hash_algorithm)
    hashed.update(_key_bits(issuer.public_key()))
    return bool(hashed.finalize() == asked.issuer_key_hash)


def _key_bits(key: Any) -> bytes:
    """The bit string of an elliptic-curve key's SubjectPublicKeyInfo, which is what the key's hash is of."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _unsuccessful(status: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import ocsp

    return bytes(ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER))


def _when(revoked: Revoked) -> datetime:
    return datetime.fromtimestamp(int(revoked.at), UTC)
