"""The Server-Timing header, as the Developer Guide's examples have it."""

from __future__ import annotations

from kunren.dataplane.edge.message import Answer, Asked, Request, Upstream, Viewer, Whereabouts
from kunren.dataplane.edge.server_timing import server_timing, wanted


def request(*headers, upstream=None):
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts("JP"), secure=False)
    asked = Asked(10.0, "/a", "", [], 0)
    return Request("GET", "/a", "", list(headers), viewer, "id==", asked=asked, upstream=upstream)


def test_a_miss_tells_what_the_origin_took():
    asked = request(upstream=Upstream(0.2, 114.4, 177.0))
    assert server_timing(Answer(200, outcome="Miss"), asked, 10.436) == (
        'cdn-upstream-layer;desc="EDGE",cdn-upstream-dns;dur=0,cdn-upstream-connect;dur=114,cdn-upstream-fbl;dur=177,'
        'cdn-cache-miss,cdn-pop;desc="NRT57-P2",cdn-rid;desc="id==",cdn-downstream-fbl;dur=436'
    )


def test_a_hit_tells_the_layer_and_a_refresh_the_origin():
    assert server_timing(Answer(200, outcome="Hit"), request(), 10.137) == (
        'cdn-cache-hit,cdn-pop;desc="NRT57-P2",cdn-rid;desc="id==",cdn-hit-layer;desc="EDGE",cdn-downstream-fbl;dur=137'
    )
    refreshed = server_timing(Answer(200, outcome="RefreshHit"), request(upstream=Upstream(0, 0, 5)), 10.1)
    assert "cdn-upstream-fbl;dur=5,cdn-cache-refresh," in refreshed


def test_the_sampling_rate_decides_unless_the_viewer_asks():
    assert [wanted(50.0, chance, request()) for chance in (0.0, 49.9, 50.0, 99.0)] == [True, True, False, False]
    assert not wanted(0.0, 0.0, request())
    assert wanted(0.0, 99.0, request(("Pragma", "Server-Timing")))
