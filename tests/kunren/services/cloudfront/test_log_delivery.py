"""Files of standard logs that could not be written: who is told, and until when."""

from __future__ import annotations

import asyncio

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.dataplane.edge.message import Answer, Asked, Request, Viewer, Whereabouts
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.site import Site
from kunren.services.cloudfront.logs.delivery import EVERY_S, LogDelivery
from kunren.services.cloudfront.logs.model import VendedDelivery

ACCOUNT = "111122223333"


def delivery(identity, distribution):
    return VendedDelivery(
        account=ACCOUNT, region="", id=identity, distribution_id=distribution, to="S3", target="arn:aws:s3:::gone",
        format="json", fields=("sc-status",), delimiter=" ", suffix="", hive=False,
    )  # fmt: skip


def record(identity, distribution):
    viewer = Viewer("198.51.100.10", 1, "tokyo", Whereabouts("JP"), secure=False)
    request = Request("GET", "/", "", [], viewer, "id", asked=Asked(0.0, "/a", "", [], 0))
    site = Site(distribution, ACCOUNT, "d1.cloudfront.net", (), (), {}, deliveries=(identity,))
    return Record(site, request, Answer(200), 1575490862.25, 10, 0.0, 0.0)


def test_a_failure_is_of_one_log_and_ends_with_it():
    async def told():
        store, clock = Store(None), SimClock()
        store.register(VendedDelivery)
        asked = []

        async def call(account, region, service, operation, params):
            asked.append(params["Bucket"])
            raise WireError("NoSuchBucket", "The specified bucket does not exist", 404)

        logs = LogDelivery(store, clock, Entropy(1), call)
        with store.write() as tx:
            for each in (delivery("one", "E1"), delivery("two", "E2")):
                tx.put(each)
        logs.observe(record("one", "E1"))
        logs.observe(record("two", "E2"))
        running = asyncio.create_task(logs.run())
        async with asyncio.timeout(60):
            while len(logs.failures) < 2:
                clock.advance(EVERY_S)
                await asyncio.sleep(0.01)
        running.cancel()
        assert asked == ["gone", "gone"]
        both = logs.failures
        with store.write() as tx:
            tx.delete(delivery("one", "E1"))
        return both, logs.failures

    why = "gone: NoSuchBucket: The specified bucket does not exist"
    both, left = asyncio.run(told())
    assert both == {"logs of E1 by delivery one": why, "logs of E2 by delivery two": why}
    assert left == {"logs of E2 by delivery two": why}
