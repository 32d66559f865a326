"""Datapoints on disk: merged, kept, grown coarser, forgotten."""

import asyncio

from kunren.services.cloudwatch.metrics.points import of_values
from kunren.services.cloudwatch.metrics.storage import DAY, HOUR, MetricId, Row, Storage

NOW = 1_750_000_000 // 3600 * 3600
METRIC = MetricId("1", "us-east-1", "App", "Errors", (("Host", "a"),))


def row(at, value, resolution=60, metric=METRIC, unit="Count"):
    return Row(metric, at, resolution, unit, of_values({value: 1.0}))


def put(storage, *rows):
    asyncio.run(storage.put(rows))


def read(storage, start=0, end=NOW * 2, period=3600):
    return [(at, point.samples, point.sum) for at, _, point in storage.rows(METRIC, start, end, period)]


def test_what_was_put_is_there_after_the_end_and_merges(tmp_path):
    storage = Storage(tmp_path / "m.db")
    put(storage, row(NOW, 1.0), row(NOW, 2.0), row(NOW + 60, 4.0))
    put(storage, row(NOW, 3.0))
    again = Storage(tmp_path / "m.db")  # nobody closed the first: as after kill -9
    assert read(again) == [(NOW, 3.0, 6.0), (NOW + 60, 1.0, 4.0)]
    assert again.metrics("1", "us-east-1", NOW) == [METRIC]
    assert again.metrics("1", "us-east-1", NOW + 61) == []
    storage.close()
    again.close()


def test_seconds_are_read_by_short_periods_and_minutes_are_not(tmp_path):
    storage = Storage(tmp_path / "m.db")
    put(storage, row(NOW, 1.0, 1), row(NOW + 1, 1.0, 1), row(NOW, 5.0, 60))
    assert read(storage, period=1) == [(NOW, 1.0, 1.0), (NOW + 1, 1.0, 1.0)]
    assert sum(total for _, _, total in read(storage, period=60)) == 7.0
    storage.close()


def test_datapoints_grow_coarser_with_age_and_go(tmp_path):
    storage = Storage(tmp_path / "m.db")
    put(storage, *(row(NOW + each, 1.0, 1) for each in range(120)), row(NOW + 4 * HOUR, 1.0, 1))

    async def age(now):
        await storage.age(now)

    asyncio.run(age(NOW + 4 * HOUR))
    assert read(storage) == [(NOW, 60.0, 60.0), (NOW + 60, 60.0, 60.0), (NOW + 4 * HOUR, 1.0, 1.0)]
    assert [at for at, *_ in read(storage, period=1)] == [NOW + 4 * HOUR]
    asyncio.run(age(NOW + 16 * DAY))
    assert read(storage, period=60) == []
    assert read(storage, period=300)[0] == (NOW, 120.0, 120.0)
    asyncio.run(age(NOW + 70 * DAY))
    assert read(storage, period=300) == []
    assert sum(total for _, _, total in read(storage)) == 121.0
    asyncio.run(age(NOW + 470 * DAY))
    assert read(storage) == [] and storage.status() == {"metrics": 0}
    put(storage, row(NOW + int(470 * DAY), 1.0))
    assert storage.status() == {"metrics": 1}
    storage.close()


def test_what_cannot_be_written_is_refused_alone(tmp_path):
    storage = Storage(tmp_path / "m.db")
    lone = METRIC._replace(name="\ud800")  # no UTF-8

    async def together():
        given = [row(NOW, 1.0)], [row(NOW, 2.0, metric=lone)], [row(NOW, 3.0)]
        return await asyncio.gather(*map(storage.put, given), return_exceptions=True)

    assert [type(each) for each in asyncio.run(together())] == [type(None), UnicodeEncodeError, type(None)]
    assert read(storage) == [(NOW, 2.0, 4.0)]
    storage.close()
