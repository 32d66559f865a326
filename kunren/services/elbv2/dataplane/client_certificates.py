"""Mutual TLS of a listener: whom it lets in, and what it tells the targets of the client's certificate.

Whom it trusts is a secret of its own, so that a new bundle or revocation list leaves the listener and its connections
alone. The TLS library insists on a current revocation list of every authority as soon as it is given one; where some
authority of the trust store has none, the revoked certificates are refused behind the handshake instead, by a table of
issuers and serial numbers.

"Mutual authentication with TLS in Application Load Balancer", for the headers and their forms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.control.store import Snapshot
from kunren.dataplane.envoy.resources import ADS, TYPE, Fragment
from kunren.services.elbv2.associations import revocations_of
from kunren.services.elbv2.attributes import listener_table, value
from kunren.services.elbv2.dataplane.refusing import refuse_after_handshake
from kunren.services.elbv2.model import Listener, TrustStore
from kunren.services.elbv2.trust_stores import covered_until, revoked_certificates

FILTER = "kunren.client-certificate"
CHAIN_DEPTH_MAX = 4
_HEADERS = {
    "serial": "serial_number",
    "issuer": "issuer",
    "subject": "subject",
    "validity": "validity",
    "leaf": "leaf",
}

# Envoy's URL encoding of PEM text also encodes what AWS leaves as it is: "+", "=" and "/".
_PLAIN = """\
local function plain(pem)
  return (pem:gsub('%%2B', '+'):gsub('%%3D', '='):gsub('%%2F', '/'))
end
"""
_VERIFIED = (
    _PLAIN
    + """\
local function instant(seconds)
  return os.date('!%Y-%m-%dT%H:%M:%SZ', seconds)
end
function envoy_on_request(handle)
  local headers, client = handle:headers(), handle:streamInfo():downstreamSslConnection()
  headers:replace('{serial}', client:serialNumberPeerCertificate():upper())
  headers:replace('{issuer}', client:issuerPeerCertificate())
  headers:replace('{subject}', client:subjectPeerCertificate())
  headers:replace('{validity}', 'NotBefore=' .. instant(client:validFromPeerCertificate()) ..
    ';NotAfter=' .. instant(client:expirationPeerCertificate()))
  headers:replace('{leaf}', plain(client:urlEncodedPemEncodedPeerCertificate()))
end
"""
)
_PASSED_ON = (
    _PLAIN
    + """\
function envoy_on_request(handle)
  local headers, client = handle:headers(), handle:streamInfo():downstreamSslConnection()
  headers:remove('{chain}')
  if client:peerCertificatePresented() then
    headers:replace('{chain}', plain(client:urlEncodedPemEncodedPeerCertificateChain()))
  end
end
"""
)


def mode(listener: Listener) -> str:
    """off | passthrough | verify."""
    return str((listener.mutual_authentication or {}).get("Mode", "off"))


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose clients a listener lets in: an SDS secret, and who is refused besides, as (issuer, serial number)."""

    name: str
    secret: Fragment
    revoked: tuple[tuple[str, str], ...] = ()


def trusted(snapshot: Snapshot, listener: Listener, name: str, wall: float) -> Trust | None:
    """The trust of a listener in mode verify, None of others. `wall` is when a revocation list must be current."""
    settings = listener.mutual_authentication or {}
    if settings.get("Mode") != "verify":
        return None
    store = snapshot.get(TrustStore, listener.account, listener.region, settings["TrustStoreArn"])
    assert store is not None, "a trust store in use cannot be deleted"
    crls = tuple(each.pem for each in revocations_of(snapshot, store))
    if crls and wall < covered_until(store.bundle, crls):
        return Trust(name, _secret(name, store.bundle, crls, settings))
    return Trust(name, _secret(name, store.bundle, (), settings), revoked_certificates(crls))


def _secret(name: str, bundle: str, crls: Sequence[str], settings: Mapping[str, Any]) -> Fragment:
    """`crls` are PEM texts the TLS library shall insist on.

    The library advertises the names of the authorities that it finds in the bundle as CERTIFICATE, and trusts those
    marked TRUSTED CERTIFICATE as well: so the mark decides whether names are advertised.
    """
    if settings.get("AdvertiseTrustStoreCaNames") != "on":
        bundle = bundle.replace("BEGIN CERTIFICATE", "BEGIN TRUSTED CERTIFICATE")
        bundle = bundle.replace("END CERTIFICATE", "END TRUSTED CERTIFICATE")
    context: Fragment = {
        "trusted_ca": {"inline_string": bundle},
        "max_verify_depth": CHAIN_DEPTH_MAX,
        "allow_expired_certificate": bool(settings.get("IgnoreClientCertificateExpiry")),
    }
    if crls:
        context["crl"] = {"inline_string": "".join(crls)}
        context["only_verify_leaf_cert_crl"] = True
    return {"name": name, "validation_context": context}


def revocation_filters(trust: Trust | None) -> list[Fragment]:
    """Network filters that refuse the certificates that the handshake let through although they are revoked."""
    if trust is None or not trust.revoked:
        return []
    revoked = (f"{issuer}|{serial}" for issuer, serial in trust.revoked)
    return refuse_after_handshake(FILTER, "%DOWNSTREAM_PEER_ISSUER%|%DOWNSTREAM_PEER_SERIAL%", revoked)


def asks_for_certificates(transport_socket: Fragment, listener: Listener, trust: Trust | None) -> Fragment:
    """The listener's TLS with what its mode wants of clients."""
    wanted = mode(listener)
    if wanted == "off":
        return transport_socket
    config = transport_socket["typed_config"]
    common = dict(config["common_tls_context"])
    if trust is not None:
        common["validation_context_sds_secret_config"] = {"name": trust.name, "sds_config": ADS}
    else:
        common["validation_context"] = {"trust_chain_verification": "ACCEPT_UNTRUSTED"}
    done = {
        **config,
        "common_tls_context": common,
        # a resumed session would let in whom a newer revocation list shuts out
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
    }
    if trust is not None:
        done["require_client_certificate"] = True
    return {**transport_socket, "typed_config": done}


def header_filters(listener: Listener) -> list[Fragment]:
    """The HTTP filter that tells targets about the certificate, under the names that the listener's attributes give."""
    wanted = mode(listener)
    if wanted == "off":
        return []
    table = listener_table(listener.protocol)

    def name(suffix: str) -> str:
        return value(table, listener.attributes, f"routing.http.request.x_amzn_mtls_clientcert{suffix}.header_name")

    if wanted == "verify":
        script = _VERIFIED
        names = {key: name(f"_{suffix}").lower() for key, suffix in _HEADERS.items()}
    else:
        script, names = _PASSED_ON, {"chain": name("").lower()}
    for key, header_name in names.items():
        script = script.replace("{" + key + "}", header_name)
    lua = {
        "@type": TYPE + "envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": script},
        "clear_route_cache": False,
    }
    return [{"name": FILTER, "typed_config": lua}]
