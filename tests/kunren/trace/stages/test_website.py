"""What a trace foretells of buckets' websites."""

from __future__ import annotations

import pytest

from kunren.control.store import Store
from kunren.dataplane.dns.zones import Zones
from kunren.services.s3.model import Bucket
from kunren.trace.course import Course, State
from kunren.trace.request import parsed
from kunren.trace.stages import website
from kunren.world.addresses import website_endpoint
from kunren.world.worldfile import load_world

CONFIGURATIONS = {
    "all.test": {"RedirectAllRequestsTo": {"HostName": "new.test", "Protocol": "https"}},
    "page.test": {
        "IndexDocument": {"Suffix": "index.html"},
        "RoutingRules": [{"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}],
    },
    "none.test": None,
}


def foretold(url, method="GET"):
    store, spec = Store(None), load_world(None)
    store.register(Bucket)
    with store.write() as tx:
        for name, configuration in CONFIGURATIONS.items():
            settings = {"website": configuration} if configuration else {}
            tx.put(Bucket(id=name, owner="1", home="us-east-1", created=0.0, settings=settings))
    state = State(store.snapshot(), Zones(), spec)
    course = Course(state, parsed({"url": url, "method": method}, spec), website_endpoint(0))
    step = website.stage(course)
    expected = course.expected
    return step.because, expected.outcome, expected.statuses, expected.location, bool(expected.unsure)


@pytest.mark.parametrize(
    ("url", "method", "told"),
    [
        ("http://all.test/a?b=c", "GET", ("its website redirects all requests: 301 to https://new.test/a?b=c", "answer",
                                          (301,), "https://new.test/a?b=c", False)),
        ("http://page.test/old/x", "GET", ("a routing rule takes the key: 301 to http://page.test/new/x", "answer",
                                           (301,), "http://page.test/new/x", False)),
        ("http://page.test.s3-website-us-east-1.amazonaws.com/a", "GET",
         ("no redirect is for this key", "answer", None, None, True)),
        ("http://page.test/a", "POST", ("a website takes no POST", "answer", (405,), None, False)),
        ("http://none.test/", "GET", ("bucket none.test has no website configuration", "answer", (404,), None, False)),
        ("http://nobody.test/", "GET", ("no bucket is named nobody.test", "answer", (404,), None, False)),
        ("https://all.test/", "GET", ("websites answer on port 80 alone", "refused", None, None, False)),
    ],
)  # fmt: skip
def test_a_website_answers_as_its_configuration_says(url, method, told):
    assert foretold(url, method) == told


def test_other_addresses_are_no_website():
    spec = load_world(None)
    course = Course(State(Store(None).snapshot(), Zones(), spec), parsed({"url": "http://a.test/"}, spec), "198.19.0.2")
    assert website.stage(course) is None
