"""What callers and macros say, whatever it is: taken or refused in AWS's words, and never without end."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudformation.api.templates import readable
from kunren.services.cloudformation.control.api import patched
from kunren.services.cloudformation.control.errors import InvalidRequestException
from kunren.services.cloudformation.control.resources import named
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.macros import _fragment
from kunren.services.cloudformation.schemas import schema
from kunren.services.cloudformation.transforms import expanded, transforms_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def test_a_patch_changes_and_copies():
    patch = [{"op": "copy", "from": "/A", "path": "/B"}, {"op": "replace", "path": "/A", "value": 2}]
    assert patched({"A": 1}, patch) == {"A": 2, "B": 1}


def test_copies_of_copies_end():
    bomb = [{"op": "copy", "from": "/A", "path": "/A/-"}] * 5000
    with pytest.raises(InvalidRequestException, match="too large"):
        patched({"A": ["some"]}, bomb)


@given(PLAIN | st.lists(st.fixed_dictionaries({"op": st.sampled_from(["add", "copy", "move", "test"]), "path": PLAIN})))
def test_any_patch_is_taken_or_refused(patch):
    try:
        patched({"A": [1]}, patch)
    except InvalidRequestException:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"[]",
        b"{}",
        json.dumps({"requestId": "other", "status": "success", "fragment": {}}).encode(),
        json.dumps({"requestId": "r", "status": ["success"], "fragment": {}}).encode(),
        json.dumps({"requestId": "r", "status": "failed", "errorMessage": "no"}).encode(),
        b'{"requestId": "r", "status": "success", "fragment": ' + b"[" * 200 + b"]" * 200 + b"}",
        json.dumps({"requestId": "r", "status": "success", "fragment": "x" * 1_000_001}).encode(),
    ],
)
def test_a_macro_that_answers_nonsense_fails_its_request(answer):
    with pytest.raises(ValidationError, match=r"M|template"):
        _fragment("M", {"Payload": answer}, "r")


REFERRING = {"Name": "M", "Parameters": {"P": {"Ref": "Bucket"}}}


@pytest.mark.parametrize("stated", [5, {"a": 1}, {"Name": 5}, [["M"]], {"Name": "M", "Parameters": "x"}, REFERRING])
@pytest.mark.parametrize("where", ["Transform", "Fn::Transform"])
def test_a_transform_of_another_shape_is_refused(stated, where):
    template = {"Transform": stated} if where == "Transform" else {"Resources": {"Fn::Transform": stated}}
    with pytest.raises(ValidationError, match="transform"):
        asyncio.run(expanded(template, {}, "us-east-1", _same, _nothing))


def test_includes_stand_beside_objects():
    pieces = [{"Name": "M"}, {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}]
    with pytest.raises(ValidationError, match="AWS::Include"):
        asyncio.run(expanded({"Resources": {"Fn::Transform": pieces}}, {}, "us-east-1", _same, _nothing))
    assert transforms_of({"Transform": ["A", {"Name": "B", "Parameters": {}}]}) == ["A", "B"]


async def _same(name, fragment, params):
    return "a text"


async def _nothing(url):
    return "{}"


def test_a_template_with_transforms_is_read_as_far_as_it_is_resources():
    loop = ["N", ["a"], {"Q${N}": {"Type": "AWS::SQS::Queue"}}]
    stated = {"Fn::ForEach::Q": loop, "A": {"Type": "AWS::SQS::Queue"}, "B": 5, "C": {"Type": "T", "Properties": 5}}
    for resources, wanted in ((stated, ["A"]), (5, []), (None, [])):
        assert list(readable({"Transform": "M", "Resources": resources})["Resources"]) == wanted
    with pytest.raises(ValidationError):
        readable({"Transform": "M", "Parameters": 5})


def test_an_identifier_of_several_parts_names_what_it_belongs_to():
    route = named("1", "r", schema("AWS::ApiGatewayV2::Route"), "api|route")
    assert (route.physical, route.properties) == ("route", {"ApiId": "api"})
    assert named("1", "r", schema("AWS::SQS::Queue"), "a|b").physical == "a|b"
