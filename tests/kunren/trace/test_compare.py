"""Differences between what was foretold and what happened; what was not foretold is none."""

import pytest

from kunren.trace.compare import differences
from kunren.trace.model import ANSWER, NO_ADDRESS, TIMEOUT, Expected, Observed, Target


def whats(expected, observed):
    return [each.what.partition(" (")[0] for each in differences(expected, observed)]


def test_what_agrees_has_no_differences():
    target = Target(group="g", id="10.0.0.1:80", probability=1.0)
    expected = Expected(
        outcome=ANSWER, addresses=("198.19.0.1", "198.19.0.2"), statuses=(301, 302), location="https://x/",
        fingerprint="ab", verified=True, answered_by="target", targets=(target,),
    )  # fmt: skip
    observed = Observed(
        outcome=ANSWER, addresses=("198.19.0.2",), status=302, location="https://x/", fingerprint="ab", verified=True,
        answered_by="target", target="10.0.0.1:80",
    )  # fmt: skip
    assert whats(expected, observed) == []


@pytest.mark.parametrize(
    ("expected", "observed", "what"),
    [
        ({"outcome": TIMEOUT}, {}, "outcome"),
        ({"rcode": "NXDOMAIN"}, {"outcome": NO_ADDRESS, "rcode": "SERVFAIL"}, "rcode"),
        ({"addresses": ("198.19.0.1",)}, {"addresses": ("198.19.0.9",)}, "addresses"),
        ({"addresses": ()}, {"addresses": ("198.19.0.9",)}, "addresses"),
        ({"statuses": (200,)}, {"status": 502}, "status"),
        ({"location": "https://x/"}, {"status": 301, "location": "https://y/"}, "Location"),
        ({"location": "https://x/"}, {"status": 200}, "Location"),
        ({"fingerprint": "ab"}, {"fingerprint": "cd"}, "certificate"),
        ({"verified": True}, {"verified": False}, "certificate trusted"),
        ({"answered_by": "load balancer"}, {"answered_by": "target"}, "answered by"),
        ({"targets": (Target(group="g", id="a:1", probability=1),)}, {"target": "b:1"}, "target"),
    ],
)
def test_each_difference_is_named(expected, observed, what):
    assert whats(Expected(**expected), Observed(**{"outcome": ANSWER, **observed})) == [what]


def test_what_nobody_foretold_or_nobody_saw_is_no_difference():
    assert whats(Expected(), Observed(outcome=ANSWER, status=200, location="x", target="a:1", verified=False)) == []
    assert whats(Expected(answered_by="target", fingerprint="ab"), Observed(outcome=ANSWER)) == []
