"""What a trust store may hold: CA bundles and revocation lists, read and checked.

"Mutual authentication with TLS in Application Load Balancer": certificates are X.509v3 with RSA keys of 2048 to 8192
bits or keys on P-256, P-384, P-521. `cryptography` is imported at the first call.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

from kunren.services.elbv2.errors import InvalidCaCertificatesBundle, InvalidRevocationContent
from kunren.services.elbv2.limits import CA_CERTIFICATE_BYTES_MAX, CA_SUBJECTS_BYTES_MAX, REVOCATION_FILE_BYTES_MAX

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateRevocationList

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.+?-----END \1-----", re.DOTALL)
_BUNDLE_REFUSED = "The CA certificates bundle is not valid: {}"
_LIST_REFUSED = "The revocation file is not valid: {}"
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def check_bundle(content: bytes, most: int) -> tuple[str, int]:
    """The bundle's certificates as PEM text, and how many. Raises InvalidCaCertificatesBundle."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise _no_bundle("it must be a file of certificates in PEM format") from None
    blocks = list(_BLOCK.finditer(text))
    if not blocks or len(blocks) != text.count("-----BEGIN "):
        raise _no_bundle("it must be a file of certificates in PEM format")
    if len(blocks) > most:
        raise _no_bundle(f"it has more than '{most}' certificates")
    subjects = 0
    for number, block in enumerate(blocks, 1):
        if block[1] != "CERTIFICATE":
            raise _no_bundle(f"it contains a {block[1]}")
        if len(block[0]) > CA_CERTIFICATE_BYTES_MAX:
            raise _no_bundle(f"certificate {number} is larger than '{CA_CERTIFICATE_BYTES_MAX}' bytes")
        subjects += len(_checked_authority(block[0], number).subject.public_bytes())
    if subjects > CA_SUBJECTS_BYTES_MAX:
        raise _no_bundle(f"its subjects are together larger than '{CA_SUBJECTS_BYTES_MAX}' bytes")
    return "".join(block[0] + "\n" for block in blocks), len(blocks)


def _checked_authority(pem: str, number: int) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        constraints, key = _constraints(certificate), certificate.public_key()
    except (ValueError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        raise _no_bundle(f"certificate {number} cannot be read") from None
    if certificate.version is not x509.Version.v3:
        raise _no_bundle(f"certificate {number} is not of version 3")
    if constraints is None or not constraints.ca:
        raise _no_bundle(f"certificate {number} is not that of a certificate authority")
    strong = (isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    )
    if not strong:
        raise _no_bundle(f"the key of certificate {number} is not supported")
    return certificate


def _constraints(certificate: Certificate) -> Any:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None


def check_revocations(content: bytes, bundle: str) -> tuple[str, int]:
    """A CRL (PEM or DER) as PEM text, and how many certificates it revokes; an authority of the bundle must have signed
    it. Raises InvalidRevocationContent."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if len(content) > REVOCATION_FILE_BYTES_MAX:
        raise InvalidRevocationContent(_LIST_REFUSED.format(f"it is larger than '{REVOCATION_FILE_BYTES_MAX}' bytes"))
    try:
        parse = x509.load_pem_x509_crl if b"-----BEGIN" in content else x509.load_der_x509_crl
        crl = parse(content)
        count = len(crl)
        _ = crl.issuer, crl.next_update_utc
    except ValueError:
        raise InvalidRevocationContent(_LIST_REFUSED.format("it must be a CRL in PEM or DER format")) from None
    if not any(_signed(crl, each) for each in _authorities(bundle)):
        raise InvalidRevocationContent(
            _LIST_REFUSED.format("no certificate authority of the trust store has signed it")
        )
    return crl.public_bytes(Encoding.PEM).decode(), count


@lru_cache(maxsize=64)
def covered_until(bundle: str, crls: tuple[str, ...]) -> float:
    """Until when (seconds since 1970) every authority of the bundle has a revocation list that is current; 0 where one
    has none. So long the TLS library may insist on the lists."""
    from cryptography import x509

    ends: dict[x509.Name, float] = {}
    for pem in crls:
        crl = x509.load_pem_x509_crl(pem.encode())
        end = crl.next_update_utc
        ends[crl.issuer] = min(ends.get(crl.issuer, inf), inf if end is None else end.timestamp())
    return min((ends.get(each.subject, 0.0) for each in _authorities(bundle)), default=0.0)


@lru_cache(maxsize=64)
def revoked_certificates(crls: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(issuer as RFC 2253 has it, serial number in lower-case hexadecimal digits) of all that the lists revoke."""
    from cryptography import x509

    found = []
    for pem in crls:
        crl = x509.load_pem_x509_crl(pem.encode())
        issuer = crl.issuer.rfc4514_string()
        for entry in crl:
            digits = f"{entry.serial_number:x}"
            found.append((issuer, digits.zfill(len(digits) + len(digits) % 2)))
    return tuple(found)


def _authorities(bundle: str) -> list[Certificate]:
    from cryptography import x509

    return x509.load_pem_x509_certificates(bundle.encode())


def _signed(crl: CertificateRevocationList, authority: Certificate) -> bool:
    if crl.issuer != authority.subject:
        return False
    try:
        return bool(crl.is_signature_valid(authority.public_key()))  # type: ignore[arg-type]
    except TypeError:
        return False


def _no_bundle(why: str) -> InvalidCaCertificatesBundle:
    return InvalidCaCertificatesBundle(_BUNDLE_REFUSED.format(why))
