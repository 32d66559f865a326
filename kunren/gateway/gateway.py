"""The gateway: AWS's API in front of the services. `Gateway` joins server, chain and services (order: `self.chain`).

One operation has one owner: a service object of ours, the fallback, or nobody (501, naming service and operation). A
service has so too, but Systems Manager, whose sessions are ours and whose parameters are not. After a handler that
wrote, the answer waits until the write is on disk; where the disk refuses, nothing is acknowledged.
"""

from __future__ import annotations

import inspect
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, Protocol, TypedDict

import msgspec

from kunren.control.store import NotDurable, Store
from kunren.core.authorization import Caller
from kunren.core.calling import Noted
from kunren.core.clock import Clock
from kunren.core.context import DEFAULT_ACCOUNT, DEFAULT_REGION, RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, NotImplementedByKunren, WireError
from kunren.core.fronts import ActingFor, Front, FrontAnswer
from kunren.core.uploads import AnyOf, Upload, Uploads
from kunren.gateway.chain import FALLBACK, NOBODY, OURS, Call, Chain, Link, Told
from kunren.gateway.fronts import ask, by_front, front_request, with_fronts
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.gateway.links.dispatch import DispatchTable
from kunren.gateway.links.unwrap import unwrapped
from kunren.gateway.server import HttpServer
from kunren.settings import Settings
from kunren.wire.catalog import Catalog, UnknownService
from kunren.wire.codecs import Codecs, error_response
from kunren.wire.message import WireResponse
from kunren.wire.route import Router, Unroutable, guess

log = logging.getLogger(__name__)


class Fallback(Protocol):
    """Who answers for whole services that are not ours."""

    services: frozenset[str]

    async def handle(
        self, service: str, operation: str, request: HttpRequest, caller: Caller | None = None
    ) -> HttpResponse: ...


class Access(Protocol):
    """Strict mode: who signed a request, and what policies let them. Both raise AwsError."""

    def verify(self, call: Call) -> Awaitable[None] | None: ...
    def authorize(self, call: Call) -> Awaitable[None] | None: ...


class Certificates(Protocol):
    """Where the server's certificates come from, by the name that a client asks for."""

    def context_for(self, server_name: str | None) -> ssl.SSLContext: ...


class CallCount(TypedDict):
    """One line of `Gateway.calls()`."""

    service: str
    operation: str
    owner: str
    count: int


FaultHook = Callable[[Call], Awaitable[None] | None]


class Gateway:
    """AWS's API on any number of listening sockets."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        services: Mapping[str, object],
        fallback: Fallback | None,
        certificates: Certificates | None,
        catalog: Catalog | None = None,
    ) -> None:
        self.catalog = catalog or Catalog()
        self.codecs = Codecs(self.catalog)
        self.table = DispatchTable(self.catalog, services)
        self.fronts: list[Front] = []
        self.acting: dict[str, ActingFor] = {}  # by the access key that a service of AWS signs with
        self.fault_hook: FaultHook | None = None
        self._settings = settings
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._fallback = fallback
        self._fallback_services = fallback.services if fallback is not None else frozenset()
        self._router = Router(self.catalog)
        self._counts: dict[tuple[str, str, str], int] = {}
        self._request_prefix = entropy.uuid()[:24]
        self._request_count = 0
        self._host_sockets: list[socket.socket] = []
        self.chain = Chain(self._links(None), self._fail, self._until_durable)
        self.own_chain = Chain(self.chain.links, self._fail, self._until_durable)
        """For requests that Kunren makes itself: whatever is asked of clients on top is not asked of them."""
        contexts = certificates.context_for if certificates is not None else None
        self._contexts = contexts
        self.server = HttpServer(clock, with_fronts(self.chain.handle, self.fronts), self.refuse, contexts)
        self._uploads: Uploads | None = None
        self._endpoint_servers: dict[str, HttpServer] = {}  # those that answer for one service only
        self._front_servers: dict[Front, HttpServer] = {}

    def enforce(self, access: Access) -> None:
        """Strict mode: let nobody in whose signature is wrong, and nothing be done that policies do not allow."""
        self.chain.links = self._links(access)

    def _links(self, access: Access | None) -> tuple[Link, ...]:
        return (
            self._request_id,
            self._authenticate,
            self._unwrap,
            self._route,
            *((access.verify,) if access is not None else ()),
            self._collect,
            self._parse,
            *((access.authorize,) if access is not None else ()),
            self._fault,
            self._dispatch,
            self._serialize,
        )

    def take_in(self, uploads: Uploads) -> None:
        """Have bodies taken in while they arrive, on every socket served so far or later."""
        self._uploads = uploads if self._uploads is None else AnyOf(self._uploads, uploads)
        for each in (self.server, *self._endpoint_servers.values()):
            each.uploads = self._uploads

    # --- listening ------------------------------------------------------------------------------------------------

    async def serve_host(self) -> None:
        """Listen on 127.0.0.1 (and ::1 where there is one) at the settings' port. Raises OSError where it is taken."""
        self._host_sockets.append(_listening(socket.AF_INET, "127.0.0.1", self._settings.port))
        port = self._host_sockets[0].getsockname()[1]
        try:
            self._host_sockets.append(_listening(socket.AF_INET6, "::1", port))
        except OSError as error:
            log.debug("not listening on ::1: %s", error)
        for each in self._host_sockets:
            self.accept(each)

    @property
    def port(self) -> int:
        """The port on the host, once listening."""
        return int(self._host_sockets[0].getsockname()[1]) if self._host_sockets else self._settings.port

    def accept(self, listener: socket.socket, tls: bool | None = None) -> None:
        """Serve a listening socket opened elsewhere. `tls` None takes HTTP and HTTPS on the same port."""
        self.server.accept(listener, tls)

    def accept_for(self, endpoint: str, listener: socket.socket, tls: bool | None = None) -> None:
        """Serve a listening socket, but only requests for the service whose endpoints begin so ("sqs")."""
        server = self._endpoint_servers.get(endpoint)
        if server is None:
            server = HttpServer(self._clock, self._only(endpoint), self.refuse, self._contexts)
            server.uploads = self._uploads
            self._endpoint_servers[endpoint] = server
        server.accept(listener, tls)

    def accept_for_front(self, front: Front, listener: socket.socket) -> None:
        """Serve a listening socket over HTTP, every request by this front."""
        server = self._front_servers.get(front)
        if server is None:
            server = HttpServer(self._clock, by_front(front), self.refuse)
            self._front_servers[front] = server
        server.accept(listener, tls=False)

    def withdraw(self, listener: socket.socket) -> None:
        """Stop serving a socket given to `accept` or `accept_for`, and close it."""
        for each in (*self._endpoint_servers.values(), self.server):
            if each.serves(listener):
                each.withdraw(listener)

    def _only(self, endpoint: str) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
        """The chain for requests of one service. Behind its endpoint there is nobody who knows another's operations."""

        def handle(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
            host = request.headers.get("host", "")
            for front in self.fronts:
                if getattr(front, "endpoint", None) == endpoint and front.claims(host, request.path):
                    return ask(front, request, host)
            try:
                service = self._router.route(request, self._router.credential(request)).service
            except AwsError:
                return self.chain.handle(request)  # refuses it in its own words
            if self.catalog.index[service].endpoint_prefix == endpoint.removeprefix("data-"):
                return self.chain.handle(request)
            return self.refuse(request, 404, "UnknownOperationException", "The requested operation is not recognized")

        return handle

    async def stop(self) -> None:
        for each in (*self._front_servers.values(), *self._endpoint_servers.values(), self.server):
            await each.stop()
        self._host_sockets.clear()

    # --- what the rest of Kunren asks -----------------------------------------------------------------------------

    def calls(self) -> list[CallCount]:
        """How often each operation was called, by who answered ("kunren", "moto", or "nobody"); most called first."""
        lines = [
            CallCount(service=service, operation=operation, owner=owner, count=count)
            for (service, operation, owner), count in self._counts.items()
        ]
        return sorted(lines, key=lambda line: (-line["count"], line["service"], line["operation"]))

    def status(self) -> dict[str, Any]:
        calls = self.calls()
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "connections": len(self.server.connections),
            "requests": sum(each["count"] for each in calls),
            "not_implemented": [each for each in calls if each["owner"] == NOBODY],
        }

    def owner(self, service: str, operation: str = "") -> str:
        """Who answers for an operation: "kunren", "moto" or "nobody". Of a service that is both's, moto has what ours
        has not."""
        shared = service in self._fallback_services
        if service in self.table and not (shared and self.table.method(service, operation) is None):
            return OURS
        return FALLBACK if service in self._fallback_services else NOBODY

    def answers_at_once(self, service: str, operation: str) -> bool:
        """Whether an operation is ours, and its handler waits for nobody."""
        method = self.table.method(service, operation) if service in self.table else None
        return method is not None and not inspect.iscoroutinefunction(method)

    async def dispatch(
        self, context: RequestContext, service: str, operation: str, params: dict[str, Any], noted: Noted | None = None
    ) -> Mapping[str, Any]:
        """Call an operation of ours; returns when what it wrote is on disk. Raises AwsError. `noted` is called with the
        result, in the transaction of a handler that answers at once."""
        method = self.table.method(service, operation) if service in self.table else None
        if method is None:
            raise NotImplementedByKunren(service, operation)
        generation = self._store.generation
        with self._store.write(around=True) if noted is not None else nullcontext():
            result = method(context, params)
            if noted is not None and not inspect.isawaitable(result):
                noted(result or {})
                noted = None
        if inspect.isawaitable(result):
            result = await result
        if noted is not None:
            noted(result or {})
        if self._store.generation != generation:
            await self._store.durable()
        return result if result is not None else {}

    async def invoke(
        self,
        service: str,
        operation: str,
        params: dict[str, Any],
        account: str = DEFAULT_ACCOUNT,
        region: str = DEFAULT_REGION,
        noted: Noted | None = None,
    ) -> Mapping[str, Any]:
        """An operation called from inside, through the same checks as from the wire. Raises AwsError."""
        model = self.catalog.service(service)
        described = model.operations.get(operation)
        if described is None:
            raise NotImplementedByKunren(service, operation)
        violations = self.codecs.check(model, described)(params)
        if violations:
            raise self.codecs.refusal(model, described, model.metadata.protocol, violations)
        context = RequestContext(account, region, service, operation, self._entropy.uuid())
        return await self.dispatch(context, service, operation, params, noted)

    # --- links, in the order of the chain -------------------------------------------------------------------------

    def _request_id(self, call: Call) -> None:
        """A UUID's form; the last group counts, so that ids sort and cost nothing."""
        self._request_count += 1
        call.request_id = f"{self._request_prefix}{self._request_count:012x}"

    def _authenticate(self, call: Call) -> None:
        credential = call.credential = self._router.credential(call.request)
        if credential is not None and credential.access_key in self.acting:
            told = front_request(call.request, call.request.headers.get("host", ""))
            call.acting = self.acting[credential.access_key](told)

    def _unwrap(self, call: Call) -> None:
        """Undo aws-chunked uploads, so that everything behind sees the body itself."""
        headers = call.request.headers
        if call.request.upload is not None:
            return
        if "content-encoding" in headers or "x-amz-content-sha256" in headers:
            signed = call.credential.service if call.credential is not None else "s3"
            call.request = unwrapped(call.request, keep_gzip=signed.startswith("s3"))

    def _route(self, call: Call) -> None:
        route = call.route = self._router.route(call.request, call.credential)
        call.protocol = route.protocol
        service, operation = route.service, route.operation
        if service in self.table:
            call.method = self.table.method(service, operation)
            call.raw = self.table.raw(service, operation) if call.method is None else None
            call.owner = OURS if call.method is not None or call.raw is not None else NOBODY
        if call.owner is not OURS and service in self._fallback_services:
            call.owner = FALLBACK
        key = (service, operation, call.owner)
        self._counts[key] = self._counts.get(key, 0) + 1
        if call.owner is NOBODY:
            call.service = self._model(service)
            raise NotImplementedByKunren(service, operation or "(data plane)")

    def _collect(self, call: Call) -> Awaitable[None] | None:
        """A body that was taken in on arrival, for an operation that does not expect it so."""
        route, upload = call.route, call.request.upload
        if upload is None or route is None or route.operation in self._streamed(route.service):
            return None
        return self._read_upload(call, upload)

    async def _read_upload(self, call: Call, upload: Upload) -> None:
        call.request = msgspec.structs.replace(call.request, body=await upload.read(), upload=None)

    def _streamed(self, service: str) -> frozenset[str]:
        """Operations of a service that take their body as an `Upload`."""
        found: frozenset[str] = getattr(self.table.service(service), "streamed", frozenset())
        return found

    def _parse(self, call: Call) -> None:
        if call.owner is not OURS or call.raw is not None:
            return
        route = call.route
        assert route is not None
        codec = call.codec = self.codecs.codec(route.service, route.operation, route.protocol)
        call.service = codec.service
        call.params = self.codecs.parse(codec, call.request, route.labels)
        if call.request.upload is not None:
            call.params["Body"] = call.request.upload

    def _fault(self, call: Call) -> Awaitable[None] | None:
        return self.fault_hook(call) if self.fault_hook is not None else None

    def _dispatch(self, call: Call) -> Awaitable[None] | None:
        route, request = call.route, call.request
        assert route is not None
        if call.owner is FALLBACK:
            return self._ask_fallback(call)
        call.context = RequestContext(
            route.account if call.acting is None else call.acting.account,
            route.region,
            route.service,
            route.operation,
            call.request_id,
            route.access_key,
            request.headers.get("host", ""),
            request.secure,
            request.source_ip,
            call.acting,
            call.caller,
        )
        call.generation = self._store.generation
        if call.raw is not None:
            return self._answer_raw(call, call.raw(call.context, call.request, route.labels))
        assert call.method is not None
        result = call.method(call.context, call.params)
        if result is None or result.__class__ is dict:
            call.result = result
            return None
        if inspect.isawaitable(result):
            return self._await_result(call, result)
        call.result = result
        return None

    async def _await_result(self, call: Call, result: Awaitable[Any]) -> None:
        call.result = await result

    async def _answer_raw(self, call: Call, answer: Awaitable[FrontAnswer]) -> None:
        given = await answer
        call.response = HttpResponse(given.status, given.headers, given.body)

    async def _ask_fallback(self, call: Call) -> None:
        assert call.route is not None and self._fallback is not None
        told = (call.route.service, call.route.operation, call.request)
        if call.caller is None:
            call.response = await self._fallback.handle(*told)
        else:
            call.response = await self._fallback.handle(*told, call.caller)

    def _serialize(self, call: Call) -> None:
        if call.response is None:
            assert call.codec is not None
            result = {} if call.result is None else call.result
            call.response = HttpResponse(*call.codec.serialize(result, call.request_id))
        self._finish(call, call.response)

    def _finish(self, call: Call, response: HttpResponse) -> None:
        """What a service adds to all of its answers, also to errors."""
        if call.route is not None and call.owner is OURS:
            finish = getattr(self.table.service(call.route.service), "finish", None)
            if finish is not None:
                response.headers.extend(finish(call.request, call.route.labels))

    def _until_durable(self, call: Call, told: Told) -> bool:
        """What a call wrote is on disk before it is answered."""
        written = call.generation not in (-1, self._store.generation)
        return written and self._store.when_durable(told)

    # --- failures -------------------------------------------------------------------------------------------------

    def _fail(self, call: Call, error: Exception) -> HttpResponse:
        """Any error as an answer in the protocol that the caller reads."""
        if call.request.upload is not None:
            call.request.upload.abandon()
        if isinstance(error, Unroutable):
            call.protocol = error.protocol
            call.service = call.service or self._model(error.service)
            if error.service and error.operation:
                key = (error.service, error.operation, NOBODY)
                self._counts[key] = self._counts.get(key, 0) + 1
        elif isinstance(error, NotDurable):
            log.error("request %s: not acknowledged: %s", call.request_id, error)
            error = WireError(
                "InternalFailure", f"The state could not be written to disk ({error}); nothing was changed", 500
            )
        elif not isinstance(error, AwsError):
            log.exception("request %s failed", call.request_id, exc_info=error)
            error = WireError(
                "InternalFailure",
                "The request processing has failed because of an unknown error, "
                f"exception or failure. Request id: {call.request_id}",
                500,
            )
        if call.service is None and call.route is not None:
            call.service = self._model(call.route.service)
        protocol = call.protocol or guess(call.request)
        response = _as_http(error_response(call.service, protocol, error, call.request_id, call.request))
        response.headers.extend(error.headers)
        self._finish(call, response)
        return response

    def _model(self, service: str) -> Any:
        try:
            return self.catalog.service(service) if service else None
        except UnknownService:
            return None

    def refuse(self, request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
        """An answer for what never became a request, in the shape of the service it was for, as far as one can tell."""
        call = Call(request)
        self._request_id(call)
        try:
            route = self._router.route(request, self._router.credential(request))
            call.protocol = route.protocol
            call.service = self._model(route.service)
        except Unroutable as error:
            call.protocol = error.protocol
        except AwsError:
            pass
        return self._fail(call, WireError(code, message, status))


def _as_http(response: WireResponse) -> HttpResponse:
    return HttpResponse(response.status, response.headers, response.body)


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
