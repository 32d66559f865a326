"""The shells that make distributions real: store → the edge service, Envoy at the edge locations, and DNS.

Every change is one piece of work: all distributions are translated anew (each is kept while what it is made of stays
the same) and published together. A distribution is Deployed when Envoy and the edge service have its newest revision.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.ca import IssuedCertificate
from kunren.core.clock import Clock
from kunren.dataplane.dns.zones import NameRecords
from kunren.dataplane.edge.pipeline import Pipeline
from kunren.dataplane.edge.site import Site
from kunren.dataplane.envoy.resources import EnvoyResources
from kunren.services.acm.material import certificate_material
from kunren.services.acm.model import Certificate
from kunren.services.cloudfront.anycast_ip_lists import rules as anycast
from kunren.services.cloudfront.anycast_ip_lists.model import AnycastIpList, AnycastIpListStatus
from kunren.services.cloudfront.dataplane import resources
from kunren.services.cloudfront.model import Distribution, DistributionStatus
from kunren.services.cloudfront.translate import site
from kunren.world import addresses6
from kunren.world.addresses import CLOUDFRONT
from kunren.world.interface import edge_namespace

log = logging.getLogger(__name__)
OWNER = "cloudfront"
NAME_TTL_S = 60
ACKNOWLEDGE_WITHIN_S = 15.0
SOURCES_WAIT_S = 5.0
_WORK = "edges"


class EdgeWorld(Protocol):
    """The part of the world that distributions need."""

    def netns_path(self, namespace: str) -> str: ...
    def edges_in_use(self) -> list[str]: ...
    async def apply_anycast(self, owner: str, own: Sequence[str], tables: Mapping[str, Mapping[str, str]]) -> None: ...


class EnvoyPublisher(Protocol):
    def publish(self, owner: str, resources: EnvoyResources) -> asyncio.Future[None]: ...


class NamePublisher(Protocol):
    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class DistributionControllers:
    """`issue` makes the certificate for CloudFront's own names; `socket_path` is where the edge service listens."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        world: EdgeWorld,
        envoy: EnvoyPublisher,
        dns: NamePublisher,
        pipeline: Pipeline,
        issue: Callable[[Sequence[str]], Awaitable[IssuedCertificate]],
        socket_path: str,
        *,
        ipv6: bool = False,
    ) -> None:
        """`ipv6`: the world has it."""
        self._ipv6 = ipv6
        self._store = store
        self._clock = clock
        self._world = world
        self._envoy = envoy
        self._dns = dns
        self._pipeline = pipeline
        self._issue = issue
        self._socket_path = socket_path
        self._own: IssuedCertificate | None = None
        self._edges: frozenset[str] = frozenset()
        self._controller = Controller(
            "cloudfront",
            store,
            clock,
            keys=_concerned,
            every=lambda snapshot: (
                [_WORK] if any(True for kind in (Distribution, AnycastIpList) for _ in snapshot.every(kind)) else []
            ),
            reconcile=self._reconcile,
            wants=lambda kind: _ours(kind) or kind == Certificate.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    def status(self) -> dict[str, Any]:
        return {**self._pipeline.status(), "errors": dict(self._controller.last_errors)}

    async def sources_changed(self) -> None:
        """Somebody comes who may be next to an edge location that does not serve yet: return when it does."""
        served = any(True for _ in self._store.snapshot().every(Distribution))
        if not served or self._edges.issuperset(self._world.edges_in_use()):
            return
        self._controller.enqueue(_WORK)
        try:
            async with asyncio.timeout(SOURCES_WAIT_S):
                await self._controller.settled()
        except TimeoutError:
            pass  # another edge location answers until then

    async def _reconcile(self, _: str) -> None:
        # the time goes with the snapshot: an invalidation that comes while we wait is not in it
        snapshot, now = self._store.snapshot(), self._clock.now()
        every = list(snapshot.every(Distribution))
        if self._own is None:
            self._own = await self._issue(["*.cloudfront.net", "cloudfront.net"])
        edges = self._world.edges_in_use() if every else []
        enabled = [each for each in every if each.config["Enabled"]]
        sites, failed = translated(snapshot, enabled)
        self._pipeline.sites = sites_by_name(sites[each.id] for each in enabled if _serves(each, sites, staging=False))
        staging = [sites[each.id] for each in enabled if _serves(each, sites, staging=True)]
        self._pipeline.staging = {each.domain_name: each for each in staging}
        lists = {each.id: found for each in every if (found := anycast.list_of(snapshot, each)) is not None}
        six = {each.id for each in every if self._ipv6 and each.config["IsIPV6Enabled"] and each.id not in lists}
        self._pipeline.listed = listed = anycast.listed_addresses(snapshot)
        addresses = (*CLOUDFRONT, *(addresses6.CLOUDFRONT if six else ()), *listed)
        await self._world.apply_anycast(OWNER, addresses, {each: {} for each in edges})
        namespaces = {name: self._world.netns_path(edge_namespace(name)) for name in edges}
        made = resources(snapshot, namespaces, addresses, self._own, certificate_material, self._socket_path)
        await _within(self._envoy.publish(OWNER, made))
        self._edges = frozenset(edges)
        self._dns.publish_names(
            OWNER,
            {
                each.domain_name: NameRecords(
                    a=lists[each.id].addresses if each.id in lists else CLOUDFRONT,
                    aaaa=addresses6.CLOUDFRONT if each.id in six else (),
                    ttl=NAME_TTL_S,
                )
                for each in every
                if not each.config["Staging"]
            },
        )
        self._observe((each for each in every if each.id not in failed), list(snapshot.every(AnycastIpList)), now)
        if failed:
            raise Untranslatable("; ".join(f"distribution {identity}: {why}" for identity, why in failed.items()))

    def _observe(self, every: Iterable[Distribution], lists: Iterable[AnycastIpList], now: float) -> None:
        with self._store.write() as tx:
            for one in lists:
                if tx.get(AnycastIpList, one.account, "", one.id) is not None:
                    tx.put(AnycastIpListStatus(account=one.account, region="", id=one.id))
            for each in every:
                if tx.get(Distribution, each.account, "", each.id) is not None:
                    status = DistributionStatus(
                        account=each.account, region="", id=each.id, revision=each.revision, invalidated_at=now
                    )
                    tx.put(status)


class Untranslatable(Exception):
    """Distributions that the edge can't be told of; the others are served."""


def translated(snapshot: Snapshot, distributions: Iterable[Distribution]) -> tuple[dict[str, Site], dict[str, str]]:
    """Sites by distribution, and why there is none. One that can't be translated takes no other down with it."""
    sites, failed = {}, {}
    for each in distributions:
        try:
            sites[each.id] = site(snapshot, each)
        except Exception as error:  # whatever is wrong with it, it is wrong with it alone
            log.exception("distribution %s can't be translated", each.id)
            failed[each.id] = f"{type(error).__name__}: {error}"
    return sites, failed


def _serves(distribution: Distribution, sites: Mapping[str, Site], *, staging: bool) -> bool:
    return distribution.id in sites and distribution.config["Staging"] is staging


def sites_by_name(sites: Iterable[Site]) -> dict[str, Site]:
    return {name: each for each in sites for name in each.names}


def _ours(kind: str) -> bool:
    """What stores hold is no distribution's affair (`key_values/controllers.py`)."""
    return kind.startswith("cloudfront.") and not kind.startswith("cloudfront.key-value")


def _concerned(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind in (DistributionStatus.kind, AnycastIpListStatus.kind):
        return []
    if key.kind == Certificate.kind:
        used = any(
            each.config["ViewerCertificate"].get("ACMCertificateArn") == key.id for each in snapshot.every(Distribution)
        )
        return [_WORK] if used else []
    return [_WORK]


async def _within(future: asyncio.Future[None]) -> None:
    """Wait for Envoy's word, but not for ever: the workqueue asks again."""
    done, _ = await asyncio.wait([future], timeout=ACKNOWLEDGE_WITHIN_S)
    if not done:
        raise TimeoutError(f"envoy did not acknowledge within {ACKNOWLEDGE_WITHIN_S:.0f} s")
    future.result()
