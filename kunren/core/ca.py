"""The world's certificate authority: a root, an intermediate under it, and leaf certificates for any name.

How it works. `authority.pem` in the authority's folder (mode 0600) holds both keys and both certificates and is
written once, in one atomic step; everything else there is derived from it at each opening: `kunren-ca.pem` (the root
alone, what `kunren ca` names) and `bundle.pem` (the host's own trust store and the root, for programs in the world).
Leaves are signed by the intermediate, as Amazon's are, and satisfy RFC 5280 strictly (OpenSSL's X509_STRICT, which
Python 3.13 turns on, Go, Node.js). Dates are wall time: what a client's TLS library compares them with.

`cryptography` is imported when a key is first needed and not before: it is slow to import and large to hold. At a first
start a process of its own makes the authority (`begin_authority`), so that the daemon need not import it for that.

What it refuses to know: AWS, and who may have which name.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunren.core.clock import Clock, SystemClock
from kunren.core.errors import Unusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.x509 import Certificate

    PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey
    PublicKey = EllipticCurvePublicKey | RSAPublicKey

ROOT_NAME = "Kunren local CA"
INTERMEDIATE_NAME = "Kunren local CA M01"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 198  # what AWS Certificate Manager gives since 2026
KEY_TYPES = (
    "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1",
)  # fmt: skip
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_KEPT = "authority.pem"
_BEGIN_KEY = "-----BEGIN PRIVATE KEY-----"
_BEGIN_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


# in the CA folder: the root certificate alone, and the host's own roots with it
ROOT_FILE = "kunren-ca.pem"
BUNDLE_FILE = "bundle.pem"


class DamagedAuthority(Unusable):
    """`authority.pem` is there and is not what this module writes; the message says where it is."""


@dataclass(frozen=True, slots=True)
class Pointers:
    """Where a certificate says that its status and its issuer are to be found (URLs; RFC 5280 4.2.1.13, 4.2.2.1)."""

    ocsp: str
    revocation_list: str
    issuer: str


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A leaf with its key (PKCS #8), or "" where the authority never saw it. `chain_pem` is the intermediate, then the
    root; times are seconds since 1970."""

    certificate_pem: str
    chain_pem: str
    private_key_pem: str
    serial: int
    not_before: float
    not_after: float


class CertificateAuthority:
    """Signs leaf certificates; safe to use from several threads."""

    def __init__(self, ca_dir: Path, clock: Clock, authority: tuple[str, str, str, str]) -> None:
        """Use `open`. `authority` is root key, root certificate, intermediate key, intermediate certificate (PEM)."""
        _, self.ca_pem, self._signing_key_pem, self.intermediate_pem = authority
        self.ca_path = ca_dir / ROOT_FILE
        self.bundle_path = ca_dir / BUNDLE_FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._signing: tuple[Any, Any] | None = None

    @classmethod
    def open(cls, ca_dir: Path, clock: Clock) -> CertificateAuthority:
        """The authority kept in that folder, made there when it is the first time. Raises DamagedAuthority, OSError."""
        ca_dir.mkdir(parents=True, exist_ok=True)
        kept = ca_dir / _KEPT
        try:
            text = kept.read_text()
        except FileNotFoundError:
            write_atomically(kept, _create_authority(clock.wall()).encode(), 0o600, replace=False)
            text = kept.read_text()
        authority = cls(ca_dir, clock, _split_authority(text, kept))
        write_atomically(authority.ca_path, authority.ca_pem.encode(), 0o644)
        write_atomically(authority.bundle_path, (system_bundle() + authority.ca_pem).encode(), 0o644)
        return authority

    @property
    def chain_pem(self) -> str:
        """What stands between a leaf and trust: the intermediate, then the root."""
        return self.intermediate_pem + self.ca_pem

    def issue(
        self,
        names: Sequence[str],
        *,
        key_type: str = "EC_prime256v1",
        days: int = LEAF_DAYS,
        pointers: Pointers | None = None,
    ) -> IssuedCertificate:
        """A certificate with a new key. Takes 0.3 ms with an elliptic-curve key and up to seconds with RSA_4096: ask
        from a worker thread then. Raises ValueError."""
        key = new_key(key_type)
        certified = self.certify(key.public_key(), names, days=days, pointers=pointers)
        return replace(certified, private_key_pem=key_pem(key))

    def certify(
        self, public_key: PublicKey, names: Sequence[str], *, days: int = LEAF_DAYS, pointers: Pointers | None = None
    ) -> IssuedCertificate:
        """A certificate of somebody's key for DNS names (wildcards too, in ASCII form) and IP addresses; the first is
        its common name. Valid from the beginning of today to the end of its last day (UTC), as ACM's are. Raises
        ValueError."""
        if not names:
            raise ValueError("a certificate needs at least one name")
        from cryptography.hazmat.primitives.serialization import Encoding

        today = datetime.fromtimestamp(self._clock.wall(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        last = today + timedelta(days=days) - timedelta(seconds=1)
        certificate = self._sign_leaf(public_key, names, today, last, pointers)
        return IssuedCertificate(
            certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
            chain_pem=self.chain_pem,
            private_key_pem="",
            serial=certificate.serial_number,
            not_before=today.timestamp(),
            not_after=last.timestamp(),
        )

    def server_context(self, *names: str) -> ssl.SSLContext:
        """A new server's context with a certificate for exactly these names: TLS 1.2 and above, ALPN http/1.1."""
        issued = self.issue(names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        load_identity(context, issued.private_key_pem + issued.certificate_pem + self.intermediate_pem)
        return context

    def _sign_leaf(
        self, key: PublicKey, names: Sequence[str], begin: datetime, end: datetime, pointers: Pointers | None
    ) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        signing_key, issuer = self.signer()
        common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= 64 else []
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        # RFC 5280 4.2.1.6: the alternative names are critical where the subject is empty.
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(common))
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=not common)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(leaf=True, encipher=isinstance(key, rsa.RSAPublicKey)), critical=True)
            .add_extension(usages, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_identifier), critical=False
            )
        )
        for extension in _pointing(pointers) if pointers is not None else ():
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signing_key, SHA256())

    def signer(self) -> tuple[Any, Any]:
        """The intermediate's key and certificate, as `cryptography` has them: for what says which leaves hold."""
        with self._lock:
            if self._signing is None:
                from cryptography import x509
                from cryptography.hazmat.primitives.serialization import load_pem_private_key

                key = load_pem_private_key(self._signing_key_pem.encode(), None)
                self._signing = key, x509.load_pem_x509_certificate(self.intermediate_pem.encode())
            return self._signing


def new_key(key_type: str) -> PrivateKey:
    """A private key of ACM's KeyAlgorithm. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if key_type not in KEY_TYPES:
        raise ValueError(f"no such key type: {key_type}; there are {', '.join(KEY_TYPES)}")
    if key_type.startswith("RSA_"):
        return rsa.generate_private_key(65537, int(key_type[4:]))
    curves = {"EC_prime256v1": ec.SECP256R1(), "EC_secp384r1": ec.SECP384R1(), "EC_secp521r1": ec.SECP521R1()}
    return ec.generate_private_key(curves[key_type])


def key_pem(key: PrivateKey) -> str:
    """The key as unencrypted PKCS #8."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_identity(context: ssl.SSLContext, pem: str) -> None:
    """Give a context its key and chain. OpenSSL reads them from a file only: this one never touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "w") as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        return
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def system_bundle() -> str:
    """The host's own trust store as PEM text; empty where there is none."""
    places = [os.environ.get("KUNREN_SYSTEM_BUNDLE"), *SYSTEM_BUNDLES, ssl.get_default_verify_paths().cafile]
    for place in places:
        if place and Path(place).is_file():
            text = Path(place).read_text(errors="replace")
            return text if text.endswith("\n") else text + "\n"
    return ""


def write_atomically(path: Path, content: bytes, mode: int, *, replace: bool = True) -> None:
    """The file is there whole and durable, or as it was before. With `replace` False an existing one is kept."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass  # another process was first: its content counts
    finally:
        Path(temporary).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def begin_authority(ca_dir: Path) -> subprocess.Popen[bytes] | None:
    """Have an authority made by a process of its own, where there is none; whoever opens it waits for that first, and
    makes it where the process failed."""
    if (ca_dir / _KEPT).exists():
        return None
    return subprocess.Popen([sys.executable, "-m", "kunren.core.ca", str(ca_dir)], stderr=subprocess.DEVNULL)


def _create_authority(now: float) -> str:
    """Root and intermediate, newly made, as the text of `authority.pem`."""
    root_key, intermediate_key = new_key("EC_prime256v1"), new_key("EC_prime256v1")
    # A day of slack: a client whose clock is a little behind must still believe a root made just now.
    begin = datetime.fromtimestamp(now, UTC).replace(microsecond=0) - timedelta(days=1)
    root = _sign_authority(ROOT_NAME, root_key, ROOT_NAME, root_key, begin, path_length=1)
    intermediate = _sign_authority(INTERMEDIATE_NAME, intermediate_key, ROOT_NAME, root_key, begin, path_length=0)
    return key_pem(root_key) + root + key_pem(intermediate_key) + intermediate


def _sign_authority(
    name: str, key: PrivateKey, issuer: str, issuer_key: PrivateKey, begin: datetime, path_length: int
) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    def distinguished(common: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kunren"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
        )

    issuer_identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished(name))
        .issuer_name(distinguished(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(leaf=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_identifier, critical=False)
    )
    return builder.sign(issuer_key, SHA256()).public_bytes(Encoding.PEM).decode()


def _key_usage(*, leaf: bool, encipher: bool = False) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=encipher,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pointing(pointers: Pointers) -> list[Any]:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID as Access

    def at(url: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(url)

    lists = [x509.DistributionPoint([at(pointers.revocation_list)], None, None, None)]
    places = ((Access.OCSP, pointers.ocsp), (Access.CA_ISSUERS, pointers.issuer))
    access = [x509.AccessDescription(method, at(url)) for method, url in places]
    return [x509.CRLDistributionPoints(lists), x509.AuthorityInformationAccess(access)]


def _general_name(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _split_authority(text: str, path: Path) -> tuple[str, str, str, str]:
    """The four PEM blocks of `authority.pem`, without parsing them (that would need `cryptography`)."""
    blocks = [block + "-----END" + rest for block, rest in _blocks(text)]
    expected = [_BEGIN_KEY, _BEGIN_CERTIFICATE] * 2
    if len(blocks) != 4 or not all(map(str.startswith, blocks, expected)):
        raise DamagedAuthority(
            f"{path} is not a certificate authority that Kunren made. Restore it, or remove it for a new one "
            "(certificates signed so far are then no longer trusted)."
        )
    return blocks[0], blocks[1], blocks[2], blocks[3]


def _blocks(text: str) -> list[tuple[str, str]]:
    found = []
    for piece in text.split("-----BEGIN")[1:]:
        body, separator, rest = piece.partition("-----END")
        if separator:
            found.append(("-----BEGIN" + body, rest.split("\n")[0] + "\n"))
    return found


if __name__ == "__main__":
    CertificateAuthority.open(Path(sys.argv[1]), SystemClock())
