"""Recovery targets and what is deployed: boto3 states them, assessments and drills answer."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from kunren.management.client import Management, Refused

NEVER = 2_592_001


def test_an_app_is_assessed_drilled_and_drifts(kunren, account, site, until):
    hub, groups = kunren.client("resiliencehub", account), kunren.client("resource-groups", account)
    one, two = site.target("one", zone=0), site.target("two", zone=1)
    group = site.group((one, 80), (two, 80))
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    site.elb.add_tags(ResourceArns=[site.arn, group], Tags=[{"Key": "app", "Value": "shop"}])
    query = {"ResourceTypeFilters": ["AWS::AllSupported"], "TagFilters": [{"Key": "app", "Values": ["shop"]}]}
    made = groups.create_group(Name="shop", ResourceQuery={"Type": "TAG_FILTERS_1_0", "Query": json.dumps(query)})
    targets = {each: {"rtoInSecs": 120, "rpoInSecs": 0} for each in ("Software", "Hardware", "AZ")}
    policy = hub.create_resiliency_policy(policyName="gold", tier="Critical", policy=targets)["policy"]
    assert policy["policy"] == targets
    app = hub.create_app(name="shop", policyArn=policy["policyArn"])["app"]
    assert (app["complianceStatus"], app["status"]) == ("NotAssessed", "Active")
    told = hub.import_resources_to_draft_app_version(appArn=app["appArn"], sourceArns=[made["Group"]["GroupArn"]])
    assert told["status"] == "Success"
    found = hub.list_app_version_resources(appArn=app["appArn"], appVersion="draft")["physicalResources"]
    assert {each["physicalResourceId"]["identifier"] for each in found} == {site.arn, group}
    with pytest.raises(ClientError, match="publish it first"):
        hub.start_app_assessment(appArn=app["appArn"], appVersion="draft", assessmentName="too-early")
    assert hub.publish_app_version(appArn=app["appArn"], versionName="first")["appVersion"] == "1"

    def assess(name):
        began = hub.start_app_assessment(appArn=app["appArn"], appVersion="release", assessmentName=name)["assessment"]
        arn = began["assessmentArn"]
        until(
            lambda: hub.describe_app_assessment(assessmentArn=arn)["assessment"]["assessmentStatus"] == "Success", name
        )
        return hub.describe_app_assessment(assessmentArn=arn)["assessment"]

    first = assess("first")
    zone = first["compliance"]["AZ"]
    assert (first["complianceStatus"], zone["currentRtoInSecs"]) == (
        "PolicyMet",
        60,
    )  # 2 failures of 5 s and 2 s, TTL 60 s
    assert "no drill has measured it" in zone["rtoDescription"]
    assert first["compliance"]["Region"]["complianceStatus"] == "NotApplicable"
    assert first["resiliencyScore"]["score"] == 80.0

    management = Management(kunren.state)
    result = {
        "drill": "az-lost",
        "disruption": "AZ",
        "resources": [site.arn],
        "verdict": True,
        "rto_s": 41.5,
        "rpo_s": 0.0,
    }
    assert management.post("/drill-results", result)["drill"] == "az-lost"
    drilled = assess("drilled")
    zone = drilled["compliance"]["AZ"]
    assert (zone["currentRtoInSecs"], zone["rtoDescription"]) == (42, "Measured by the drill az-lost.")
    assert drilled["resiliencyScore"]["componentScore"]["Test"]["outstandingCount"] == 2
    assert (
        hub.list_app_component_recommendations(assessmentArn=drilled["assessmentArn"])["componentRecommendations"][0][
            "recommendationStatus"
        ]
        == "MetCanImprove"
    )

    site.deregister(group, (two, 80))
    management.post("/drill-results", {**result, "rto_s": None, "verdict": False})
    worse = assess("worse")
    assert (worse["complianceStatus"], worse["driftStatus"]) == ("PolicyBreached", "Detected")
    assert worse["compliance"]["AZ"]["currentRtoInSecs"] == NEVER
    (drift,) = hub.list_app_assessment_compliance_drifts(assessmentArn=worse["assessmentArn"])["complianceDrifts"]
    assert drift["expectedReferenceId"] == drilled["assessmentArn"]
    (advice,) = hub.list_app_component_recommendations(assessmentArn=worse["assessmentArn"])["componentRecommendations"]
    assert advice["recommendationStatus"] == "BreachedCanMeet"
    assert [each["name"] for each in advice["configRecommendations"]] == ["Add-a-target"]
    assert hub.describe_app(appArn=app["appArn"])["app"]["complianceStatus"] == "PolicyBreached"
    with pytest.raises(Refused, match="Invalid enum value 'Moon'"):
        management.post("/drill-results", {**result, "disruption": "Moon"})
    with pytest.raises(ClientError, match="used by an application"):
        hub.delete_resiliency_policy(policyArn=policy["policyArn"])
    with pytest.raises(ClientError, match="force the deletion"):
        hub.delete_app(appArn=app["appArn"])
    hub.delete_app(appArn=app["appArn"], forceDelete=True)
    assert hub.list_apps()["appSummaries"] == hub.list_app_assessments()["assessmentSummaries"] == []


def test_terraforms_state_is_an_input(kunren, account, until):
    hub, s3 = kunren.client("resiliencehub", account), kunren.client("s3", account)
    bucket = f"state-{account}"
    s3.create_bucket(Bucket=bucket)
    made = kunren.client("dynamodb", account).create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    arn = made["TableDescription"]["TableArn"]
    state = {
        "version": 4,
        "resources": [
            {"mode": "managed", "type": "aws_dynamodb_table", "name": "orders", "instances": [{"attributes": {"arn": arn}}]},
            {"mode": "managed", "type": "aws_iam_role", "name": "role", "instances": [{"attributes": {"arn": "arn:aws:iam::1:role/r"}}]},
            {"mode": "data", "type": "aws_vpc", "name": "default", "instances": [{"attributes": {"id": "vpc-1"}}]},
        ],
    }  # fmt: skip
    s3.put_object(Bucket=bucket, Key="shop/terraform.tfstate", Body=json.dumps(state))
    app = hub.create_app(name="shop")["app"]["appArn"]
    url = f"https://{bucket}.s3.us-east-1.amazonaws.com/shop/terraform.tfstate"
    told = hub.import_resources_to_draft_app_version(appArn=app, terraformSources=[{"s3StateFileUrl": url}])
    assert told["status"] == "Success"
    found = hub.list_app_version_resources(appArn=app, appVersion="draft")["physicalResources"]
    assert [(each["resourceType"], each["physicalResourceId"]["identifier"]) for each in found] == [
        ("AWS::DynamoDB::Table", arn)
    ]
    left = hub.list_unsupported_app_version_resources(appArn=app, appVersion="draft")["unsupportedResources"]
    assert [each["resourceType"] for each in left] == ["aws_iam_role"]
    assert hub.list_app_input_sources(appArn=app, appVersion="draft")["appInputSources"][0]["resourceCount"] == 2
    hub.publish_app_version(appArn=app)
    arn = hub.start_app_assessment(appArn=app, appVersion="1", assessmentName="state")["assessment"]["assessmentArn"]
    until(lambda: hub.describe_app_assessment(assessmentArn=arn)["assessment"]["assessmentStatus"] == "Success", "it")
    shown = hub.describe_app_assessment(assessmentArn=arn)["assessment"]
    assert shown["complianceStatus"] == "MissingPolicy"
    (advice,) = hub.list_app_component_recommendations(assessmentArn=arn)["componentRecommendations"]
    assert [each["name"] for each in advice["configRecommendations"]] == ["Keep-a-copy", "Add-a-Region"]
    lost = f"arn:aws:s3:::lost-{account}"
    instances = [{"attributes": {"arn": lost}}, {"attributes": {"arn": f"arn:aws:s3:::{bucket}"}}]
    state["resources"].append({"mode": "managed", "type": "aws_s3_bucket", "name": "lost", "instances": instances})
    s3.put_object(Bucket=bucket, Key="shop/terraform.tfstate", Body=json.dumps(state))
    arn = hub.start_app_assessment(appArn=app, appVersion="1", assessmentName="lost")["assessment"]["assessmentArn"]
    until(lambda: hub.describe_app_assessment(assessmentArn=arn)["assessment"]["assessmentStatus"] == "Failed", "it")
    told = hub.describe_app_assessment(assessmentArn=arn)["assessment"]["message"]
    assert told == f"These resources of the app do not exist: {lost}."
    told = hub.import_resources_to_draft_app_version(
        appArn=app, terraformSources=[{"s3StateFileUrl": f"s3://{bucket}/none"}]
    )
    assert told["status"] == "Failed"
