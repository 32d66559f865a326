"""Parameters: what is declared, given, and refused."""

import pytest

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.parameters import check_declared, chosen, given_values, lookups, shown, values

DECLARED = {
    "Name": {"Type": "String", "AllowedPattern": "[a-z]+", "MinLength": 2, "MaxLength": "4"},
    "Size": {"Type": "Number", "Default": 5, "MinValue": 1, "MaxValue": 9},
    "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
    "Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"]},
    "Secret": {"Type": "String", "NoEcho": True, "Default": "hush"},
    "Stored": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/there"},
}


def test_what_is_given_and_what_is_default_make_the_values():
    texts = chosen(DECLARED, {"Name": "abc", "Size": "0009"})
    assert lookups(DECLARED, texts) == {"Stored": "/there"}
    found = values(DECLARED, texts, {"Stored": "x,y"})
    assert found == {
        "Name": "abc", "Size": "0009", "List": ["a", "b"], "Stage": "dev", "Secret": "hush", "Stored": ["x", "y"],
    }  # fmt: skip
    told = {each["ParameterKey"]: each for each in shown(DECLARED, texts, {"Stored": "x,y"})}
    assert told["Secret"]["ParameterValue"] == "****"
    assert told["Stored"] == {"ParameterKey": "Stored", "ParameterValue": "/there", "ResolvedValue": "x,y"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r"Parameters: \[Name\] must have values"),
        ({"Name": "ab", "Other": "1"}, r"Parameters: \[Other\] do not exist in the template"),
        ({"Name": "A1"}, "must match pattern"),
        ({"Name": "a"}, "must contain at least 2 characters"),
        ({"Name": "abcde"}, "must contain at most 4 characters"),
        ({"Name": "ab", "Size": "ten"}, "must be a number"),
        ({"Name": "ab", "Size": "0"}, "must be a number not less than 1"),
        ({"Name": "ab", "Size": "10"}, "must be a number not greater than 9"),
        ({"Name": "ab", "Stage": "test"}, "must be one of AllowedValues"),
    ],
)
def test_constraints_are_kept(given, words):
    with pytest.raises(ValidationError, match=words):
        chosen(DECLARED, given)


def test_a_pattern_that_takes_for_ever_is_refused():
    declared = {"Name": {"Type": "String", "AllowedPattern": "(a|aa)+$"}}
    with pytest.raises(ValidationError, match="takes too long"):
        chosen(declared, {"Name": "a" * 60 + "0"})


def test_previous_values_are_those_of_the_stack():
    asked = [{"ParameterKey": "Name", "UsePreviousValue": True}, {"ParameterKey": "Size", "ParameterValue": "3"}]
    assert given_values(asked, {"Name": "old", "Size": "1"}) == {"Name": "old", "Size": "3"}
    with pytest.raises(ValidationError, match="UsePreviousValue"):
        given_values(asked, None)


def test_declarations_are_checked():
    with pytest.raises(ValidationError, match="Unrecognized parameter type: Word"):
        check_declared({"A": {"Type": "Word"}})
    with pytest.raises(ValidationError, match="must contain a Type member"):
        check_declared({"A": {}})
    with pytest.raises(ValidationError, match="Number of parameters, 201"):
        check_declared({f"P{n}": {"Type": "String"} for n in range(201)})
