"""Lines of standard logs, as the reference has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kunren.dataplane.edge.message import Answer, Asked, Request, Viewer, Whereabouts
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.site import Site
from kunren.services.cloudfront.logs.lines import FIELDS, encoded, file, line, object_key

SITE = Site("EDFDVBD6EXAMPLE", "1", "d111111abcdef8.cloudfront.net", (), (), {}, legacy_log=True)
SENT = [
    ("Host", "www.example.com"), ("User-Agent", "curl/8 (x)"), ("Cookie", "a=1; b=2"), ("Referer", "https://e.test/"),
]  # fmt: skip


def record(answer, broken="", sent=1045):
    viewer = Viewer(
        "198.51.100.10", 46532, "tokyo", Whereabouts(), True, "2.0", "TLSv1.3", "TLS_AES_128_GCM_SHA256", reused=True
    )
    request = Request("GET", "/changed", "", [], viewer, "id==", asked=Asked(0.0, "/a%20b", "c=d e", SENT, 0))
    return Record(SITE, request, answer, 1575490862.0, sent, 0.004, 0.0125, broken)


def values(made, cookies=False):
    made = replace(made, site=replace(SITE, logs_cookies=cookies))
    return dict(zip(FIELDS, line(made).split("\t"), strict=True))


def test_a_line_has_thirty_three_fields_in_their_order():
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Range", "bytes 0-9/100"),
        ("Content-Length", "10"),
    ]
    assert line(record(Answer(206, headers, b"", "Hit"))).split("\t") == [
        "2019-12-04", "20:21:02", "NRT57-P2", "1045", "198.51.100.10", "GET", "d111111abcdef8.cloudfront.net",
        "/a%2520b", "206", "https://e.test/", "curl/8%20(x)", "c=d%20e", "-", "Hit", "id==", "www.example.com", "https",
        "120", "0.013", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "Hit", "HTTP/2.0", "-", "-", "46532", "0.004", "Hit",
        "text/html;%20charset=utf-8", "10", "0", "9",
    ]  # fmt: skip
    assert file(["x"]).decode() == (
        "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
        "cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header "
        "cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type "
        "cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type "
        "sc-content-type sc-content-len sc-range-start sc-range-end\nx\n"
    )


def test_cookies_are_there_where_they_are_wanted():
    made = record(Answer(200))
    assert values(made)["cs(Cookie)"] == "-"
    assert values(made, cookies=True)["cs(Cookie)"] == "a=1;%20b=2"


def test_errors_are_told_apart():
    failed = values(record(Answer(502, outcome="Error", detail="OriginDnsError")))
    assert (failed["x-edge-result-type"], failed["x-edge-detailed-result-type"]) == ("Error", "OriginDnsError")
    gone = values(record(Answer(200, outcome="Miss"), broken="ClientCommError"))
    assert (gone["x-edge-result-type"], gone["x-edge-response-result-type"]) == ("Error", "Miss")
    assert gone["x-edge-detailed-result-type"] == "ClientCommError"
    assert values(record(Answer(0, outcome="Error"), "ClientCommError"))["sc-status"] == "000"


@pytest.mark.parametrize(
    ("text", "shown"),
    [(None, "-"), ("", "-"), ("a\tb", "a%09b"), ("é", "%C3%A9"), ('<"#%{}|\\^~[]`\'>', "%3C%22%23%25%7B%7D%7C%5C%5E%7E%5B%5D%60%27%3E")],
)  # fmt: skip
def test_what_viewers_wrote_is_encoded(text, shown):
    assert encoded(text) == shown


def test_files_are_named_by_their_hour():
    hour = 1575490862 // 3600
    assert object_key("E1", "", hour, "aB3") == "E1.2019-12-04-20.aB3.gz"
    assert object_key("E1", "logs", hour, "x") == "logs/E1.2019-12-04-20.x.gz"
    assert object_key("E1", "logs/", hour, "x") == "logs/E1.2019-12-04-20.x.gz"


def test_the_log_of_a_staging_distribution_names_its_primary():
    staging = replace(record(Answer(200)), site=replace(SITE, primary=("E1", "d1.cloudfront.net")))
    assert line(staging).split("\t")[-2:] == ["E1", "d1.cloudfront.net"]
    fields = file([], staging=True).decode().splitlines()[1]
    assert fields.endswith(" sc-range-end primary-distribution-id primary-distribution-dns-name")
