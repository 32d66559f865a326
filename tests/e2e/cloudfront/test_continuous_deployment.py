"""Changes tried on a staging distribution beside the primary: boto3 makes them, clients in the world are split."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
HEADER = {"Type": "SingleHeader", "SingleHeaderConfig": {"Header": "aws-cf-cd-try", "Value": "yes"}}
STICKY = {
    "Type": "SingleWeight",
    "SingleWeightConfig": {"Weight": 0.15, "SessionStickinessConfig": {"IdleTTL": 300, "MaximumTTL": 3600}},
}


def code(caught):
    return caught.value.response["Error"]["Code"]


def test_requests_are_split_between_primary_and_staging_until_it_is_promoted(delivered, until):
    api = delivered.api
    delivered.create(DefaultCacheBehavior=delivered.behaviour(policy=NO_CACHING))
    primary, etag = delivered.id, api.get_distribution(Id=delivered.id)["ETag"]
    with pytest.raises(ClientError) as caught:
        api.copy_distribution(PrimaryDistributionId=primary, IfMatch=etag, CallerReference="copy")
    assert code(caught) == "InvalidArgument"
    copied = api.copy_distribution(PrimaryDistributionId=primary, IfMatch=etag, CallerReference="copy", Staging=True)
    staging, name = copied["Distribution"]["Id"], copied["Distribution"]["DomainName"]
    config = copied["Distribution"]["DistributionConfig"]
    assert (config["Staging"], config["Aliases"]["Quantity"], config["Enabled"]) == (True, 0, True)
    (origin,) = config["Origins"]["Items"]
    tried = {**origin, "OriginPath": "/tried"}
    api.update_distribution(
        Id=staging, IfMatch=copied["ETag"],
        DistributionConfig={**config, "Origins": {"Quantity": 1, "Items": [tried]}},
    )  # fmt: skip

    def policy(traffic, enabled=True, names=(name,)):
        listed = {"Quantity": len(names), "Items": list(names)}
        return {"StagingDistributionDnsNames": listed, "Enabled": enabled, "TrafficConfig": traffic}

    def refused(wanted):
        with pytest.raises(ClientError) as caught:
            api.create_continuous_deployment_policy(ContinuousDeploymentPolicyConfig=wanted)
        return code(caught)

    too_much = {"Type": "SingleWeight", "SingleWeightConfig": {"Weight": 0.16}}
    other_header = {"Type": "SingleHeader", "SingleHeaderConfig": {"Header": "x-try", "Value": "yes"}}
    for wanted in (policy(too_much), policy(other_header), policy(HEADER, names=[delivered.name])):
        assert refused(wanted) == "InvalidArgument"
    made = api.create_continuous_deployment_policy(ContinuousDeploymentPolicyConfig=policy(HEADER))
    identity = made["ContinuousDeploymentPolicy"]["Id"]
    assert refused(policy(HEADER)) == "StagingDistributionInUse"
    listed = api.list_continuous_deployment_policies()["ContinuousDeploymentPolicyList"]
    assert [each["ContinuousDeploymentPolicy"]["Id"] for each in listed["Items"]] == [identity]
    delivered.change(ContinuousDeploymentPolicyId=identity)
    with pytest.raises(ClientError) as caught:
        delivered.change(HttpVersion="http3")
    assert code(caught) == "InvalidArgument"
    with pytest.raises(ClientError) as caught:
        api.delete_continuous_deployment_policy(Id=identity, IfMatch=made["ETag"])
    assert code(caught) == "ContinuousDeploymentPolicyInUse"

    def path(**headers):
        answer = delivered.get("/a", headers={key.replace("_", "-"): value for key, value in headers.items()})
        return json.loads(answer["body"])["path"], answer["headers"].get("set-cookie")

    def policy_is(config):
        etag = api.get_continuous_deployment_policy(Id=identity)["ETag"]
        api.update_continuous_deployment_policy(Id=identity, IfMatch=etag, ContinuousDeploymentPolicyConfig=config)
        delivered.deployed()

    until(lambda: path(aws_cf_cd_try="yes") == ("/tried/a", None), "a request to the staging distribution")
    assert path() == ("/a", None)
    traced = delivered.kunren.run("trace", "--json", "-H", "aws-cf-cd-try: yes", f"http://{delivered.name}/a")
    assert (traced.returncode, json.loads(traced.stdout)["expected"]["distribution"]) == (0, staging), traced.stdout
    direct = delivered.get("/a", headers={"Host": name})
    assert direct["status"] == 403, "no name leads to a staging distribution"

    policy_is(policy(STICKY))
    seen = {}
    for _ in range(400):  # one in seven
        where, cookie = path()
        seen.setdefault(where, cookie.partition(";")[0])
        if len(seen) == 2:
            break
    traced = delivered.kunren.run("trace", "--json", f"http://{delivered.name}/a")
    assert (traced.returncode, "a share of the requests" in traced.stdout) == (0, True), traced.stdout
    for where, cookie in seen.items():
        assert {path(Cookie=cookie)[0] for _ in range(5)} == {where}
    policy_is(policy(STICKY, enabled=False))
    assert path(Cookie=seen["/tried/a"]) == ("/a", None)

    policy_is(policy(HEADER))
    etags = [api.get_distribution(Id=each)["ETag"] for each in (primary, staging)]
    with pytest.raises(ClientError) as caught:
        api.update_distribution_with_staging_config(Id=primary, StagingDistributionId=staging, IfMatch=etags[0])
    assert code(caught) == "InvalidIfMatchVersion"
    promoted = api.update_distribution_with_staging_config(
        Id=primary, StagingDistributionId=staging, IfMatch=", ".join(etags)
    )["Distribution"]["DistributionConfig"]
    assert (promoted["Staging"], promoted["ContinuousDeploymentPolicyId"]) == (False, identity)
    assert promoted["Origins"]["Items"][0]["OriginPath"] == "/tried"
    shown = api.get_continuous_deployment_policy_config(Id=identity)["ContinuousDeploymentPolicyConfig"]
    assert shown["Enabled"] is False
    delivered.deployed()
    assert path() == ("/tried/a", None)
    delivered.change(ContinuousDeploymentPolicyId="")
    etag = api.get_continuous_deployment_policy(Id=identity)["ETag"]
    api.delete_continuous_deployment_policy(Id=identity, IfMatch=etag)
    with pytest.raises(ClientError) as caught:
        api.get_continuous_deployment_policy(Id=identity)
    assert code(caught) == "NoSuchContinuousDeploymentPolicy"
