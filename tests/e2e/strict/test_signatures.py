"""Strict mode with real clients: whose signature is wrong, or missing, or too old, is refused as on AWS."""

import base64
import hashlib
import subprocess
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from strict_client import ACCOUNT, AWS, asked, document, refused, statement

pytestmark = pytest.mark.xdist_group("strict")


WRONG = "The request signature we calculated does not match the signature you provided. Check your "
OF_QUERY = f"{WRONG}AWS Secret Access Key and signing method. Consult the service documentation for details."
TOKEN = "The security token included in the request is invalid."


@pytest.mark.parametrize(
    ("service", "operation", "unknown", "wrong"),
    [
        ("s3", "list_buckets",
         ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403),
         ("SignatureDoesNotMatch", f"{WRONG}key and signing method.", 403)),
        ("sts", "get_caller_identity", ("InvalidClientTokenId", TOKEN, 403), ("SignatureDoesNotMatch", OF_QUERY, 403)),
        ("route53", "list_hosted_zones", ("InvalidClientTokenId", TOKEN, 403), ("SignatureDoesNotMatch", OF_QUERY, 403)),
        ("ec2", "describe_vpcs", ("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
         ("AuthFailure", "AWS was not able to validate the provided access credentials", 401)),
        ("acm", "list_certificates", ("UnrecognizedClientException", TOKEN, 400),
         ("InvalidSignatureException", OF_QUERY, 400)),
        ("lambda", "list_functions", ("UnrecognizedClientException", TOKEN, 403),
         ("InvalidSignatureException", OF_QUERY, 403)),
    ],
)  # fmt: skip
def test_unknown_keys_and_wrong_secrets_are_refused_as_each_service_does(strict, service, operation, unknown, wrong):
    key, secret = strict.root_keys()
    assert refused(getattr(strict.client(service, ("AKIAIOSFODNN7EXAMPLE", secret)), operation)) == unknown
    assert refused(getattr(strict.client(service, (key, secret + "x")), operation)) == wrong
    getattr(strict.client(service, (key, secret)), operation)()


def test_who_does_not_sign_is_refused_except_where_policies_let_in_everybody(strict, bucket):
    status, body = asked(f"{strict.endpoint}/?Action=DescribeVpcs&Version=2016-11-15")
    assert (status, "MissingAuthenticationToken" in body) == (403, True)
    host = {"Host": "sts.us-east-1.amazonaws.com"}
    status, body = asked(f"{strict.endpoint}/?Action=GetCallerIdentity&Version=2011-06-15", headers=host)
    assert (status, "Request is missing Authentication Token" in body) == (403, True)
    role = f"arn:aws:iam::{ACCOUNT}:role/any&RoleSessionName=one&WebIdentityToken=abcd"  # a token that nobody verified
    status, body = asked(f"{strict.endpoint}/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}",
                         headers=host)  # fmt: skip
    assert (status, "AssumeRoleWithWebIdentity" in body, "AccessKeyId" in body) == (501, True, False)
    s3 = strict.client("s3")
    at_s3 = {"Host": "s3.us-east-1.amazonaws.com"}
    assert asked(f"{strict.endpoint}/{bucket}/a/key", headers=at_s3)[0] == 403
    assert asked(f"{strict.endpoint}/", headers=at_s3)[0] == 403
    assert asked(f"{strict.endpoint}/strict-nobodys", "PUT", at_s3)[0] == 403
    s3.delete_public_access_block(Bucket=bucket)
    lets = statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*")
    s3.put_bucket_policy(Bucket=bucket, Policy=document(lets))
    assert asked(f"{strict.endpoint}/{bucket}/a/key", headers=at_s3) == (200, "content")
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_bucket_policy(Bucket=bucket, Policy=document(
        statement("s3:DeleteObject", f"{arn}/*", Principal="*"), statement("s3:DeleteObject", f"{arn}/a/*", "Deny", Principal="*"),
    ))  # fmt: skip
    keys = "".join(f"<Object><Key>{each}</Key></Object>" for each in ("a/key", "b/key")).encode()
    digest = base64.b64encode(hashlib.md5(b"<Delete>%s</Delete>" % keys).digest()).decode()
    status, body = asked(
        f"{strict.endpoint}/{bucket}?delete", "POST", {**at_s3, "Content-MD5": digest}, b"<Delete>%s</Delete>" % keys
    )
    assert (status, body.count("<Deleted>"), body.count("<Code>AccessDenied</Code>")) == (200, 1, 1)
    assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    s3.delete_bucket_policy(Bucket=bucket)


def test_presigned_urls_end_and_cannot_be_altered(strict, bucket, until):
    s3 = strict.client("s3")
    key = "odd/k\u00e9y &+?%#.txt"
    s3.put_object(Bucket=bucket, Key=key, Body=b"odd")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": key}, 604800)
    assert asked(url) == (200, "odd")
    assert asked(url) == (200, "odd")  # the same signature may come again while it is good
    for altered, method in (
        (url.replace("odd/", "odd%2F/"), "GET"), (url.replace(bucket, "strict-other"), "GET"), (url, "PUT"),
        (url + "&versionId=null", "GET"), (url.replace("604800", "604799"), "GET"),
    ):  # fmt: skip
        status, body = asked(altered, method, body=b"x" if method == "PUT" else None)
        assert (status, "<Code>SignatureDoesNotMatch</Code>" in body) == (403, True), altered
    status, body = asked(url.replace("604800", "604801"))
    assert (status, "<Code>AuthorizationQueryParametersError</Code>" in body) == (400, True)
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "put"}, 60)
    assert asked(put, "PUT", body=b"by url")[0] == 200
    assert s3.get_object(Bucket=bucket, Key="put")["Body"].read() == b"by url"
    short = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a/key"}, 1)
    until(lambda: asked(short)[0] == 403, "the end of the URL")
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in asked(short)[1]
    key, secret = strict.root_keys()
    default = boto3.client("s3", endpoint_url=strict.endpoint, region_name="us-east-1", aws_access_key_id=key,
                           aws_secret_access_key=secret)  # fmt: skip
    old = default.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a/key"})
    assert "AWSAccessKeyId=" in old  # version 2, which boto3 presigns with by itself
    assert asked(old) == (200, "content")
    assert "<Code>SignatureDoesNotMatch</Code>" in asked(old.replace("a/key", "put"))[1]
    elsewhere = {"Host": "s3.eu-central-1.amazonaws.com"}
    assert "Please use AWS4-HMAC-SHA256" in asked(old, headers=elsewhere)[1]


@pytest.mark.parametrize("version", ["v4", "s3"])
def test_a_forms_policy_must_be_signed_by_somebody_who_may(strict, bucket, version):
    name, keys = strict.user()
    s3 = boto3.client("s3", endpoint_url=strict.endpoint, region_name="us-east-1", aws_access_key_id=keys[0],
                      aws_secret_access_key=keys[1], config=Config(signature_version=version))  # fmt: skip
    form = s3.generate_presigned_post(bucket, f"form-{version}")

    def posted(fields):
        parts = "".join(f'--x\r\nContent-Disposition: form-data; name="{each}"\r\n\r\n{value}\r\n'
                        for each, value in fields.items())  # fmt: skip
        file = '--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nfrom a form\r\n--x--\r\n'
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Host": "s3.us-east-1.amazonaws.com"}
        return asked(f"{strict.endpoint}/{bucket}", "POST", headers, (parts + file).encode())

    status, body = posted(form["fields"])
    assert (status, f"user/{name} is not authorized to perform: s3:PutObject" in body) == (403, True)
    strict.allow(name, statement("s3:PutObject"))
    signature = next(each for each in form["fields"] if each.lower().endswith("signature"))
    wrong = {**form["fields"], signature: "0" * 64}
    assert "<Code>SignatureDoesNotMatch</Code>" in posted(wrong)[1]
    assert posted(form["fields"])[0] == 204
    assert strict.client("s3").get_object(Bucket=bucket, Key=f"form-{version}")["Body"].read() == b"from a form"


def signed_at(strict, auth, service, url, minutes, method="GET", body=b""):
    """The headers of a request that was signed so many minutes from now."""
    request = AWSRequest(method, url, {}, body)
    signer = auth(Credentials(*strict.root_keys()), service, "us-east-1")
    moment = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = moment
    request.headers["X-Amz-Date"] = moment
    if service == "s3":
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
    text = signer.string_to_sign(request, signer.canonical_request(request))
    scope = f"{signer.credentials.access_key}/{signer.credential_scope(request)}"
    names = signer.signed_headers(signer.headers_to_sign(request))
    request.headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signer.signature(text, request)}"
    )
    return dict(request.headers.items())


def test_clocks_may_differ_by_a_quarter_of_an_hour(strict, bucket):
    url = f"{strict.endpoint}/{bucket}/a/key"
    for minutes in (-14, 0, 14):
        headers = signed_at(strict, S3SigV4Auth, "s3", url, minutes)
        assert asked(url, headers=headers) == (200, "content")
        assert asked(url, headers=headers) == (200, "content")  # AWS takes a repeated request for a retry
    for minutes in (-16, 16):
        status, body = asked(url, headers=signed_at(strict, S3SigV4Auth, "s3", url, minutes))
        assert (status, "<Code>RequestTimeTooSkewed</Code>" in body) == (403, True)
        assert "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>" in body
    url = f"{strict.endpoint}/?Action=GetCallerIdentity&Version=2011-06-15"
    status, body = asked(url, headers=signed_at(strict, SigV4Auth, "sts", url, -16))
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in body, "Signature expired: " in body) == (403, True, True)
    url = f"{strict.endpoint}/?Action=DescribeVpcs&Version=2016-11-15"
    assert "<Code>RequestExpired</Code>" in asked(url, headers=signed_at(strict, SigV4Auth, "ec2", url, -16))[1]


def test_a_body_that_is_not_the_signed_one_is_refused(strict, bucket):
    for size in (10, 100_000):
        url, body = f"{strict.endpoint}/{bucket}/body-{size}", b"a" * size
        headers = signed_at(strict, S3SigV4Auth, "s3", url, 0, "PUT", body)
        status, answer = asked(url, "PUT", headers, b"b" * size)
        assert (status, "<Code>XAmzContentSHA256Mismatch</Code>" in answer) == (400, True)
        assert asked(url, "PUT", headers, body)[0] == 200
    del headers["X-Amz-Content-SHA256"]
    assert asked(url, "PUT", headers, body)[0] in (400, 403)


def test_curl_and_the_command_line_sign_as_aws_wants_it(strict, bucket):
    key, secret = strict.root_keys()
    at = ["curl", "-sS", "--user", f"{key}:{secret}", "--aws-sigv4"]
    empty = f"x-amz-content-sha256: {hashlib.sha256(b'').hexdigest()}"
    done = subprocess.run([*at, "aws:amz:us-east-1:s3", "-H", empty, f"{strict.endpoint}/{bucket}/a/key"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "content"
    done = subprocess.run([*at, "aws:amz:us-east-1:sts", "-d", "Action=GetCallerIdentity&Version=2011-06-15",
                           f"{strict.endpoint}/"], capture_output=True, text=True, check=True)  # fmt: skip
    assert f"<Arn>arn:aws:iam::{ACCOUNT}:root</Arn>" in done.stdout
    name, keys = strict.user(statement("s3:*", [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]))
    run = {"env": strict.environment(keys), "capture_output": True, "text": True, "check": False}
    done = subprocess.run([AWS, "s3", "ls", f"s3://{bucket}/a/"], **run)
    assert done.stdout.endswith("key\n"), done
    done = subprocess.run([AWS, "s3api", "list-buckets"], **run)
    assert done.returncode != 0
    assert (
        "An error occurred (AccessDenied) when calling the ListBuckets operation: User: "
        f"arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: s3:ListAllMyBuckets"
    ) in done.stderr
