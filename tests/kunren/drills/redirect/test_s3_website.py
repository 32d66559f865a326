"""What a bucket's website can do of the redirect document, by the website's own rules."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from urllib.parse import unquote

import pytest

from kunren.drills.redirect.expected import PATH, QUERY, canonical, expected_location
from kunren.drills.redirect.run import example_folder
from kunren.services.s3 import website


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(example_folder()))
    try:
        yield importlib.import_module("deploy_s3_website")
    finally:
        sys.path.remove(str(example_folder()))


def entry(example, url, **options):
    return example.Redirect("old.test", url, **options)


def answered(configuration):
    """Status and Location for the drill's request."""
    website.check(configuration)
    found = website.everything_to(configuration, f"{PATH}?{QUERY}", "http")
    if found is None:
        found = website.by_rules(configuration["RoutingRules"], unquote(PATH[1:]), None, "old.test", "http")
    return found.status, canonical(found.location)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://www.example.com/one", {}), ("https://www.example.com/two?campaign=spring", {}),
        ("https://www.example.org/", {}), ("http://www.example.org", {"status": 302}),
        ("https://legacy.example.net:8443/start", {"status": 302}),
        ("https://docs.example.com/manual", {"carry_path": True}),
        ("https://docs.example.com/manual/", {"carry_path": True, "status": 302}),
        ("https://docs.example.com", {"carry_path": True}),
        ("https://shop.example.com", {"carry_path": True, "carry_query": True}),
        ("https://shop.example.com:8443/", {"carry_path": True, "carry_query": True}),
    ],
)  # fmt: skip
def test_these_entries_are_served_as_the_document_says(example, url, options):
    redirect = entry(example, url, **options)
    assert example.served(redirect) == (redirect, "")
    assert answered(example.website(redirect)) == (redirect.status, expected_location(redirect))


@pytest.mark.parametrize(
    ("url", "options", "served"),
    [
        ("https://search.example.com/find", {"carry_query": True}, {"carry_query": False}),
        ("https://a.example.com", {"carry_path": True, "carry_query": True, "status": 302}, {"carry_query": False}),
        ("https://a.example.com/b", {"carry_path": True, "carry_query": True}, {"carry_query": False}),
        ("https://a.example.com/b?c=1", {"carry_path": True}, {"url": "https://a.example.com/b"}),
    ],
)  # fmt: skip
def test_what_no_website_can_do_is_left_out_and_said(example, url, options, served):
    redirect, why = example.served(entry(example, url, **options))
    assert redirect == replace(entry(example, url, **options), **served)
    assert why.endswith("served without it")
    assert answered(example.website(redirect)) == (redirect.status, expected_location(redirect))


def test_a_domain_that_no_bucket_can_be_named_is_refused(example):
    for domain in ("xn--bcher-kva.test", "a" * 60 + ".test"):
        with pytest.raises(example.BadDocument, match="no bucket can have this name"):
            example.served(replace(entry(example, "https://a.test/"), domain=domain))
