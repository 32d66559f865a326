"""Modules are registered from packages in S3, and stacks are made of them."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

NAME = "My::Sqs::Sample::MODULE"
TEMPLATE = json.dumps(
    {
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "A"}},
        "Resources": {
            "M": {"Type": NAME, "Properties": {"Words": "hello"}},
            "Fn::ForEach::Each": ["N", {"Ref": "Names"}, {"Z${N}": {"Type": "AWS::SQS::Queue"}}],
        },
        "Outputs": {"Url": {"Value": {"Ref": "M.Queue"}}},
    }
)


def test_a_module_is_registered_and_a_stack_is_made_of_it(stacks):
    api, s3 = stacks.client("cloudformation"), stacks.client("s3")
    bucket = s3.create_bucket(Bucket="modules-of-ours")["Location"].strip("/")

    def registered(delay, name=NAME):
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": delay, "Tags": [{"Key": "words", "Value": {"Ref": "Words"}}]}}  # fmt: skip
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as held:
            held.writestr("schema.json", json.dumps({"typeName": name, "description": f"of {delay}"}))
            fragment = {"Parameters": {"Words": {"Type": "String"}}, "Resources": {"Queue": queue}}
            held.writestr("fragments/fragment.json", json.dumps(fragment))
        s3.put_object(Bucket=bucket, Key="m.zip", Body=data.getvalue())
        token = api.register_type(Type="MODULE", TypeName=NAME, SchemaHandlerPackage=f"s3://{bucket}/m.zip")
        return api.describe_type_registration(RegistrationToken=token["RegistrationToken"])

    def delay():
        url = stacks.physical("moduled")["MQueue"]
        return stacks.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"]

    assert registered(1)["TypeVersionArn"].endswith(":type/module/My-Sqs-Sample-MODULE/00000001")
    assert registered(3, "Another::Sqs::Sample::MODULE")["ProgressStatus"] == "FAILED"
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_AUTO_EXPAND\]"):
        api.create_stack(StackName="moduled", TemplateBody=TEMPLATE)
    able = {"Capabilities": ["CAPABILITY_AUTO_EXPAND"]}
    stacks.create("moduled", TEMPLATE)
    info = {"TypeHierarchy": NAME, "LogicalIdHierarchy": "M"}
    assert api.describe_stack_resources(StackName="moduled")["StackResources"][0]["ModuleInfo"] == info
    assert api.list_stack_resources(StackName="moduled")["StackResourceSummaries"][0]["ModuleInfo"] == info
    assert delay() == {"DelaySeconds": "1"}

    assert registered(2)["ProgressStatus"] == "COMPLETE"
    versions = api.list_type_versions(Type="MODULE", TypeName=NAME)["TypeVersionSummaries"]
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in versions] == [("00000001", True), ("00000002", False)]  # fmt: skip
    api.set_type_default_version(Type="MODULE", TypeName=NAME, VersionId="00000002")
    assert api.describe_type(Type="MODULE", TypeName=NAME)["Description"] == "of 2"
    assert [each["TypeName"] for each in api.list_types(Type="MODULE")["TypeSummaries"]] == [NAME]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        api.update_stack(StackName="moduled", UsePreviousTemplate=True, **able)  # the modules of then
    names = [{"ParameterKey": "Names", "ParameterValue": "A,B"}]
    api.update_stack(StackName="moduled", UsePreviousTemplate=True, Parameters=names, **able)
    stacks.settled("moduled", "UPDATE_COMPLETE")
    assert (delay(), set(stacks.physical("moduled"))) == ({"DelaySeconds": "1"}, {"MQueue", "ZA", "ZB"})
    stacks.update("moduled", TEMPLATE)
    assert delay() == {"DelaySeconds": "2"}
    asked = {"StackName": "moduled", "TemplateStage": "Processed"}
    assert list(api.get_template(**asked)["TemplateBody"]["Resources"]) == ["ZA", "MQueue"]
    assert list(api.get_template(StackName="moduled")["TemplateBody"]["Resources"]) == ["M", "Fn::ForEach::Each"]

    with pytest.raises(ClientError, match="is the default version"):
        api.deregister_type(Type="MODULE", TypeName=NAME, VersionId="00000002")
    api.deregister_type(Type="MODULE", TypeName=NAME, VersionId="00000001")
    api.deregister_type(Type="MODULE", TypeName=NAME)
    with pytest.raises(ClientError, match="Unrecognized resource types"):
        api.create_stack(StackName="late", TemplateBody=TEMPLATE, **able)
