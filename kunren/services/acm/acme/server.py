"""The ACME servers: one per endpoint, all at `acm-acme-enroll.REGION.api.aws` (RFC 8555).

`AcmeServer` is a front of the gateway (`kunren.core.fronts`). It finds the endpoint, hands nonces out, and lets a
request through to `accounts.py` or `orders.py` once its signature, nonce and URL are right. What was written is on disk
before it is answered.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.acm.acme import jws
from kunren.services.acm.acme.accounts import Accounts
from kunren.services.acm.acme.asking import Asking, answered
from kunren.services.acm.acme.model import VALID, AcmeAccount, AcmeEndpoint
from kunren.services.acm.acme.orders import Orders
from kunren.services.acm.acme.problems import Problem, malformed, unauthorized

NONCES_MAX = 10_000  # the oldest are forgotten; a client that is refused takes a new one and asks again
_HOST = re.compile(r"acm-acme-enroll\.([a-z0-9-]+)\.api\.aws")
_BY_KEY = ("new-account", "revoke-cert")  # may be signed by a key that no account has
Handler = Callable[..., FrontAnswer]


class AcmeServer:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._entropy = entropy
        self._nonces: OrderedDict[str, None] = OrderedDict()
        accounts, orders = Accounts(store, clock, entropy), Orders(store, clock, entropy)
        # by the path behind the endpoint's id; "*" is an id that the handler gets
        self._handlers: dict[tuple[str, ...], Handler] = {
            ("new-account",): accounts.register,
            ("acct", "*"): accounts.manage,
            ("acct", "*", "orders"): accounts.orders,
            ("key-change",): accounts.change_key,
            ("new-order",): orders.create,
            ("order", "*"): orders.show,
            ("order", "*", "finalize"): orders.finalize,
            ("authz", "*"): orders.authorization,
            ("cert", "*"): orders.certificate,
            ("revoke-cert",): orders.revoke,
        }

    def claims(self, host: str, path: str) -> bool:
        return host.startswith("acm-acme-enroll.")

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        generation, endpoint = self._store.generation, None
        try:
            endpoint, path = self._endpoint(request)
            answer = self._answer(request, endpoint, path)
        except Problem as problem:
            answer = problem.answer()
        if self._store.generation != generation:
            await self._store.durable()
        if endpoint is None:
            return answer
        index = ("Link", f'<{endpoint.url("directory")}>;rel="index"')
        extra = [index, ("Replay-Nonce", self._new_nonce()), ("Cache-Control", "no-store")]
        return answer._replace(headers=[*answer.headers, *(extra if path != ("directory",) else ())])

    def _endpoint(self, request: FrontRequest) -> tuple[AcmeEndpoint, tuple[str, ...]]:
        """The endpoint and the path behind its id. Raises Problem."""
        found, (id, *path) = _HOST.fullmatch(request.host), request.path.lstrip("/").split("/")
        region = found[1] if found is not None else ""
        for each in self._store.snapshot().every(AcmeEndpoint):
            if each.uuid == id and each.region == region:
                return each, tuple(path)
        raise malformed("There is no such ACME endpoint.", 404)

    def _answer(self, request: FrontRequest, endpoint: AcmeEndpoint, path: tuple[str, ...]) -> FrontAnswer:
        reading = request.method in ("GET", "HEAD")
        if path == ("directory",) and reading:
            return answered(200, directory(endpoint))
        if path == ("new-nonce",) and reading:
            return FrontAnswer(200 if request.method == "HEAD" else 204, [])
        pattern = tuple(part if at % 2 == 0 else "*" for at, part in enumerate(path))
        handler = self._handlers.get(pattern)
        if handler is None:
            raise malformed("There is nothing at this URL.", 404)
        if request.method != "POST":
            raise malformed("The method must be POST.", 405)
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/jose+json":
            raise malformed("The content type must be application/jose+json.", 415)
        return handler(self._verified(request, endpoint, path), *path[1:2])

    def _verified(self, request: FrontRequest, endpoint: AcmeEndpoint, path: tuple[str, ...]) -> Asking:
        """Who signed the request (RFC 8555 6.2 to 6.5). Raises Problem."""
        signed = jws.read(request.body)
        jwk, kid = signed.header.get("jwk"), signed.text("kid")
        if (jwk is None) == (kid is None):
            raise malformed("The JWS must have either a key (jwk) or an account (kid).")
        account = self._account(endpoint, kid) if kid is not None else None
        if account is None and (path[0] not in _BY_KEY or not isinstance(jwk, dict)):
            raise malformed("The JWS must name an account (kid).")
        url = endpoint.url("/".join(path))
        key = account.jwk if account is not None else jwk
        assert isinstance(key, dict)
        jws.verify(signed, key)
        if self._nonces.pop(signed.text("nonce") or "", False) is False:
            raise Problem("badNonce", "The nonce is unknown or was used before.")
        if signed.text("url") != url:
            raise unauthorized("The signed URL is not the request's.", 401)
        if account is not None and account.status != VALID:
            raise unauthorized(f"The account is {account.status.lower()}.", 401)
        return Asking(endpoint, url, signed, key, account)

    def _account(self, endpoint: AcmeEndpoint, kid: str) -> AcmeAccount:
        id = kid.rpartition("/")[2]
        found = self._store.snapshot().get(AcmeAccount, endpoint.account, endpoint.region, id)
        if found is None or found.endpoint_arn != endpoint.id or kid != endpoint.url(f"acct/{id}"):
            raise Problem("accountDoesNotExist", "There is no such account.")
        return found

    def _new_nonce(self) -> str:
        nonce = jws.encode(bytes.fromhex(self._entropy.hex(32)))
        self._nonces[nonce] = None
        if len(self._nonces) > NONCES_MAX:
            self._nonces.popitem(last=False)
        return nonce


def directory(endpoint: AcmeEndpoint) -> dict[str, object]:
    """Where everything is (RFC 8555 7.1.1)."""
    return {
        "newNonce": endpoint.url("new-nonce"),
        "newAccount": endpoint.url("new-account"),
        "newOrder": endpoint.url("new-order"),
        "revokeCert": endpoint.url("revoke-cert"),
        "keyChange": endpoint.url("key-change"),
        "meta": {"externalAccountRequired": True},
    }
