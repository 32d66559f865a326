"""Signatures that botocore and AWS's common runtime make are right; what was changed since is not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import awscrt.auth
import awscrt.http
import awscrt.io
import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from msgspec.structs import replace

from kunren.access import presented as p
from kunren.access.chunks import check_pieces
from kunren.access.presented import Message, Refused, check, check_time, presented
from kunren.core.aws_chunked import Piece, Unframing

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PATHS = ("/", "/bucket/a%20b/c%2Bd", "/bucket//x/../y", "/b/%E3%81%82%26")


def signed(auth, service, method="GET", path="/", query="", body=b"", token=None, headers=(), host="example.test"):
    """A request as botocore signs it: the message as it arrives."""
    url = f"https://{host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, dict(headers), body)
    request.context["payload_signing_enabled"] = True
    auth(Credentials(KEY, SECRET, token), service, "us-east-1").add_auth(request)
    sent = request.prepare()
    path_sent, _, query_sent = sent.url.removeprefix(f"https://{host}").partition("?")
    got = {name.lower(): value if isinstance(value, str) else value.decode() for name, value in sent.headers.items()}
    return Message(method, path_sent, query_sent, {"host": host, **got}, body)


def read(message):
    found = presented(message.headers, message.query)
    assert found is not None
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "b=2&a=1&a=0&empty", "prefix=a%2Fb%20c&list-type=2"])
@pytest.mark.parametrize(("auth", "service"), [(S3SigV4Auth, "s3"), (SigV4Auth, "lambda")])
def test_a_header_signed_by_botocore_is_right(auth, service, path, query):
    message = signed(auth, service, "PUT", path, query, b"content", token="T/o=ken", headers={"X-Amz-Meta-A": "a   b "})
    told = read(message)
    assert (told.access_key, told.service, told.region, told.token) == (KEY, service, "us-east-1", "T/o=ken")
    check(told, SECRET, message)
    check_time(told, datetime.now(UTC).timestamp())


@pytest.mark.parametrize(("auth", "service"), [(S3SigV4QueryAuth, "s3"), (SigV4QueryAuth, "sts")])
def test_a_presigned_url_of_botocore_is_right(auth, service):
    message = signed(auth, service, query="x=1&y", path="/bucket/a%20b", token="token")
    told = read(message)
    assert (told.presigned, told.expires, told.token) == (True, 3600, "token")
    check(told, SECRET, message)


@pytest.mark.parametrize("auth", [HmacV1Auth, HmacV1QueryAuth])
@pytest.mark.parametrize("query", ["", "versionId=a%2Fb&x=1", "acl&response-content-type=a%20b"])
def test_version_2_is_checked_for_s3(auth, query):
    url = "https://bucket.s3.amazonaws.com/a%20b" + (f"?{query}" if query else "")
    request = AWSRequest("PUT", url, {"X-Amz-Meta-A": "b", "Content-Type": "text/plain"}, b"")
    request.auth_path = "/bucket/a%20b"
    auth(Credentials(KEY, SECRET, "token")).add_auth(request)
    sent = request.prepare()
    path, _, query_sent = sent.url.removeprefix("https://bucket.s3.amazonaws.com").partition("?")
    headers = {
        name.lower(): value if isinstance(value, str) else value.decode() for name, value in sent.headers.items()
    }
    message = Message("PUT", path, query_sent, headers, b"", "bucket")
    told = read(message)
    assert (told.access_key, told.token, told.service) == (KEY, "token", "s3")
    check(told, SECRET, message)
    check_time(told, datetime.now(UTC).timestamp())
    for changed in (replace(message, method="GET"), replace(message, path="/a"), replace(message, bucket="other")):
        with pytest.raises(Refused):
            check(told, SECRET, changed)
    if told.presigned:
        with pytest.raises(Refused) as refused:
            check_time(told, told.expires + 1)
        assert refused.value.kind == p.EXPIRED


@pytest.mark.parametrize(
    "change",
    [
        {"method": "DELETE"}, {"path": "/bucket/other"}, {"query": "a=2"}, {"body": b"CONTENT"},
        {"headers": ("x-amz-meta-a", "c")}, {"headers": ("host", "other.test")},
        {"headers": ("x-amz-date", "20200101T000000Z")},
    ],
)  # fmt: skip
@pytest.mark.parametrize(("auth", "service"), [(S3SigV4Auth, "s3"), (SigV4Auth, "lambda")])
def test_what_is_signed_cannot_be_changed(auth, service, change):
    message = signed(auth, service, "PUT", "/bucket/key", "a=1", b"content", headers={"X-Amz-Meta-A": "b"})
    if "headers" in change:
        name, value = change["headers"]
        change = {"headers": {**message.headers, name: value}}
    changed = replace(message, **change)
    with pytest.raises(Refused) as refused:
        check(read(changed), SECRET, changed)
    assert refused.value.kind == (p.BODY if service == "s3" and "body" in change else p.MISMATCH)
    with pytest.raises(Refused):
        check(read(message), SECRET + "x", message)


def test_s3_wants_its_own_headers_signed():
    message = signed(S3SigV4Auth, "s3", "PUT", "/b/k", body=b"x")
    added = replace(message, headers={**message.headers, "x-amz-acl": "public-read"})
    with pytest.raises(Refused) as refused:
        check(read(added), SECRET, added)
    assert (refused.value.kind, refused.value.members) == (p.UNSIGNED_HEADERS, {"HeadersNotSigned": "x-amz-acl"})


def at(date, **given):
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    return p.Presented("AWS4-HMAC-SHA256", KEY, scope, "host", "0", date, "", **given)


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (at("20260102T030405Z"), None), (at("20260102T024905Z"), None), (at("20260102T031905Z"), None),
        (at("20260102T024904Z"), p.SKEWED), (at("20260102T031906Z"), p.SKEWED),
        (at("20260102T024904Z", presigned=True, expires=901), None),
        (at("20260102T024904Z", presigned=True, expires=900), p.EXPIRED),
        (at("20260101T030406Z", presigned=True, expires=86400), None), (at("2026-01-02"), p.NO_DATE),
        (replace(at("20260102T030405Z"), scope="20260101/us-east-1/s3/aws4_request"), p.WRONG_SCOPE),
    ],
)  # fmt: skip
def test_a_signature_is_good_for_a_quarter_of_an_hour_or_as_long_as_it_says(told, kind):
    if kind is None:
        check_time(told, NOW)
        return
    with pytest.raises(Refused) as refused:
        check_time(told, NOW)
    assert refused.value.kind == kind


def test_the_text_of_an_old_signature_names_both_times():
    with pytest.raises(Refused) as refused:
        check_time(at("20260102T020000Z"), NOW)
    wanted = "Signature expired: 20260102T020000Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"
    assert refused.value.text == wanted


QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20260102%2Fus-east-1%2Fs3%2Faws4_request"
REST = "&X-Amz-Date=20260102T030405Z&X-Amz-SignedHeaders=host&X-Amz-Signature=00"


@pytest.mark.parametrize(
    ("headers", "query", "kind", "text"),
    [
        ({}, f"{QUERY}{REST}&X-Amz-Expires=604801", p.QUERY, "X-Amz-Expires must be less than a week"),
        ({}, f"{QUERY}{REST}&X-Amz-Expires=-1", p.QUERY, "X-Amz-Expires must be non-negative"),
        ({}, f"{QUERY}{REST}&X-Amz-Expires=soon", p.QUERY, "X-Amz-Expires should be a number"),
        ({}, f"{QUERY}{REST}", p.QUERY, "Query-string authentication version 4 requires"),
        ({}, f"{QUERY}&X-Amz-Expires=5", p.QUERY, "Query-string authentication version 4 requires"),
        ({}, "AWSAccessKeyId=K&Signature=x&Expires=soon", p.MISSING, ""),
        ({"authorization": "AWS K:signature"}, "", p.NO_DATE, ""),
        ({"authorization": "AWS3-HTTPS x"}, "", p.UNSUPPORTED, ""),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=K/1/2/3/aws4_request"}, "", p.INCOMPLETE, "Authorization header"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=K/x/aws4_request, SignedHeaders=host, Signature=0"}, "",
         p.INCOMPLETE, "Credential must have exactly 5 slash-delimited elements"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=K/20260102/r/s/aws4_request, SignedHeaders=host, Signature=0"},
         "", p.NO_DATE, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."),
    ],
)  # fmt: skip
def test_signatures_that_are_not_well_formed_are_refused(headers, query, kind, text):
    with pytest.raises(Refused) as refused:
        presented(headers, query)
    assert refused.value.kind == kind
    assert text in refused.value.text


def test_a_signature_in_other_letters_than_asciis_is_a_wrong_one():
    message = signed(S3SigV4QueryAuth, "s3")
    told = replace(read(message), signature="é")
    with pytest.raises(Refused) as refused:
        check(told, SECRET, message)
    assert refused.value.kind == p.MISMATCH
    with pytest.raises(Refused):
        check_pieces(read(message), SECRET, [Piece("é", "0")], {}, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")


def test_bytes_that_are_no_text_and_numbers_that_are_none_are_refused():
    message = signed(S3SigV4Auth, "s3", headers={"x-amz-meta-a": "a"})
    with pytest.raises(Refused) as refused:
        check(read(message), SECRET, replace(message, headers={**message.headers, "x-amz-meta-a": "\udcff"}))
    assert refused.value.kind == p.MISMATCH
    for expires in ("%C2%B2", "1" * 5000):
        with pytest.raises(Refused):
            presented({}, f"AWSAccessKeyId={KEY}&Signature=x&Expires={expires}")


def test_nothing_is_no_signature():
    assert presented({}, "") is None
    assert presented({"authorization": "Bearer x"}, "list-type=2") is None


# --- AWS's common runtime: version 4a, and bodies in signed pieces ---------------------------------------------------


def common_runtime(algorithm, value, kind=awscrt.auth.AwsSignatureType.HTTP_REQUEST_HEADERS, token=None, service="s3"):
    date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    provider = awscrt.auth.AwsCredentialsProvider.new_static(KEY, SECRET, token)
    return awscrt.auth.AwsSigningConfig(
        algorithm=algorithm, signature_type=kind, credentials_provider=provider, region="us-east-1", service=service,
        date=date, use_double_uri_encode=service != "s3", should_normalize_uri_path=service != "s3",
        signed_body_value=value, signed_body_header_type=awscrt.auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )  # fmt: skip


@pytest.mark.parametrize("service", ["s3", "cloudfront-keyvaluestore"])
@pytest.mark.parametrize("secret", [SECRET, "short"])
def test_version_4a_is_checked_with_the_pair_that_the_secret_stands_for(service, secret):
    config = common_runtime(
        awscrt.auth.AwsSigningAlgorithm.V4_ASYMMETRIC, hashlib.sha256(b"").hexdigest(), service=service
    )
    provider = awscrt.auth.AwsCredentialsProvider.new_static(KEY, secret, None)
    config = config.replace(credentials_provider=provider, region="*")
    request = awscrt.http.HttpRequest("GET", "/b/a%20b?x=1", awscrt.http.HttpHeaders([("host", "example.test")]))
    awscrt.auth.aws_sign_request(request, config).result(20)
    message = Message("GET", "/b/a%20b", "x=1", {name.lower(): value for name, value in request.headers}, b"")
    told = read(message)
    assert told.asymmetric
    check(told, secret, message)
    for changed in (
        replace(message, query="x=2"),
        replace(message, headers={**message.headers, "x-amz-region-set": "r"}),
    ):
        with pytest.raises(Refused):
            check(told, secret, changed)
    with pytest.raises(Refused):
        check(told, secret + "x", message)


def in_pieces(pieces, trailers):
    """A request whose pieces are signed: its head's signature, the framed body, and how the payload is called."""
    algorithm = awscrt.auth.AwsSigningAlgorithm.V4
    named = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailers else "")
    headers = awscrt.http.HttpHeaders([("host", "example.test")])
    request = awscrt.http.HttpRequest("PUT", "/b/k", headers)
    awscrt.auth.aws_sign_request(request, common_runtime(algorithm, named)).result(20)
    got = {name.lower(): value for name, value in request.headers}
    told = presented(got, "")
    check(told, SECRET, Message("PUT", "/b/k", "", got, None))
    before, body = told.signature, b""
    for piece in [*pieces, b""]:
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", told.date, told.scope, before, hashlib.sha256(b"").hexdigest(),
                          hashlib.sha256(piece).hexdigest()))  # fmt: skip
        before = p.signature(SECRET, text, told.scope)
        body += f"{len(piece):x};chunk-signature={before}\r\n".encode() + (piece + b"\r\n" if piece else b"")
    if trailers:
        listed = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", told.date, told.scope, before,
                          hashlib.sha256(listed.encode()).hexdigest()))  # fmt: skip
        body += "".join(f"{name}:{value}\r\n" for name, value in trailers.items()).encode()
        body += f"x-amz-trailer-signature:{p.signature(SECRET, text, told.scope)}\r\n".encode()
    return told, body + b"\r\n", named


@pytest.mark.parametrize("trailers", [{}, {"x-amz-checksum-crc32c": "sOO8/Q=="}])
def test_each_piece_of_a_body_signs_the_one_before(trailers):
    told, body, named = in_pieces([b"a" * 70000, b"b" * 10], trailers)

    def checked(text, size=1 << 16):
        unframing = Unframing(keep_signatures=True)
        for start in range(0, len(text), size):
            unframing.feed(text[start : start + size])
        check_pieces(told, SECRET, unframing.pieces, unframing.finish(), named)

    checked(body)
    checked(body, 7)
    changes = [(b"aaaa", b"aaab"), (b"bbbbb", b"bbbbc"), (b"chunk-signature=", b"chunk-signature=0")]
    if trailers:
        changes += [(b"sOO8/Q==", b"sOO8/A=="), (b"x-amz-trailer-signature", b"x-amz-other")]
    for old, new in changes:
        with pytest.raises(Refused) as refused:
            checked(body.replace(old, new, 1))
        assert refused.value.kind == p.MISMATCH


def test_the_pieces_of_awss_own_example_are_right():
    """S3 API reference, "Signature Calculations for the Authorization Header: ... Multiple Chunks", the example."""
    scope = "20130524/us-east-1/s3/aws4_request"
    seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    told = p.Presented("AWS4-HMAC-SHA256", KEY, scope, "host", seed, "20130524T000000Z", "")
    body = (
        b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + b"a" * 65536
        + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + b"a" * 1024
        + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
    )  # fmt: skip
    unframing = Unframing(keep_signatures=True)
    unframing.feed(body)
    check_pieces(told, secret, unframing.pieces, {}, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
