"""The Lua that wrk is given, and what is read from it."""

from __future__ import annotations

import pytest

from benchmarks import wrk


def test_the_script_sends_the_request_with_a_counter_in_its_body() -> None:
    request = wrk.Request(
        "http://127.0.0.1:4566/2013-04-01/tags", "POST", {"Host": "a.test"}, f"Value={wrk.COUNTER}&b=1"
    )
    made = wrk.script(request, start=40)
    assert 'local parts = {"Value=", "&b=1"}' in made
    assert 'wrk.format("POST", "/2013-04-01/tags", {["Host"] = "a.test"}, table.concat(parts, 40 + counter))' in made


def test_figures_are_read_from_among_other_output() -> None:
    line = '{"requests":3000,"micros":1500000,"p50":2500.0,"p99":9000.0,"refused":0,"broken":0}'
    load = wrk.read(f"Running 2s test\nRESULT {line}\n")
    assert load.per_second == 2000
    assert (load.p50_ms, load.p99_ms, load.refused, load.broken) == (2.5, 9.0, 0, 0)


def test_output_without_figures_is_an_error() -> None:
    with pytest.raises(ValueError):
        wrk.read("unable to connect to 127.0.0.1:1")
