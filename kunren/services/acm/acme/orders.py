"""What an ACME server does with orders and certificates (RFC 8555 7.4 to 7.6).

Domains are validated before anybody orders, so an order is ready from the start and its authorizations have no
challenges. `finalize` only checks and writes; `controllers.py` looks at the records once more and has the certificate
signed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer
from kunren.services.acm import revocation
from kunren.services.acm.acme import jws
from kunren.services.acm.acme.asking import Asking, answered, rfc3339
from kunren.services.acm.acme.model import (
    ORDER_INVALID,
    ORDER_VALID,
    PROCESSING,
    READY,
    AcmeDomainValidation,
    AcmeEndpoint,
    AcmeOrder,
)
from kunren.services.acm.acme.problems import PREFIX, Problem, malformed, unauthorized
from kunren.services.acm.acme.requests import check_csr, identifiers, public_numbers
from kunren.services.acm.acme.scope import covering
from kunren.services.acm.material import find_certificate
from kunren.services.acm.model import Certificate, Issuance

ORDER_LASTS_S = 7 * 86400.0
# RFC 5280's numbers of reasons: what DescribeCertificate shows, and the name of it in a revocation list
_REASONS: dict[int, tuple[str, str | None]] = {
    0: ("UNSPECIFIED", None),
    1: ("KEY_COMPROMISE", "key_compromise"),
    3: ("AFFILIATION_CHANGED", "affiliation_changed"),
    4: ("SUPERSEDED", "superseded"),
    5: ("CESSATION_OF_OPERATION", "cessation_of_operation"),
    9: ("PRIVILEGE_WITHDRAWN", "privilege_withdrawn"),
}
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


class Orders:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def create(self, asking: Asking) -> FrontAnswer:
        account, endpoint, now = asking.by_account(), asking.endpoint, self._clock.now()
        names = identifiers(asking.signed.json())
        _check_allowed(self._store.snapshot(), endpoint, names, "rejectedIdentifier")
        order = AcmeOrder(
            account=endpoint.account,
            region=endpoint.region,
            id=self._entropy.uuid(),
            endpoint_arn=endpoint.id,
            account_id=account.id,
            identifiers=names,
            authorizations=tuple(self._entropy.uuid() for _ in names),
            created_at=now,
            expires_at=now + ORDER_LASTS_S,
        )
        with self._store.write() as tx:
            for each in tx.list(AcmeOrder, endpoint.account, endpoint.region):
                if each.account_id == account.id and each.expires_at <= now and each.status != PROCESSING:
                    tx.delete(each)
            tx.put(order)
        return self._shown(201, endpoint, order)

    def show(self, asking: Asking, id: str) -> FrontAnswer:
        return self._shown(200, asking.endpoint, self._own(self._store.snapshot(), asking, id))

    def finalize(self, asking: Asking, id: str) -> FrontAnswer:
        endpoint, account = asking.endpoint, asking.by_account()
        with self._store.write() as tx:
            order = self._own(tx, asking, id)
            if order.status != READY:
                raise Problem("orderNotReady", f"The order is {order.status}.")
            csr = asking.signed.json().get("csr")
            key = check_csr(csr, order.identifiers, endpoint.key_algorithms)
            if public_numbers(key) == public_numbers(jws.public_key(account.jwk)):
                raise Problem("badCSR", "The certificate's key must not be the account's.")
            _check_allowed(tx, endpoint, order.identifiers, "unauthorized")
            order = msgspec.structs.replace(order, status=PROCESSING, csr=csr)
            tx.put(order)
        return self._shown(200, endpoint, order)

    def authorization(self, asking: Asking, id: str) -> FrontAnswer:
        """An authorization, read or given up."""
        account, endpoint = asking.by_account(), asking.endpoint
        with self._store.write() as tx:
            rows = tx.list(AcmeOrder, endpoint.account, endpoint.region)
            order = next((row for row in rows if id in row.authorizations and row.account_id == account.id), None)
            if order is None:
                raise malformed("There is no such authorization.", 404)
            if not asking.only_reads:
                if asking.signed.json().get("status") != "deactivated":
                    raise malformed("An authorization's status can only become deactivated.")
                status = ORDER_INVALID if order.status == READY else order.status
                order = msgspec.structs.replace(order, deactivated=(*order.deactivated, id), status=status)
                tx.put(order)
        name = order.identifiers[order.authorizations.index(id)]
        document: dict[str, Any] = {
            "status": "deactivated" if id in order.deactivated else "valid",
            "expires": rfc3339(order.expires_at),
            "identifier": {"type": "dns", "value": name.removeprefix("*.")},
            "challenges": [],
        }
        if name.startswith("*."):
            document["wildcard"] = True
        return answered(200, document, [("Location", endpoint.url(f"authz/{id}"))])

    def certificate(self, asking: Asking, id: str) -> FrontAnswer:
        """The certificate and the intermediate that signed it (RFC 8555 7.4.2)."""
        account, endpoint = asking.by_account(), asking.endpoint
        for each in self._store.snapshot().list(Certificate, endpoint.account, endpoint.region):
            acme, material = each.acme, each.material
            if acme is None or material is None or each.id.rpartition("/")[2] != id:
                continue
            if (acme.endpoint_arn, acme.account_id) != (endpoint.id, account.id):
                break
            chain = material.certificate_pem + "".join(_PEM.findall(material.chain_pem)[:1])
            return FrontAnswer(200, [("Content-Type", "application/pem-certificate-chain")], chain.encode())
        raise malformed("There is no such certificate.", 404)

    def revoke(self, asking: Asking) -> FrontAnswer:
        """revokeCert, by the account that ordered it, by one that may order all its names, or by its own key."""
        payload, wall = asking.signed.json(), self._clock.wall()
        reason = payload.get("reason", 0)
        if reason not in _REASONS or not isinstance(reason, int):
            raise Problem("badRevocationReason", f"The reason must be one of {', '.join(map(str, _REASONS))}.")
        given = payload.get("certificate")
        with self._store.write() as tx:
            certificate, key = _find(tx, asking.endpoint, given)
            if not self._may_revoke(tx, asking, certificate, key):
                raise unauthorized("The certificate is not the account's to revoke.")
            if certificate.revoked_at is not None:
                raise Problem("alreadyRevoked", "The certificate is already revoked.")
            shown, name = _REASONS[reason]
            revocation.revoke(tx, certificate, shown, name, self._clock.now(), wall)
        return FrontAnswer(200, [], b"")

    def _may_revoke(self, tx: Tx, asking: Asking, certificate: Certificate, key: Any) -> bool:
        account = asking.account
        if account is None:
            return public_numbers(jws.public_key(asking.jwk)) == public_numbers(key)
        if certificate.acme is not None and certificate.acme.account_id == account.id:
            return True
        authorized: set[str] = set()
        for each in tx.list(AcmeOrder, account.account, account.region):
            if each.account_id == account.id and each.status in (READY, PROCESSING, ORDER_VALID):
                authorized |= set(each.identifiers) if each.expires_at > self._clock.now() else set()
        return set(certificate.names) <= authorized

    def _own(self, reader: Snapshot | Tx, asking: Asking, id: str) -> AcmeOrder:
        """The account's order of that id, invalid once its time is over. Raises Problem."""
        account = asking.by_account()
        order = reader.get(AcmeOrder, account.account, account.region, id)
        if order is None or order.account_id != account.id:
            raise malformed("There is no such order.", 404)
        if order.status == READY and order.expires_at <= self._clock.now():
            return msgspec.structs.replace(order, status=ORDER_INVALID)
        return order

    def _shown(self, status: int, endpoint: AcmeEndpoint, order: AcmeOrder) -> FrontAnswer:
        url = endpoint.url(f"order/{order.id}")
        document: dict[str, Any] = {
            "status": order.status,
            "expires": rfc3339(order.expires_at),
            "identifiers": [{"type": "dns", "value": name} for name in order.identifiers],
            "authorizations": [endpoint.url(f"authz/{id}") for id in order.authorizations],
            "finalize": f"{url}/finalize",
        }
        if order.problem is not None:
            document["error"] = {"type": PREFIX + order.problem[0], "detail": order.problem[1]}
        if order.certificate_id is not None:
            document["certificate"] = endpoint.url(f"cert/{order.certificate_id}")
        waiting = [("Retry-After", "1")] if order.status == PROCESSING else []
        return answered(status, document, [("Location", url), *waiting])


def _check_allowed(reader: Snapshot | Tx, endpoint: AcmeEndpoint, names: tuple[str, ...], problem: str) -> None:
    """Every name is covered by a valid domain validation of the endpoint. Raises Problem."""
    rows = reader.list(AcmeDomainValidation, endpoint.account, endpoint.region)
    validations = [row for row in rows if row.endpoint_arn == endpoint.id]
    missing = [name for name in names if covering(validations, name) is None]
    if missing:
        detail = f"No valid domain validation of this ACME endpoint allows {', '.join(missing)}."
        subproblems = [
            {"type": PREFIX + problem, "detail": "Not allowed.", "identifier": {"type": "dns", "value": name}}
            for name in missing
        ]
        raise Problem(problem, detail, members={"subproblems": subproblems})


def _find(tx: Tx, endpoint: AcmeEndpoint, text: Any) -> tuple[Certificate, Any]:
    """The endpoint's certificate of these bytes (DER in base64url), and its public key. Raises Problem."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if not isinstance(text, str):
        raise malformed("The request has no certificate.")
    try:
        given = x509.load_der_x509_certificate(jws.decode(text))
    except ValueError:
        raise malformed("The certificate could not be parsed.") from None
    known = tx.get(Issuance, "", "", f"{given.serial_number:x}")
    found = find_certificate(tx, known.certificate_arn) if known is not None else None
    if found is not None and found.acme is not None and found.acme.endpoint_arn == endpoint.id:
        pem = given.public_bytes(Encoding.PEM).decode()
        if found.material is not None and found.material.certificate_pem == pem:
            return found, given.public_key()
    raise malformed("This ACME endpoint has not issued the certificate.", 404)
