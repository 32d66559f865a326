"""Certificates of the world's authority, judged by OpenSSL's own strict verification and real handshakes."""

from __future__ import annotations

import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509

from kunren.core.ca import CertificateAuthority, DamagedAuthority, begin_authority, load_identity
from kunren.core.clock import SimClock, SystemClock

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path_factory.mktemp("ca"), CLOCK)


def strict_client(authority: CertificateAuthority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.ca_pem)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Both ends over a socket pair; returns the certificate that the client accepted."""
    ours, theirs = socket.socketpair()
    problem: list[Exception] = []

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as tls:
                tls.recv(1)
        except (OSError, ssl.SSLError) as error:
            problem.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as tls:
            tls.send(b"x")
            return dict(tls.getpeercert() or {}, alpn=tls.selected_alpn_protocol(), version=tls.version())
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("key_type", ["EC_prime256v1", "EC_secp384r1", "RSA_2048"])
def test_openssl_verifies_an_issued_chain_strictly_for_tls_servers(
    authority: CertificateAuthority, tmp_path: Path, key_type: str
) -> None:
    issued = authority.issue(["example.com", "*.example.com"], key_type=key_type)
    (tmp_path / "leaf.pem").write_text(issued.certificate_pem)
    (tmp_path / "chain.pem").write_text(issued.chain_pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "www.example.com"]
    command += ["-CAfile", str(authority.ca_path), "-untrusted", str(tmp_path / "chain.pem")]
    answer = subprocess.run([*command, str(tmp_path / "leaf.pem")], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_a_strict_client_accepts_a_name_and_an_address_and_refuses_another_name(
    authority: CertificateAuthority,
) -> None:
    server = authority.server_context("example.com", "198.18.0.7")
    client = strict_client(authority)
    seen = handshake(server, client, "example.com")
    assert seen["subjectAltName"] == (("DNS", "example.com"), ("IP Address", "198.18.0.7"))
    assert seen["alpn"] is None
    handshake(server, client, "198.18.0.7")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "example.org")


def test_a_program_that_does_not_trust_the_root_refuses_the_leaf(authority: CertificateAuthority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.server_context("example.com"), ssl.create_default_context(), "example.com")


def test_an_authority_is_made_once_and_reopened(tmp_path: Path) -> None:
    first = CertificateAuthority.open(tmp_path / "ca", CLOCK)
    issued = first.issue(["example.com"])
    again = CertificateAuthority.open(tmp_path / "ca", CLOCK)
    assert again.ca_pem == first.ca_pem
    assert again.issue(["example.com"]).serial != issued.serial
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_identity(server, issued.private_key_pem + issued.certificate_pem + first.intermediate_pem)
    handshake(server, strict_client(again), "example.com")
    assert stat.S_IMODE((tmp_path / "ca" / "authority.pem").stat().st_mode) == 0o600


def test_the_bundle_is_the_hosts_own_and_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "system.pem").write_text("# the host's\n-----BEGIN CERTIFICATE-----\n")
    monkeypatch.setenv("KUNREN_SYSTEM_BUNDLE", str(tmp_path / "system.pem"))
    authority = CertificateAuthority.open(tmp_path / "ca", CLOCK)
    assert authority.bundle_path.read_text() == "# the host's\n-----BEGIN CERTIFICATE-----\n" + authority.ca_pem
    assert authority.ca_path.read_text() == authority.ca_pem


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_authority_is_named_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "authority.pem").write_text(content)
    with pytest.raises(DamagedAuthority, match=r"authority\.pem"):
        CertificateAuthority.open(tmp_path, CLOCK)
    assert (tmp_path / "authority.pem").read_text() == content


def test_validity_covers_whole_days_from_today(authority: CertificateAuthority, tmp_path: Path) -> None:
    clock = SimClock(1_767_323_045.0)  # 2026-01-02T03:04:05Z
    issued = CertificateAuthority.open(tmp_path, clock).issue(["example.com"], days=198)
    assert (issued.not_before, issued.not_after) == (1_767_312_000.0, 1_767_312_000.0 + 198 * 86400 - 1)
    certificate = x509.load_pem_x509_certificate(issued.certificate_pem.encode())
    assert certificate.not_valid_before_utc.timestamp() == issued.not_before
    assert certificate.serial_number == issued.serial


def test_a_first_name_above_64_characters_leaves_the_subject_empty(authority: CertificateAuthority) -> None:
    name = "a" * 40 + "." + "b" * 40 + ".example.com"
    handshake(authority.server_context(name), strict_client(authority), name)


def test_reopening_does_not_import_cryptography(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path, CLOCK)
    program = (
        "import sys; from pathlib import Path; from kunren.core.ca import CertificateAuthority;"
        "from kunren.core.clock import SystemClock;"
        f"CertificateAuthority.open(Path({str(tmp_path)!r}), SystemClock()); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_process_of_its_own_makes_the_authority_once(tmp_path: Path) -> None:
    making = begin_authority(tmp_path)
    assert making is not None and making.wait(60) == 0
    assert begin_authority(tmp_path) is None
    made = (tmp_path / "authority.pem").read_text()
    CertificateAuthority.open(tmp_path, CLOCK).issue(["a.test"])
    assert (tmp_path / "authority.pem").read_text() == made
