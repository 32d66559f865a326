"""Values counted by minute."""

import asyncio

from kunren.core.counted_metrics import CountedMetrics


def run(adds, asks=("GetMetricData",)):
    calls = []

    async def call(account, region, service, operation, params):
        calls.append((account, region, params))
        return {}

    async def story():
        counted = CountedMetrics("AWS/Some", call)
        for each in adds:
            counted.add("1", "us-east-1", (("A", "b"),), *each)
        for each in asks:
            await counted.before(each)
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(story())
    return calls


def test_values_of_a_minute_are_counted_together():
    ((account, region, told),) = run([("Errors", "Count", 0.0, 60.0), ("Errors", "Count", 0.0, 119.0),
                                      ("Errors", "Count", 1.0, 90.0, 3.0)])  # fmt: skip
    assert (account, region, told["Namespace"]) == ("1", "us-east-1", "AWS/Some")
    (datum,) = told["MetricData"]
    assert (datum["Values"], datum["Counts"], datum["Timestamp"].timestamp()) == ([0.0, 1.0], [2.0, 3.0], 60.0)


def test_what_is_too_much_is_delivered_unasked_and_many_values_share():
    assert run([("Errors", "Count", 1.0, 60.0 * each) for each in range(4001)], asks=())
    ((_, _, told),) = run([("Took", "Seconds", float(each), 0.0) for each in range(1000)])
    (datum,) = told["MetricData"]
    assert len(datum["Values"]) == 140 and sum(datum["Counts"]) == 1000.0


def test_nothing_is_delivered_for_its_own_calls():
    assert run([("Errors", "Count", 1.0, 0.0)], asks=("PutMetricData",)) == []
