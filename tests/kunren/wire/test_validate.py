"""Constraints of the models, and what AWS says where they are violated."""

from typing import Any

import pytest

from kunren.core.errors import WireError
from kunren.wire.catalog import Catalog
from kunren.wire.codecs import Codecs

CATALOG = Catalog()
CODECS = Codecs(CATALOG)


def refusal(service: str, operation: str, params: dict[str, Any]) -> WireError | None:
    model = CATALOG.service(service)
    violations = CODECS.check(model, model.operations[operation])(params)
    if not violations:
        return None
    return CODECS.refusal(model, model.operations[operation], model.metadata.protocol, violations)


def told(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    error = refusal(service, operation, params)
    assert error is not None
    return error.code, error.message


def test_good_parameters_pass() -> None:
    assert (
        refusal("acm", "RequestCertificate", {"DomainName": "example.test", "SubjectAlternativeNames": ["a.test"]})
        is None
    )
    assert refusal("ec2", "DescribeVpcs", {}) is None
    assert refusal("sqs", "CreateQueue", {"QueueName": "q", "Attributes": {"DelaySeconds": "5"}}) is None


def test_required_members_are_told_by_their_path() -> None:
    code, text = told(
        "dynamodb", "CreateTable", {"TableName": "abc", "KeySchema": [{"KeyType": "HASH"}], "AttributeDefinitions": []}
    )
    assert code == "ValidationException"
    assert text == (
        "1 validation error detected: Value null at 'keySchema.1.member.attributeName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_several_violations_are_told_in_one_text() -> None:
    code, text = told("acm", "DescribeCertificate", {"CertificateArn": "x"})
    assert code == "ValidationException"
    assert text.startswith("2 validation errors detected: Value 'x' at 'certificateArn' failed to satisfy constraint: ")
    assert "Member must have length greater than or equal to 20; Value 'x' at 'certificateArn'" in text
    assert "Member must satisfy regular expression pattern: " in text


def test_a_bad_element_of_a_list_is_told_with_the_whole_list() -> None:
    code, text = told("kms", "UntagResource", {"KeyId": "k", "TagKeys": ["", "b"]})
    assert code == "ValidationException"
    assert text == (
        "1 validation error detected: Value '[, b]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
    )


def test_a_bad_key_of_a_map_is_told_with_the_constraints_of_keys() -> None:
    _, text = told("lambda", "CreateFunction", {
        "FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r", "Code": {}, "Environment": {"Variables": {"1x": "v"}},
    })  # fmt: skip
    assert "at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [" in text


def test_lists_have_lengths_and_enums_have_sets() -> None:
    _, text = told("acm", "RequestCertificate", {"DomainName": "example.test", "SubjectAlternativeNames": []})
    assert text.endswith(
        "Value '[]' at 'subjectAlternativeNames' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )
    _, text = told("acm", "RequestCertificate", {"DomainName": "example.test", "ValidationMethod": "FAX"})
    assert text.endswith(
        "Value 'FAX' at 'validationMethod' failed to satisfy constraint: Member must satisfy enum value set: [EMAIL, DNS, HTTP]"
    )


def test_a_sensitive_value_is_not_repeated() -> None:
    _, text = told("secretsmanager", "CreateSecret", {"Name": "n", "SecretString": ""})
    assert (
        text
        == "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("elbv2", "DeleteLoadBalancer", {}, "ValidationError"),
        ("route53", "GetHostedZone", {"Id": "x" * 50}, "InvalidInput"),
        ("ec2", "CreateVpc", {"InstanceTenancy": "odd"}, "InvalidParameterValue"),
        ("ec2", "DeleteVpc", {}, "MissingParameter"),
        ("sqs", "SendMessage", {"QueueUrl": "u"}, "MissingParameter"),
        ("apigatewayv2", "CreateApi", {}, "BadRequestException"),
        ("lambda", "GetFunction", {"FunctionName": ""}, "ValidationException"),
    ],
)
def test_each_family_has_its_own_code(service: str, operation: str, params: dict[str, Any], code: str) -> None:
    assert told(service, operation, params)[0] == code


def test_shapes_that_hold_themselves_are_checked_to_the_end() -> None:
    inner: dict[str, Any] = {"And": [{"Or": [{"Dimensions": {"Key": "NO_SUCH", "Values": ["v"]}}]}]}
    _, text = told("ce", "GetCostAndUsage", {
        "TimePeriod": {"Start": "2026-01-01", "End": "2026-01-02"}, "Granularity": "DAILY", "Metrics": ["m"], "Filter": inner,
    })  # fmt: skip
    assert "at 'filter.and.1.member.or.1.member.dimensions.key' failed" in text
