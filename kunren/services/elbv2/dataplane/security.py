"""A listener's TLS by its security policy: protocols, ciphers and groups of key exchange, certificates by name.

Where several certificates have a name, the TLS library takes an elliptic-curve one for clients that can use it, and the
default for names that nobody has, as ALB does; but a client that names nothing gets an elliptic-curve one too. Where
that is not the default, such clients are told apart before the handshake (`server_names`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kunren.dataplane.envoy.resources import TYPE, Fragment, downstream_tls
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.dataplane.refusing import refuse_after_handshake
from kunren.services.elbv2.model import Listener, LoadBalancer
from kunren.services.elbv2.ssl_policies import SslPolicy, ssl_policy

_VERSIONS = {"TLSv1": "TLSv1_0", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}
_CHACHA = "TLS_CHACHA20_POLY1305_SHA256"
# What Envoy's TLS library can do of what ALB's policies list below TLS 1.3: it has no CBC with SHA-384, and none with
# SHA-256 and RSA key exchange.
CIPHERS = frozenset(
    [f"ECDHE-{key}-AES{cipher}" for key in ("ECDSA", "RSA") for cipher in ("128-GCM-SHA256", "128-SHA256", "128-SHA")]
    + [f"ECDHE-{key}-AES{cipher}" for key in ("ECDSA", "RSA") for cipher in ("256-GCM-SHA384", "256-SHA")]
    + ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA"]
)
# The ciphers below TLS 1.3 to which the library's own FIPS rules confine a listener; where a policy has just these, the
# rules apply (with TLS 1.2 at least), and keep the third cipher of TLS 1.3 out of the handshake.
_FIPS = frozenset(f"ECDHE-{key}-AES{size}" for key in ("ECDSA", "RSA") for size in ("128-GCM-SHA256", "256-GCM-SHA384"))


def tls(
    balancer: LoadBalancer, listener: Listener, secrets: Sequence[str], alpn: Sequence[str] | None = None
) -> Fragment:
    """The transport socket; `secrets` names the certificates, the default first. `alpn` None: what HTTP wants."""
    policy = ssl_policy(listener.ssl_policy)
    assert policy is not None, listener.ssl_policy
    versions = [_VERSIONS[each] for each in policy.protocols]
    if alpn is None:
        http2 = value(LOAD_BALANCER, balancer.attributes, "routing.http2.enabled") == "true"
        alpn = ["h2", "http/1.1"] if http2 else ["http/1.1"]
    made = downstream_tls(
        secrets,
        alpn=alpn,
        minimum=min(versions),
        maximum=max(versions),
        ciphers=[each for each in policy.ciphers if each in CIPHERS],
        groups=policy.groups,
    )
    if _ruled(policy):
        parameters = made["typed_config"]["common_tls_context"]["tls_params"]
        parameters["compliance_policies"] = ["FIPS_202205"]
    return made


def _ruled(policy: SslPolicy) -> bool:
    below = {each for each in policy.ciphers if not each.startswith("TLS_")}
    modern = "TLSv1.3" in policy.protocols and _CHACHA not in policy.ciphers
    return modern and below == _FIPS and all(each.startswith("P-") for each in policy.groups)


def server_names(chains: Sequence[str]) -> list[str]:
    """All names of the certificates (PEM, the default first), where clients that name none must be told apart."""
    found = [names_and_kind(each) for each in chains]
    if not found or found[0][1] or not any(elliptic for _, elliptic in found):
        return []
    return sorted({name for names, _ in found for name in names})


@lru_cache(maxsize=256)
def names_and_kind(pem: str) -> tuple[tuple[str, ...], bool]:
    """The DNS names of a certificate, and whether its key is on an elliptic curve."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = extension.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        names = [str(each.value) for each in common]
    return tuple(each.lower() for each in names), isinstance(certificate.public_key(), EllipticCurvePublicKey)


def tls_inspector() -> Fragment:
    """Reads the server name before the filter chain is chosen."""
    config = {"@type": TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
    return {"name": "envoy.filters.listener.tls_inspector", "typed_config": config}


def cipher_filters(listener: Listener) -> list[Fragment]:
    """The suites of TLS 1.3 can't be chosen by configuration: a policy without the third of them, which has ciphers or
    groups that the FIPS rules would take away, refuses its users behind the handshake."""
    policy = ssl_policy(listener.ssl_policy) if listener.protocol in ("HTTPS", "TLS") else None
    if policy is None or "TLSv1.3" not in policy.protocols or _CHACHA in policy.ciphers or _ruled(policy):
        return []
    return refuse_after_handshake("kunren.cipher", "%DOWNSTREAM_TLS_CIPHER%", [_CHACHA])
