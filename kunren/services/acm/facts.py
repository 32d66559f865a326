"""What an X.509 certificate says, in ACM's words. Pure; `cryptography` is imported at the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kunren.services.acm.model import X509Facts

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_KEY_USAGES = (
    ("digital_signature", "DIGITAL_SIGNATURE"),
    ("content_commitment", "NON_REPUDIATION"),
    ("key_encipherment", "KEY_ENCIPHERMENT"),
    ("data_encipherment", "DATA_ENCIPHERMENT"),
    ("key_agreement", "KEY_AGREEMENT"),
    ("key_cert_sign", "CERTIFICATE_SIGNING"),
    ("crl_sign", "CRL_SIGNING"),
)
_EXTENDED_KEY_USAGES = {
    "1.3.6.1.5.5.7.3.1": "TLS_WEB_SERVER_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.2": "TLS_WEB_CLIENT_AUTHENTICATION",
    "1.3.6.1.5.5.7.3.3": "CODE_SIGNING",
    "1.3.6.1.5.5.7.3.4": "EMAIL_PROTECTION",
    "1.3.6.1.5.5.7.3.5": "IPSEC_END_SYSTEM",
    "1.3.6.1.5.5.7.3.6": "IPSEC_TUNNEL",
    "1.3.6.1.5.5.7.3.7": "IPSEC_USER",
    "1.3.6.1.5.5.7.3.8": "TIME_STAMPING",
    "1.3.6.1.5.5.7.3.9": "OCSP_SIGNING",
    "2.5.29.37.0": "ANY",
}
_CURVES = {"secp256r1": "EC_prime256v1", "secp384r1": "EC_secp384r1", "secp521r1": "EC_secp521r1"}


class UnsupportedKey(ValueError):
    """A key of a kind or size that ACM does not take; the text names it."""


def facts_of(pem: str) -> X509Facts:
    """Read one PEM certificate. Raises ValueError where it is none, UnsupportedKey."""
    from cryptography import x509

    return read_facts(x509.load_pem_x509_certificate(pem.encode()))


def read_facts(certificate: Certificate) -> X509Facts:
    digits = f"{certificate.serial_number:x}"
    serial = digits.zfill(len(digits) + len(digits) % 2)
    signature = certificate.signature_hash_algorithm
    return X509Facts(
        serial=":".join(serial[index : index + 2] for index in range(0, len(serial), 2)),
        subject=certificate.subject.rfc4514_string(),
        issuer=_issuer(certificate),
        names=_names(certificate),
        key_algorithm=key_algorithm(certificate.public_key()),
        signature_algorithm=f"{signature.name.upper() if signature else ''}WITH{_signature_family(certificate)}",
        key_usages=_key_usages(certificate),
        extended_key_usages=_extended_key_usages(certificate),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )


def key_algorithm(key: Any) -> str:
    """ACM's KeyAlgorithm of a public key. Raises UnsupportedKey."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (1024, 2048, 3072, 4096):
        return f"RSA_{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    raise UnsupportedKey(type(key).__name__)


_ATTRIBUTES = {
    "2.5.4.3": "CommonName",
    "2.5.4.4": "Surname",
    "2.5.4.5": "SerialNumber",
    "2.5.4.6": "Country",
    "2.5.4.7": "Locality",
    "2.5.4.8": "State",
    "2.5.4.10": "Organization",
    "2.5.4.11": "OrganizationalUnit",
    "2.5.4.12": "Title",
    "2.5.4.42": "GivenName",
    "2.5.4.43": "Initials",
    "2.5.4.44": "GenerationQualifier",
    "2.5.4.46": "DistinguishedNameQualifier",
    "2.5.4.65": "Pseudonym",
}
_DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25"


def distinguished_names(pem: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Subject and issuer of a PEM certificate as ACM's DistinguishedName."""
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pem.encode())
    return _distinguished(certificate.subject), _distinguished(certificate.issuer)


def _distinguished(name: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for attribute in name:
        oid, value = attribute.oid.dotted_string, str(attribute.value)
        if oid == _DOMAIN_COMPONENT:
            shape.setdefault("DomainComponents", []).append(value)
        elif oid in _ATTRIBUTES:
            shape.setdefault(_ATTRIBUTES[oid], value)
        else:
            shape.setdefault("CustomAttributes", []).append({"ObjectIdentifier": oid, "Value": value})
    return shape


def _issuer(certificate: Certificate) -> str:
    from cryptography.x509.oid import NameOID

    for wanted in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in certificate.issuer.get_attributes_for_oid(wanted):
            return str(attribute.value)
    return certificate.issuer.rfc4514_string()


def _names(certificate: Certificate) -> tuple[str, ...]:
    """The common name first where it is a name too, then the alternative names."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    common = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return tuple(common)
    names = [str(name) for name in extension.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys([name for name in common if name in names] + names))


def _key_usages(certificate: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ("ANY",)
    return tuple(name for attribute, name in _KEY_USAGES if getattr(usage, attribute))


def _extended_key_usages(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    from cryptography import x509

    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return (("NONE", ""),)
    return tuple((_EXTENDED_KEY_USAGES.get(usage.dotted_string, "CUSTOM"), usage.dotted_string) for usage in usages)


def _signature_family(certificate: Certificate) -> str:
    name = certificate.signature_algorithm_oid._name  # noqa: SLF001 — the only readable name there is
    return "ECDSA" if name.startswith("ecdsa") else "RSA"
