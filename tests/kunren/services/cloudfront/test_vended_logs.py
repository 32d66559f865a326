"""Standard logs of the newer kind: lines, files and keys as a delivery wants them."""

from __future__ import annotations

import json

import msgspec

from kunren.dataplane.edge.message import Answer, Asked, Request, Viewer, Whereabouts
from kunren.dataplane.edge.record import Record
from kunren.dataplane.edge.site import Site
from kunren.services.cloudfront.logs.model import VendedDelivery
from kunren.services.cloudfront.logs.vended import bucket_and_key, file, line, what_lacks

HOUR = 1575490862 // 3600
DELIVERY = VendedDelivery(
    account="111122223333", region="", id="d", distribution_id="E1", to="S3", target="arn:aws:s3:::logs/edge",
    format="json", fields=("timestamp", "cs-uri-stem", "c-country", "asn"), delimiter=" ",
    suffix="AWSLogs/{account-id}/CloudFront/", hive=False,
)  # fmt: skip


def record():
    viewer = Viewer("198.51.100.10", 1, "tokyo", Whereabouts("JP"), secure=False)
    request = Request("GET", "/", "", [], viewer, "id", asked=Asked(0.0, "/a", "", [], 0))
    site = Site("E1", "111122223333", "d1.cloudfront.net", (), (), {}, deliveries=("d",))
    return Record(site, request, Answer(200), 1575490862.25, 10, 0.0, 0.0)


def test_a_line_has_the_fields_that_the_delivery_names():
    assert json.loads(line(DELIVERY, record())) == {
        "timestamp": "1575490862", "cs-uri-stem": "/a", "c-country": "JP", "asn": "-",
    }  # fmt: skip
    plain = msgspec.structs.replace(DELIVERY, format="plain")
    assert line(plain, record()) == "1575490862 /a JP -"
    w3c = msgspec.structs.replace(DELIVERY, format="w3c")
    assert file(w3c, ["x"]).decode() == "#Version: 1.0\n#Fields: timestamp cs-uri-stem c-country asn\nx\n"
    assert file(plain, ["x"]) == b"x\n"


def test_keys_follow_the_suffix_path():
    assert bucket_and_key(DELIVERY, HOUR, "x") == (
        "logs", "edge/AWSLogs/111122223333/CloudFront/E1.2019-12-04-20.x.gz",
    )  # fmt: skip
    by_hour = msgspec.structs.replace(DELIVERY, target="arn:aws:s3:::logs", suffix="{DistributionId}/{yyyy}/{MM}/{HH}")
    assert bucket_and_key(by_hour, HOUR, "x")[1] == "E1/2019/12/20/E1.2019-12-04-20.x.gz"
    hive = msgspec.structs.replace(by_hour, hive=True)
    assert bucket_and_key(hive, HOUR, "x")[1] == "distributionid=E1/year=2019/month=12/hour=20/E1.2019-12-04-20.x.gz"


def test_what_nobody_delivers_is_named():
    assert {what_lacks("S3", form) for form in ("", "json", "plain", "w3c", "raw")} == {""}
    assert what_lacks("CWL", "json") == ""
    assert what_lacks("S3", "parquet") == "as parquet"
    assert what_lacks("FH", "json") == "to a destination of type FH"
