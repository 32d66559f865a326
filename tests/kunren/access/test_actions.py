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


ECS = "arn:aws:ecs:us-east-1:111122223333:"
ROLE = "arn:aws:iam::111122223333:role/task"


@pytest.mark.parametrize(
    ("operation", "params", "resources"),
    [
        ("RunTask", {"taskDefinition": "web"}, [f"{ECS}task-definition/web:*"]),
        ("RunTask", {"taskDefinition": "web:3", "cluster": "shop"}, [f"{ECS}task-definition/web:3"]),
        ("StopTask", {"task": "0123", "cluster": f"{ECS}cluster/shop"}, [f"{ECS}task/shop/0123"]),
        ("DescribeTasks", {"tasks": ["a", f"{ECS}task/x/b"]}, [f"{ECS}task/default/a", f"{ECS}task/x/b"]),
        ("UpdateService", {"service": "web", "cluster": "shop"}, [f"{ECS}service/shop/web"]),
        ("CreateService", {"serviceName": "web", "taskDefinition": "web"}, [f"{ECS}service/default/web"]),
        ("CreateCluster", {}, [f"{ECS}cluster/default"]),
        ("DeleteCluster", {"cluster": "shop"}, [f"{ECS}cluster/shop"]),
        ("ListTasks", {"cluster": "shop", "serviceName": "web"}, ["*"]),
        ("TagResource", {"resourceArn": f"{ECS}cluster/shop"}, [f"{ECS}cluster/shop"]),
    ],
)
def test_an_operation_of_ecs_asks_for_what_it_names(operation, params, resources):
    found = asked(Target("ecs", operation, params, "111122223333", "us-east-1"), "ecs", True)
    assert found == [Asked(f"ecs:{operation}", each) for each in resources]


def test_roles_of_tasks_are_passed_to_their_service():
    passed = Asked("iam:PassRole", ROLE, "ecs-tasks.amazonaws.com")
    for operation, params in (
        ("RegisterTaskDefinition", {"family": "web", "taskRoleArn": ROLE}),
        ("RunTask", {"taskDefinition": "web", "overrides": {"taskRoleArn": ROLE}}),
    ):
        assert asked(Target("ecs", operation, params, "111122223333", "us-east-1"), "ecs", True)[1:] == [passed]


def test_cloud_control_asks_for_cloudformations_actions():
    target = Target("cloudcontrol", "CreateResource", {"TypeName": "AWS::SQS::Queue"}, "111122223333", "us-east-1")
    assert [each.action for each in asked(target, "cloudcontrolapi", False)] == ["cloudformation:CreateResource"]
