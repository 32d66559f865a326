"""The pure rules: ranges, conditions, policies, websites, cross-origin requests, lifecycle, events, replication."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import AwsError
from kunren.services.s3 import conditions, cors, events, lifecycle, names, policy, replication, website
from kunren.services.s3.model import Bucket, PartOfObject, Upload, Version

DAY = 86_400.0


def version(**given):
    return Version(**{"key": "logs/a.txt", "modified": 0.0, "owner": "1", "size": 1_000_000, "etag": "abc", **given})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)), ("bytes=90-", (90, 10)), ("bytes=-30", (70, 30)), ("bytes=50-500", (50, 50)),
        ("bytes=-500", (0, 100)), ("bytes=5-1", None), ("bytes=0-1,3-4", None), ("lines=1-2", None), (None, None),
    ],
)  # fmt: skip
def test_ranges(header, expected):
    assert conditions.range_of(header, 100) == expected


def test_a_range_behind_the_end_is_not_satisfiable():
    with pytest.raises(AwsError) as caught:
        conditions.range_of("bytes=100-", 100)
    assert (caught.value.status, caught.value.headers) == (416, [("Content-Range", "bytes */100")])


def test_a_part_is_a_range():
    parts = (PartOfObject(number=1, size=7), PartOfObject(number=2, size=5))
    assert conditions.part_range(version(size=12, parts=parts), 2) == (7, 5)
    with pytest.raises(AwsError):
        conditions.part_range(version(size=12, parts=parts), 3)


def test_conditions_of_reading():
    conditions.check_read(version(), {"IfMatch": '"abc"', "IfUnmodifiedSince": -5.0})
    for given_, status in (
        ({"IfMatch": '"x"'}, 412), ({"IfNoneMatch": '"abc"'}, 304), ({"IfModifiedSince": 5.0}, 304),
        ({"IfUnmodifiedSince": -5.0}, 412), ({"IfNoneMatch": "*"}, 304),
    ):  # fmt: skip
        with pytest.raises(AwsError) as caught:
            conditions.check_read(version(), given_)
        assert caught.value.status == status


@pytest.mark.parametrize("name", ["abc", "my-bucket", "my.bucket.1", "a" * 63, "1bucket"])
def test_names_that_a_bucket_may_have(name):
    names.check_bucket_name(name)


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "My-bucket", "my_bucket", "-abc", "abc-", "a..b", "192.168.5.4", "xn--a1b", "b-s3alias"]
)
def test_names_that_it_may_not(name):
    with pytest.raises(AwsError, match="The specified bucket is not valid"):
        names.check_bucket_name(name)


def document(**given):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::shop/*", **given}]}  # fmt: skip


def test_what_makes_a_bucket_public():
    assert policy.is_public(document())
    assert policy.is_public(document(Condition={"StringLike": {"aws:Referer": "https://a.example/*"}}))
    assert not policy.is_public(document(Condition={"IpAddress": {"aws:SourceIp": "198.18.64.0/24"}}))
    assert not policy.is_public(document(Principal={"AWS": "arn:aws:iam::111122223333:root"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "Policies must be valid JSON and the first byte must be '{'"),
        ("{", "This policy contains invalid Json"),
        ('{"Statement": []}', "Could not parse the policy: Statement is empty!"),
        ('{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}', "Missing required field Principal"),
        (
            '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]}',
            "Policy has invalid action",
        ),
        (
            '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}]}',
            "Policy has invalid resource",
        ),
    ],
)
def test_policies_that_are_refused(text, message):
    with pytest.raises(AwsError) as caught:
        policy.parse(text, "shop")
    assert (caught.value.code, caught.value.message) == ("MalformedPolicy", message)


def test_routing_rules_of_a_website():
    # the examples of "Configuring advanced conditional redirects"
    rules = [
        {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
        {"Condition": {"HttpErrorCodeReturnedEquals": "404"},
         "Redirect": {"HostName": "host.example", "ReplaceKeyPrefixWith": "report-404/"}},
    ]  # fmt: skip
    assert website.by_rules(rules, "docs/page.html", None, "site.example", "http") == (
        301, "http://site.example/documents/page.html",
    )  # fmt: skip
    assert website.by_rules(rules, "ExamplePage.html", None, "site.example", "http") is None
    assert website.by_rules(rules, "ExamplePage.html", 404, "site.example", "http") == (
        301, "http://host.example/report-404/ExamplePage.html",
    )  # fmt: skip


def test_a_key_that_a_website_sends_on_ends_no_header():
    to = {"HostName": "host.example", "ReplaceKeyPrefixWith": "old/"}
    assert website.by_rules([{"Redirect": to}], "a b\r\nSet-Cookie: x=1", None, "site.example", "http") == (
        301, "http://host.example/old/a%20b%0D%0ASet-Cookie:%20x=1",
    )  # fmt: skip


def test_the_first_cors_rule_that_fits_counts():
    rules = [
        {"AllowedOrigins": ["https://*.example"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["x-amz-*"]},
        {"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]},
    ]
    assert cors.rule_for(rules, "https://www.example", "PUT", ["x-amz-meta-a"]) is rules[0]
    assert cors.rule_for(rules, "https://www.example", "PUT", ["authorization"]) is None
    assert cors.rule_for(rules, "http://elsewhere", "GET") is rules[1]


def rule(**given):
    return {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, **given}


def test_expiration_falls_on_the_midnight_after():
    # "Lifecycle rules: Based on an object's age": created 1/15/2014 10:30 AM UTC, 3 days: 1/19/2014 00:00 UTC
    assert lifecycle.deadline(1_389_781_800, 3) == 1_390_089_600


def test_what_is_due_for_a_current_version():
    rules = [rule(Expiration={"Days": 100}, Transitions=[{"Days": 30, "StorageClass": "STANDARD_IA"},
                                                         {"Days": 60, "StorageClass": "GLACIER"}])]  # fmt: skip

    def due(days, **given_):
        return lifecycle.due(rules, version(**given_), days * DAY, None, 0, True)

    assert due(29.9) is None
    assert due(30) == ("transition", "r", "STANDARD_IA")
    assert due(60) == ("transition", "r", "GLACIER")
    assert due(60, storage_class="GLACIER") is None
    assert due(60, size=1000) is None
    assert due(100) == ("expire", "r", "")
    assert due(100, key="other") is None
    assert due(1, marker=True) == ("remove", "r", "")


def test_what_is_due_for_older_versions():
    rules = [rule(NoncurrentVersionExpiration={"NoncurrentDays": 10, "NewerNoncurrentVersions": 2})]
    assert lifecycle.due(rules, version(), 9 * DAY, 0.0, 5, False) is None
    assert lifecycle.due(rules, version(), 10 * DAY, 0.0, 1, False) is None
    assert lifecycle.due(rules, version(), 10 * DAY, 0.0, 2, False) == ("remove", "r", "")


def test_an_upload_that_goes_on_for_too_long():
    rules = [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 7})]
    upload = Upload(id="u", key="logs/x", initiated=0.0, template=version())
    assert not lifecycle.abort_due(rules, upload, 6 * DAY)
    assert lifecycle.abort_due(rules, upload, 7 * DAY)


@pytest.mark.parametrize(
    ("patterns", "event", "told"),
    [
        (["s3:ObjectCreated:*"], "ObjectCreated:Copy", True),
        (["s3:ObjectCreated:Put"], "ObjectCreated:Copy", False),
        (["s3:ObjectRemoved:*", "s3:ObjectTagging:*"], "ObjectTagging:Put", True),
    ],
)
def test_which_events_a_configuration_asks_for(patterns, event, told):
    filters = {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}}
    given_ = {"QueueConfigurations": [{"Id": "q", "QueueArn": "arn:q", "Events": patterns, "Filter": filters}]}
    assert bool(list(events.destinations(given_, event, "in/a.jpg"))) is told
    assert not list(events.destinations(given_, event, "out/a.jpg"))


def bucket(name, status="Enabled"):
    return Bucket(id=name, owner="1", home="us-east-1", created=0.0, settings={"versioning": {"Status": status}})


def test_where_a_version_is_copied():
    def to(name, priority, **given_):
        return {
            "ID": name, "Status": "Enabled", "Priority": priority, "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": f"arn:aws:s3:::{name}"},
            **given_,
        }  # fmt: skip

    given_ = {"Rules": [to("one", 1), to("two", 2, Filter={"Prefix": "logs/"})]}
    assert [each["ID"] for each in replication.rules_for(given_, version())] == ["two", "one"]
    assert [each["ID"] for each in replication.rules_for(given_, version(key="x"))] == ["one"]
    assert replication.rules_for(given_, version(replication="REPLICA")) == []
    assert replication.rules_for(given_, version(marker=True)) == []
    with pytest.raises(AwsError, match="Destination bucket must have versioning enabled"):
        replication.checked(given_, bucket("source"), lambda name: bucket(name, "Suspended"))


@given(st.binary(max_size=200), st.lists(st.integers(1, 40), max_size=6), st.integers(1, 50))
def test_chunk_framing_is_undone_however_the_body_is_cut(data, sizes, cut):
    from kunren.core.aws_chunked import Unframing

    framed, rest = b"", data
    for size in sizes:
        piece, rest = rest[:size], rest[size:]
        if piece:
            framed += b"%x;chunk-signature=0\r\n%b\r\n" % (len(piece), piece)
    if rest:
        framed += b"%x\r\n%b\r\n" % (len(rest), rest)
    framed += b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    unframing = Unframing()
    out = b"".join(b"".join(unframing.feed(framed[at : at + cut])) for at in range(0, len(framed), cut))
    assert (out, unframing.finish()) == (data, {"x-amz-checksum-crc32": "AAAAAA=="})
