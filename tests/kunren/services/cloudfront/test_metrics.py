"""Metrics of distributions out of what the edge counted."""

from __future__ import annotations

from kunren.dataplane.edge.counts import Counts
from kunren.dataplane.edge.message import Answer, Asked, Request, Viewer, Whereabouts
from kunren.services.cloudfront.metrics import always, on_request


def counted(*answers):
    """Counts of (method, status, outcome), 100 bytes and 20 ms each."""
    counts = Counts()
    viewer = Viewer("198.51.100.10", 1, "tokyo", Whereabouts(), secure=False)
    for method, status, outcome in answers:
        request = Request(method, "/", "", [], viewer, "id", asked=Asked(0.0, "/", "", [], 7))
        counts.add(request, Answer(status, outcome=outcome), 100, 0.02)
    return counts


def test_every_distribution_has_sums_and_rates():
    counts = counted(("GET", 200, "Hit"), ("POST", 200, "Miss"), ("GET", 404, "Error"), ("GET", 503, "Error"))
    assert list(always(counts)) == [
        ("Requests", 4.0, "None"),
        ("BytesDownloaded", 300.0, "None"),
        ("BytesUploaded", 7.0, "None"),
        ("TotalErrorRate", 50.0, "Percent"),
        ("4xxErrorRate", 25.0, "Percent"),
        ("5xxErrorRate", 25.0, "Percent"),
    ]


def test_a_subscription_adds_hits_latency_and_statuses():
    hits = [("GET", 200, "Hit")] * 2 + [("GET", 200, "RefreshHit"), ("GET", 200, "Miss"), ("GET", 404, "Error")]
    hits.append(("POST", 200, "Miss"))  # no cache is asked about it
    more = {name: (round(value, 6), unit) for name, value, unit in on_request(counted(*hits))}
    assert more == {
        "CacheHitRate": (75.0, "Percent"),
        "OriginLatency": (20.0, "Milliseconds"),
        "401ErrorRate": (0.0, "Percent"),
        "403ErrorRate": (0.0, "Percent"),
        "404ErrorRate": (16.666667, "Percent"),
        "502ErrorRate": (0.0, "Percent"),
        "503ErrorRate": (0.0, "Percent"),
        "504ErrorRate": (0.0, "Percent"),
    }
    assert "CacheHitRate" not in {name for name, _, _ in on_request(counted(("GET", 404, "Error")))}
