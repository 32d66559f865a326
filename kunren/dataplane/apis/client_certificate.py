"""What events and logs say of the certificate that a client showed. Pure."""

from __future__ import annotations

from functools import lru_cache

from kunren.dataplane.apis.interface import ClientCertificate

_TIME = "%b %d %H:%M:%S %Y GMT"


@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> ClientCertificate:
    """Names as RFC 4514 writes them, the serial number in hexadecimal, times as OpenSSL prints them."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    found = x509.load_der_x509_certificate(der)
    serial = f"{found.serial_number:x}"
    pairs = serial.rjust(len(serial) + len(serial) % 2, "0")
    return ClientCertificate(
        pem=found.public_bytes(Encoding.PEM).decode(),
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        serial=":".join(pairs[at : at + 2] for at in range(0, len(pairs), 2)),
        not_before=found.not_valid_before_utc.strftime(_TIME),
        not_after=found.not_valid_after_utc.strftime(_TIME),
    )
