"""Flow logs of accelerators: what the edge locations counted, once a minute, in files of five minutes in S3.

"Configuring and using flow logs in AWS Global Accelerator". What waits for its file is in memory, and gone when the
daemon dies: flow logs are on best effort.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import NamedTuple, Protocol

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, ticks
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.anycast import flow_counts
from kunren.dataplane.anycast.flow_counts import EGRESS, INGRESS, Counts, Flow
from kunren.dataplane.anycast.table import Destination
from kunren.dataplane.edge.locations import pop
from kunren.services.ec2.model import Entrance
from kunren.services.globalaccelerator.api.base import HOME_REGION
from kunren.services.globalaccelerator.dataplane import custom_groups_of
from kunren.services.globalaccelerator.model import Accelerator
from kunren.services.globalaccelerator.port_mapping import mappings
from kunren.world.addresses import EDGES, region_network
from kunren.world.channel import RulesetRefused
from kunren.world.interface import NoSuchNamespace, WorldEnded, edge_namespace
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
TICK_S, FILE_S = 60, 300  # "The capture window is up to 1 minute", "Flow logs files"
LINES_MAX = 100_000
FIELDS = (
    "version aws_account_id accelerator_id client_ip client_port accelerator_ip accelerator_port endpoint_ip"
    " endpoint_port protocol ip_address_type packets bytes start_time end_time action log-status"
    " globalaccelerator_source_ip globalaccelerator_source_port endpoint_region globalaccelerator_region direction"
    " vpc_id reject_reason"
)
_PROTOCOLS = {6: "TCP", 17: "UDP"}
Led = Callable[[str, int, str, int], Destination | None]


class Counter(Protocol):
    """The part of the world that flow logs need."""

    def edges_in_use(self) -> list[str]: ...
    async def counts(self, namespace: str, table: str) -> dict[str, str]: ...


class Window(NamedTuple):
    """AWS time."""

    start: float
    end: float


class AcceleratorFlowLogs:
    """`run` lives until it is cancelled. `led` tells where a connection that an edge location ended was led."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, world: Counter, spec: WorldSpec, call: CallService, led: Led
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._world = world
        self._spec = spec
        self._call = call
        self._led = led
        self._read: dict[tuple[str, str], Counts] = {}  # accelerator and place → what was counted when last read
        self._ticked = clock.now()
        self._files: dict[str, list[str]] = defaultdict(list)  # accelerator → lines of its next file

    async def run(self) -> None:
        async for now in ticks(self._clock, TICK_S):
            try:
                await self.tick(now)
            except WorldEnded:
                return
            except Exception:
                log.exception("the flow logs of accelerators of the minute that ended at %d are lost", now)

    async def tick(self, now: float) -> None:
        """Read what has been counted since the last time; write the files that are due."""
        window, self._ticked = Window(self._ticked, now), now
        snapshot = self._store.snapshot()
        logging_now = [each for each in snapshot.every(Accelerator) if each.flow_logs]
        for each in logging_now:
            for place in self._world.edges_in_use():
                news, full = await self._news(each, place)
                told = lines(snapshot, self._spec, each, place, news, window, self._led)
                file = self._files[each.id]
                room = LINES_MAX - len(file)
                file += told[: max(0, room)]
                if full or len(told) > room:
                    file.append(skipped(each, place, window))
        still = {each.id for each in logging_now}
        self._read = {key: counted for key, counted in self._read.items() if key[0] in still}
        for gone in self._files.keys() - still:
            del self._files[gone]
        if now // FILE_S > window.start // FILE_S:
            await asyncio.gather(*(self._write(each, now) for each in logging_now if self._files.get(each.id)))

    async def _news(self, accelerator: Accelerator, place: str) -> tuple[Counts, bool]:
        """What has been counted since the last time, and whether there was no room for some."""
        try:
            listed = await self._world.counts(edge_namespace(place), flow_counts.table_name(accelerator.id))
        except (NoSuchNamespace, RulesetRefused):
            return {}, False  # it only comes or goes
        counted, full = flow_counts.parsed(listed, accelerator.addresses)
        before = self._read.get((accelerator.id, place), {})
        self._read[accelerator.id, place] = counted
        return flow_counts.since(before, counted), full

    async def _write(self, accelerator: Accelerator, now: float) -> None:
        told = self._files.pop(accelerator.id)
        key = object_key(accelerator, now, self._entropy.hex(8))
        body = await asyncio.to_thread(gzip.compress, "\n".join([FIELDS, *told, ""]).encode(), 6, mtime=0)
        put = {"Bucket": accelerator.flow_logs_bucket, "Key": key, "Body": body}
        try:
            await self._call(accelerator.account, HOME_REGION, "s3", "PutObject", put)
        except (AwsError, OSError) as error:
            log.warning("the flow log of %s could not be delivered: %s", accelerator.id, error)


def object_key(accelerator: Accelerator, now: float, random: str) -> str:
    """The key of the file of the five minutes before `now` (AWS time)."""
    day, identity = datetime.fromtimestamp(now, UTC), accelerator.id.rpartition("/")[2]
    prefix = accelerator.flow_logs_prefix.removesuffix("/")
    folder = f"{prefix}/AWSLogs" if accelerator.flow_logs_prefix else "AWSLogs"
    file = f"{accelerator.account}_globalaccelerator_{identity}_{day:%Y%m%dT%H%MZ}_{random}.log.gz"
    return f"{folder}/{accelerator.account}/globalaccelerator/{HOME_REGION}/{day:%Y/%m/%d}/{file}"


def lines(
    snapshot: Snapshot,
    spec: WorldSpec,
    accelerator: Accelerator,
    place: str,
    counts: Counts,
    window: Window,
    led: Led,
) -> list[str]:
    """A record for each flow and direction that something came by at an edge location."""
    found = []
    sockets = _sockets(snapshot, accelerator)
    for (direction, flow), (packets, size) in sorted(counts.items()):
        end = _ended(flow, led)
        entrance = next((each for each in snapshot.every(Entrance) if each.id == end.endpoint), None)
        preserved = end.source == flow.client
        values: Sequence[object] = (
            "2.0" if preserved else "1.0",
            accelerator.account,
            accelerator.id.rpartition("/")[2],
            flow.client,
            flow.client_port,
            flow.asked,
            flow.asked_port,
            *_endpoint(entrance, end, sockets),
            _PROTOCOLS[flow.protocol],
            "IPV4",
            packets,
            size,
            int(window.start),
            int(window.end),
            "ACCEPT",
            "OK",
            "-" if preserved else end.source,
            0 if preserved else end.source_port,
            entrance.region if entrance is not None else _region(spec, end.endpoint),
            _edge(place),
            {INGRESS: "INGRESS", EGRESS: "EGRESS"}[direction],
            entrance.vpc_id if entrance is not None and preserved else "-",
            "-",
        )
        found.append(" ".join(map(str, values)))
    return found


def skipped(accelerator: Accelerator, place: str, window: Window) -> str:
    """The record that says that there are flows at an edge location which the file has no record of."""
    told: dict[str, object] = {
        "version": "1.0",
        "aws_account_id": accelerator.account,
        "accelerator_id": accelerator.id.rpartition("/")[2],
        "start_time": int(window.start),
        "end_time": int(window.end),
        "log-status": "SKIPDATA",
        "globalaccelerator_region": _edge(place),
    }
    return " ".join(str(told.get(each, "-")) for each in FIELDS.split())


def _edge(place: str) -> str:
    return pop(place).replace("-P", "-")


def _endpoint(entrance: Entrance | None, end: Flow, sockets: Mapping[int, tuple[str, int]]) -> tuple[str, int]:
    """The address and port of the endpoint as its VPC has them."""
    if entrance is None:
        return end.endpoint, end.endpoint_port
    if entrance.holder:
        return sockets.get(end.asked_port, (end.endpoint, end.endpoint_port))
    return entrance.private_ip, end.endpoint_port


def _sockets(snapshot: Snapshot, accelerator: Accelerator) -> dict[int, tuple[str, int]]:
    """Where the ports of a custom routing accelerator lead."""
    return {
        each.port: (each.address, each.destination_port)
        for group in custom_groups_of(snapshot, accelerator)
        for endpoint in group.endpoints
        for each in mappings(group.destinations, endpoint)
    }


def _ended(flow: Flow, led: Led) -> Flow:
    """The flow as it goes on, also where the edge location ended the client's connection."""
    to = (
        led(flow.client, flow.client_port, flow.asked, flow.asked_port) if IPv4Address(flow.endpoint) in EDGES else None
    )
    if to is None:
        return flow
    port = dict(to.ports).get(flow.asked_port, flow.asked_port)
    source, source_port = (flow.client, flow.client_port) if to.preserve else (flow.endpoint, 0)
    return flow._replace(endpoint=to.address, endpoint_port=port, source=source, source_port=source_port)


def _region(spec: WorldSpec, address: str) -> str:
    inside = (each.name for number, each in enumerate(spec.regions) if IPv4Address(address) in region_network(number))
    return next(inside, "-")
