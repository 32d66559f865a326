"""One Route 53 without gateway and sockets: the API, its store, the DNS data plane's zones and the controller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.server import DnsServer
from kunren.dataplane.dns.zones import NameRecords
from kunren.services.route53.api import Route53Api
from kunren.services.route53.controllers import Route53Controller
from kunren.services.route53.model import HostedZone
from kunren.services.route53.store import Route53Store
from kunren.world.spec import Region, WorldSpec

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abcdef", 0, 0),))
ELB = "lb-1.us-east-1.elb.amazonaws.com"


class Service:
    """Calls by operation name, in one account; `settle` lets the controller publish."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = SimClock()
        self.store = store or Store(None)
        entropy = Entropy(7)
        self.dns = DnsServer(None, self.clock, entropy, SPEC)  # type: ignore[arg-type]
        self.dns.publish_names("elb", {ELB: NameRecords(a=("198.19.0.16",))})
        records = Route53Store(self.store, self.clock, entropy)
        self.api = Route53Api(records, self.clock, entropy, self.dns)
        self.controller = Route53Controller(records, self.dns, self.clock)
        self._loop = asyncio.new_event_loop()

    def context(self, operation: str, account: str = "000000000000") -> RequestContext:
        return RequestContext(account, "us-east-1", "route53", operation, "request")

    def hosted(self, zone: str) -> HostedZone:
        found = self.store.snapshot().get(HostedZone, "000000000000", "", zone.rpartition("/")[2])
        assert found is not None
        return found

    def call(self, operation: str, account: str = "000000000000", **params: Any) -> dict[str, Any]:
        found: Any = getattr(self.api, operation)(self.context(operation, account), params)
        answer: dict[str, Any] = self._loop.run_until_complete(found) if asyncio.iscoroutine(found) else found
        return answer

    def zone(self, name: str = "example.com", reference: str = "1", **params: Any) -> str:
        made = self.call("create_hosted_zone", Name=name, CallerReference=reference, **params)
        found: str = made["HostedZone"]["Id"]
        return found

    def change(self, zone: str, *changes: tuple[str, dict[str, Any]]) -> str:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": given} for action, given in changes]}
        found: str = self.call("change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"]
        return found

    def settle(self) -> None:
        async def main() -> None:
            running = asyncio.ensure_future(self.controller.run())
            await asyncio.sleep(0)
            await self.controller.controller.settled()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        self._loop.run_until_complete(main())

    def close(self) -> None:
        self._loop.close()

    def names(self, zone: str, **params: Any) -> list[tuple[str, str]]:
        listed = self.call("list_resource_record_sets", HostedZoneId=zone, **params)
        return [(each["Name"], each["Type"]) for each in listed["ResourceRecordSets"]]


@pytest.fixture
def new_service() -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def new(store: Store | None = None) -> Service:
        made.append(Service(store))
        return made[-1]

    yield new
    for each in made:
        each.close()


@pytest.fixture
def service(new_service: Callable[..., Service]) -> Service:
    return new_service()
