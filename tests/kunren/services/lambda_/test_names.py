import pytest

from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from kunren.services.lambda_.names import parse_function_name, split_arn

ARN = "arn:aws:lambda:us-west-2:123456789012:function:my-function"


@pytest.mark.parametrize(
    ("told", "qualifier"),
    [
        ("my-function", ""),
        ("my-function:v1", "v1"),
        (ARN, ""),
        (f"{ARN}:$LATEST", "$LATEST"),
        ("123456789012:function:my-function", ""),
        ("123456789012:my-function", ""),
        ("function:my-function", ""),
    ],
)
def test_forms_of_the_api_reference(told, qualifier):
    name = parse_function_name(told, "123456789012", "us-west-2")
    assert name.arn == ARN
    assert name.qualifier == qualifier


def test_function_of_another_region_is_not_reachable():
    with pytest.raises(ResourceNotFoundException, match="Functions from 'us-west-2' are not reachable"):
        parse_function_name(ARN, "123456789012", "eu-west-1")


def test_two_qualifiers_must_agree():
    with pytest.raises(InvalidParameterValueException, match="derived qualifier"):
        parse_function_name("f:1", "1" * 12, "us-east-1", "2")


def test_only_whole_arns_are_split():
    assert split_arn(ARN).name == "my-function"
    assert split_arn("my-function") is None
    assert split_arn("arn:aws:sqs:us-west-2:123456789012:q") is None
