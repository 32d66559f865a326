"""The load balancer's own pages."""

from kunren.services.elbv2.dataplane.answers import header, literal, local_replies, page


def test_pages_are_alb_s():
    assert page(503) == (
        "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
        "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    assert len(page(301)) == 134
    assert "<title>463</title>" in page(463)


def test_per_cent_signs_are_doubled_for_envoy():
    assert literal("100%") == "100%%"
    assert header("a", "b") == {"header": {"key": "a", "value": "b"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def test_statuses_are_decided_by_envoy_s_reason_before_its_status():
    statuses = [each["status_code"] for each in local_replies()["mappers"]]
    assert statuses == [301, 302, 504, 502, 503, 408, 504, 501, 400, 400, 400, 400]
