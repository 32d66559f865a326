import pytest

from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.policy import build_statement, service_may_invoke

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/g/0123456789abcdef"
ELB = "elasticloadbalancing.amazonaws.com"


def statement(**told):
    params = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": ELB, **told}
    return build_statement(params, FUNCTION)


def allowed(*statements, source=GROUP):
    return service_may_invoke(statements, service=ELB, source_arn=source, source_account="123456789012")


def test_statement_as_aws_writes_it():
    assert statement(SourceArn=GROUP, SourceAccount="123456789012") == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": ELB},
        "Action": "lambda:InvokeFunction",
        "Resource": FUNCTION,
        "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}, "ArnLike": {"AWS:SourceArn": GROUP}},
    }


@pytest.mark.parametrize(
    ("told", "principal"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:user/u", {"AWS": "arn:aws:iam::123456789012:user/u"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
    ],
)
def test_principals(told, principal):
    assert statement(Principal=told)["Principal"] == principal


def test_a_principal_that_is_none():
    with pytest.raises(InvalidParameterValueException, match="The provided principal was invalid"):
        statement(Principal="nobody")


def test_who_may_invoke():
    assert not allowed()
    assert allowed(statement())
    assert allowed(statement(Principal="*"))
    assert allowed(statement(Action="lambda:*"))
    assert allowed(statement(SourceArn=GROUP))
    assert allowed(statement(SourceArn="arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/*"))
    assert allowed(statement(SourceAccount="123456789012"))
    assert allowed(statement(Principal="s3.amazonaws.com"), statement())


def test_who_may_not():
    assert not allowed(statement(Principal="s3.amazonaws.com"))
    assert not allowed(statement(Principal="123456789012"))
    assert not allowed(statement(Action="lambda:GetFunction"))
    assert not allowed(statement(SourceArn=GROUP), source=GROUP + "0")
    assert not allowed(statement(SourceAccount="999999999999"))
    assert not allowed(statement(EventSourceToken="token"))
