import pytest

from kunren.core.policies import Asker, allowed
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.statements import check_statements

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
INVOKE = "lambda:InvokeFunction"
ELB = Asker(service="elasticloadbalancing.amazonaws.com")


def statement(effect="Allow", principal="*", action=INVOKE, **more):
    return {"Effect": effect, "Principal": principal, "Action": action, "Resource": FUNCTION, **more}


def test_a_denial_outweighs_what_allows():
    assert allowed([statement()], ELB, INVOKE, {})
    assert not allowed([statement(), statement("Deny")], ELB, INVOKE, {})
    assert not allowed([statement("Deny")], ELB, INVOKE, {})
    assert not allowed([], ELB, INVOKE, {})


@pytest.mark.parametrize(
    ("principal", "asker", "answer"),
    [
        ({"Service": [ELB.service, "s3.amazonaws.com"]}, ELB, True),
        ({"Service": "s3.amazonaws.com"}, ELB, False),
        ({"AWS": "*"}, ELB, False),
        ({"AWS": "*"}, Asker(), True),
        ({"AWS": ["123456789012", "arn:aws:iam::210987654321:root"]}, Asker(account="210987654321"), True),
        ({"AWS": "210987654321"}, Asker(account="210987654321"), True),
        ({"AWS": "210987654321"}, Asker(), False),
    ],
)
def test_principals(principal, asker, answer):
    assert allowed([statement(principal=principal)], asker, INVOKE, {}) is answer
    inverse = {key: value for key, value in statement(NotPrincipal=principal).items() if key != "Principal"}
    assert allowed([inverse], asker, INVOKE, {}) is not answer


def test_actions():
    for action in ("*", "lambda:*", "lambda:Invoke*", ["lambda:GetFunction", "LAMBDA:invokefunction"]):
        assert allowed([statement(action=action)], ELB, INVOKE, {})
    assert not allowed([statement(action=["lambda:GetFunction"])], ELB, INVOKE, {})
    inverse = {key: value for key, value in statement(NotAction="lambda:Get*").items() if key != "Action"}
    assert allowed([inverse], ELB, INVOKE, {})
    assert not allowed([inverse], ELB, "lambda:GetFunction", {})


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({"StringEquals": {"AWS:SourceAccount": ["1", "2"]}}, True),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, False),
        ({"StringNotEquals": {"aws:SourceAccount": "1"}}, True),
        ({"StringNotEquals": {"aws:SourceAccount": ["1", "2"]}}, False),
        ({"StringLike": {"aws:SourceArn": "arn:*:g?"}}, True),
        ({"ArnNotLike": {"aws:SourceArn": "arn:*"}}, False),
        ({"StringEqualsIgnoreCase": {"lambda:FunctionUrlAuthType": "none"}}, True),
        ({"Bool": {"lambda:InvokedViaFunctionUrl": True}}, True),
        ({"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}, False),
        ({"Null": {"aws:SourceIp": "true"}}, True),
        ({"Null": {"aws:SourceArn": True}}, False),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "2"}, "ArnLike": {"aws:SourceArn": "arn:aws:x"}}, False),
        ({"ForAnyValue:StringEquals": {"aws:SourceAccount": "2"}}, True),
    ],
)
def test_conditions(condition, answer):
    known = {
        "aws:sourceaccount": "2",
        "aws:sourcearn": "arn:aws:g1",
        "lambda:functionurlauthtype": "NONE",
        "lambda:invokedviafunctionurl": "true",
    }
    assert allowed([statement(Condition=condition)], ELB, INVOKE, known) is answer


def test_documents_as_they_may_be_put():
    assert check_statements(statement(), FUNCTION) == (statement(),)
    assert len(check_statements([statement(Sid="a"), statement(Resource="*")], FUNCTION)) == 2


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        ["text"],
        statement("Maybe"),
        statement(NotAction="lambda:*"),
        statement(action="s3:GetObject"),
        statement(action=[1]),
        statement(principal={}),
        statement(principal={"Somebody": "x"}),
        statement(principal={"AWS": [1]}),
        statement(Resource=FUNCTION + "x"),
        statement(Resource=[]),
        statement(Condition=[]),
        statement(Condition={"StringEqual": {"a": "b"}}),
        statement(Extra=1),
        [statement(Sid="a"), statement(Sid="a")],
    ],
)
def test_documents_that_may_not(told):
    with pytest.raises(InvalidParameterValueException, match="The provided policy document is invalid"):
        check_statements(told, FUNCTION)
