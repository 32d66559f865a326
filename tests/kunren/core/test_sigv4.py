"""Signatures as botocore makes them, and what of a request may not be changed."""

from __future__ import annotations

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kunren.core.sigv4 import EMPTY_SHA256, UNSIGNED, Credential

OWN = Credential("ASIAEXAMPLE", "secret", "token")
NOW = 1_700_000_000.0


def signed(method="GET", path="/a%20b/c", query="x=1&a=%2F&b", service="s3", **more):
    headers = {
        "host": "bucket.s3.us-east-1.amazonaws.com",
        "x-amz-date": "20231114T221320Z",
        "x-amz-content-sha256": UNSIGNED if service == "s3" else EMPTY_SHA256,
        "x-amz-security-token": OWN.token,
        **more,
    }
    text = OWN.authorization(method, path, query, headers, region="us-east-1", service=service, now=NOW)
    return {**headers, "authorization": text}


@pytest.mark.parametrize("service", ["s3", "lambda"])
def test_the_signature_is_botocores(service):
    ours = signed(service=service)
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials(OWN.access_key, OWN.secret, OWN.token), service, "us-east-1"
    )
    request = AWSRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/a%20b/c?x=1&a=%2F&b")
    request.context["timestamp"] = "20231114T221320Z"
    for name in ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token"):
        request.headers[name] = ours[name]
    canonical = auth.canonical_request(request)
    assert ours["authorization"].endswith(auth.signature(auth.string_to_sign(request, canonical), request))


def test_what_is_signed_cannot_be_changed():
    headers = signed()
    good = ("GET", "/a%20b/c", "x=1&a=%2F&b")
    assert OWN.signed(headers)
    assert OWN.verifies(*good, headers)
    assert OWN.verifies("GET", "/a%20b/c", "b=&a=/&x=1", headers)  # the order of parameters is not signed
    assert not OWN.verifies("PUT", *good[1:], headers)
    assert not OWN.verifies("GET", "/a%20b/d", good[2], headers)
    assert not OWN.verifies("GET", "/a%20b/c", "x=2&a=%2F&b", headers)
    for name, value in (("host", "other"), ("x-amz-date", "20231114T221321Z"), ("x-amz-security-token", "x")):
        assert not OWN.verifies(*good, {**headers, name: value})
    assert not OWN.verifies(*good, {**headers, "x-amz-source-arn": "added"})
    assert not Credential("ASIAEXAMPLE", "other", "token").verifies(*good, headers)
    assert not Credential("ASIAOTHER", "secret", "token").signed(headers)
