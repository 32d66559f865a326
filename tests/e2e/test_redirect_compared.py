"""The redirect drill side by side, as small as it can be: what is measured, and that what is dark is really dark."""

from __future__ import annotations

import json

from kunren.cli.redirect import rows_of
from kunren.drills.access import Access
from kunren.drills.redirect.compare import FAR, NEAR, Extent, compare


def test_two_architectures_differ_in_what_fails_when_their_region_goes_dark(kunren, tmp_path):
    domains = tmp_path / "domains.json"
    domains.write_text(json.dumps({"one.compared.test": "https://target.test/"}))
    access, said = Access(kunren.state, f"http://127.0.0.1:{kunren.port}"), []
    extent = Extent(load_s=0.3, dark_s=4.0, dark=("region",))
    found = compare(["alb", "cloudfront-function"], domains, access, False, said.append, extent)
    assert [(each.architecture, each.verdict) for each in found] == [("alb", True), ("cloudfront-function", True)]
    for each in found:
        assert 5 < each.steps < each.calls
        assert [(one.place, one.failed) for one in each.speeds] == [(NEAR, 0), (FAR, 0)]
        assert all(one.requests > 0 and 0 < one.p50_ms <= one.p99_ms for one in each.speeds)
    (balancer,), (edge,) = (each.darkness for each in found)
    assert all(one.sent and one.failed == one.sent and not one.recovered for one in balancer.effects)
    assert all(one.sent and not one.failed for one in edge.effects)
    assert kunren.client("elbv2", "000000000000").describe_load_balancers()["LoadBalancers"] == []
    rows = rows_of(found)
    assert rows[0] == ["architecture", "alb", "cloudfront-function"]
    assert {len(each) for each in rows} == {3}
    assert (rows[-1][0], rows[-1][2]) == (f"region us-east-1 dark, from {FAR}", "nothing fails")
    assert rows[-1][1].endswith("fail, until healed")
