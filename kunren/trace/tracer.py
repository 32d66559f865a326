"""Tracing one request: foretell it, send it, see who answered, and compare. The shell around the pure parts.

Who answered is read from Envoy's own counts of each endpoint's requests, before and after (of a Network Load Balancer's
flow, from the kernel's own table of flows): exact while nobody else asks
the same load balancer in that moment, and left unsaid otherwise. Nothing is added to the request for it.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.dataplane.dns.zones import Zones
from kunren.dataplane.edge.fetch import Pending
from kunren.dataplane.edge.message import Answer, Notes
from kunren.dataplane.edge.message import Request as EdgeRequest
from kunren.dataplane.envoy.admin import Counted
from kunren.dataplane.flows.control import answering
from kunren.services.elbv2.dataplane.balancer import short_name
from kunren.trace import edge_words
from kunren.trace.compare import differences
from kunren.trace.course import Course, State
from kunren.trace.model import CONNECTED, Observed, Report, Request
from kunren.trace.predict import predict
from kunren.trace.request import parsed
from kunren.trace.send import send
from kunren.world.addresses import PUBLIC_RESOLVER, client_address
from kunren.world.interface import Process, ProcessSpec, edge_namespace
from kunren.world.network import vpc_namespace
from kunren.world.spec import WorldSpec

Counts = Iterable[Counted]
Flow = tuple[str, str, int, str, int]
"""Protocol, address and port of who began it."""


class WorldPart(Protocol):
    """What tracing needs of the world."""

    async def ensure_place(self, place: str) -> str: ...
    async def open_socket(self, namespace: str, family: int = ..., type: int = ...) -> socket.socket: ...
    def edges_in_use(self) -> list[str]: ...
    async def apply_table(self, owner: str, namespace: str, table: str, text: str) -> None: ...
    async def spawn(self, spec: ProcessSpec) -> Process: ...


class EdgePart(Protocol):
    """What tracing needs of the edge service: what it would do, and what it does."""

    def consider(self, request: EdgeRequest) -> Answer | Pending: ...
    def followed(self, viewer_address: str) -> AbstractContextManager[dict[str, Notes]]: ...


class Tracer:
    """`counts` asks Envoy how many requests each endpoint has had, `edge` is the edge service, `roots` the world's
    bundle of authorities."""

    def __init__(
        self,
        store: Store,
        zones: Callable[[], Zones],
        spec: WorldSpec,
        clock: Clock,
        world: WorldPart,
        counts: Callable[[], Awaitable[Counts]],
        edge: EdgePart,
        roots: Path,
    ) -> None:
        self._store = store
        self._zones = zones
        self._spec = spec
        self._clock = clock
        self._world = world
        self._counts = counts
        self._edge = edge
        self._roots = roots

    async def trace(self, wanted: Mapping[str, Any]) -> Report:
        """`wanted` as `request.parsed` takes it, and "send" (true when absent). Raises BadRequest, UnknownPlace."""
        request = parsed(wanted, self._spec)
        course, steps = predict(self._state(), request)
        if not wanted.get("send", True):
            return Report(request=request, steps=steps, expected=course.expected)
        index = next(index for index, each in enumerate(self._spec.places) if each.name == request.place)
        if request.source != client_address(index):
            course.expected.unsure = f"nothing was sent: {request.source} is not the address of {request.place}"
            return Report(request=request, steps=steps, expected=course.expected)
        return await self._sent(request)

    async def _sent(self, request: Request) -> Report:
        from kunren.dataplane.dns.client import addresses_of

        namespace = await self._world.ensure_place(request.place)

        async def opened(kind: int) -> socket.socket:
            return await self._world.open_socket(namespace, type=kind)

        addresses, rcode = await addresses_of(opened, PUBLIC_RESOLVER, request.host)
        before = await self._counts()
        state = self._state()
        course, steps = predict(state, request, addresses[0] if addresses else None)
        with self._edge.followed(request.source) as followed:
            observed = await send(opened, request, addresses, self._roots, self._clock)
        observed.rcode = rcode
        flow = await self._note_endpoint(course, request.port, observed)
        via = observed.endpoint
        if via is not None:
            course, steps = predict(state, request, addresses[0], via)
        await self._note_flow(course, observed, flow)
        noted = followed.get(observed.request_id or "")
        if noted is not None:
            edge_words.note(observed, noted)
        if observed.target is None and (noted is None or observed.origins == course.expected.origins != ()):
            _note_target(course, observed, before, await self._counts())
        found = differences(course.expected, observed)
        if found and self._store.generation != state.snapshot.generation:
            # the state changed on the way: what holds now may be what the request met
            course, steps = predict(self._state(), request, addresses[0] if addresses else None, via)
            found = differences(course.expected, observed)
        return Report(
            request=request, steps=steps, expected=course.expected, observed=observed, agrees=not found,
            differences=found,
        )  # fmt: skip

    async def _note_endpoint(self, course: Course, asked: int, observed: Observed) -> Flow | None:
        """Which edge location has the flow to the port `asked`, and to whom it gave it; the flow as it is seen behind
        it."""
        if observed.source is None or observed.source_port is None or observed.address is None:
            return None
        flow = (course.request.transport, observed.source, observed.source_port, observed.address, asked)
        if course.accelerator is None:
            return flow
        for edge in sorted(self._world.edges_in_use(), key=lambda each: each != course.expected.edge):
            found = await answering(self._world, edge_namespace(edge), *flow)
            if found is not None:
                observed.edge, observed.endpoint = edge, f"{found.address}:{found.port}"
                return flow[0], found.client, found.client_port, found.address, found.port
        return None

    async def _note_flow(self, course: Course, observed: Observed, flow: Flow | None) -> None:
        """Whom the kernel of a Network Load Balancer's VPC gave the flow to."""
        balancer = course.balancer
        if balancer is None or balancer.type != "network" or flow is None:
            return
        found = await answering(self._world, vpc_namespace(balancer.vpc_id), *flow)
        if found is not None:
            observed.answered_by, observed.target = "target", f"{found.address}:{found.port}"

    def _state(self) -> State:
        clock = self._clock
        return State(
            self._store.snapshot(), self._zones(), self._spec, clock.now(), clock.wall(), self._edge.consider,
            clock.wall_seconds,
        )  # fmt: skip


def _note_target(course: Course, observed: Observed, before: Counts, after: Counts) -> None:
    """Whose count has risen by one; nobody's is to be told when more have, or when no load balancer was reached."""
    if course.balancer is None or (observed.status is None and observed.outcome != CONNECTED):
        return
    own = short_name(course.balancer) + "/"
    earlier = {(each.cluster, each.address, each.port): each.reached for each in before}
    risen: dict[tuple[str, str, int], int] = {}
    for each in after:
        key = (each.cluster, each.address, each.port)
        if each.cluster.startswith(own) and each.reached > earlier.get(key, 0):
            risen[key] = each.reached - earlier.get(key, 0)
    if not risen and course.request.is_flow:
        return
    if not risen:
        observed.answered_by = "load balancer"
    elif sum(risen.values()) == 1:
        ((cluster, address, port),) = risen
        functions = sorted({each.id for each in course.expected.targets if each.id.startswith("arn:")})
        if cluster == own + "functions":
            observed.answered_by = "function"
            observed.target = functions[0] if len(functions) == 1 else None
        else:
            observed.answered_by = "target"
            observed.target = f"{address}:{port}"
