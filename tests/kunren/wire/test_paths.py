"""Operations of REST services by method and path."""

import pytest

from kunren.wire.catalog import Catalog
from kunren.wire.paths import PathTable
from kunren.wire.protocols.rest import query_values

CATALOG = Catalog()
TABLES = {name: PathTable(CATALOG.service(name)) for name in ("s3", "lambda", "route53", "apigateway")}


@pytest.mark.parametrize(
    ("service", "method", "target", "operation", "labels"),
    [
        ("s3", "GET", "/", "ListBuckets", {}),
        ("s3", "GET", "/b", "ListObjects", {"Bucket": "b"}),
        ("s3", "GET", "/b/", "ListObjects", {"Bucket": "b"}),
        ("s3", "GET", "/b?list-type=2&prefix=x", "ListObjectsV2", {"Bucket": "b"}),
        ("s3", "GET", "/b?versioning", "GetBucketVersioning", {"Bucket": "b"}),
        ("s3", "PUT", "/b/k/with/slash", "PutObject", {"Bucket": "b", "Key": "k/with/slash"}),
        ("s3", "PUT", "/b/folder/", "PutObject", {"Bucket": "b", "Key": "folder/"}),
        ("s3", "PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", {"Bucket": "b", "Key": "k"}),
        ("s3", "POST", "/b/k?uploads", "CreateMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("s3", "DELETE", "/b/k?uploadId=u", "AbortMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("s3", "HEAD", "/b", "HeadBucket", {"Bucket": "b"}),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", "Invoke", {"FunctionName": "f"}),
        ("lambda", "GET", "/2015-03-31/functions/", "ListFunctions", {}),
        ("lambda", "GET", "/2015-03-31/functions", "ListFunctions", {}),
        (
            "lambda",
            "GET",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax",
            "GetFunction",
            {"FunctionName": "arn:aws:lambda:x"},
        ),
        ("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset/", "ChangeResourceRecordSets", {"Id": "Z1"}),
        ("route53", "POST", "/2013-04-01/hostedzone/Z1/rrset", "ChangeResourceRecordSets", {"Id": "Z1"}),
        (
            "route53",
            "GET",
            "/2013-04-01/trafficpolicyinstances/hostedzone",
            "ListTrafficPolicyInstancesByHostedZone",
            {},
        ),
        (
            "apigateway",
            "GET",
            "/restapis/a/resources/r/methods/GET",
            "GetMethod",
            {"restapi_id": "a", "resource_id": "r", "http_method": "GET"},
        ),
    ],
)
def test_a_path_names_its_operation(
    service: str, method: str, target: str, operation: str, labels: dict[str, str]
) -> None:
    path, _, query = target.partition("?")
    found = TABLES[service].match(method, path, query_values(query), {})
    assert found is not None
    assert (found.operation, found.labels) == (operation, labels)


def test_a_copy_is_told_by_its_header() -> None:
    found = TABLES["s3"].match("PUT", "/b/k", {}, {"x-amz-copy-source": "/a/b"})
    assert found is not None and found.operation == "CopyObject"


def test_an_empty_label_or_a_path_nobody_has_matches_nothing() -> None:
    assert TABLES["lambda"].match("GET", "/2015-03-31/functions//invocations", {}, {}) is None
    assert TABLES["lambda"].match("GET", "/elsewhere", {}, {}) is None
    assert TABLES["lambda"].match("TRACE", "/2015-03-31/functions", {}, {}) is None


def test_the_methods_of_a_path_are_known() -> None:
    assert set(TABLES["lambda"].methods_of("/2015-03-31/functions/f")) == {"GET", "DELETE"}


@pytest.mark.parametrize(
    "service", ["lambda", "route53", "apigatewayv2", "cloudfront", "fis", "s3control", "kafka", "appsync", "eks"]
)
def test_every_operation_is_found_at_its_own_template(service: str) -> None:
    model = CATALOG.service(service)
    table = PathTable(model)
    for operation in model.operations.values():
        path, _, query = operation.http.request_uri.partition("?")
        filled = path.replace("{", "x-").replace("+}", "").replace("}", "")
        found = table.match(operation.http.method, filled, query_values(query), {})
        assert found is not None and found.operation == operation.name
