"""What an operation asks for, as policies name it (Service authorization reference)."""

import pytest

from kunren.access.actions import Asked, Target, asked

TABLE = "arn:aws:dynamodb:us-east-1:111122223333:table/"


def dynamodb(operation, **params):
    return asked(Target("dynamodb", operation, params, "111122223333", "us-east-1"), "dynamodb", False)


def test_a_transaction_asks_for_each_of_its_parts():
    parts = [
        {"Put": {"TableName": "a"}},
        {"ConditionCheck": {"TableName": f"{TABLE}b"}},
        {"Delete": {"TableName": "c"}},
    ]
    assert dynamodb("TransactWriteItems", TransactItems=parts) == [
        Asked("dynamodb:PutItem", f"{TABLE}a"), Asked("dynamodb:ConditionCheckItem", f"{TABLE}b"),
        Asked("dynamodb:DeleteItem", f"{TABLE}c"),
    ]  # fmt: skip
    assert dynamodb("TransactGetItems", TransactItems=[{"Get": {"TableName": "a"}}]) == [
        Asked("dynamodb:GetItem", f"{TABLE}a")
    ]


@pytest.mark.parametrize(
    ("text", "action", "resource"),
    [
        ("SELECT * FROM \"a\" WHERE x='1'", "Select", f"{TABLE}a"),
        ("select x from a", "Select", f"{TABLE}a"),
        ('SELECT * FROM "a"."by-name"', "Select", f"{TABLE}a/index/by-name"),
        ("INSERT INTO \"a\" VALUE {'x': 'from b'}", "Insert", f"{TABLE}a"),
        (' UPDATE "a" SET y=1', "Update", f"{TABLE}a"),
        ('DELETE FROM "a"', "Delete", f"{TABLE}a"),
        ("SELECT 'from b ' FROM a", "Select", "*"),
        ("DELETE a", "Delete", "*"),
        ("", "Select", "*"),
    ],
)
def test_a_statement_asks_for_its_table(text, action, resource):
    assert dynamodb("ExecuteStatement", Statement=text) == [Asked(f"dynamodb:PartiQL{action}", resource)]
    several = dynamodb("BatchExecuteStatement", Statements=[{"Statement": text}, {"Statement": "DELETE FROM z"}])
    assert several[-1] == Asked("dynamodb:PartiQLDelete", f"{TABLE}z")
    assert dynamodb("ExecuteTransaction", TransactStatements=[{"Statement": text}])[0].resource == resource
