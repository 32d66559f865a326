"""Strict mode with real clients: whose signature is wrong, or whose policies do not allow it, is refused as on AWS."""

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

pytestmark = pytest.mark.xdist_group("strict")
ACCOUNT, OTHER = "111122223333", "444455556666"
SPEED = 200
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, signature_version="v4")
AWS = str(Path(sys.executable).with_name("aws"))


class Strict:
    """The daemon, and clients of its accounts, users and sessions."""

    def __init__(self, kunren):
        self.kunren = kunren
        self._users = 0
        self._keys = {}

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.kunren.port}"

    def root_keys(self, account=ACCOUNT):
        if account not in self._keys:
            self._keys[account] = self.printed_keys(account)
        return self._keys[account]

    def printed_keys(self, account):
        lines = self.kunren.run("env", "--account", account, check=True).stdout.splitlines()
        found = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        return found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]

    def client(self, service, keys=None, account=ACCOUNT, region="us-east-1"):
        key, secret, *token = keys or self.root_keys(account)
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key, config=CONFIG,
                            aws_secret_access_key=secret, aws_session_token=token[0] if token else None)  # fmt: skip

    def user(self, *statements, account=ACCOUNT):
        """A new user with one inline policy; its name and keys."""
        self._users += 1
        name = f"user-{self._users}"
        iam = self.client("iam", account=account)
        iam.create_user(UserName=name)
        if statements:
            self.allow(name, *statements, account=account)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return name, (made["AccessKeyId"], made["SecretAccessKey"])

    def allow(self, name, *statements, account=ACCOUNT):
        iam = self.client("iam", account=account)
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))

    def environment(self, keys):
        return {
            "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1], "HOME": "/nonexistent",
            **({"AWS_SESSION_TOKEN": keys[2]} if len(keys) > 2 else {}),
        }  # fmt: skip


@pytest.fixture(scope="module")
def strict(strict_kunren):
    return Strict(strict_kunren)


@pytest.fixture(scope="module")
def bucket(strict):
    s3 = strict.client("s3")
    s3.create_bucket(Bucket="strict-data")
    s3.put_object(Bucket="strict-data", Key="a/key", Body=b"content")
    return "strict-data"


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def refused(call, **given):
    """Code, text and status of the error that a call ends in."""
    with pytest.raises(ClientError) as error:
        call(**given)
    told = error.value.response
    return told["Error"]["Code"], told["Error"]["Message"], told["ResponseMetadata"]["HTTPStatusCode"]


def session(answer):
    given = answer["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def asked(url, method="GET", headers=None, body=None):
    """Status and body."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# --- policies -----------------------------------------------------------------------------------------------------


def test_an_application_with_the_wrong_policy_is_let_in_by_exactly_the_missing_permission(strict, bucket):
    thing = f"arn:aws:s3:::{bucket}/*"
    name, keys = strict.user(statement("s3:PutObject", thing))
    s3 = strict.client("s3", keys)
    s3.put_object(Bucket=bucket, Key="app/one", Body=b"1")
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    wanted = (
        "AccessDenied",
        f'User: {arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/app/one" because no'
        " identity-based policy allows the s3:GetObject action",
        403,
    )
    assert refused(s3.get_object, Bucket=bucket, Key="app/one") == wanted
    strict.allow(name, statement(["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{bucket}/app/${{aws:username}}/*"))
    assert refused(s3.get_object, Bucket=bucket, Key="app/one") == wanted
    strict.allow(name, statement(["s3:PutObject", "s3:GetObject"], thing))
    assert s3.get_object(Bucket=bucket, Key="app/one")["Body"].read() == b"1"
    missing = refused(s3.get_object, Bucket=bucket, Key="app/none")
    assert missing[0] == "AccessDenied"
    assert "s3:ListBucket" in missing[1]  # who may not list is not told that it is not there
    s3_root = strict.client("s3")
    deny = {"Sid": "no", **statement("s3:GetObject", thing, "Deny", Principal={"AWS": arn})}
    s3_root.put_bucket_policy(Bucket=bucket, Policy=document(deny))
    assert refused(s3.get_object, Bucket=bucket, Key="app/one")[1].endswith(
        "with an explicit deny in a resource-based policy"
    )
    s3_root.delete_bucket_policy(Bucket=bucket)


def test_s3_asks_for_each_object_and_each_further_thing(strict, bucket):
    s3_root = strict.client("s3")
    for key in ("many/1", "many/2"):
        s3_root.put_object(Bucket=bucket, Key=key, Body=b"x")
    prefix = {"StringLike": {"s3:prefix": "many/*"}}
    _, keys = strict.user(
        statement(["s3:PutObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/many/1"),
        statement("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=prefix),
    )
    s3 = strict.client("s3", keys)
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "many/1"}, {"Key": "many/2"}]})
    assert [each["Key"] for each in done["Deleted"]] == ["many/1"]
    assert [(each["Key"], each["Code"]) for each in done["Errors"]] == [("many/2", "AccessDenied")]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="many/")["Contents"]] == ["many/2"]
    assert refused(s3.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    assert "s3:PutObjectTagging" in refused(s3.put_object, Bucket=bucket, Key="many/1", Body=b"", Tagging="a=b")[1]
    assert "s3:ListAllMyBuckets because no" in refused(s3.list_buckets)[1]
    assert "s3:CreateBucket on resource" in refused(s3.create_bucket, Bucket="strict-more")[1]
    assert refused(s3.copy_object, Bucket=bucket, Key="many/1", CopySource=f"{bucket}/a/key")[0] == "AccessDenied"


def test_another_account_needs_both_sides(strict, bucket):
    name, keys = strict.user(account=OTHER)
    s3, s3_root = strict.client("s3", keys), strict.client("s3")
    arn = f"arn:aws:iam::{OTHER}:user/{name}"
    get = {"Bucket": bucket, "Key": "a/key"}
    assert refused(s3.get_object, **get) == ("AccessDenied", "Access Denied", 403)
    lets = statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": arn})
    s3_root.put_bucket_policy(Bucket=bucket, Policy=document(lets))
    assert refused(s3.get_object, **get)[0] == "AccessDenied"
    strict.allow(name, statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), account=OTHER)
    assert s3.get_object(**get)["Body"].read() == b"content"
    s3_root.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_object, **get)[0] == "AccessDenied"


def test_groups_managed_policies_and_boundaries_count(strict, bucket):
    iam = strict.client("iam")
    name, keys = strict.user()
    s3 = strict.client("s3", keys)
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    get = {"Bucket": bucket, "Key": "a/key"}
    assert refused(s3.get_object, **get)[0] == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName=name)
    assert s3.get_object(**get)["Body"].read() == b"content"
    within = iam.create_policy(PolicyName="within", PolicyDocument=document(statement("ec2:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=within)
    assert iam.get_user(UserName=name)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == within
    assert "because no permissions boundary allows" in refused(s3.get_object, **get)[1]
    changed = document(statement(["ec2:*", "s3:Get*"]))
    iam.create_policy_version(PolicyArn=within, PolicyDocument=changed, SetAsDefault=True)
    assert s3.get_object(**get)["Body"].read() == b"content"
    iam.remove_user_from_group(GroupName="readers", UserName=name)
    assert refused(s3.get_object, **get)[0] == "AccessDenied"


def test_what_is_named_by_less_than_an_arn_is_found_out(strict):
    secrets, kms, kinesis = (strict.client(each) for each in ("secretsmanager", "kms", "kinesis"))
    for each in ("own", "others"):
        secrets.create_secret(Name=f"named-{each}", SecretString=each)
    key, other = (kms.create_key()["KeyMetadata"] for _ in range(2))
    kms.create_alias(AliasName="alias/named-own", TargetKeyId=key["KeyId"])
    sealed = {
        each["KeyId"]: kms.encrypt(KeyId=each["KeyId"], Plaintext=b"1")["CiphertextBlob"] for each in (key, other)
    }
    kinesis.create_stream(StreamName="named-others", ShardCount=1)
    arn = f"arn:aws:{{}}:us-east-1:{ACCOUNT}:{{}}".format
    _, keys = strict.user(
        statement("secretsmanager:*", secrets.describe_secret(SecretId="named-own")["ARN"]), statement("kms:*", key["Arn"]),
        statement("kinesis:*", arn("kinesis", "stream/named-own")),
    )  # fmt: skip
    secrets, kms, kinesis = (strict.client(each, keys) for each in ("secretsmanager", "kms", "kinesis"))
    assert secrets.get_secret_value(SecretId="named-own")["SecretString"] == "own"
    assert kms.encrypt(KeyId="alias/named-own", Plaintext=b"1")["KeyId"] == key["Arn"]
    assert kms.decrypt(CiphertextBlob=sealed[key["KeyId"]])["Plaintext"] == b"1"
    for call, given in (
        (secrets.get_secret_value, {"SecretId": "named-others"}), (secrets.create_secret, {"Name": "new"}),
        (secrets.batch_get_secret_value, {"SecretIdList": ["named-others"]}),
        (kms.decrypt, {"CiphertextBlob": sealed[other["KeyId"]]}),
        (kinesis.put_record, {"StreamName": "named-others", "Data": b"1", "PartitionKey": "1"}),
    ):  # fmt: skip
        assert refused(call, **given)[0] == "AccessDeniedException"


def test_each_service_denies_in_its_own_words(strict):
    name, keys = strict.user(statement("ec2:DescribeVpcs"))
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    ec2 = strict.client("ec2", keys)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]

    def text(action, resource=""):
        on = f" on resource: {resource}" if resource else ""
        why = f"because no identity-based policy allows the {action} action"
        return f"User: {arn} is not authorized to perform: {action}{on} {why}"

    code, told, status = refused(ec2.delete_vpc, VpcId=vpc, DryRun=True)
    wanted = text("ec2:DeleteVpc", f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/{vpc}")
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert told.startswith(f"You are not authorized to perform this operation. {wanted}")
    assert refused(ec2.describe_subnets)[1].startswith(
        f"You are not authorized to perform this operation. {text('ec2:DescribeSubnets')}"
    )
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
    queue = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/q"
    for service, call, given, wanted in (
        ("lambda", "get_function", {"FunctionName": "f"},
         ("AccessDeniedException", text("lambda:GetFunction", function), 403)),
        ("lambda", "list_functions", {}, ("AccessDeniedException", text("lambda:ListFunctions", "*"), 403)),
        ("elbv2", "describe_load_balancers", {},
         ("AccessDenied", text("elasticloadbalancing:DescribeLoadBalancers"), 403)),
        ("route53", "get_hosted_zone", {"Id": "Z1"},
         ("AccessDenied", text("route53:GetHostedZone", "arn:aws:route53:::hostedzone/Z1"), 403)),
        ("acm", "list_certificates", {}, ("AccessDeniedException", text("acm:ListCertificates", "*"), 400)),
        ("apigateway", "get_rest_apis", {},
         ("AccessDeniedException", text("apigateway:GET", "arn:aws:apigateway:us-east-1::/restapis"), 403)),
        ("iam", "delete_user", {"UserName": "x"},
         ("AccessDenied", text("iam:DeleteUser", f"arn:aws:iam::{ACCOUNT}:user/x"), 403)),
        ("sqs", "send_message", {"QueueUrl": queue, "MessageBody": "x"},
         ("AccessDeniedException", text("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"), 400)),
    ):  # fmt: skip
        found = refused(getattr(strict.client(service, keys), call), **given)
        assert found[0] in (wanted[0], wanted[0].removesuffix("Exception")), (service, found)
        assert found[1:] == wanted[1:], service
    strict.allow(name, statement("ec2:Delete*", f"arn:aws:ec2:*:{ACCOUNT}:vpc/*"))
    assert refused(ec2.delete_vpc, VpcId=vpc, DryRun=True)[0] in ("DryRunOperation", "DependencyViolation")


# --- signatures ---------------------------------------------------------------------------------------------------


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


# --- temporary credentials ----------------------------------------------------------------------------------------


def trust(principal, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}]})  # fmt: skip


def test_a_role_is_assumed_by_whom_it_trusts_within_its_session_policy_until_it_ends(strict, bucket, until):
    iam = strict.client("iam")
    name, keys = strict.user()
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    outside = {"StringEquals": {"sts:ExternalId": "told"}}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": arn}, Condition=outside))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=document(statement("s3:*")))
    sts = strict.client("sts", keys)
    given = {"RoleArn": role["Arn"], "RoleSessionName": "one"}
    assert refused(sts.assume_role, **given) == (
        "AccessDenied", f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role['Arn']}", 403,
    )  # fmt: skip
    assert refused(sts.assume_role, RoleArn=f"{role['Arn']}2", RoleSessionName="one")[0] == "AccessDenied"
    root = strict.client("sts")
    assert refused(root.assume_role, **given)[1] == "Roles may not be assumed by root accounts."
    narrowed = document(statement("s3:GetObject", f"arn:aws:s3:::{bucket}/a/*"))
    answer = sts.assume_role(**given, ExternalId="told", Policy=narrowed, DurationSeconds=43200)
    assumed = session(answer)
    me = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/one"
    s3 = strict.client("s3", assumed)
    assert strict.client("sts", assumed).get_caller_identity()["Arn"] == me
    assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    told = refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[1]
    assert told.startswith(f"User: {me} is not authorized to perform: s3:PutObject")
    assert told.endswith("because no session policy allows the s3:PutObject action")
    assert refused(strict.client("s3", assumed[:2]).list_buckets)[0] == "InvalidToken"
    assert refused(strict.client("sts", assumed[:2]).get_caller_identity)[0] == "InvalidClientTokenId"
    assumed = session(sts.assume_role(**given, ExternalId="told", DurationSeconds=900))
    s3 = strict.client("s3", assumed)
    until(lambda: _code(s3.get_object, Bucket=bucket, Key="a/key") == "ExpiredToken", "the session's end")
    assert _code(strict.client("sts", assumed).get_caller_identity) == "ExpiredToken"
    assert _code(strict.client("lambda", assumed).list_functions) == "ExpiredTokenException"
    assert _code(strict.client("ec2", assumed).describe_vpcs) == "RequestExpired"


def _code(call, **given):
    try:
        call(**given)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def test_session_and_federation_tokens_are_those_of_who_asked(strict, bucket):
    name, keys = strict.user(statement("s3:GetObject"), statement("sts:GetFederationToken"))
    sts = strict.client("sts", keys)
    given = session(sts.get_session_token())
    assert given[0] != "AKIAIOSFODNN7EXAMPLE"
    assert strict.client("sts", given).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert strict.client("s3", given).get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    policy = document(statement("s3:*", f"arn:aws:s3:::{bucket}/a/*"))
    federated = session(sts.get_federation_token(Name="pat", Policy=policy))
    s3 = strict.client("s3", federated)
    assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    told = refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[1]
    assert told.startswith(f"User: arn:aws:sts::{ACCOUNT}:federated-user/pat is not authorized")
    assert told.endswith("because no identity-based policy allows the s3:PutObject action")
    of_root = strict.client("sts").get_federation_token
    given = session(of_root(Name="root", Policy=document(statement("s3:GetObject"))))
    assert strict.client("sts", given).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/root"
    assert strict.client("s3", given).get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    assert refused(strict.client("s3", given).put_object, Bucket=bucket, Key="a/key", Body=b"")[0] == "AccessDenied"
    assert refused(strict.client("s3", session(of_root(Name="bare"))).list_buckets)[0] == "AccessDenied"


HANDLER = """
import boto3
def handler(event, context):
    try:
        body = boto3.client("s3").get_object(Bucket=event["bucket"], Key="a/key")["Body"].read().decode()
    except Exception as error:
        body = str(error)
    return [boto3.client("sts").get_caller_identity()["Arn"], body]
"""


def test_functions_and_programs_have_their_roles_credentials(strict, bucket):
    iam, functions = strict.client("iam"), strict.client("lambda")
    role = iam.create_role(
        RoleName="function", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"})
    )["Role"]["Arn"]  # fmt: skip
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", HANDLER)
    code = {"ZipFile": archive.getvalue()}
    creating = {"FunctionName": "f", "Role": role, "Runtime": "python3.11", "Handler": "app.handler", "Code": code,
                "Timeout": 60}  # fmt: skip
    name, keys = strict.user(statement("lambda:*"))
    told = refused(strict.client("lambda", keys).create_function, **creating)
    assert told[0] == "AccessDeniedException"
    assert f"is not authorized to perform: iam:PassRole on resource: {role} because no identity-based" in told[1]
    passing = statement(
        "iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    )
    strict.allow(name, statement("lambda:*"), passing)
    strict.client("lambda", keys).create_function(**creating)
    functions.get_waiter("function_active_v2").wait(FunctionName="f")

    def invoked():
        payload = json.dumps({"bucket": bucket}).encode()
        return json.loads(functions.invoke(FunctionName="f", Payload=payload)["Payload"].read())

    me = f"arn:aws:sts::{ACCOUNT}:assumed-role/function/f"
    arn, body = invoked()
    assert arn == me
    assert f"User: {me} is not authorized to perform: s3:GetObject" in body
    iam.put_role_policy(RoleName="function", PolicyName="own", PolicyDocument=document(statement("s3:GetObject")))
    assert invoked() == [me, "content"]

    kunren = strict.kunren
    shown = kunren.run("exec", "--role", role, "--", AWS, "sts", "get-caller-identity", "--query", "Arn", "--output",
                       "text", check=True).stdout.strip()  # fmt: skip
    assert shown == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/kunren-exec"
    nobody = kunren.run("exec", "--role", "nobody", "--", "true")
    assert (nobody.returncode, "there is no role arn:aws:iam::000000000000:role/nobody" in nobody.stderr) == (1, True)


def test_stacks_are_watched_by_their_accounts_root(strict):
    queue = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    strict.client("cloudformation").create_stack(StackName="watched", TemplateBody=queue)
    seen = strict.kunren.run("stack", "watch", "watched", "--account", ACCOUNT)
    assert "CREATE_COMPLETE      Queue (AWS::SQS::Queue)" in seen.stdout, seen.stderr
    assert seen.returncode == 0


def test_function_urls_and_http_apis_ask_for_signatures_and_policies(strict):
    functions = strict.client("lambda")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n"
                      "    return event['requestContext']['authorizer']['iam']['userArn']\n")  # fmt: skip
    function = functions.create_function(
        FunctionName="url", Role=f"arn:aws:iam::{ACCOUNT}:role/function", Runtime="python3.11", Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="url")
    url = functions.create_function_url_config(FunctionName="url", AuthType="AWS_IAM")["FunctionUrl"]
    name, keys = strict.user()

    def call(keys, secret="", url=url, service="lambda"):
        host, request = url.removeprefix("https://").rstrip("/"), AWSRequest("GET", url)
        SigV4Auth(Credentials(keys[0], keys[1] + secret), service, "us-east-1").add_auth(request)
        host, _, path = host.partition("/")
        return asked(f"{strict.endpoint}/{path}", headers={**dict(request.headers.items()), "Host": host})

    assert call(keys)[0] == 403
    assert "does not match" in call(keys, "x")[1]
    strict.allow(name, statement(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]))
    assert call(keys) == (200, json.dumps(f"arn:aws:iam::{ACCOUNT}:user/{name}"))

    apis = strict.client("apigatewayv2")
    made = apis.create_api(Name="iam", ProtocolType="HTTP", Target=function)
    api, at = made["ApiId"], {"url": f"{made['ApiEndpoint']}/", "service": "execute-api"}
    functions.add_permission(FunctionName="url", StatementId="api", Action="lambda:InvokeFunction",
                             Principal="apigateway.amazonaws.com")  # fmt: skip
    (route,) = apis.get_routes(ApiId=api)["Items"]
    apis.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    assert call(keys, **at) == (403, '{"message":"Forbidden"}')
    strict.allow(name, statement("execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/*"))
    assert call(keys, **at) == (200, json.dumps(f"arn:aws:iam::{ACCOUNT}:user/{name}"))
    assert call(keys, "x", **at)[0] == 403

    rest = strict.client("apigateway")
    made = rest.create_rest_api(name="iam", endpointConfiguration={"types": ["REGIONAL"]})
    api, one = made["id"], {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
    rest.put_method(**one, authorizationType="AWS_IAM")
    rest.put_integration(**one, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    rest.put_method_response(**one, statusCode="200")
    who = {"application/json": "$context.identity.userArn"}
    rest.put_integration_response(**one, statusCode="200", responseTemplates=who)
    rest.create_deployment(restApiId=api, stageName="dev")
    url = f"https://{api}.execute-api.us-east-1.amazonaws.com/dev"
    at = {"url": url, "service": "execute-api"}
    status, text = call(keys, **at)
    assert status == 403
    assert f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: execute-api:Invoke" in text
    assert text.endswith('because no identity-based policy allows the execute-api:Invoke action"}')
    strict.allow(name, statement("execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/dev/GET/"))
    assert call(keys, **at) == (200, f"arn:aws:iam::{ACCOUNT}:user/{name}")
    assert call(keys, "x", **at)[0] == 403


# --- what stays ---------------------------------------------------------------------------------------------------


def test_keys_sessions_and_policies_outlive_a_crash(strict, bucket):
    _, keys = strict.user(statement("s3:GetObject"))
    _, gone = strict.user(statement("s3:GetObject"))
    sts = strict.client("sts", keys)
    token = session(sts.get_session_token(DurationSeconds=129600))
    iam = strict.client("iam")
    iam.update_access_key(UserName=f"user-{strict._users}", AccessKeyId=gone[0], Status="Inactive")
    os.kill(strict.kunren.pid, signal.SIGKILL)
    strict.kunren.up("--strict", "--speed", str(SPEED))
    assert strict.printed_keys(ACCOUNT) == strict.root_keys()
    for each in (keys, token):
        s3 = strict.client("s3", each)
        assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
        assert refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[0] == "AccessDenied"
    assert refused(strict.client("s3", gone).list_buckets)[0] == "InvalidAccessKeyId"
    assert strict.kunren.status()["strict"] is True
    assert "strict: signatures and IAM policies count" in strict.kunren.run("status").stdout


def test_documents_that_aws_refuses_are_refused(strict, bucket):
    iam, s3 = strict.client("iam"), strict.client("s3")
    name, keys = strict.user()
    for text in ("{", json.dumps({"Version": "2012-10-17"}), document({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
                 document(statement("no-colon"))):  # fmt: skip
        assert refused(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument=text)[0] == (
            "MalformedPolicyDocument"
        )
    reader = iam.create_role(RoleName="narrow", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    strict.allow(name, statement("sts:AssumeRole"))
    assume = {"RoleArn": reader, "RoleSessionName": "one", "Policy": "{"}
    assert refused(strict.client("sts", keys).assume_role, **assume)[0] == "MalformedPolicyDocument"
    for one in (
        statement("s3:GetObject", "arn:aws:s3:::other/*", Principal="*"), statement("s3:GetObject", "*"),
        statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"StringIs": {"a": "b"}}),
        statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"StringEquals": ["a"]}),
    ):  # fmt: skip
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=document(one))[0] == "MalformedPolicy"
