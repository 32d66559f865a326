"""Files of standard logs that could not be written: who is told, and until when."""

from __future__ import annotations

import asyncio

import msgspec

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


def test_an_old_delivery_that_nobody_makes_says_so_and_writes_nothing():
    async def told():
        store, asked = Store(None), []
        store.register(VendedDelivery)

        async def call(*arguments):
            asked.append(arguments)

        clock = SimClock()
        logs = LogDelivery(store, clock, Entropy(1), call)
        with store.write() as tx:
            tx.put(msgspec.structs.replace(delivery("one", "E1"), format="parquet"))
            tx.put(msgspec.structs.replace(delivery("two", "E2"), to="FH"))
            tx.put(delivery("three", "E3"))
        for identity, distribution in (("one", "E1"), ("two", "E2"), ("three", "E3")):
            logs.observe(record(identity, distribution))
        running = asyncio.create_task(logs.run())
        async with asyncio.timeout(60):
            while not asked:
                clock.advance(EVERY_S)
                await asyncio.sleep(0.01)
        running.cancel()
        return logs.failures, [each[4]["Key"].partition(".")[0] for each in asked]

    failures, written = asyncio.run(told())
    assert failures == {
        "logs of E1 by delivery one": "no log can be delivered as parquet",
        "logs of E2 by delivery two": "no log can be delivered to a destination of type FH",
    }
    assert written == ["E3"]
