"""Whatever a template says, it is read or refused in CloudFormation's words: no other exception, and no endless work."""

import json

import pytest

from kunren.services.cloudformation import parameters, rules, structure, template
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import Scope, resolve
from kunren.services.cloudformation.transforms import with_loops

QUEUE = {"Type": "AWS::SQS::Queue"}


def read(document):
    """What CreateStack does with a template before it makes anything, and the engine with its properties."""
    parsed = template.parse(document if isinstance(document, str) else json.dumps(document))
    declared = parsed.get("Parameters", {})
    parameters.check_declared(declared)
    values = parameters.values(declared, parameters.chosen(declared, {}), {})
    structure.check_sections(parsed)
    plan = structure.planned(parsed, Scope(values, parsed.get("Mappings", {})))
    rules.check(parsed, plan.scope, {})
    return {logical: resolve(each.get("Properties", {}), plan.scope) for logical, each in plan.resources.items()}


def one(**more):
    return {"Resources": {"A": {**QUEUE, **more}}}


def named(value):
    return one(Properties={"QueueName": value})


def nested(times, wrap, inner="ten letters"):
    for _ in range(times):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(
    "document",
    [
        named(nested(500, lambda inner: [inner])),
        named(nested(300, lambda inner: {"Fn::Join": ["", [inner]]})),
        named(nested(12, lambda inner: {"Fn::Sub": ["${a}" * 10, {"a": inner}]})),
        named(nested(45, lambda inner: {"Fn::Base64": inner})),
        named(nested(40, lambda inner: {"Fn::ToJsonString": [inner]})),
        named({"Fn::Cidr": ["10.0.0.0/16", 2, "-5"]}),
        named({"Fn::Cidr": ["10.0.0.0/16", 2, "-9999999999"]}),
        named({"Fn::Cidr": ["10.0.0.0/16", [1], "8"]}),
        named({"Fn::Select": ["²", ["a"]]}),
        named({"Fn::If": [["X"], "a", "b"]}),
        {"Conditions": {"X": {"Fn::If": [{"a": 1}, "a", "b"]}}, **one()},
        one(Condition=["X"]),
        {**one(), "Outputs": {"A": {"Value": "x", "Condition": {"a": 1}}}},
        {**one(), "Outputs": {"A": {"Value": "x", "Export": "y"}}},
        named({"Fn::Base64": {"a": 1}}),
        one(DependsOn=5),
        one(DependsOn=[["A"]]),
        {"Parameters": {"P": {"Type": "String", "AllowedValues": 5, "Default": "x"}}, **one()},
        {"Parameters": {"P": {"Type": "String", "AllowedPattern": "(", "Default": "x"}}, **one()},
        {"Parameters": {"P": {"Type": "String", "MinLength": "x", "Default": "x"}}, **one()},
        {"Parameters": {"P": {"Type": "Number", "MinValue": [1], "Default": "1"}}, **one()},
        {"Parameters": {"P": {"Type": "Number", "Default": "nan"}}, **one()},
        {"Parameters": {"P": {"Type": "String", "Default": ["x"]}}, **one()},
        {"Parameters": {"P": {"Type": "String", "Default": "x", "Pattern": "[a-z]"}}, **one()},
        {"Rules": ["x"], **one()},
        {"Rules": {"R": "x"}, **one()},
        {"Rules": {"R": {"Assertions": [{"AssertDescription": "x"}]}}, **one()},
        {"Rules": {"R": {"RuleCondition": {"Ref": "A"}, "Assertions": []}}, **one()},
        "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: .inf}}",
        "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 0x" + "f" * 8000 + "}}",
        "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !!binary aGVsbG8=}}",
        "Resources:\n  A: {Type: AWS::SQS::Queue, Properties: {QueueName: !!timestamp 2001-01-01}}",
    ],
)
def test_a_wrong_template_is_refused(document):
    with pytest.raises(ValidationError):
        read(document)


def test_loops_in_loops_end():
    items, body = [str(each) for each in range(100)], {"A${a}${b}${c}${d}${e}": QUEUE}
    for name in "edcba":
        body = {f"Fn::ForEach::{name}": [name, items, body]}
    with pytest.raises(ValidationError, match="rounds"):
        with_loops({"Resources": body}, {})


@pytest.mark.parametrize(
    "loop", [[["x"], ["a"], {"A": QUEUE}], ["x", {"Ref": "Nothing"}, {"A": QUEUE}], ["x", "a", {"A": QUEUE}]]
)
def test_a_wrong_loop_is_refused(loop):
    with pytest.raises(ValidationError):
        with_loops({"Resources": {"Fn::ForEach::L": loop}}, {})
