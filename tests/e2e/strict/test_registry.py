"""Strict mode and ECR's registry: a token is good for what policies let its holder do, in whoever's account."""

import base64
import http.client
import json

import pytest
from oci import digest_of, image, layer
from strict_client import ACCOUNT, OTHER, document, refused, statement, trust

pytestmark = pytest.mark.xdist_group("strict")
HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
ARN = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/web"
PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


class Holder:
    """Somebody with a token, who asks the registry at the host's port."""

    def __init__(self, strict, keys, account=ACCOUNT, region="us-east-1"):
        self._port, self._host = strict.kunren.port, HOST.replace("us-east-1", region)
        self.ecr = strict.client("ecr", keys, account)
        self._token = self.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        told = {"Host": self._host, "Authorization": f"Basic {self._token}", **headers}
        connection.request(method, path, body, told)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def denied(self, *asked):
        status, _, body = self.ask(*asked)
        error = json.loads(body)["errors"][0]
        assert (status, error["code"]) == (403, "DENIED"), error
        return error["message"]

    def push(self, manifest, blobs):
        for digest, content in blobs.items():
            status, headers, _ = self.ask("POST", "/v2/web/blobs/uploads/")
            path = headers["Location"].partition("/v2/")[2]
            assert (status, self.ask("PUT", f"/v2/{path}?digest={digest}", content)[0]) == (202, 201)
        return self.ask("PUT", "/v2/web/manifests/1", manifest)[0]


def test_a_token_is_good_for_what_policies_allow(strict):
    strict.client("ecr").create_repository(repositoryName="web")
    token = statement("ecr:GetAuthorizationToken")
    nobody, keys = strict.user()
    arn = f"arn:aws:iam::{ACCOUNT}:user/{nobody}"
    told = refused(strict.client("ecr", keys).get_authorization_token)
    assert told[1] == (
        f"User: {arn} is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based "
        "policy allows the ecr:GetAuthorizationToken action"
    )
    name, keys = strict.user(token, statement(PULL, ARN))
    puller = Holder(strict, keys)
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert puller.denied("POST", "/v2/web/blobs/uploads/") == (
        f"User: {arn} is not authorized to perform: ecr:InitiateLayerUpload on resource: {ARN} because no "
        "identity-based policy allows the ecr:InitiateLayerUpload action"
    )
    iam = strict.client("iam")
    role = iam.create_role(RoleName="pushes", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    iam.put_role_policy(RoleName="pushes", PolicyName="own", PolicyDocument=document(token, statement(PUSH, ARN)))
    _, keys = strict.user(statement("sts:AssumeRole", role))
    session = strict.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="ci", DurationSeconds=3600)[
        "Credentials"
    ]
    pusher = Holder(strict, (session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]))
    manifest, blobs = image(layer({"f": "strict"}))
    assert pusher.push(manifest, blobs) == 201
    assert "assumed-role/pushes/ci is not authorized to perform: ecr:BatchGetImage" in pusher.denied(
        "GET", "/v2/web/manifests/1"
    )
    status, headers, body = puller.ask("GET", "/v2/web/manifests/1")
    assert (status, headers["Docker-Content-Digest"], body) == (200, digest_of(manifest), manifest)
    mounts_only_what_it_may_read(strict, next(iter(blobs)))

    brings_through_a_cache_only_who_may(strict, manifest)


def brings_through_a_cache_only_who_may(strict, manifest):
    far = strict.client("ecr", region="eu-west-1")
    far.create_pull_through_cache_rule(ecrRepositoryPrefix="us", upstreamRegistryUrl=HOST)
    cache = ARN.replace("us-east-1", "eu-west-1").replace("web", "us/web")
    brings = [*PULL, "ecr:BatchImportUpstreamImage"]
    asked = ("GET", "/v2/us/web/manifests/1")
    for actions, missing in ((PULL, "ecr:BatchImportUpstreamImage"), (brings, "ecr:CreateRepository")):
        _, keys = strict.user(statement("ecr:GetAuthorizationToken"), statement(actions, cache))
        puller = Holder(strict, keys, region="eu-west-1")
        assert f"not authorized to perform: {missing} on resource: {cache}" in puller.denied(*asked)
    assert "us/web" not in [each["repositoryName"] for each in far.describe_repositories()["repositories"]]
    _, keys = strict.user(statement("ecr:GetAuthorizationToken"), statement([*brings, "ecr:CreateRepository"], cache))
    assert Holder(strict, keys, region="eu-west-1").ask(*asked)[::2] == (200, manifest)
    assert puller.ask(*asked)[::2] == (200, manifest)


def mounts_only_what_it_may_read(strict, digest):
    strict.client("ecr").create_repository(repositoryName="mine")
    mine = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/mine"
    for reads, answered in (("nothing", 202), ("web", 201)):
        source = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{reads}"
        token = statement("ecr:GetAuthorizationToken")
        _, keys = strict.user(token, statement(PUSH, mine), statement(PULL, source))
        holder = Holder(strict, keys)
        assert holder.ask("POST", f"/v2/mine/blobs/uploads/?mount={digest}&from=web")[0] == answered
        status, _, _ = holder.ask("HEAD", "/v2/mine/tags/list")
        assert status == 403


def test_another_account_pulls_where_the_repository_says_so(strict):
    ecr = strict.client("ecr")
    ecr.create_repository(repositoryName="shared")
    _, keys = strict.user(statement("ecr:*"), account=OTHER)
    other = Holder(strict, keys, OTHER)
    assert "ecr:ListImages" in other.denied("GET", "/v2/shared/tags/list")
    policy = {
        "Sid": "pull",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "ecr:List*",
    }
    ecr.set_repository_policy(repositoryName="shared", policyText=document(policy))
    assert other.ask("GET", "/v2/shared/tags/list")[0] == 200
    asked = {"registryId": ACCOUNT, "repositoryName": "shared"}
    assert other.ecr.list_images(**asked)["imageIds"] == []
    assert "ecr:DescribeImages" in refused(other.ecr.describe_images, **asked)[1]
    assert base64.b64decode(other._token).startswith(b"AWS:")
