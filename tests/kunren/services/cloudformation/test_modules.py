"""Modules in templates: names, parameters, references from outside, hierarchy; literal values from AWS's documentation."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from kunren.services.cloudformation.api.modules import unpacked
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.modules import MARK, check_fragment, expanded

CHILD, PARENT = "My::S3::SampleBucketPrivate::MODULE", "My::S3::SampleBucket::MODULE"
FRAGMENTS = {
    CHILD: {
        "Parameters": {"BucketName": {"Type": "String"}, "Keep": {"Type": "String", "Default": "no"}},
        "Conditions": {"Kept": {"Fn::Equals": [{"Ref": "Keep"}, "yes"]}},
        "Mappings": {"Sizes": {"a": {"b": "c"}}},
        "Resources": {
            "S3Bucket": {
                "Type": "AWS::S3::Bucket",
                "Condition": "Kept",
                "Properties": {
                    "BucketName": {"Ref": "BucketName"},
                    "A": {"Fn::Sub": "${BucketName}-${AWS::Region}-${!Not}-${Other.Arn}"},
                    "B": {"Fn::If": ["Kept", {"Fn::FindInMap": ["Sizes", "a", "b"]}, {"Ref": "AWS::NoValue"}]},
                },
            },
            "Other": {"Type": "AWS::SQS::Queue", "DependsOn": "S3Bucket"},
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": "S3Bucket.Arn"}, "Condition": "Kept"}},
    },
    PARENT: {
        "Parameters": {"BucketName": {"Type": "String"}},
        "Resources": {
            "MyBucket": {"Type": CHILD, "Properties": {"BucketName": {"Ref": "BucketName"}, "Keep": True}},
            "Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "MyBucket.S3Bucket"}}},
        },
    },
}


def made(type=CHILD, *, more=None, outputs=None, **attributes):
    stated = {"Type": type, "Properties": {"BucketName": {"Ref": "Name"}}, **attributes}
    template = {"Resources": {"M": stated, **(more or {})}, **({"Outputs": outputs} if outputs else {})}
    return expanded(template, FRAGMENTS.get)


def test_names_get_the_modules_in_front_and_parameters_become_what_is_given():
    found = made()
    bucket = found["Resources"]["MS3Bucket"]
    assert bucket["Condition"] == "MKept"
    assert bucket["Properties"] == {
        "BucketName": {"Ref": "Name"},
        "A": {"Fn::Sub": ["${BucketName}-${AWS::Region}-${!Not}-${MOther.Arn}", {"BucketName": {"Ref": "Name"}}]},
        "B": {"Fn::If": ["MKept", {"Fn::FindInMap": ["MSizes", "a", "b"]}, {"Ref": "AWS::NoValue"}]},
    }
    assert found["Resources"]["MOther"]["DependsOn"] == ["MS3Bucket"]
    assert found["Conditions"] == {"MKept": {"Fn::Equals": ["no", "yes"]}}
    assert found["Outputs"] == {"MArn": {"Value": {"Fn::GetAtt": ["MS3Bucket", "Arn"]}, "Condition": "MKept"}}


def test_nested_modules_are_listed_from_the_innermost():
    found = made(PARENT)
    assert sorted(found["Resources"]) == ["MMyBucketOther", "MMyBucketS3Bucket", "MQ"]
    assert found["Resources"]["MMyBucketS3Bucket"]["Metadata"] == {
        MARK: {"TypeHierarchy": f"{CHILD}/{PARENT}", "LogicalIdHierarchy": "MyBucket/M"}
    }
    assert found["Resources"]["MQ"]["Metadata"][MARK]["LogicalIdHierarchy"] == "M"
    assert found["Resources"]["MQ"]["Properties"] == {"QueueName": {"Ref": "MMyBucketS3Bucket"}}
    assert found["Conditions"] == {"MMyBucketKept": {"Fn::Equals": ["true", "yes"]}}


@pytest.mark.parametrize(
    ("stated", "becomes"),
    [
        ({"Ref": "M.S3Bucket"}, {"Ref": "MS3Bucket"}),
        ({"Ref": "MS3Bucket"}, {"Ref": "MS3Bucket"}),
        ({"Fn::GetAtt": ["M", "S3Bucket.Arn"]}, {"Fn::GetAtt": ["MS3Bucket", "Arn"]}),
        ({"Fn::GetAtt": ["M.S3Bucket", "Arn"]}, {"Fn::GetAtt": ["MS3Bucket", "Arn"]}),
        ({"Fn::GetAtt": "M.S3Bucket.Arn"}, {"Fn::GetAtt": ["MS3Bucket", "Arn"]}),
        ({"Fn::Sub": "${M.S3Bucket} ${M.S3Bucket.Arn}"}, {"Fn::Sub": "${MS3Bucket} ${MS3Bucket.Arn}"}),
        ({"Fn::GetAtt": ["R", "Outputs.M.S3Bucket"]}, {"Fn::GetAtt": ["R", "Outputs.M.S3Bucket"]}),
    ],
)
def test_resources_of_modules_are_named_from_outside(stated, becomes):
    assert made(outputs={"O": {"Value": stated}})["Outputs"]["O"] == {"Value": becomes}


def test_a_modules_attributes_go_to_its_resources():
    more = {"R": {"Type": "AWS::SQS::Queue", "DependsOn": ["M"]}, "First": {"Type": "AWS::SQS::Queue"}}
    found = made(more=more, DependsOn="First", Condition="Outer", DeletionPolicy="Retain", Metadata={"k": 1})
    bucket, other = (found["Resources"][each] for each in ("MS3Bucket", "MOther"))
    assert found["Resources"]["R"]["DependsOn"] == ["MS3Bucket", "MOther"]
    assert (bucket["DependsOn"], other["DependsOn"]) == (["First"], ["MS3Bucket", "First"])
    assert (bucket["Condition"], other["Condition"]) == ("MKeptAndOuter", "Outer")
    assert found["Conditions"]["MKeptAndOuter"] == {"Fn::And": [{"Condition": "Outer"}, {"Condition": "MKept"}]}
    assert (bucket["DeletionPolicy"], bucket["Metadata"]["k"]) == ("Retain", 1)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"Properties": {}}, "Module M must have a value for parameter BucketName"),
        ({"Properties": {"BucketName": "b", "Bad": 1}}, "Module M has no parameters Bad"),
        ({"UpdatePolicy": {}}, "Module M can't have the attributes UpdatePolicy"),
        ({"Type": "No::Such::One::MODULE"}, r"Unrecognized resource types: \[No::Such::One::MODULE\]"),
        ({"more": {"MOther": {"Type": "AWS::SQS::Queue"}}}, "makes what the template has already: MOther"),
    ],
)
def test_what_is_wrong_is_named(attributes, words):
    with pytest.raises(ValidationError, match=words):
        made(**{"type": attributes.pop("Type", CHILD), **attributes})


def test_modules_that_have_themselves_end():
    loop = {"Resources": {"A": {"Type": "A::B::C::MODULE"}}}
    with pytest.raises(ValidationError, match="at most 3 levels"):
        expanded(loop, lambda type: loop)


@pytest.mark.parametrize("section", ["Transform", "Rules", "Hooks"])
def test_a_fragment_has_no_such_section(section):
    with pytest.raises(ValidationError, match=section):
        check_fragment({**FRAGMENTS[CHILD], section: {}})


def test_a_package_is_schema_and_one_fragment():
    def package(**files):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as held:
            for name, text in files.items():
                held.writestr(name.replace("__", "/").replace("_", "."), text)
        return data.getvalue()

    schema, fragment = json.dumps({"typeName": CHILD}), json.dumps(FRAGMENTS[CHILD])
    assert unpacked(package(schema_json=schema, fragments__f_json=fragment), CHILD)[1] == fragment
    for bad in (
        b"no zip",
        package(schema_json=schema),
        package(schema_json=schema, fragments__a_json=fragment, fragments__b_json=fragment),
        package(schema_json='{"typeName": "A"}', fragments__a_json=fragment),
        package(schema_json=schema, fragments__a_json="[]"),
    ):
        with pytest.raises(ValidationError):
            unpacked(bad, CHILD)
