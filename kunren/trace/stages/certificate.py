"""TLS: which of the listener's certificates the client is shown, and whether it can trust it."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from kunren.services.acm.model import AMAZON_ISSUED, Certificate
from kunren.trace.course import Course
from kunren.trace.model import TLS_FAILURE, Considered, Step

STAGE = "certificate"


def stage(course: Course) -> Step | None:
    listener = course.listener
    assert listener is not None
    if listener.protocol != "HTTPS":
        return None
    host = course.request.server_name or course.request.host
    server_name = sni(host)
    rows = {each.id: each for each in course.snapshot.every(Certificate)}
    if (listener.mutual_authentication or {}).get("Mode") == "verify":
        why = "the listener asks clients for a certificate, and the trace has none to show"
        return course.ended(STAGE, "client certificate wanted", why, unsure=why)
    usable = [rows[arn] for arn in dict.fromkeys(listener.certificates) if arn in rows and rows[arn].material]
    if not usable:
        return course.ended(STAGE, "none", "the listener has no certificate with a key", outcome=TLS_FAILURE)
    chosen, because = choose(usable, server_name)
    considered = tuple(
        Considered(
            what=", ".join(each.names) + (" (default)" if each is usable[0] else ""),
            taken=each is chosen,
            because="" if each is chosen else _why_not(each, server_name),
        )
        for each in usable
    )
    named = any(name_covers(each, host) for each in chosen.names)
    course.expected.certificate = chosen.id
    course.expected.fingerprint = fingerprint(chosen)
    if not named:
        course.expected.verified = False
        because += f"; it does not name {host}, so a client refuses it"
    elif chosen.type == AMAZON_ISSUED:
        course.expected.verified = True
        because += "; issued by the world's authority, so a client trusts it"
    return Step(stage=STAGE, chosen=f"{chosen.domain_name} ({chosen.id})", because=because, considered=considered)


def sni(host: str) -> str | None:
    """The server name of a handshake: none for an address."""
    try:
        IPv4Address(host)
    except AddressValueError:
        return host.lower().removesuffix(".")
    return None


def choose(certificates: list[Certificate], server_name: str | None) -> tuple[Certificate, str]:
    """An exact name before a wildcard; of several the ECDSA key, then the first in the list; else the default (the
    first)."""
    if server_name is None:
        return certificates[0], "the client named no server (the URL has an address), so the default is shown"
    for kind, matches in (("names", _exactly), ("covers", _by_wildcard)):
        fitting = [each for each in certificates if matches(each, server_name)]
        if fitting:
            best = next((each for each in fitting if each.key_algorithm.startswith("EC_")), fitting[0])
            return best, f"the client named {server_name} (SNI), and this certificate {kind} it" + (
                " with a wildcard" if kind == "covers" else ""
            )
    return certificates[0], f"no certificate has {server_name}, so the default is shown"


def _exactly(certificate: Certificate, server_name: str) -> bool:
    return server_name in [each.lower() for each in certificate.names]


def _by_wildcard(certificate: Certificate, server_name: str) -> bool:
    return any(each.startswith("*.") and name_covers(each, server_name) for each in certificate.names)


def name_covers(name: str, host: str) -> bool:
    """Whether a certificate's name is the host's; a wildcard stands for exactly one label (RFC 6125)."""
    name, host = name.lower(), host.lower().removesuffix(".")
    return name == host or (name.startswith("*.") and "." in host and host.partition(".")[2] == name[2:])


def fingerprint(certificate: Certificate) -> str | None:
    """SHA-256 of the leaf, as hexadecimal."""
    import hashlib
    import ssl

    if certificate.material is None:
        return None
    first = certificate.material.certificate_pem.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first.strip())).hexdigest()


def _why_not(certificate: Certificate, server_name: str | None) -> str:
    if server_name is None:
        return "not the default"
    if _exactly(certificate, server_name) or _by_wildcard(certificate, server_name):
        return "it fits too, but another one fits better"
    return f"it has no name for {server_name}"
