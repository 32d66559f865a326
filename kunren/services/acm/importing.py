"""The checks that ImportCertificate makes, with ACM's texts (ACM User Guide, "Prerequisites for importing").

Pure but for the wall time that is passed in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kunren.services.acm.errors import ValidationException
from kunren.services.acm.facts import UnsupportedKey, key_algorithm, read_facts
from kunren.services.acm.model import CertificateMaterial, X509Facts

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PRIVATE_KEY_MAX_BYTES = 5120
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.+?-----END \1-----", re.DOTALL)


def check_import(
    certificate: bytes, private_key: bytes, chain: bytes | None, wall: float
) -> tuple[CertificateMaterial, X509Facts]:
    """The material to store and what it says. Raises ValidationException as ACM does."""
    body = _text(certificate, "certificate")
    blocks = _certificates(body)
    if len(blocks) > 1:
        raise ValidationException(
            "The certificate field contains more than one certificate. You can specify only one certificate in this"
            " field."
        )
    if not blocks:
        raise ValidationException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
    leaf = _parse(blocks[0], "certificate")
    links = _certificates(_text(chain, "certificate chain")) if chain else []
    if chain and not links:
        raise ValidationException(
            "Unable to parse certificate chain. Please ensure the certificate chain is in PEM format."
        )
    issuers = [_parse(link, "certificate chain") for link in links]
    key = _private_key(private_key)
    try:
        key_algorithm(leaf.public_key())
        facts = read_facts(leaf)
    except UnsupportedKey:
        raise ValidationException(
            "The private key is not supported. Only RSA 1024-bit, 2048-bit, 3072-bit and 4096-bit, and elliptic curve"
            " prime256v1, secp384r1 and secp521r1 private keys are allowed."
        ) from None
    if _public_bytes(key.public_key()) != _public_bytes(leaf.public_key()):
        raise ValidationException("The private key does not match the public key of the certificate.")
    _check_dates(facts, wall)
    _check_chain(leaf, issuers)
    material = CertificateMaterial(
        certificate_pem=blocks[0] + "\n",
        chain_pem="".join(link + "\n" for link in links),
        private_key_pem=private_key.decode().strip() + "\n",
    )
    return material, facts


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValidationException(f"Unable to parse {what}. Please ensure the {what} is in PEM format.") from None


def _certificates(text: str) -> list[str]:
    return [match.group(0) for match in _BLOCK.finditer(text) if match.group(1) == "CERTIFICATE"]


def _parse(pem: str, what: str) -> Certificate:
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_certificate(pem.encode())
        _ = parsed.extensions, parsed.version, parsed.subject
    except ValueError:
        raise ValidationException(f"Unable to parse {what}. Please ensure the {what} is in PEM format.") from None
    return parsed


def _private_key(content: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if len(content) > PRIVATE_KEY_MAX_BYTES:
        raise ValidationException(f"The private key must be no larger than {PRIVATE_KEY_MAX_BYTES} bytes.")
    try:
        return load_pem_private_key(content, None)
    except TypeError:
        raise ValidationException(
            "The private key is encrypted. You must decrypt the private key before you import the certificate."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationException("Passed PEM was not a private key.") from None


def _public_bytes(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _check_dates(facts: X509Facts, wall: float) -> None:
    if facts.not_after < wall:
        raise ValidationException("The certificate is not valid: it has expired.")
    if facts.not_before > wall:
        raise ValidationException("The certificate is not valid: it is not in effect yet.")


def _check_chain(leaf: Certificate, issuers: list[Certificate]) -> None:
    """Each certificate must directly certify the one before it; without a chain the leaf must have signed itself."""
    if not issuers:
        if leaf.issuer == leaf.subject and not _signed_by(leaf, leaf):
            raise ValidationException(
                "Provided certificate is not a valid self signed. Please provide either a valid self-signed"
                " certificate or certificate chain."
            )
        return
    before = leaf
    for index, issuer in enumerate(issuers):
        if not _signed_by(before, issuer):
            raise ValidationException(
                "Unable to validate certificate chain. The certificate chain must start with the immediate signing"
                " certificate, followed by any intermediaries in order. The index within the chain of the invalid"
                f" certificate is: {index - 1 if index == 0 else index}"
            )
        before = issuer


def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
