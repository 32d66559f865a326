"""Gathers lines per load balancer, kind and node, and writes them to S3 every five minutes of AWS time.

Lines are kept in memory until then, at most `LINES_MAX` a node (what is more goes out at once): like AWS's logs, these
are on best effort, and what was not delivered when the daemon dies is gone.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.dataplane.security import names_and_kind
from kunren.services.elbv2.logs.buckets import object_key, short_name
from kunren.services.elbv2.logs.lines import Context, Served, access_line, connection_line
from kunren.services.elbv2.logs.loggers import ACCESS, PREFIX, parse_logger_name, wanted
from kunren.services.elbv2.model import Listener, LoadBalancer

log = logging.getLogger(__name__)
EVERY_S = 300
LINES_MAX = 50_000
Subscribe = Callable[[str, Callable[[str, Sequence[Any]], None]], Callable[[], None]]


class Material(Protocol):
    @property
    def certificate_pem(self) -> str: ...


class Place(NamedTuple):
    """Whose lines these are: the load balancer, the kind of log, and the node's address as files have it."""

    balancer: LoadBalancer
    kind: str
    node: str


@dataclass(slots=True)
class _Page:
    place: Place
    lines: list[str] = field(default_factory=list)


class LogDelivery:
    """Lives as long as the service. `subscribe` is the access log's of Envoy."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        call: CallService,
        subscribe: Subscribe,
        certificate: Callable[[Snapshot, str], Material | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call
        self._certificate = certificate
        self._salt = entropy.hex(16)
        self._pages: dict[tuple[str, str, str], _Page] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self.failures: dict[str, str] = {}
        subscribe(PREFIX, self.take)

    async def run(self) -> None:
        try:
            while True:
                due = (self._clock.now() // EVERY_S + 1) * EVERY_S
                await self._clock.sleep(due - self._clock.now())
                for page in self._turned():
                    self._write_soon(page, due)
        finally:
            for task in self._writing:
                task.cancel()

    def take(self, name: str, entries: Sequence[Any]) -> None:
        """Entries of one listener's logger, as they come."""
        kind, arn = parse_logger_name(name)
        snapshot = self._store.snapshot()
        found = self._found(snapshot, arn)
        if found is None or not wanted(found[0].attributes, kind):
            return
        balancer, listener = found
        context = self._context(snapshot, balancer, listener)
        render = access_line if kind == ACCESS else connection_line
        zones = balancer.zones
        nodes = {
            own: each.public_ip or each.private_ip for each in zones for own in (each.private_ip, each.ipv6) if own
        }
        for entry in entries:
            local = entry.common_properties.downstream_local_address.socket_address.address
            self.add(Place(balancer, kind, nodes.get(local, local)), render(entry, context))

    def add(self, place: Place, line: str) -> None:
        """One more line of a node's log."""
        key = (place.balancer.id, place.kind, place.node)
        page = self._pages.setdefault(key, _Page(place))
        page.lines.append(line)
        if len(page.lines) >= LINES_MAX:
            del self._pages[key]
            self._write_soon(page, (self._clock.now() // EVERY_S + 1) * EVERY_S)

    def _found(self, snapshot: Snapshot, arn: str) -> tuple[LoadBalancer, Listener] | None:
        region, account = arn.split(":")[3:5]
        listener = snapshot.get(Listener, account, region, arn)
        if listener is None:
            return None
        balancer = snapshot.get(LoadBalancer, account, region, listener.load_balancer_arn)
        return (balancer, listener) if balancer is not None else None

    def _context(self, snapshot: Snapshot, balancer: LoadBalancer, listener: Listener) -> Context:
        now, wall, speed = self._clock.now(), self._clock.wall(), self._clock.speed
        served = []
        for arn in listener.certificates:
            material = self._certificate(snapshot, arn)
            if material is not None:
                served.append(Served(arn, *names_and_kind(material.certificate_pem)))
        return Context(
            balancer=short_name(balancer),
            dns_name=balancer.dns_name,
            protocol=listener.protocol,
            port=listener.port,
            groups=f"arn:aws:elasticloadbalancing:{balancer.region}:{balancer.account}:targetgroup/",
            aws=lambda seconds: now - (wall - seconds) * speed,
            salt=self._salt,
            new_trace=lambda seconds: f"Root=1-{int(seconds):08x}-{self._entropy.hex(24)}",
            certificates=tuple(served),
        )

    def _turned(self) -> list[_Page]:
        pages, self._pages = list(self._pages.values()), {}
        return pages

    def _write_soon(self, page: _Page, end: float) -> None:
        task = asyncio.get_running_loop().create_task(self._write(page, end), name="elb-log")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, page: _Page, end: float) -> None:
        balancer, kind, node = page.place
        bucket = value(LOAD_BALANCER, balancer.attributes, f"{kind}_logs.s3.bucket")
        prefix = value(LOAD_BALANCER, balancer.attributes, f"{kind}_logs.s3.prefix")
        key = object_key(balancer, kind, prefix, node, end, self._entropy.lower(8))
        text = "".join(f"{line}\n" for line in page.lines).encode("utf-8", "replace")
        body = await asyncio.to_thread(gzip.compress, text, 6, mtime=0)
        try:
            put = {"Bucket": bucket, "Key": key, "Body": body}
            await self._call(balancer.account, balancer.region, "s3", "PutObject", put)
            self.failures.pop(bucket, None)
        except AwsError as error:
            self.failures[bucket] = f"{error.code}: {error.message}"
            log.error("%d log lines of %s could not be written to %s: %s", len(page.lines), balancer.id, bucket, error)
