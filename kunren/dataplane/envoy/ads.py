"""The aggregated discovery service, delta variant, for one Envoy over a unix socket.

How it works. `Delta` is the protocol without I/O: requests go in, `responses()` says what has to be sent so that the
client's resources become those of the `State`. `AdsServer` is the shell: a grpc.aio server with one task per stream
that writes when it is woken. Additions and changes go out in the order SDS, CDS, EDS, LDS, RDS, removals last; an EDS
resource is sent again after a cluster that uses it changed, since the new cluster warms up until it comes. A refused
version is not sent again until it is published again. Only clusters and listeners are removed by message: the client
drops its interest in what they used by itself.

What it refuses to know: what the resources mean.

The protocol: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol, "Incremental xDS".
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kunren.dataplane.envoy.encode import CLUSTER, ENDPOINTS, LISTENER, ORDER
from kunren.dataplane.envoy.snapshot import Name, State

log = logging.getLogger(__name__)
METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
CHUNK = 200
"""Resources in one message of clusters, listeners or endpoints; routes and secrets go one by one."""


class Response(NamedTuple):
    """One message to the client: versions by name, and names that are gone."""

    type_url: str
    nonce: str
    versions: dict[str, str]
    removed: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """The client refused these resources and keeps what it had."""

    resources: tuple[Name, ...]
    message: str


class Delta:
    """What one client is subscribed to, was sent, has acknowledged and has refused."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._subscribed: dict[str, set[str] | None] = {}  # None: all there are
        self._sent: dict[str, dict[str, str]] = {type_url: {} for type_url in ORDER}
        self._refused: dict[Name, str] = {}
        self._in_flight: dict[str, Response] = {}
        self._nonces = itertools.count(1)
        self._answered: set[str] = set()
        self.acknowledged: dict[str, dict[str, str]] = {type_url: {} for type_url in ORDER}

    def subscribe(self, type_url: str, names: list[str], initial: dict[str, str]) -> None:
        """A subscription; the first of a type without names asks for all. `initial` is what the client has already."""
        if type_url not in self._sent:
            return  # a type that nobody publishes (RTDS, for instance): silence is an answer
        if type_url not in self._subscribed:
            self._subscribed[type_url] = set(names) if names else None
            self._sent[type_url].update(initial)
            self.acknowledged[type_url].update(initial)
            return
        wanted = self._subscribed[type_url]
        for name in names:
            if wanted is not None:
                wanted.add(name)
            self._sent[type_url].pop(name, None)

    def unsubscribe(self, type_url: str, names: list[str]) -> None:
        wanted = self._subscribed.get(type_url)
        for name in names:
            if wanted is not None:
                wanted.discard(name)
                self._sent[type_url].pop(name, None)
                self.acknowledged[type_url].pop(name, None)

    def acknowledge(self, nonce: str) -> None:
        response = self._in_flight.pop(nonce, None)
        if response is not None:
            held = self.acknowledged[response.type_url]
            held.update(response.versions)
            for name in response.removed:
                held.pop(name, None)

    def refuse(self, nonce: str, message: str) -> Refusal | None:
        """The client's NACK. It names the resources in its message; the others of the response were taken."""
        response = self._in_flight.pop(nonce, None)
        if response is None:
            return None
        named = [name for name in response.versions if _mentions(message, name)] or list(response.versions)
        held = self.acknowledged[response.type_url]
        for name, version in response.versions.items():
            if name in named:
                self._refused[response.type_url, name] = version
                self._sent[response.type_url].pop(name, None)
            else:
                held[name] = version
        return Refusal(tuple((response.type_url, name) for name in named), message)

    def retry(self, names: Iterator[Name]) -> None:
        """Let refused resources be sent once more."""
        for name in names:
            self._refused.pop(name, None)

    def responses(self) -> Iterator[Response]:
        """The messages that are due now. Each counts as sent when it was taken."""
        for type_url in ORDER:
            if type_url in self._subscribed:
                yield from self._updates(type_url)
        for type_url in (LISTENER, CLUSTER):
            gone = tuple(name for name in self._sent[type_url] if name not in self._state.of(type_url))
            if gone and type_url in self._subscribed:
                for name in gone:
                    del self._sent[type_url][name]
                yield self._response(type_url, {}, gone)

    def _updates(self, type_url: str) -> Iterator[Response]:
        wanted, sent = self._subscribed[type_url], self._sent[type_url]
        published = self._state.of(type_url)
        due = [
            name
            for name in (published if wanted is None else wanted)
            if name in published
            and sent.get(name) != published[name].version
            and self._refused.get((type_url, name)) != published[name].version
        ]
        size = CHUNK if type_url in (CLUSTER, LISTENER, ENDPOINTS) else 1
        for start in range(0, len(due), size):
            versions = {name: published[name].version for name in due[start : start + size]}
            sent.update(versions)
            if type_url == CLUSTER:
                for name in versions:
                    self._sent[ENDPOINTS].pop(self._state.service_of(name) or "", None)
            yield self._response(type_url, versions)
        if not due and wanted is None and type_url not in self._answered:
            yield self._response(type_url, {})
        self._answered.add(type_url)

    def _response(self, type_url: str, versions: dict[str, str], removed: tuple[str, ...] = ()) -> Response:
        response = Response(type_url, str(next(self._nonces)), versions, removed)
        self._in_flight[response.nonce] = response
        return response


def _mentions(message: str, name: str) -> bool:
    """Whether the name stands in the message as a whole, not as a part of a longer one."""
    return re.search(rf"(?<![\w./:@-]){re.escape(name)}(?![\w./@-])", message) is not None


class AdsServer:
    """Serves `state` on a unix socket. `progress` is called after each ACK, `refused` after each NACK."""

    def __init__(self, state: State, progress: Callable[[], None], refused: Callable[[Refusal], None]) -> None:
        self._state = state
        self._progress = progress
        self._refused = refused
        self._server: Any = None
        self._streams: dict[Delta, asyncio.Event] = {}
        self.connected = asyncio.Event()

    @property
    def clients(self) -> list[Delta]:
        return list(self._streams)

    def wake(self) -> None:
        """The state changed: let every stream send what is due."""
        for event in self._streams.values():
            event.set()

    async def start(self, path: Path, *others: Any) -> None:
        """Listen; `others` are the generic handlers of what else Envoy calls on this socket."""
        import grpc
        import grpc.aio
        from envoy.service.discovery.v3 import discovery_pb2

        path.unlink(missing_ok=True)
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=discovery_pb2.DeltaDiscoveryRequest.FromString,
            response_serializer=discovery_pb2.DeltaDiscoveryResponse.SerializeToString,
        )
        service, _, method = METHOD[1:].partition("/")
        limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._server = grpc.aio.server(options=limits)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}), *others)
        )
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(grace=None)

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> None:
        delta, due = Delta(self._state), asyncio.Event()
        self._streams[delta] = due
        self.connected.set()
        loop = asyncio.get_running_loop()
        tasks = {
            loop.create_task(self._read(delta, due, requests), name="ads-reader"),
            loop.create_task(self._write(delta, due, context), name="ads-writer"),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None:  # the client comes back, and is sent what it lacks
                    log.error("the discovery stream broke", exc_info=error)
        finally:
            del self._streams[delta]
            if not self._streams:
                self.connected.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, delta: Delta, due: asyncio.Event, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            self._take(delta, request)
            due.set()

    def _take(self, delta: Delta, request: Any) -> None:
        type_url, nonce = request.type_url, request.response_nonce
        delta.unsubscribe(type_url, list(request.resource_names_unsubscribe))
        if request.resource_names_subscribe or not nonce:
            names, initial = list(request.resource_names_subscribe), dict(request.initial_resource_versions)
            delta.subscribe(type_url, names, initial)
        if not nonce:
            return
        if request.HasField("error_detail"):
            refusal = delta.refuse(nonce, request.error_detail.message)
            if refusal is not None:
                self._refused(refusal)
        else:
            delta.acknowledge(nonce)
        self._progress()

    async def _write(self, delta: Delta, due: asyncio.Event, context: Any) -> None:
        from envoy.service.discovery.v3 import discovery_pb2

        while True:
            await due.wait()
            due.clear()
            # All messages are made before the first is sent: they are of one state, whatever is published meanwhile.
            for message in [self._message(discovery_pb2, response) for response in delta.responses()]:
                await context.write(message)

    def _message(self, discovery_pb2: Any, response: Response) -> Any:
        message = discovery_pb2.DeltaDiscoveryResponse(type_url=response.type_url, nonce=response.nonce)
        published = self._state.of(response.type_url)
        for name, version in response.versions.items():
            entry = message.resources.add(name=name, version=version)
            entry.resource.type_url = response.type_url
            entry.resource.value = published[name].body
        message.removed_resources.extend(response.removed)
        return message
