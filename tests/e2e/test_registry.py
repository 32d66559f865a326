"""ECR's registry: skopeo pushes and pulls in the world, and the OCI distribution API says what AWS's says."""

from __future__ import annotations

import base64
import json
import os
import signal

import pytest
import urllib3
from botocore.exceptions import ClientError
from oci import KIND, PYTHON, described, digest_of, image, layer, layout, python_files

REGION = "us-east-1"


class Registry:
    """An account's registry, asked from the host through the proxy into the world."""

    def __init__(self, kunren, account):
        self.host = f"{account}.dkr.ecr.{REGION}.amazonaws.com"
        self.ecr = kunren.client("ecr", account)
        token = self.ecr.get_authorization_token()["authorizationData"][0]
        assert token["proxyEndpoint"] == f"https://{self.host}"
        self.token = token["authorizationToken"]
        self.password = base64.b64decode(self.token).decode().removeprefix("AWS:")
        ca = kunren.run("ca", check=True).stdout.strip()
        proxy = f"http://127.0.0.1:{kunren.status()['ports']['proxy']}"
        self.pool = urllib3.ProxyManager(proxy, ca_certs=ca, retries=False, timeout=60)

    def ask(self, method, path, body=None, **headers):
        url = path if path.startswith("https://") else f"https://{self.host}/v2/{path}"
        told = {
            "Authorization": f"Basic {self.token}",
            **{name.replace("_", "-"): each for name, each in headers.items()},
        }
        return self.pool.request(method, url, body=body, headers={key: each for key, each in told.items() if each})

    def refused(self, method, path, body=None, **headers):
        answer = self.ask(method, path, body, **headers)
        error = answer.json()["errors"][0]
        return answer.status, error["code"], error["message"]

    def blob(self, repository, content):
        where = self.ask("POST", f"{repository}/blobs/uploads/").headers["Location"]
        answer = self.ask("PUT", f"{where}?digest={digest_of(content)}", content)
        assert answer.status == 201, answer.data
        return answer

    def push(self, repository, tag, manifest, blobs):
        for content in blobs.values():
            self.blob(repository, content)
        return self.ask("PUT", f"{repository}/manifests/{tag}", manifest, Content_Type=f"{KIND}manifest.v1+json")


@pytest.fixture
def registry(kunren, account):
    return Registry(kunren, account)


def test_skopeo_pushes_lists_pulls_and_deletes(kunren, registry, tmp_path):
    digest = layout(
        tmp_path / "image", layer({"hello": "world"}), layer({"big": os.urandom(9_000_000)}), Cmd=["/hello"]
    )
    registry.ecr.create_repository(repositoryName="team/web")
    name = f"docker://{registry.host}/team/web:1"
    credentials = ["--authfile", str(tmp_path / "auth.json")]

    def skopeo(*arguments, check=True):
        return kunren.exec("skopeo", "--insecure-policy", *arguments, check=check)

    skopeo("login", *credentials, "-u", "AWS", "-p", registry.password, registry.host)
    skopeo("copy", *credentials, f"oci:{tmp_path}/image", name)
    assert json.loads(skopeo("list-tags", *credentials, name.removesuffix(":1")).stdout)["Tags"] == ["1"]
    skopeo("copy", *credentials, name, f"oci:{tmp_path}/back")
    assert (tmp_path / "back/blobs/sha256" / digest.removeprefix("sha256:")).exists()
    details = registry.ecr.describe_images(repositoryName="team/web")["imageDetails"]
    assert [(each["imageDigest"], each["imageTags"], each["imageSizeInBytes"] > 9_000_000) for each in details] == [
        (digest, ["1"], True)
    ]
    assert "lastRecordedPullTime" in details[0]

    account = registry.host.partition(".")[0]
    missing = skopeo("copy", *credentials, f"oci:{tmp_path}/image", f"docker://{registry.host}/no:1", check=False)
    told = f"name unknown: The repository with name 'no' does not exist in the registry with id '{account}'"
    assert missing.returncode and told in missing.stderr
    missing = skopeo("inspect", *credentials, name.replace(":1", ":2"), check=False)
    assert "manifest unknown: Requested image not found" in missing.stderr
    assert "unauthorized" in skopeo("inspect", name, check=False).stderr
    skopeo("delete", *credentials, name)
    assert registry.ecr.list_images(repositoryName="team/web")["imageIds"] == []


def test_the_registry_asks_who_it_is(registry):
    answer = registry.ask("GET", "", Authorization=None)
    assert (answer.status, answer.data) == (401, b"Not Authorized\n")
    asked = f'Basic realm="https://{registry.host}/",service="ecr.amazonaws.com"'
    assert answer.headers["Www-Authenticate"] == asked
    answer = registry.ask("GET", "")
    assert (answer.status, answer.headers["Docker-Distribution-Api-Version"]) == (200, "registry/2.0")
    wrong = base64.b64encode(b"AWS:" + registry.password.encode()[:-8]).decode()
    assert registry.ask("GET", "", Authorization=f"Basic {wrong}").status == 401


def test_blobs_come_in_chunks_in_parts_and_from_elsewhere(registry):
    registry.ecr.create_repository(repositoryName="one")
    registry.ecr.create_repository(repositoryName="two")
    content = os.urandom(3_000_000)
    digest = digest_of(content)
    begun = registry.ask("POST", "one/blobs/uploads/")
    assert (begun.status, begun.headers["Range"]) == (202, "0-0")
    where = begun.headers["Location"]
    assert where.startswith(f"https://{registry.host}/v2/one/blobs/uploads/")
    part = registry.ask("PATCH", where, content[:2_000_000], Content_Range="0-1999999")
    assert (part.status, part.headers["Range"]) == (202, "0-1999999")
    late = registry.ask("PATCH", where, content[:10], Content_Range="0-9")
    assert (late.status, late.headers["Range"]) == (416, "0-1999999")
    assert registry.ask("GET", where).headers["Range"] == "0-1999999"
    code = registry.refused("PUT", f"{where}?digest={digest_of(b'other')}", content[2_000_000:])[:2]
    assert code == (400, "DIGEST_INVALID")
    done = registry.ask("PUT", f"{where}?digest={digest}")  # the rest was taken in before its digest was refused
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, digest)
    assert registry.refused("PATCH", where, b"more")[:2] == (404, "BLOB_UPLOAD_UNKNOWN")

    assert registry.ask("GET", f"one/blobs/{digest}").data == content
    head = registry.ask("HEAD", f"one/blobs/{digest}")
    assert (head.headers["Content-Length"], head.data) == ("3000000", b"")
    part = registry.ask("GET", f"one/blobs/{digest}", Range="bytes=10-19")
    assert (part.status, part.data, part.headers["Content-Range"]) == (206, content[10:20], "bytes 10-19/3000000")
    assert registry.ask("GET", f"one/blobs/{digest}", Range="bytes=-5").data == content[-5:]
    assert registry.ask("GET", f"one/blobs/{digest}", Range="bytes=3000000-").status == 416
    assert registry.refused("GET", f"two/blobs/{digest}")[:2] == (404, "BLOB_UNKNOWN")
    assert registry.ask("POST", f"two/blobs/uploads/?mount={digest}&from=one").status == 201
    assert registry.ask("HEAD", f"two/blobs/{digest}").status == 200
    assert registry.ask("POST", f"two/blobs/uploads/?mount={digest_of(b'?')}&from=one").status == 202
    at_once = registry.ask("POST", f"two/blobs/uploads/?digest={digest_of(b'small')}", b"small")
    assert at_once.status == 201
    url = registry.ecr.get_download_url_for_layer(repositoryName="two", layerDigest=digest)["downloadUrl"]
    assert registry.ask("GET", url, Authorization=None).data == content


def test_manifests_indexes_referrers_and_pages(registry):
    registry.ecr.create_repository(repositoryName="web")
    manifest, blobs = image(layer({"f": "1"}))
    config = json.loads(manifest)["config"]["digest"]
    refused = registry.refused("PUT", "web/manifests/1", manifest)
    assert refused[:2] == (400, "MANIFEST_BLOB_UNKNOWN") and config in refused[2]
    pushed = registry.push("web", "1", manifest, blobs)
    digest = digest_of(manifest)
    assert (pushed.status, pushed.headers["Docker-Content-Digest"]) == (201, digest)
    assert registry.refused("PUT", f"web/manifests/{digest_of(b'x')}", manifest)[:2] == (400, "DIGEST_INVALID")
    assert registry.refused("PUT", "web/manifests/2", b"{")[:2] == (400, "MANIFEST_INVALID")
    for tag in ("2", "3", "latest"):
        assert registry.ask("PUT", f"web/manifests/{tag}", manifest).status == 201
    got = registry.ask("GET", "web/manifests/latest")
    assert (got.data, got.headers["Content-Type"]) == (manifest, f"{KIND}manifest.v1+json")
    page = registry.ask("GET", "web/tags/list?n=3")
    assert page.json() == {"name": "web", "tags": ["1", "2", "3"]}
    assert page.headers["Link"] == '</v2/web/tags/list?last=3&n=3>; rel="next"'
    assert registry.ask("GET", "web/tags/list?n=3&last=3").json()["tags"] == ["latest"]

    other = described(manifest, "manifest.v1+json")
    index = {"schemaVersion": 2, "mediaType": f"{KIND}index.v1+json", "manifests": [other]}
    lost = {**index, "manifests": [{**other, "digest": digest_of(b"lost")}]}
    assert registry.refused("PUT", "web/manifests/all", json.dumps(lost))[:2] == (400, "MANIFEST_BLOB_UNKNOWN")
    assert registry.ask("PUT", "web/manifests/all", json.dumps(index)).status == 201
    failure = registry.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": digest}])["failures"][0]
    assert failure["failureCode"] == "ImageReferencedByManifestList"

    signature = {**json.loads(manifest), "subject": other, "artifactType": "application/vnd.example.sig"}
    answer = registry.ask("PUT", f"web/manifests/{digest_of(json.dumps(signature).encode())}", json.dumps(signature))
    assert (answer.status, answer.headers["OCI-Subject"]) == (201, digest)
    found = registry.ask("GET", f"web/referrers/{digest}").json()["manifests"]
    assert [each["artifactType"] for each in found] == ["application/vnd.example.sig"]
    empty = registry.ask("GET", f"web/referrers/{digest}?artifactType=x")
    assert (empty.json()["manifests"], empty.headers["OCI-Filters-Applied"]) == ([], "artifactType")
    assert registry.ask("DELETE", "web/manifests/2").status == 202
    assert registry.refused("GET", "web/manifests/2")[2] == "Requested image not found"


def test_the_api_takes_layers_and_images_too(registry):
    ecr = registry.ecr
    made = ecr.create_repository(
        repositoryName="api",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}],
    )
    assert made["repository"]["repositoryUri"] == f"{registry.host}/api"
    manifest, blobs = image(layer({"f": "2"}))
    for digest, content in blobs.items():
        upload = ecr.initiate_layer_upload(repositoryName="api")
        assert upload["partSize"] == 20_971_520
        part = {"repositoryName": "api", "uploadId": upload["uploadId"], "layerPartBlob": content}
        ecr.upload_layer_part(**part, partFirstByte=0, partLastByte=len(content) - 1)
        with pytest.raises(ecr.exceptions.InvalidLayerPartException):
            ecr.upload_layer_part(**part, partFirstByte=0, partLastByte=len(content) - 1)
        ecr.complete_layer_upload(repositoryName="api", uploadId=upload["uploadId"], layerDigests=[digest])
    layers = ecr.batch_check_layer_availability(repositoryName="api", layerDigests=[*blobs, digest_of(b"no")])["layers"]
    assert [each["layerAvailability"] for each in layers] == ["AVAILABLE", "AVAILABLE", "UNAVAILABLE"]
    put = {"repositoryName": "api", "imageManifest": manifest.decode()}
    ecr.put_image(**put, imageTag="1")
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(**put, imageTag="1")
    ecr.put_image(**put, imageTag="dev-1")
    other = json.dumps({**json.loads(manifest), "annotations": {"a": "b"}})
    with pytest.raises(ecr.exceptions.ImageTagAlreadyExistsException) as refused:
        ecr.put_image(repositoryName="api", imageManifest=other, imageTag="1")
    told = "The image tag '1' already exists in the 'api' repository and cannot be overwritten because the repository is immutable."
    assert refused.value.response["Error"]["Message"] == told
    assert registry.refused("PUT", "api/manifests/1", other) == (400, "TAG_INVALID", told)
    ecr.put_image(repositoryName="api", imageManifest=other, imageTag="dev-1")
    got = ecr.batch_get_image(repositoryName="api", imageIds=[{"imageTag": "dev-1"}, {"imageTag": "9"}])
    assert got["images"][0]["imageManifest"] == other
    assert got["failures"][0]["failureCode"] == "ImageNotFound"
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="api")
    with pytest.raises(ClientError, match="scanning of images"):
        ecr.create_repository(repositoryName="scan", imageScanningConfiguration={"scanOnPush": True})
    ecr.delete_repository(repositoryName="api", force=True)
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.list_images(repositoryName="api")


def heard(kunren, account, region=REGION):
    """A function that gives all that EventBridge has been told by ECR in the account from now on."""
    sqs, rules = (kunren.client(each, account, region) for each in ("sqs", "events"))
    queue = sqs.create_queue(QueueName="images")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rules.put_rule(Name="images", EventPattern=json.dumps({"source": ["aws.ecr"]}))
    rules.put_targets(Rule="images", Targets=[{"Id": "queue", "Arn": arn}])
    happened = []

    def told():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages") or ():
            happened.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return happened

    return told


def test_a_lifecycle_policy_is_previewed_and_then_acts(kunren, account, registry, until):
    ecr, told = registry.ecr, heard(kunren, account)
    ecr.create_repository(repositoryName="old")

    def events():
        return sorted((each["detail"]["action-type"], each["detail"]["image-tag"]) for each in told())

    manifest, blobs = image(layer({"f": "3"}))
    registry.push("old", "1", manifest, blobs)
    for tag in ("2", "3"):
        changed = json.dumps({**json.loads(manifest), "annotations": {"tag": tag}})
        assert registry.ask("PUT", f"old/manifests/{tag}", changed).status == 201
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
    rule = {"rulePriority": 7, "description": "one", "selection": selection, "action": {"type": "expire"}}
    policy = json.dumps({"rules": [rule]})
    begun = ecr.start_lifecycle_policy_preview(repositoryName="old", lifecyclePolicyText=policy)
    assert begun["status"] == "IN_PROGRESS"
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(repositoryName="old", WaiterConfig={"Delay": 1})
    found = ecr.get_lifecycle_policy_preview(repositoryName="old")
    assert found["summary"] == {"expiringImageTotalCount": 2}
    assert {each["appliedRulePriority"] for each in found["previewResults"]} == {7}
    assert len(ecr.describe_images(repositoryName="old")["imageDetails"]) == 3
    ecr.put_lifecycle_policy(repositoryName="old", lifecyclePolicyText=policy)
    tags = lambda: [each["imageTag"] for each in ecr.list_images(repositoryName="old")["imageIds"]]  # noqa: E731
    until(lambda: tags() == ["3"], "the two older images expire")
    wanted = [("DELETE", "1"), ("DELETE", "2"), ("PUSH", "1"), ("PUSH", "2"), ("PUSH", "3")]
    until(lambda: events() == wanted, lambda: f"the events, of which there are {events()}")
    assert "lastEvaluatedAt" in ecr.get_lifecycle_policy(repositoryName="old")


def test_what_is_pulled_through_a_cache_comes_from_its_upstream_registry(kunren, account, registry, until):
    west, there = kunren.client("ecr", account, region="us-west-2"), registry.host.replace(REGION, "us-west-2")
    registry.ecr.create_repository(repositoryName="team/web")
    manifest, blobs = image(layer({"which": "one"}), Cmd=["/x"])
    registry.push("team/web", "1", manifest, blobs)
    rule = {"ecrRepositoryPrefix": "east", "upstreamRegistryUrl": registry.host}
    made = west.create_pull_through_cache_rule(**rule)
    assert (made["upstreamRegistry"], made["upstreamRepositoryPrefix"]) == ("ecr", "ROOT")
    with pytest.raises(west.exceptions.PullThroughCacheRuleAlreadyExistsException):
        west.create_pull_through_cache_rule(**rule)
    told = heard(kunren, account, "us-west-2")
    pull = lambda what, host=there: registry.ask("GET", f"https://{host}/v2/{what}")  # noqa: E731
    assert pull("east/team/web/manifests/2").status == 404
    assert west.describe_repositories()["repositories"] == []
    assert pull("east/team/web/manifests/1").data == manifest
    for digest, content in blobs.items():
        assert pull(f"east/team/web/blobs/{digest}").data == content
    first = {"imageDigest": digest_of(manifest), "imageTag": "1"}
    assert west.list_images(repositoryName="east/team/web")["imageIds"] == [first]
    registry.push("team/web", "1", *image(layer({"which": "two"})))
    until(told, "the event")
    assert [(each["detail-type"], each["detail"]) for each in told()] == [
        (
            "ECR Pull Through Cache Action",
            {
                "rule-version": "1", "sync-status": "SUCCESS", "ecr-repository-prefix": "east", "image-tag": "1",
                "repository-name": "east/team/web", "upstream-registry-url": registry.host,
                "image-digest": digest_of(manifest),
            },
        )
    ]  # fmt: skip
    assert west.delete_pull_through_cache_rule(ecrRepositoryPrefix="east")["upstreamRegistryUrl"] == registry.host
    assert west.describe_pull_through_cache_rules()["pullThroughCacheRules"] == []
    assert pull("east/team/web/manifests/1").data == manifest


def test_a_cache_of_another_accounts_registry_needs_a_role_that_its_policy_lets_in(kunren, account, registry):
    other = f"2{account[1:]}"
    registry.ecr.create_repository(repositoryName="team/web")
    manifest, blobs = image(layer({"which": "one"}), Cmd=["/x"])
    registry.push("team/web", "1", manifest, blobs)
    theirs, role = kunren.client("ecr", other), f"arn:aws:iam::{other}:role/caches"
    rule = {"ecrRepositoryPrefix": "own", "upstreamRegistryUrl": registry.host, "upstreamRepositoryPrefix": "team"}
    with pytest.raises(ClientError, match="An upstream registry of another account takes a role"):
        theirs.create_pull_through_cache_rule(**rule)
    theirs.create_pull_through_cache_rule(**rule, customRoleArn=role)
    address = f"https://{registry.host.replace(account, other)}/v2/own/web/manifests/{digest_of(manifest)}"
    assert registry.ask("GET", address).status == 404
    pulls = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": pulls}
    registry.ecr.set_repository_policy(repositoryName="team/web", policyText=json.dumps({"Statement": [statement]}))
    assert registry.ask("GET", address).data == manifest
    with pytest.raises(ClientError) as refused:
        theirs.create_pull_through_cache_rule(ecrRepositoryPrefix="hub", upstreamRegistryUrl="registry.test")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"


def test_a_registry_answers_the_first_who_asks_in_a_region(kunren, registry):
    """By the proxy, and within the world: its name is answered once the region's endpoints are open."""
    there = registry.host.replace(REGION, "me-central-1")
    assert registry.ask("GET", f"https://{there}/v2/").status == 200
    there = registry.host.replace(REGION, "af-south-1")
    shown = kunren.exec("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"https://{there}/v2/", check=True)
    assert shown.stdout == "401"


def test_what_is_pushed_is_copied_to_the_regions_that_rules_name(kunren, account, registry, until):
    ecr, west = registry.ecr, kunren.client("ecr", account, region="us-west-2")
    for name in ("prod/web", "test/web"):
        ecr.create_repository(repositoryName=name)
    manifest, blobs = image(layer({"which": "one"}), Cmd=["/x"])
    registry.push("prod/web", "old", *image(layer({"which": "old"})))
    prefix = [{"filter": "prod", "filterType": "PREFIX_MATCH"}]
    rules = [{"destinations": [{"region": "us-west-2", "registryId": account}], "repositoryFilters": prefix}]
    ecr.put_replication_configuration(replicationConfiguration={"rules": rules})
    assert ecr.describe_registry()["replicationConfiguration"] == {"rules": rules}

    west.create_repository(repositoryName="prod/web", imageTagMutability="IMMUTABLE")
    for repository in ("test/web", "prod/web"):
        assert registry.push(repository, "1", manifest, blobs).status == 201

    def status(tag):
        told = ecr.describe_image_replication_status(repositoryName="prod/web", imageId={"imageTag": tag})
        return told["replicationStatuses"]

    done = [{"region": "us-west-2", "registryId": account, "status": "COMPLETE"}]
    until(lambda: status("1") == done, "the copy")
    assert status("old") == []
    assert [each["repositoryName"] for each in west.describe_repositories()["repositories"]] == ["prod/web"]
    first = {"imageDigest": digest_of(manifest), "imageTag": "1"}
    assert west.list_images(repositoryName="prod/web")["imageIds"] == [first]
    there = registry.host.replace(REGION, "us-west-2")
    for digest, content in blobs.items():
        assert registry.ask("GET", f"https://{there}/v2/prod/web/blobs/{digest}").data == content
    assert registry.ask("GET", f"https://{there}/v2/prod/web/manifests/1").data == manifest

    moved, more = image(layer({"which": "two"}))
    registry.push("prod/web", "1", moved, more)
    until(lambda: status("1") == done, "the second copy")
    found = west.list_images(repositoryName="prod/web")["imageIds"]
    assert sorted(found, key=len) == [{"imageDigest": digest_of(moved)}, first]  # the tag is immutable there
    rules[0]["deleteReplication"] = {"enabled": True}
    ecr.put_replication_configuration(replicationConfiguration={"rules": rules})
    twice = {"repositoryName": "prod/web", "imageManifest": moved.decode(), "imageTag": "2"}
    assert ecr.put_image(**twice)["image"]["imageId"]["imageTag"] == "2"
    listed = lambda: west.list_images(repositoryName="prod/web")["imageIds"]  # noqa: E731
    second = {"imageDigest": digest_of(moved), "imageTag": "2"}
    until(lambda: second in listed(), "the second tag's copy")
    ecr.batch_delete_image(repositoryName="prod/web", imageIds=[{"imageTag": "1"}])  # there, it is another image's
    assert first in listed() and second in listed()
    ecr.batch_delete_image(repositoryName="prod/web", imageIds=[{"imageTag": "2"}])
    assert listed() == [first]
    with pytest.raises(ClientError, match="cannot be the same as the source registry"):
        rules[0]["destinations"] = [{"region": REGION, "registryId": account}]
        ecr.put_replication_configuration(replicationConfiguration={"rules": rules})


def test_another_account_lets_images_in_by_its_registry_policy(kunren, account, registry, until):
    other = f"2{account[1:]}"
    ecr, theirs, told = registry.ecr, kunren.client("ecr", other), heard(kunren, other)
    ecr.create_repository(repositoryName="web")
    rules = [{"destinations": [{"region": REGION, "registryId": other}]}]
    ecr.put_replication_configuration(replicationConfiguration={"rules": rules})

    def pushed(tag, **told):
        """Another image, and what becomes of it there."""
        manifest, blobs = image(layer({"which": tag}))
        registry.push("web", tag, manifest, blobs)
        name = {"repositoryName": "web", "imageId": {"imageTag": tag}}
        done = [{"region": REGION, "registryId": other, **told}]
        until(lambda: ecr.describe_image_replication_status(**name)["replicationStatuses"] == done, f"image {tag}")
        return {"imageDigest": digest_of(manifest), "imageTag": tag}

    def lets(*actions):
        principal, where = {"AWS": f"arn:aws:iam::{account}:root"}, f"arn:aws:ecr:{REGION}:{other}:repository/web"
        statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": where}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        assert theirs.put_registry_policy(policyText=text)["policyText"] == text

    with pytest.raises(theirs.exceptions.RegistryPolicyNotFoundException):
        theirs.get_registry_policy()
    pushed("1", status="FAILED", failureCode="AccessDenied")
    lets("ecr:ReplicateImage")
    pushed("2", status="FAILED", failureCode="AccessDenied")  # nobody may make the repository
    lets("ecr:CreateRepository")
    pushed("empty", status="FAILED", failureCode="AccessDenied")  # nor is one made for nothing
    assert theirs.describe_repositories()["repositories"] == []
    lets("ecr:ReplicateImage", "ecr:CreateRepository")
    third = pushed("3", status="COMPLETE")
    assert theirs.list_images(repositoryName="web")["imageIds"] == [third]
    until(told, "the event")
    assert [(each["detail-type"], each["detail"]) for each in told()] == [
        (
            "ECR Replication Action",
            {
                "result": "SUCCESS", "repository-name": "web", "image-digest": third["imageDigest"],
                "source-account": account, "action-type": "REPLICATE", "source-region": REGION, "image-tag": "3",
            },
        )
    ]  # fmt: skip
    assert theirs.delete_registry_policy()["registryId"] == other
    pushed("4", status="FAILED", failureCode="AccessDenied")
    assert theirs.list_images(repositoryName="web")["imageIds"] == [third]


def test_a_task_runs_an_image_that_was_pushed(kunren, registry, account):
    registry.ecr.create_repository(repositoryName="job")
    program = "import os, sys; open('/app/new', 'w'); sys.exit(40 + len(os.listdir('/app')))"
    lower = layer({"app/one": "", "app/gone": ""}, files=python_files())
    manifest, blobs = image(
        lower, layer({"app/.wh.gone": ""}), Entrypoint=[PYTHON, "-I", "-S", "-B", "-c", program], WorkingDir="/app"
    )
    assert registry.push("job", "1", manifest, blobs).status == 201
    ecs, ec2 = kunren.client("ecs", account), kunren.client("ec2", account)
    cluster = ecs.create_cluster(clusterName="jobs")["cluster"]["clusterArn"]
    containers = [{"name": "job", "image": f"{registry.host}/job:1", "essential": True}]
    made = ecs.register_task_definition(
        family="job", requiresCompatibilities=["FARGATE"], networkMode="awsvpc", cpu="256", memory="512",
        executionRoleArn=f"arn:aws:iam::{account}:role/pulls", containerDefinitions=containers,
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    subnets = [ec2.describe_subnets()["Subnets"][0]["SubnetId"]]
    started = ecs.run_task(
        cluster=cluster, taskDefinition=made, launchType="FARGATE", count=2,
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets, "assignPublicIp": "ENABLED"}},
    )["tasks"]  # fmt: skip
    arns = [each["taskArn"] for each in started]
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=arns, WaiterConfig={"Delay": 1})
    for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]:
        container = task["containers"][0]
        assert (container.get("exitCode"), container["imageDigest"]) == (42, digest_of(manifest)), task


def test_what_was_acknowledged_outlives_the_daemon(own_kunren, account):
    own_kunren.up()
    registry = Registry(own_kunren, account)
    registry.ecr.create_repository(repositoryName="web")
    manifest, blobs = image(layer({"f": "4"}))
    assert registry.push("web", "1", manifest, blobs).status == 201
    content = os.urandom(2_000_000)
    upload = registry.ask("POST", "web/blobs/uploads/").headers["Location"]
    assert registry.ask("PATCH", upload, content[:1_500_000]).status == 202
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up()
    again = Registry(own_kunren, account)
    again.token = registry.token  # which is as good as before
    assert again.ask("GET", "web/manifests/1").data == manifest
    assert again.ask("GET", upload).headers["Range"] == "0-1499999"
    done = again.ask("PUT", f"{upload}?digest={digest_of(content)}", content[1_500_000:])
    assert done.status == 201
    assert again.ask("GET", f"web/blobs/{digest_of(content)}").data == content
