"""Revocation lists and OCSP answers, judged by OpenSSL and by `cryptography`'s own reader."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from kunren.core.ca import CertificateAuthority, IssuedCertificate, Pointers
from kunren.core.clock import SystemClock
from kunren.core.revocation import KNOWN_GOOD, Revoked, revocation_list, status_answer

WALL = SystemClock().wall()
POINTERS = Pointers("http://ocsp.test", "http://crl.test/one.crl", "http://crt.test/one.cer")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path_factory.mktemp("ca"), SystemClock())


@pytest.fixture(scope="module")
def issued(authority: CertificateAuthority) -> IssuedCertificate:
    return authority.issue(["one.test"], pointers=POINTERS)


def asked(authority: CertificateAuthority, issued: IssuedCertificate, algorithm: object) -> bytes:
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    issuer = x509.load_pem_x509_certificate(authority.intermediate_pem.encode())
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, algorithm)
    return request.add_extension(x509.OCSPNonce(b"0123456789"), False).build().public_bytes(Encoding.DER)


def test_a_certificate_says_where_its_status_is(issued: IssuedCertificate) -> None:
    leaf = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for name in point.full_name] == ["http://crl.test/one.crl"]
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [each.access_location.value for each in access] == ["http://ocsp.test", "http://crt.test/one.cer"]


@pytest.mark.parametrize("algorithm", [SHA1(), SHA256()], ids=["sha1", "sha256"])
def test_ocsp_says_good_revoked_and_nothing_of_what_it_does_not_know(authority, issued, algorithm) -> None:
    request, signer = asked(authority, issued, algorithm), authority.signer()
    good = ocsp.load_der_ocsp_response(status_answer(signer, request, lambda serial: KNOWN_GOOD, WALL))
    assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert good.serial_number == issued.serial
    assert good.extensions[0].value.nonce == b"0123456789"
    taken = Revoked(issued.serial, WALL, "superseded")
    revoked = ocsp.load_der_ocsp_response(status_answer(signer, request, lambda serial: taken, WALL))
    assert revoked.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert revoked.revocation_reason is x509.ReasonFlags.superseded
    unknown = ocsp.load_der_ocsp_response(status_answer(signer, request, lambda serial: None, WALL))
    assert unknown.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    broken = ocsp.load_der_ocsp_response(status_answer(signer, b"no DER", lambda serial: KNOWN_GOOD, WALL))
    assert broken.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_ocsp_knows_nothing_of_another_authoritys_certificates(tmp_path: Path, authority, issued) -> None:
    other = CertificateAuthority.open(tmp_path / "other", SystemClock())
    answer = status_answer(other.signer(), asked(authority, issued, SHA1()), lambda serial: KNOWN_GOOD, WALL)
    assert ocsp.load_der_ocsp_response(answer).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


@pytest.mark.parametrize(("taken", "verdict"), [(False, "OK"), (True, "certificate revoked")])
def test_openssl_verifies_against_the_list(tmp_path: Path, authority, issued, taken, verdict) -> None:
    revoked = [Revoked(issued.serial, WALL, None)] if taken else []
    listed = x509.load_der_x509_crl(revocation_list(authority.signer(), revoked, 7, WALL))
    (tmp_path / "list.pem").write_bytes(listed.public_bytes(Encoding.PEM))
    (tmp_path / "chain.pem").write_text(authority.chain_pem)
    (tmp_path / "leaf.pem").write_text(issued.certificate_pem)
    files = ["-CAfile", "chain.pem", "-CRLfile", "list.pem", "-crl_check", "leaf.pem"]
    done = subprocess.run(["openssl", "verify", *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert verdict in done.stdout + done.stderr
