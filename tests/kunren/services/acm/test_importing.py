"""ImportCertificate's checks, each with a certificate that breaks one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from kunren.core.ca import CertificateAuthority, IssuedCertificate, key_pem, new_key
from kunren.core.clock import SystemClock
from kunren.services.acm.errors import ValidationException
from kunren.services.acm.importing import check_import

CLOCK = SystemClock()
NOW = CLOCK.wall()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path_factory.mktemp("ca"), CLOCK)


@pytest.fixture(scope="module")
def issued(authority: CertificateAuthority) -> IssuedCertificate:
    return authority.issue(["example.com", "www.example.com"])


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, issuer_key: object = None) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self.example.com")])
    now = datetime.fromtimestamp(NOW, UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(0x0A0B0C).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    )  # fmt: skip
    return builder.sign(issuer_key or key, SHA256()).public_bytes(Encoding.PEM).decode()  # type: ignore[arg-type]


def refused(certificate: str, key: str, chain: str | None, wall: float = NOW) -> str:
    with pytest.raises(ValidationException) as caught:
        check_import(certificate.encode(), key.encode(), chain.encode() if chain else None, wall)
    return caught.value.message


def test_a_certificate_with_its_chain_is_taken_and_read(issued: IssuedCertificate) -> None:
    material, facts = check_import(
        issued.certificate_pem.encode(), issued.private_key_pem.encode(), issued.chain_pem.encode(), NOW
    )
    assert material.certificate_pem == issued.certificate_pem
    assert material.chain_pem == issued.chain_pem
    assert facts.names == ("example.com", "www.example.com")
    assert facts.key_algorithm == "EC_prime256v1"
    assert facts.signature_algorithm == "SHA256WITHECDSA"
    assert facts.key_usages == ("DIGITAL_SIGNATURE",)
    assert facts.extended_key_usages == (
        ("TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"),
        ("TLS_WEB_CLIENT_AUTHENTICATION", "1.3.6.1.5.5.7.3.2"),
    )
    assert facts.subject == "CN=example.com"


def test_a_self_signed_certificate_needs_no_chain() -> None:
    key = new_key("RSA_2048")
    _, facts = check_import(self_signed(key).encode(), key_pem(key).encode(), None, NOW)
    assert (facts.serial, facts.key_algorithm, facts.signature_algorithm) == ("0a:0b:0c", "RSA_2048", "SHA256WITHRSA")
    assert facts.key_usages == ("ANY",)
    assert facts.extended_key_usages == (("NONE", ""),)


def test_a_certificate_that_only_claims_to_be_self_signed_is_refused() -> None:
    key = new_key("EC_prime256v1")
    assert refused(self_signed(key, new_key("EC_prime256v1")), key_pem(key), None).startswith(
        "Provided certificate is not a valid self signed."
    )


def test_two_certificates_in_the_body_are_refused(issued: IssuedCertificate) -> None:
    assert refused(issued.certificate_pem + issued.chain_pem, issued.private_key_pem, None) == (
        "The certificate field contains more than one certificate. You can specify only one certificate in this field."
    )


@pytest.mark.parametrize("body", ["nonsense", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"])
def test_a_body_that_is_no_certificate_is_refused(issued: IssuedCertificate, body: str) -> None:
    assert refused(body, issued.private_key_pem, None).startswith("Unable to parse certificate.")
    assert refused(issued.certificate_pem, issued.private_key_pem, body).startswith(
        "Unable to parse certificate chain."
    )


def test_bytes_that_are_no_text_are_refused(issued: IssuedCertificate) -> None:
    with pytest.raises(ValidationException, match="Unable to parse certificate"):
        check_import(b"\xff\xfe", issued.private_key_pem.encode(), None, NOW)


def test_a_chain_in_the_wrong_order_is_refused_with_the_index(issued: IssuedCertificate) -> None:
    intermediate, root = issued.chain_pem.split("-----END CERTIFICATE-----\n")[:2]
    end = "-----END CERTIFICATE-----\n"
    told = refused(issued.certificate_pem, issued.private_key_pem, root + end + intermediate + end)
    assert told == (
        "Unable to validate certificate chain. The certificate chain must start with the immediate signing"
        " certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate"
        " is: -1"
    )
    key = new_key("EC_prime256v1")
    told = refused(issued.certificate_pem, issued.private_key_pem, intermediate + end + self_signed(key))
    assert told.endswith("is: 1")


def test_a_key_of_another_certificate_an_encrypted_key_and_no_key_are_refused(
    issued: IssuedCertificate, authority: CertificateAuthority
) -> None:
    other = authority.issue(["example.com"]).private_key_pem
    assert refused(issued.certificate_pem, other, issued.chain_pem) == (
        "The private key does not match the public key of the certificate."
    )
    assert refused(issued.certificate_pem, "nonsense", None) == "Passed PEM was not a private key."
    key = load_pem_private_key(issued.private_key_pem.encode(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()
    assert "encrypted" in refused(issued.certificate_pem, locked, None)


def test_a_certificate_outside_its_dates_is_refused(issued: IssuedCertificate) -> None:
    assert "expired" in refused(issued.certificate_pem, issued.private_key_pem, None, issued.not_after + 1)
    assert "not in effect" in refused(issued.certificate_pem, issued.private_key_pem, None, issued.not_before - 1)


def test_an_unsupported_curve_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    assert refused(self_signed(key), key_pem(key), None).startswith("The private key is not supported.")
