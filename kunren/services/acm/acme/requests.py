"""What clients ask for in an order: identifiers, and the certificate signing request that must fit them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kunren.services.acm.acme.jws import decode
from kunren.services.acm.acme.problems import Problem, malformed
from kunren.services.acm.facts import UnsupportedKey, key_algorithm
from kunren.services.acm.names import NAMES_MAX

NAME_MAX = 253
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+{_LABEL}")


def identifiers(payload: dict[str, Any]) -> tuple[str, ...]:
    """The DNS names of a newOrder, in lower case, none twice. Raises Problem."""
    given = payload.get("identifiers")
    if not isinstance(given, list) or not given:
        raise malformed("The order has no identifiers.")
    if payload.get("notBefore") is not None or payload.get("notAfter") is not None:
        raise malformed("notBefore and notAfter are not supported.")
    names = []
    for each in given:
        if not isinstance(each, dict) or not isinstance(each.get("value"), str):
            raise malformed("An identifier must have a type and a value.")
        if each.get("type") != "dns":
            raise Problem("unsupportedIdentifier", f"Identifiers of type {each.get('type')} are not supported.")
        name = each["value"].lower()
        if len(name) > NAME_MAX or not _NAME.fullmatch(name):
            raise malformed(f"{each['value']} is not a domain name.")
        names.append(name)
    found = tuple(dict.fromkeys(names))
    if len(found) > NAMES_MAX:
        raise Problem("rejectedIdentifier", "Certificate has too many domains.")
    return found


def check_csr(text: Any, names: Iterable[str], allowed: tuple[str, ...] | None) -> Any:
    """The CSR's public key, once the request is signed with it, asks for exactly these names, and the key is of an
    allowed kind. `text` is DER in base64url. Raises Problem (badCSR)."""
    from cryptography import x509

    if not isinstance(text, str):
        raise malformed("The request has no csr.")
    try:
        csr = x509.load_der_x509_csr(decode(text))
        signed, asked = csr.is_signature_valid, _names(csr)
    except (ValueError, TypeError):
        raise _bad("The CSR could not be parsed.") from None
    if not signed:
        raise _bad("The CSR has an invalid signature.")
    if asked != set(names):
        raise _bad("The CSR must ask for exactly the names of the order.")
    key = csr.public_key()
    try:
        algorithm = key_algorithm(key)
    except UnsupportedKey:
        algorithm = ""
    if not algorithm or (allowed is not None and algorithm not in allowed):
        permitted = ", ".join(allowed) if allowed is not None else "those that ACM supports"
        raise _bad(f"The key algorithm of the CSR is not allowed. Allowed key algorithms: {permitted}.")
    return key


def public_numbers(key: Any) -> bytes:
    """A public key as bytes, for comparing."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _names(csr: Any) -> set[str]:
    """All that a CSR asks for: the common name and the alternative names, in lower case. Raises ValueError."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = {str(each.value).lower() for each in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        alternatives = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return names
    for each in alternatives:
        if not isinstance(each, x509.DNSName):
            raise ValueError(each)
        names.add(each.value.lower())
    return names


def _bad(detail: str) -> Problem:
    return Problem("badCSR", detail)
