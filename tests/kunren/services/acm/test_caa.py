"""CAA records: the examples of AWS's pages and of RFC 8659, and certificates that they stop."""

from __future__ import annotations

import asyncio

import pytest

from kunren.services.acm.caa import climb, permitted, refused


@pytest.mark.parametrize(
    ("records", "name", "allowed"),
    [
        ({}, "www.example.com", True),
        ({"example.com": ['0 issue "amazon.com"']}, "www.example.com", True),
        ({"example.com": ['0 issue "SomeCA.com"']}, "www.example.com", False),
        ({"www.example.com": ['0 issue "amazon.com"'], "example.com": ['0 issue "x"']}, "www.example.com", True),
        ({"www.example.com": ['0 issue "x"'], "example.com": ['0 issue "amazon.com"']}, "www.example.com", False),
        ({"example.com": ['0 issue "x"', '0 issue "AmazonTrust.com; validationmethods=dns-01"']}, "example.com", True),
        ({"example.com": ['0 issue ";"']}, "example.com", False),
        ({"example.com": ['0 iodef "mailto:a@example.com"']}, "example.com", True),
        ({"example.com": ['0 issue "awstrust.com"', '0 issuewild ";"']}, "*.example.com", False),
        ({"example.com": ['0 issue "awstrust.com"', '0 issuewild ";"']}, "example.com", True),
        ({"example.com": ['0 issuewild "amazonaws.com"']}, "*.example.com", True),
        ({"example.com": ['0 issuewild "x"']}, "example.com", True),
        ({"example.com": ['0 issue "x"']}, "*.example.com", False),
        ({"example.com": ['128 tbs "unknown"', '0 issue "amazon.com"']}, "example.com", False),
        ({"example.com": ['0 tbs "unknown"']}, "example.com", True),
    ],
)
def test_records_decide_who_may_issue(records, name, allowed) -> None:
    assert permitted(name, records) is allowed


def test_the_lookup_climbs_and_asks_each_name_once() -> None:
    assert climb("*.a.example.com") == ["a.example.com", "example.com", "com"]
    asked = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        return ['0 issue "x"'] if name == "b.test" else []

    names = ["b.test", "www.b.test", "c.test"]
    assert asyncio.run(refused(names, lookup)) == ["b.test", "www.b.test"]
    assert sorted(asked) == ["b.test", "c.test", "test", "www.b.test"]
