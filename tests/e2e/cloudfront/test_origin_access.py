"""Origins that only CloudFront may ask: private buckets and function URLs behind OAC and OAI."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_METHODS = {
    "Quantity": 7, "Items": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"],
    "CachedMethods": {"Quantity": 2, "Items": ["GET", "HEAD"]},
}  # fmt: skip


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


class Private:
    """Distributions of one account before one origin each, asked by a client in Tokyo."""

    def __init__(self, kunren, account, running, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.api, self.s3 = kunren.client("cloudfront", account), kunren.client("s3", account)
        self.client = running.client(kunren, "tokyo")

    def bucket(self, *keys):
        """A bucket with these objects; the name by which it is an origin."""
        self.name = f"private-{self.account}"
        self.s3.create_bucket(Bucket=self.name)
        for key in keys:
            self.s3.put_object(Bucket=self.name, Key=key, Body=key.encode())
        return f"{self.name}.s3.us-east-1.amazonaws.com"

    def control(self, kind, **given):
        config = {
            "Name": f"{kind}-{given.get('SigningBehavior')}", "SigningProtocol": "sigv4", "SigningBehavior": "always",
            "OriginAccessControlOriginType": kind, **given,
        }  # fmt: skip
        return self.api.create_origin_access_control(OriginAccessControlConfig=config)["OriginAccessControl"]["Id"]

    def distribute(self, domain, *, custom=False, identity="", policy=NO_CACHING, **origin):
        """A distribution before that origin: its id and name."""
        kind = (
            {"CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"}}
            if custom
            else {"S3OriginConfig": {"OriginAccessIdentity": identity}}
        )
        made = self.api.create_distribution(
            DistributionConfig={
                "CallerReference": json.dumps([domain, identity, origin, policy]), "Comment": "", "Enabled": True,
                "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": domain, **kind, **origin}]},
                "DefaultCacheBehavior": {
                    "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": policy,
                    "AllowedMethods": ALL_METHODS,
                },
            }
        )["Distribution"]  # fmt: skip

        def status():
            return self.api.get_distribution(Id=made["Id"])["Distribution"]["Status"]

        self.until(lambda: status() == "Deployed", "the distribution deployed")
        return made["Id"], made["DomainName"]

    def allow(self, *statements):
        told = [
            {"Effect": "Allow", "Resource": f"arn:aws:s3:::{self.name}{'' if act == 's3:ListBucket' else '/*'}",
             "Action": act, "Principal": principal, **more}
            for act, principal, more in statements
        ]  # fmt: skip
        policy = {"Version": "2012-10-17", "Statement": told}
        self.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def statement(self, distribution, action="s3:GetObject"):
        """What the console proposes for a bucket's policy."""
        arn = f"arn:aws:cloudfront::{self.account}:distribution/{distribution}"
        return action, {"Service": "cloudfront.amazonaws.com"}, {"Condition": {"StringEquals": {"AWS:SourceArn": arn}}}

    def get(self, url, **options):
        answer = self.client.get(url, **options)
        return answer["status"], answer["body"]


@pytest.fixture
def private(kunren, account, running, until):
    return Private(kunren, account, running, until)


def test_a_private_bucket_answers_the_distribution_that_its_policy_names_and_nobody_else(private):
    domain = private.bucket("a b.txt", "c.txt")
    control = private.control("s3")
    named, name = private.distribute(domain, OriginAccessControlId=control)
    _, other = private.distribute(domain, OriginAccessControlId=control, OriginPath="/x")
    _, unsigned = private.distribute(domain)
    status, body = private.get(f"http://{name}/c.txt")
    assert status == 403
    assert "<Code>AccessDenied</Code><Message>Access Denied</Message>" in body

    private.allow(private.statement(named))
    assert private.get(f"http://{name}/c.txt") == (200, "c.txt")
    assert private.get(f"https://{name}/a%20b.txt") == (200, "a b.txt")
    assert private.get(f"http://{name}/missing.txt")[0] == 403  # without s3:ListBucket nobody learns what is not there
    assert private.get(f"http://{other}/c.txt")[0] == 403
    assert private.get(f"http://{unsigned}/c.txt")[0] == 403
    status, body = private.get(f"https://{domain}/c.txt")
    assert (status, "<Code>AccessDenied</Code>" in body) == (403, True)
    assert private.s3.get_object(Bucket=private.name, Key="c.txt")["Body"].read() == b"c.txt"
    assert private.get(f"http://{name}/new.txt", method="PUT", body="new")[0] == 403

    private.allow(
        private.statement(named), private.statement(named, "s3:ListBucket"), private.statement(named, "s3:PutObject")
    )
    assert private.get(f"http://{name}/missing.txt")[0] == 404
    assert private.get(f"http://{name}/new.txt", method="PUT", body="new")[0] == 200
    assert private.get(f"http://{name}/new.txt") == (200, "new")

    control_config = private.api.get_origin_access_control_config(Id=control)
    never = {**control_config["OriginAccessControlConfig"], "SigningBehavior": "never"}
    private.api.update_origin_access_control(
        Id=control, IfMatch=control_config["ETag"], OriginAccessControlConfig=never
    )
    private.until(lambda: private.get(f"http://{name}/c.txt")[0] == 403, "the edge signs no more")


def test_anybody_reads_what_is_public_by_policy_and_conditions_hold(private):
    domain = private.bucket("a", "b")
    private.s3.delete_public_access_block(Bucket=private.name)
    assert private.get(f"https://{domain}/a")[0] == 403
    assert private.get(f"https://{domain}/")[0] == 403
    private.allow(("s3:GetObject", "*", {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}))
    assert private.get(f"https://{domain}/a")[0] == 403
    private.allow(("s3:GetObject", "*", {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}))
    assert [private.get(f"{scheme}://{domain}/a")[0] for scheme in ("https", "http")] == [200, 403]
    private.allow(("s3:GetObject", "*", {}), ("s3:ListBucket", "*", {}))
    assert private.get(f"http://{domain}/a") == (200, "a")
    assert private.get(f"http://{domain}/none")[0] == 404
    assert "<Key>b</Key>" in private.get(f"http://{domain}/")[1]


@pytest.mark.parametrize("by", ["AWS", "CanonicalUser"])
def test_an_origin_access_identity_is_a_user_in_the_buckets_policy(private, by):
    domain = private.bucket("c.txt")
    config = {"CallerReference": "1", "Comment": "c"}
    made = private.api.create_cloud_front_origin_access_identity(CloudFrontOriginAccessIdentityConfig=config)
    identity = made["CloudFrontOriginAccessIdentity"]
    again = private.api.create_cloud_front_origin_access_identity(CloudFrontOriginAccessIdentityConfig=config)
    assert again["CloudFrontOriginAccessIdentity"]["Id"] == identity["Id"]
    told = f"origin-access-identity/cloudfront/{identity['Id']}"
    _, name = private.distribute(domain, identity=told)
    assert private.get(f"http://{name}/c.txt")[0] == 403
    arn = f"arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {identity['Id']}"
    principal = {"AWS": arn} if by == "AWS" else {"CanonicalUser": identity["S3CanonicalUserId"]}
    private.allow(("s3:GetObject", principal, {}))
    assert private.get(f"http://{name}/c.txt") == (200, "c.txt")
    assert private.get(f"https://{domain}/c.txt")[0] == 403
    deleted = private.api.delete_cloud_front_origin_access_identity
    assert refusal(deleted, Id=identity["Id"], IfMatch=made["ETag"]) == "CloudFrontOriginAccessIdentityInUse"


def test_a_function_url_that_wants_signatures_gets_them_from_the_edge(private):
    lambda_ = private.kunren.client("lambda", private.account)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr(
            "f.py", "def handler(event, context):\n    return {'statusCode': 200, 'body': str(event.get('body'))}\n"
        )
    lambda_.create_function(
        FunctionName="f", Runtime="python3.13", Role=f"arn:aws:iam::{private.account}:role/r", Handler="f.handler",
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    url = lambda_.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")["FunctionUrl"]
    domain = url.removeprefix("https://").rstrip("/")
    control = private.control("lambda")
    identity, name = private.distribute(domain, custom=True, OriginAccessControlId=control)
    assert private.get(f"https://{name}/")[0] == 403
    lambda_.add_permission(
        FunctionName="f", StatementId="edge", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM",
        Principal="cloudfront.amazonaws.com",
        SourceArn=f"arn:aws:cloudfront::{private.account}:distribution/{identity}",
    )  # fmt: skip
    assert private.get(f"https://{name}/?a=b%20c") == (200, "None")
    assert private.get(url)[0] == 403
    # a body is signed by the hash that the viewer says
    assert private.get(f"https://{name}/", method="POST", body="text")[0] == 403


def test_controls_are_checked_listed_changed_and_deleted(private):
    api = private.api
    control = private.control("s3", Name="one")
    assert refusal(private.control, kind="s3", Name="one") == "OriginAccessControlAlreadyExists"
    assert refusal(private.control, kind="s3", Name="two", SigningBehavior="always-amz-auth") == "InvalidArgument"
    (listed,) = api.list_origin_access_controls()["OriginAccessControlList"]["Items"]
    assert (listed["Id"], listed["Name"], listed["SigningBehavior"], listed["Description"]) == (
        control, "one", "always", "",
    )  # fmt: skip
    custom = private.control("lambda", Name="three")
    plain = f"b-{private.account}.s3.us-east-1.amazonaws.com"
    wrong = refusal(private.distribute, domain=plain, OriginAccessControlId=custom)
    assert wrong == "InvalidDomainNameForOriginAccessControl"
    both = refusal(private.distribute, domain=plain, OriginAccessControlId=control, identity="x")
    assert both == "IllegalOriginAccessConfiguration"
    assert refusal(private.distribute, domain=plain, identity="x") == "InvalidOriginAccessIdentity"
    private.distribute(plain, OriginAccessControlId=control)
    etag = api.get_origin_access_control(Id=control)["ETag"]
    assert refusal(api.delete_origin_access_control, Id=control, IfMatch=etag) == "OriginAccessControlInUse"
    api.delete_origin_access_control(Id=custom, IfMatch=api.get_origin_access_control(Id=custom)["ETag"])
    assert refusal(api.get_origin_access_control, Id=custom) == "NoSuchOriginAccessControl"
