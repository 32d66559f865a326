"""Timestamps and numbers as text."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.wire.protocols import scalars

MOMENT = datetime(2013, 5, 24, 0, 0, 0, 120_000, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2013-05-24T00:00:00.120Z",
        "2013-05-24T00:00:00.12Z",
        "2013-05-24T02:00:00.120+02:00",
        "1369353600.12",
        "2013-05-23T19:00:00.120-0500",
    ],
)
def test_one_moment_is_read_from_every_format(text: str) -> None:
    assert scalars.parse_timestamp_text(text) == MOMENT


def test_other_dates_of_http_and_old_apis_are_read() -> None:
    assert scalars.parse_timestamp_text("Fri, 24 May 2013 00:00:00 GMT") == datetime(2013, 5, 24, tzinfo=UTC)
    assert scalars.parse_timestamp_text("20130524T000000Z") == datetime(2013, 5, 24, tzinfo=UTC)
    assert scalars.parse_timestamp_text("2013-05-24") == datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2013-13-01T00:00:00Z", "nan", "1e400", "99999999999999"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        scalars.parse_timestamp_text(text)


def test_each_place_has_its_format() -> None:
    assert scalars.format_iso8601(MOMENT) == "2013-05-24T00:00:00.120Z"
    assert scalars.format_iso8601(1369353600) == "2013-05-24T00:00:00.000Z"
    assert scalars.format_rfc822(MOMENT) == "Fri, 24 May 2013 00:00:00 GMT"
    assert scalars.epoch_milliseconds(MOMENT) == 1369353600.12
    assert repr(scalars.epoch_milliseconds(1369353600.0)) == "1369353600"


def test_numbers_are_read_strictly() -> None:
    assert scalars.parse_integer(" 12 ") == 12
    assert scalars.parse_float("Infinity") == float("inf")
    for parse, text in ((scalars.parse_integer, "1_0"), (scalars.parse_integer, "1.0"), (scalars.parse_float, "1_0"),
                        (scalars.parse_float, "inf"), (scalars.parse_boolean, "yes"), (scalars.parse_sized_integer("integer"), "2147483648"),
                        (scalars.parse_blob, "ü")):  # fmt: skip
        with pytest.raises(ValueError):
            parse(text)


def test_floats_that_are_no_numbers_have_names() -> None:
    assert [scalars.format_float(x) for x in (1.5, 2, float("nan"), float("-inf"))] == [
        "1.5",
        "2.0",
        "NaN",
        "-Infinity",
    ]


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)))
def test_iso8601_comes_back_to_the_millisecond(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    assert scalars.parse_timestamp_text(scalars.format_iso8601(aware)) == aware
