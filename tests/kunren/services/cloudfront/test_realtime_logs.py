"""Records of real-time logs: what they say, in which order, and what becomes of those that no stream takes."""

from __future__ import annotations

import asyncio

import pytest

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.dataplane.edge.message import Answer, Asked, Request, Upstream, Viewer, Whereabouts
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.site import Site
from kunren.services.cloudfront.errors import InvalidArgument
from kunren.services.cloudfront.realtime_logs import rules
from kunren.services.cloudfront.realtime_logs.delivery import GATHER_S, WAITING_MAX, RealtimeDelivery
from kunren.services.cloudfront.realtime_logs.fields import FIELDS, cmcd, line, ordered
from kunren.services.cloudfront.realtime_logs.model import RealtimeLogConfig

ACCOUNT = "111122223333"
STREAM, ROLE = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/seen", f"arn:aws:iam::{ACCOUNT}:role/path/teller"
SENT = [
    ("Host", "www.example.com"), ("User-Agent", "curl/8 (x)"), ("Cookie", "a=1; b=2"), ("Accept", "*/*"),
    ("Accept-Encoding", "gzip, br"), ("CMCD-Session", 'sid="6e2fb550",sf=h'),
]  # fmt: skip
TRUSTING = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}


def record(pattern="*", sent=SENT, query="c=d e", address="198.51.100.10", **request):
    viewer = Viewer(
        address, 46532, "tokyo", Whereabouts("JP"), True, "2.0", "TLSv1.3", "TLS_AES_128_GCM_SHA256", reused=True
    )
    asked = Asked(0.0, "/a", query, sent, 0)
    made = Request("GET", "/changed", "", [], viewer, "id==", asked=asked, pattern=pattern, **request)
    headers = [("Content-Type", "text/html"), ("Content-Length", "10")]
    site = Site("E1", ACCOUNT, "d111111abcdef8.cloudfront.net", (), (), {}, realtime_logs={"*": "seen"})
    return Record(site, made, Answer(200, headers, b"", "Miss"), 1575490862.25, 1045, 0.004, 0.0125)


def test_fields_are_in_the_documented_order():
    first = (
        "timestamp c-ip s-ip time-to-first-byte sc-status sc-bytes cs-method cs-protocol cs-host cs-uri-stem cs-bytes "
        "x-edge-location x-edge-request-id x-host-header time-taken cs-protocol-version c-ip-version cs-user-agent "
        "cs-referer cs-cookie cs-uri-query x-edge-response-result-type x-forwarded-for ssl-protocol ssl-cipher "
        "x-edge-result-type fle-encrypted-fields fle-status sc-content-type sc-content-len sc-range-start sc-range-end "
        "c-port x-edge-detailed-result-type c-country cs-accept-encoding cs-accept cache-behavior-path-pattern "
        "cs-headers cs-header-names cs-headers-count primary-distribution-id primary-distribution-dns-name origin-fbl "
        "origin-lbl asn"
    )
    assert list(FIELDS)[:46] == first.split(" ")
    assert ordered(["cs-method", "timestamp", "cs-method"]) == ("timestamp", "cs-method")


def test_a_record_has_its_values_between_tabs():
    upstream = Upstream(0.0, 0.0, 12.0)
    made = record(upstream=upstream, origin_asked="origin.example.com", failed_over="502")
    names = ordered(set(FIELDS) - {each for each in FIELDS if each.startswith("cmcd-")})
    assert line(made, names) == "\t".join(
        [
            "1575490862.250", "198.51.100.10", "-", "0.004", "200", "1045", "GET", "https", "www.example.com",
            "/a?c=d%20e", "165", "NRT57-P2", "id==", "d111111abcdef8.cloudfront.net", "0.013", "HTTP/2.0", "IPv4",
            "curl/8%20(x)", "-", "a=1;%20b=2", "c=d%20e", "Miss", "-", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "Miss",
            "-", "-", "text/html", "10", "-", "-", "46532", "Miss", "JP", "gzip,%20br", "*/*", "*",
            "Host:www.example.com%0AUser-Agent:curl/8%20(x)%0ACookie:a=1;%20b=2%0AAccept:*/*%0A"
            "Accept-Encoding:gzip,%20br%0ACMCD-Session:sid=%226e2fb550%22,sf=h%0A",
            "Host%0AUser-Agent%0ACookie%0AAccept%0AAccept-Encoding%0ACMCD-Session%0A", "6", "-", "-", "0.012", "-", "-",
            "origin.example.com", "Failover:502", "-", "-", "-",
        ]
    ) + "\n"  # fmt: skip
    assert line(record(address="3fff::1"), ("c-ip-version",)) == "IPv6\n"


def test_cookies_and_headers_end_after_800_bytes():
    made = record(sent=[("Cookie", "x" * 900), *((f"X-{number}", "y") for number in range(200))])
    assert [len(each) for each in line(made, ("cs-cookie", "cs-headers", "cs-header-names"))[:-1].split("\t")] == [
        800, 800, 800,
    ]  # fmt: skip


def test_media_players_tell_of_themselves_in_headers_or_in_the_query():
    shown = line(record(), ("cmcd-session-id", "cmcd-streaming-format", "cmcd-startup"))
    assert shown == "6e2fb550\th\t-\n"
    assert cmcd(Asked(0.0, "/", "x=1&CMCD=br%3D3200%2Cbs%2Csid%3D%22a%22", [], 0)) == {
        "br": "3200", "bs": "true", "sid": "a",
    }  # fmt: skip


GIVEN = {
    "SamplingRate": 100,
    "Fields": ["cs-method", "timestamp"],
    "EndPoints": [{"StreamType": "Kinesis", "KinesisStreamConfig": {"RoleARN": ROLE, "StreamARN": STREAM}}],
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"SamplingRate": 0}, {"SamplingRate": 101}, {"SamplingRate": None}, {"Fields": []}, {"Fields": ["cs-weather"]},
        {"EndPoints": []}, {"EndPoints": GIVEN["EndPoints"] * 2}, {"EndPoints": [{"StreamType": "Kinesis"}]},
        {"EndPoints": [{**GIVEN["EndPoints"][0], "StreamType": "Firehose"}]},
        {
            "EndPoints": [
                {"StreamType": "Kinesis", "KinesisStreamConfig": {"RoleARN": ROLE, "StreamARN": "arn:aws:s3:::logs"}}
            ]
        },
        {
            "EndPoints": [
                {"StreamType": "Kinesis", "KinesisStreamConfig": {"RoleARN": STREAM, "StreamARN": STREAM}}
            ]
        },
    ],
)  # fmt: skip
def test_what_no_configuration_may_be_is_refused(wrong):
    assert rules.completed(ACCOUNT, "seen", GIVEN).fields == ("timestamp", "cs-method")
    with pytest.raises(InvalidArgument):
        rules.completed(ACCOUNT, "seen", {**GIVEN, **wrong})


class Streams:
    """IAM and Kinesis, as `call` finds them."""

    def __init__(self, trust=TRUSTING, refuses=()):
        self.trust, self.refuses, self.batches = trust, refuses, []

    async def __call__(self, account, region, service, operation, params):
        if operation == "GetRole":
            assert params == {"RoleName": "teller"}
            if self.trust is None:
                raise WireError("NoSuchEntity", "Role teller not found", 404)
            return {"Role": {"AssumeRolePolicyDocument": self.trust}}
        assert (account, region, service, operation) == (ACCOUNT, "us-east-1", "kinesis", "PutRecords")
        assert params["StreamARN"] == STREAM
        self.batches.append(len(params["Records"]))
        bad = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
        return {"Records": [bad if each in self.refuses else {} for each in range(len(params["Records"]))]}


def told(streams, count, rate=100, gone=False):
    """Let so many requests be observed; then the delivery."""

    async def observed():
        store, clock = Store(None), SimClock()
        store.register(RealtimeLogConfig)
        config = rules.completed(ACCOUNT, "seen", {**GIVEN, "SamplingRate": rate})
        with store.write() as tx:
            tx.put(config)
        delivery = RealtimeDelivery(store, clock, Entropy(1), streams)
        delivery.observe(record(pattern="/other"))
        for _ in range(count):
            delivery.observe(record())
        if gone:
            with store.write() as tx:
                tx.delete(config)
        async with asyncio.timeout(60):
            while sum(delivery.status().get("seen", {}).values()) < count * rate // 100 - 500 * (rate < 100):
                clock.advance(GATHER_S)
                await asyncio.sleep(0)
        await delivery.stop()
        return delivery

    return asyncio.run(observed())


def test_records_go_out_in_batches_that_kinesis_takes():
    streams = Streams()
    assert told(streams, 1200).status() == {"seen": {"delivered": 1200, "lost": 0}}
    assert streams.batches == [500, 500, 200]


def test_a_share_of_the_requests_is_told():
    streams = Streams()
    delivered = told(streams, 9000, rate=20).status()["seen"]["delivered"]
    assert sum(streams.batches) >= delivered >= 1300
    assert sum(streams.batches) < 2300


def test_what_finds_no_room_is_counted_and_told():
    delivery = told(Streams(), WAITING_MAX + 5)
    assert delivery.status() == {"seen": {"delivered": WAITING_MAX, "lost": 5}}


@pytest.mark.parametrize(
    ("streams", "lost", "why"),
    [
        (Streams(refuses=(1,)), 1, "ProvisionedThroughputExceededException: Rate exceeded"),
        (Streams(trust=None), 3, "NoSuchEntity: Role teller not found"),
        (
            Streams(trust={"Statement": []}), 3,
            f"the trust policy of {ROLE} does not let cloudfront.amazonaws.com assume the role",
        ),
    ],
)  # fmt: skip
def test_a_stream_or_role_that_fails_is_counted_and_told(streams, lost, why):
    delivery = told(streams, 3)
    assert delivery.status() == {"seen": {"delivered": 3 - lost, "lost": lost}}
    assert delivery.failures == {"real-time log seen": f"{lost} records lost: {why}"}


def test_nobody_is_told_of_a_configuration_that_is_gone():
    delivery = told(Streams(), 3, gone=True)
    assert delivery.status() == {"seen": {"delivered": 0, "lost": 3}}
    assert delivery.failures == {}
