"""What an ACME server does with accounts: registration by an external account binding, changes, new keys (RFC 8555
7.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer
from kunren.services.acm.acme import jws
from kunren.services.acm.acme.asking import Asking, answered
from kunren.services.acm.acme.model import (
    DEACTIVATED,
    VALID,
    AcmeAccount,
    AcmeEndpoint,
    AcmeExternalAccountBinding,
    AcmeOrder,
)
from kunren.services.acm.acme.problems import Problem, malformed, unauthorized

CONTACTS_MAX = 10


class Accounts:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def register(self, asking: Asking) -> FrontAnswer:
        """newAccount, signed by the key that is to be the account's."""
        if asking.account is not None:
            raise malformed("newAccount must be signed by the account's key itself.")
        endpoint, payload = asking.endpoint, asking.signed.json()
        thumbprint = jws.thumbprint(asking.jwk)
        known = with_key(self._store.snapshot(), endpoint, thumbprint)
        if known is not None:
            if known.status != VALID:
                raise unauthorized("The account is no longer valid.", 401)
            return _shown(200, endpoint, known)
        if payload.get("onlyReturnExisting") is True:
            raise Problem("accountDoesNotExist", "There is no account with this key.")
        contacts = _contacts(payload.get("contact"))
        if endpoint.contact == "REQUIRED" and not contacts:
            raise Problem("invalidContact", "This ACME endpoint requires contact information.")
        with self._store.write() as tx:
            binding = self._binding(tx, asking, payload.get("externalAccountBinding"), thumbprint)
            now = self._clock.now()
            account = AcmeAccount(
                account=endpoint.account,
                region=endpoint.region,
                id=self._entropy.uuid(),
                endpoint_arn=endpoint.id,
                jwk=jws.bare(asking.jwk),
                thumbprint=thumbprint,
                binding_arn=binding.id,
                created_at=now,
                contacts=contacts,
            )
            tx.put(account)
            tx.put(msgspec.structs.replace(binding, last_used_at=now))
        return _shown(201, endpoint, account)

    def _binding(self, tx: Tx, asking: Asking, given: Any, thumbprint: str) -> AcmeExternalAccountBinding:
        """The binding whose credentials the request proves (RFC 8555 7.3.4). Raises Problem."""
        if given is None:
            raise Problem("externalAccountRequired", "This ACME endpoint requires an external account binding.")
        if not isinstance(given, dict):
            raise malformed("The external account binding is not a JWS.")
        inner = jws.read(given)
        if inner.text("url") != asking.url or "nonce" in inner.header:
            raise malformed("The external account binding must have this request's URL and no nonce.")
        if jws.thumbprint(inner.json()) != thumbprint:
            raise malformed("The external account binding is for another key.")
        endpoint, now = asking.endpoint, self._clock.now()
        for each in tx.list(AcmeExternalAccountBinding, endpoint.account, endpoint.region):
            if each.endpoint_arn != endpoint.id or each.key_id != inner.text("kid"):
                continue
            if each.revoked_at is not None:
                raise unauthorized("The external account binding is revoked.")
            if each.expires_at is not None and each.expires_at <= now:
                raise unauthorized("The external account binding has expired.")
            if jws.mac_is_valid(inner, jws.decode(each.mac_key)):
                return each
            raise unauthorized("The external account binding has an invalid MAC.")
        raise unauthorized("There is no external account binding with this key identifier.")

    def manage(self, asking: Asking, id: str) -> FrontAnswer:
        """An account read, changed or deactivated by itself."""
        account = _itself(asking, id)
        if asking.only_reads:
            return _shown(200, asking.endpoint, account)
        payload = asking.signed.json()
        changed = account
        if payload.get("status") is not None:
            if payload["status"] != "deactivated":
                raise malformed("An account's status can only become deactivated.")
            changed = msgspec.structs.replace(changed, status=DEACTIVATED)
        if payload.get("contact") is not None:
            contacts = _contacts(payload["contact"])
            if asking.endpoint.contact == "REQUIRED" and not contacts:
                raise Problem("invalidContact", "This ACME endpoint requires contact information.")
            changed = msgspec.structs.replace(changed, contacts=contacts)
        with self._store.write() as tx:
            tx.put(changed)
        return _shown(200, asking.endpoint, changed)

    def orders(self, asking: Asking, id: str) -> FrontAnswer:
        account = _itself(asking, id)
        rows = self._store.snapshot().list(AcmeOrder, account.account, account.region)
        mine = sorted((row for row in rows if row.account_id == id), key=lambda row: (row.created_at, row.id))
        return answered(200, {"orders": [asking.endpoint.url(f"order/{row.id}") for row in mine]})

    def change_key(self, asking: Asking) -> FrontAnswer:
        """keyChange: the outer JWS by the old key holds one by the new key (RFC 8555 7.3.5)."""
        account, endpoint = asking.by_account(), asking.endpoint
        inner = jws.read(asking.signed.payload)
        jwk = inner.header.get("jwk")
        if not isinstance(jwk, dict) or "nonce" in inner.header or inner.text("url") != asking.url:
            raise malformed("The inner JWS must have the new key, this request's URL and no nonce.")
        jws.verify(inner, jwk)
        wanted, thumbprint = inner.json(), jws.thumbprint(jwk)
        old = wanted.get("oldKey")
        if wanted.get("account") != endpoint.url(f"acct/{account.id}"):
            raise malformed("The inner JWS is about another account.")
        if not isinstance(old, dict) or jws.thumbprint(old) != account.thumbprint:
            raise malformed("The old key is not the account's.")
        other = with_key(self._store.snapshot(), endpoint, thumbprint)
        if other is not None:
            location = ("Location", endpoint.url(f"acct/{other.id}"))
            raise Problem("malformed", "The new key is in use for another account.", 409, headers=[location])
        changed = msgspec.structs.replace(account, jwk=jws.bare(jwk), thumbprint=thumbprint)
        with self._store.write() as tx:
            tx.put(changed)
        return _shown(200, endpoint, changed)


def with_key(reader: Snapshot, endpoint: AcmeEndpoint, thumbprint: str) -> AcmeAccount | None:
    for each in reader.list(AcmeAccount, endpoint.account, endpoint.region):
        if each.endpoint_arn == endpoint.id and each.thumbprint == thumbprint:
            return each
    return None


def _itself(asking: Asking, id: str) -> AcmeAccount:
    account = asking.by_account()
    if account.id != id:
        raise unauthorized("The request is signed by another account.")
    return account


def _shown(status: int, endpoint: AcmeEndpoint, account: AcmeAccount) -> FrontAnswer:
    url = endpoint.url(f"acct/{account.id}")
    document: dict[str, Any] = {"status": account.status.lower(), "orders": f"{url}/orders"}
    if account.contacts:
        document["contact"] = list(account.contacts)
    return answered(status, document, [("Location", url)])


def _contacts(given: Any) -> tuple[str, ...]:
    """Contact URLs: addresses of mail. Raises Problem."""
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise malformed("The contacts are not a list of URLs.")
    if len(given) > CONTACTS_MAX:
        raise Problem("invalidContact", f"An account has at most {CONTACTS_MAX} contacts.")
    for each in given:
        if not each.startswith("mailto:"):
            raise Problem("unsupportedContact", f"The contact {each} is not a mailto URL.")
        name, at, domain = each.removeprefix("mailto:").partition("@")
        if not (name and at and domain) or any(mark in each for mark in (",", "?", " ", "@@")):
            raise Problem("invalidContact", f"The contact {each} is not one address.")
    return tuple(given)
