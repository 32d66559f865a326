"""What an operation asks for, as policies name it (Service authorization reference)."""

import asyncio

import pytest

from kunren.access.actions import Asked, Target, asked
from kunren.access.containers import ecs_facts
from kunren.access.named import has_other_names, with_arns

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


EC2 = "arn:aws:ec2:us-east-1:"
VOLUME, MADE_OF = f"{EC2}111122223333:volume/", [{"DeviceName": "/dev/sdb", "Ebs": {"SnapshotId": "snap-0123abcd"}}]


@pytest.mark.parametrize(
    ("operation", "params", "resources"),
    [
        ("DeleteSnapshot", {"SnapshotId": "snap-0123abcd"}, [f"{EC2}:snapshot/snap-0123abcd"]),
        ("ModifyImageAttribute", {"ImageId": "ami-0123abcd"}, [f"{EC2}:image/ami-0123abcd"]),
        ("CreateSnapshot", {"VolumeId": "vol-0123abcd"}, [f"{EC2}:snapshot/*", f"{VOLUME}vol-0123abcd"]),
        ("CreateVolume", {"SnapshotId": "snap-0123abcd"}, [f"{VOLUME}*", f"{EC2}:snapshot/snap-0123abcd"]),
        ("CreateVolume", {"Size": 1}, [f"{VOLUME}*"]),
        ("RegisterImage", {"BlockDeviceMappings": MADE_OF}, [f"{EC2}:image/*", f"{EC2}:snapshot/snap-0123abcd"]),
        (
            "CopySnapshot",
            {"SourceRegion": "eu-west-1", "SourceSnapshotId": "snap-0123abcd"},
            [f"{EC2}:snapshot/*", "arn:aws:ec2:eu-west-1::snapshot/snap-0123abcd"],
        ),
        (
            "CopyImage",
            {"SourceRegion": "eu-west-1", "SourceImageId": "ami-0123abcd"},
            [f"{EC2}:image/*", "arn:aws:ec2:eu-west-1::image/ami-0123abcd"],
        ),
    ],
)
def test_images_and_snapshots_are_named_without_an_account(operation, params, resources):
    found = asked(Target("ec2", operation, params, "111122223333", "us-east-1"), "ec2", True)
    assert found == [Asked(f"ec2:{operation}", each) for each in resources]


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
        ("ListContainerInstances", {}, [f"{ECS}cluster/default"]),
        (
            "DescribeContainerInstances",
            {"cluster": "shop", "containerInstances": ["a"]},
            [f"{ECS}container-instance/shop/a"],
        ),
        ("ListServiceDeployments", {"cluster": "shop", "service": "web"}, [f"{ECS}service/shop/web"]),
        (
            "StopServiceDeployment",
            {"serviceDeploymentArn": f"{ECS}service-deployment/shop/web/1"},
            [f"{ECS}service-deployment/shop/web/1"],
        ),
        ("CreateCapacityProvider", {"name": "spot"}, [f"{ECS}capacity-provider/spot"]),
        ("DeleteCapacityProvider", {"capacityProvider": "spot"}, [f"{ECS}capacity-provider/spot"]),
        (
            "ExecuteCommand",
            {"cluster": "shop", "task": "abc", "command": "sh", "interactive": True},
            [f"{ECS}cluster/shop", f"{ECS}task/shop/abc"],
        ),
    ],
)
def test_an_operation_of_ecs_asks_for_what_it_names(operation, params, resources):
    found = asked(Target("ecs", operation, params, "111122223333", "us-east-1"), "ecs", True)
    assert found == [Asked(f"ecs:{operation}", each) for each in resources]


@pytest.mark.parametrize(
    ("operation", "params", "service"),
    [
        ("RegisterTaskDefinition", {"family": "web", "taskRoleArn": ROLE}, "ecs-tasks"),
        ("RegisterTaskDefinition", {"family": "web", "taskRoleArn": "task", "executionRoleArn": ""}, "ecs-tasks"),
        ("RunTask", {"taskDefinition": "web", "overrides": {"taskRoleArn": ROLE, "executionRoleArn": ROLE}}, "ecs-tasks"),
        ("CreateService", {"serviceName": "web", "loadBalancers": [{}, {"advancedConfiguration": {"roleArn": ROLE}}],
                           "deploymentConfiguration": {"lifecycleHooks": [{"roleArn": ROLE}]}}, "ecs"),
    ],
)  # fmt: skip
def test_ecs_is_handed_roles_by_their_arn_or_name(operation, params, service):
    passed = Asked("iam:PassRole", ROLE, f"{service}.amazonaws.com")
    assert asked(Target("ecs", operation, params, "111122223333", "us-east-1"), "ecs", True)[1:] == [passed]


DEPLOY = "arn:aws:codedeploy:us-east-1:111122223333:"


@pytest.mark.parametrize(
    ("operation", "params", "resources"),
    [
        ("CreateApplication", {"applicationName": "a"}, [f"{DEPLOY}application:a"]),
        (
            "BatchGetApplications",
            {"applicationNames": ["a", "b"]},
            [f"{DEPLOY}application:a", f"{DEPLOY}application:b"],
        ),
        ("CreateDeploymentConfig", {"deploymentConfigName": "c"}, [f"{DEPLOY}deploymentconfig:c"]),
        (
            "CreateDeployment",
            {"applicationName": "a", "deploymentGroupName": "g", "deploymentConfigName": "c"},
            [f"{DEPLOY}deploymentgroup:a/g"],
        ),
        ("ListDeployments", {"applicationName": "a", "deploymentGroupName": "g"}, [f"{DEPLOY}deploymentgroup:a/g"]),
        ("ListDeployments", {}, ["*"]),
        ("ListDeploymentGroups", {"applicationName": "a"}, [f"{DEPLOY}application:a"]),
        ("StopDeployment", {"deploymentId": "d-1"}, ["*"]),
        ("TagResource", {"ResourceArn": f"{DEPLOY}application:a"}, [f"{DEPLOY}application:a"]),
    ],
)
def test_an_operation_of_codedeploy_asks_for_what_it_names(operation, params, resources):
    found = asked(Target("codedeploy", operation, params, "111122223333", "us-east-1"), "codedeploy", True)
    assert found == [Asked(f"codedeploy:{operation}", each) for each in resources]


def test_codedeploy_is_handed_a_role_and_a_deployment_is_its_groups():
    params = {"applicationName": "a", "currentDeploymentGroupName": "g", "serviceRoleArn": ROLE}
    assert asked(
        Target("codedeploy", "UpdateDeploymentGroup", params, "111122223333", "us-east-1"), "codedeploy", True
    ) == [
        Asked("codedeploy:UpdateDeploymentGroup", f"{DEPLOY}deploymentgroup:a/g"),
        Asked("iam:PassRole", ROLE, "codedeploy.amazonaws.com"),
    ]

    async def call(account, region, service, operation, params):
        return {"deploymentInfo": {"applicationName": "a", "deploymentGroupName": "g", "status": "Succeeded"}}

    told = asyncio.run(with_arns(call, "111122223333", "us-east-1", "codedeploy", {"deploymentId": "d-1"}))
    (found,) = asked(Target("codedeploy", "GetDeployment", told, "111122223333", "us-east-1"), "codedeploy", True)
    assert found.resource == f"{DEPLOY}deploymentgroup:a/g"


@pytest.mark.parametrize("overrides", [None, {}, {"taskRoleArn": ""}, {"executionRoleArn": ROLE}])
def test_who_runs_a_task_hands_on_the_roles_of_its_definition(overrides):
    async def call(account, region, service, operation, params):
        assert (service, operation, params) == ("ecs", "DescribeTaskDefinition", {"taskDefinition": "web"})
        return {"taskDefinition": {"taskRoleArn": ROLE, "cpu": "256"}}

    params = {"taskDefinition": "web", **({"overrides": overrides} if overrides is not None else {})}
    assert has_other_names("ecs", "RunTask", params)
    told = asyncio.run(with_arns(call, "111122223333", "us-east-1", "ecs", params))
    found = asked(Target("ecs", "RunTask", told, "111122223333", "us-east-1"), "ecs", True)
    assert found[1:] == [Asked("iam:PassRole", ROLE, "ecs-tasks.amazonaws.com")]


@pytest.mark.parametrize(
    ("service", "operation", "parameter"),
    [
        ("cloudformation", "DeleteStack", "RoleARN"), ("cloudformation", "RollbackStack", "RoleARN"),
        ("cloudformation", "CreateStackSet", "AdministrationRoleARN"),
        ("cloudcontrol", "CreateResource", "RoleArn"), ("cloudcontrol", "GetResource", "RoleArn"),
    ],
)  # fmt: skip
def test_who_has_a_stack_or_a_resource_made_hands_on_the_role_for_it(service, operation, parameter):
    target = Target(service, operation, {parameter: ROLE}, "111122223333", "us-east-1")
    assert asked(target, service, True)[1:] == [Asked("iam:PassRole", ROLE, "cloudformation.amazonaws.com")]


def test_who_has_a_hook_hands_on_its_role():
    target = Target("cloudformation", "ActivateType", {"ExecutionRoleArn": ROLE}, "111122223333", "us-east-1")
    assert asked(target, "cloudformation", True)[1:] == [
        Asked("iam:PassRole", ROLE, "hooks.cloudformation.amazonaws.com")
    ]


def test_fleets_have_arns_by_their_ids():
    id = "fleet-0123abcd-12ab-34cd-56ef-1234567890ab"
    target = Target("ec2", "DeleteFleets", {"FleetIds": [id]}, "111122223333", "us-east-1")
    assert asked(target, "ec2", True) == [
        Asked("ec2:DeleteFleets", f"arn:aws:ec2:us-east-1:111122223333:fleet/{id}")
    ]  # fmt: skip


def test_who_requests_a_spot_fleet_hands_it_its_role():
    target = Target("ec2", "RequestSpotFleet", {"SpotFleetRequestConfig": {"IamFleetRole": ROLE}}, "1", "us-east-1")
    assert asked(target, "ec2", True) == [
        Asked("ec2:RequestSpotFleet", "arn:aws:ec2:us-east-1:1:spot-fleet-request/*"),
        Asked("iam:PassRole", ROLE, "spotfleet.amazonaws.com"),
    ]  # fmt: skip


def test_a_placement_group_is_asked_for_by_its_name():
    def resources(operation, **params):
        target = Target("ec2", operation, params, "111122223333", "us-east-1")
        return [each.resource for each in asked(target, "ec2", True)]

    spread = "arn:aws:ec2:us-east-1:111122223333:placement-group/spread"
    assert resources("CreatePlacementGroup", GroupName="spread") == [spread]
    assert resources("DeletePlacementGroup", GroupName="spread") == [spread]
    assert resources("RunInstances", Placement={"GroupName": "spread"})[-1] == spread
    instance = "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0"
    assert resources("ModifyInstancePlacement", InstanceId="i-0123456789abcdef0", GroupName="") == [instance]


def test_the_association_of_a_profile_asks_for_its_instance():
    instance = "i-0123456789abcdef0"

    async def call(account, region, service, operation, params):
        assert (operation, params) == (
            "DescribeIamInstanceProfileAssociations", {"AssociationIds": ["iip-assoc-1"]}
        )  # fmt: skip
        return {"IamInstanceProfileAssociations": [{"InstanceId": instance}]}

    operation, params = "DisassociateIamInstanceProfile", {"AssociationId": "iip-assoc-1"}
    assert has_other_names("ec2", operation, params)
    told = asyncio.run(with_arns(call, "111122223333", "us-east-1", "ec2", params))
    assert asked(Target("ec2", operation, told, "111122223333", "us-east-1"), "ec2", True) == [
        Asked("ec2:DisassociateIamInstanceProfile", f"arn:aws:ec2:us-east-1:111122223333:instance/{instance}")
    ]


PROFILE = {"Arn": "arn:aws:iam::111122223333:instance-profile/web"}
TEMPLATE = {"LaunchTemplateName": "web"}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("RunInstances", {"IamInstanceProfile": PROFILE}),
        ("RunInstances", {"LaunchTemplate": TEMPLATE}),
        ("RequestSpotInstances", {"LaunchSpecification": {"IamInstanceProfile": PROFILE}}),
        ("CreateFleet", {"LaunchTemplateConfigs": [{"LaunchTemplateSpecification": TEMPLATE}]}),
        ("ModifyFleet", {"LaunchTemplateConfigs": [{"LaunchTemplateSpecification": TEMPLATE}]}),
        ("CreateFleet", {"LaunchTemplateConfigs": [{"Overrides": [{"IamInstanceProfile": PROFILE}]}]}),
        ("CreateAutoScalingGroup", {"LaunchTemplate": TEMPLATE}),
        (
            "UpdateAutoScalingGroup",
            {
                "MixedInstancesPolicy": {
                    "LaunchTemplate": {
                        "LaunchTemplateSpecification": TEMPLATE,
                        "Overrides": [{"InstanceType": "t3.micro"}],
                    }
                }
            },
        ),
    ],
)
def test_who_starts_an_instance_hands_on_its_profiles_role(operation, params):
    answers = {
        "DescribeLaunchTemplateVersions": {
            "LaunchTemplateVersions": [{"LaunchTemplateData": {"IamInstanceProfile": {"Name": "web"}}}]
        },
        "GetInstanceProfile": {"InstanceProfile": {"Roles": [{"Arn": ROLE}]}},
    }

    async def call(account, region, service, operation, params):
        assert params in ({"InstanceProfileName": "web"}, {"LaunchTemplateName": "web", "Versions": ["$Default"]})
        return answers[operation]

    service = "autoscaling" if "AutoScaling" in operation else "ec2"
    assert has_other_names(service, operation, params)
    told = asyncio.run(with_arns(call, "111122223333", "us-east-1", service, params))
    found = asked(Target(service, operation, told, "111122223333", "us-east-1"), service, True)
    assert found[-1] == Asked("iam:PassRole", ROLE, "ec2.amazonaws.com")


@pytest.mark.parametrize(
    ("operation", "params", "cluster"),
    [
        ("RunTask", {"taskDefinition": "web", "cluster": "shop"}, f"{ECS}cluster/shop"),
        ("StopTask", {"task": "0123", "cluster": f"{ECS}cluster/shop"}, f"{ECS}cluster/shop"),
        ("CreateService", {"serviceName": "web"}, f"{ECS}cluster/default"),
        ("RegisterTaskDefinition", {"family": "web"}, None),
        ("ListClusters", {}, None),
    ],
)
def test_policies_may_be_about_the_cluster(operation, params, cluster):
    told = ecs_facts(Target("ecs", operation, params, "111122223333", "us-east-1"))
    assert told.get("ecs:cluster") == cluster


def test_cloud_control_asks_for_cloudformations_actions():
    target = Target("cloudcontrol", "CreateResource", {"TypeName": "AWS::SQS::Queue"}, "111122223333", "us-east-1")
    assert [each.action for each in asked(target, "cloudcontrolapi", False)] == ["cloudformation:CreateResource"]


@pytest.mark.parametrize(
    ("operation", "params", "resource"),
    [
        ("RegisterInstance", {"ServiceId": "srv-1", "InstanceId": "x"}, "service/srv-1"),
        ("UpdateServiceAttributes", {"ServiceId": "srv-1"}, "service/srv-1"),
        ("DeleteService", {"Id": "srv-1"}, "service/srv-1"),
        ("DeleteService", {"Id": "arn:aws:servicediscovery:us-east-1:111122223333:service/srv-1"}, "service/srv-1"),
        ("CreateService", {"NamespaceId": "ns-1", "Name": "x"}, "namespace/ns-1"),
        ("UpdatePublicDnsNamespace", {"Id": "ns-1"}, "namespace/ns-1"),
        ("CreateHttpNamespace", {"Name": "x"}, None),
        ("ListServices", {}, None),
    ],
)
def test_cloud_map_asks_for_services_and_namespaces(operation, params, resource):
    target = Target("servicediscovery", operation, params, "111122223333", "us-east-1")
    arn = f"arn:aws:servicediscovery:us-east-1:111122223333:{resource}" if resource else "*"
    assert asked(target, "servicediscovery", True) == [Asked(f"servicediscovery:{operation}", arn)]


@pytest.mark.parametrize(
    ("service", "operation", "params", "resources"),
    [
        ("events", "PutEvents", {"Entries": [{"EventBusName": "orders"}, {}]}, ["event-bus/orders", "event-bus/default"]),
        ("events", "DescribeRule", {"Name": "large"}, ["rule/large"]),
        ("events", "RemoveTargets", {"Rule": "large", "EventBusName": "orders"}, ["rule/orders/large"]),
        ("events", "DescribeEventBus", {}, ["event-bus/default"]),
        ("scheduler", "GetSchedule", {"Name": "often"}, ["schedule/default/often"]),
        ("scheduler", "GetScheduleGroup", {"Name": "g"}, ["schedule-group/g"]),
        ("cloudwatch", "DeleteAlarms", {"AlarmNames": ["a", "b"]}, ["alarm:a", "alarm:b"]),
    ],
)  # fmt: skip
def test_operations_of_eventbridge_ask_for_what_they_name(service, operation, params, resources):
    found = asked(Target(service, operation, params, "111122223333", "us-east-1"), service, True)
    assert [each.resource for each in found] == [
        f"arn:aws:{service}:us-east-1:111122223333:{each}" for each in resources
    ]


def test_targets_are_handed_roles():
    role = "arn:aws:iam::111122223333:role/r"
    rule = asked(
        Target("events", "PutTargets", {"Rule": "a", "Targets": [{"RoleArn": role}]}, "1", "r"), "events", True
    )
    often = asked(Target("scheduler", "CreateSchedule", {"Name": "a", "Target": {"RoleArn": role}}, "1", "r"),
                  "scheduler", True)  # fmt: skip
    assert rule[1:] == [Asked("iam:PassRole", role, "events.amazonaws.com")]
    assert often[1:] == [Asked("iam:PassRole", role, "scheduler.amazonaws.com")]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/", {"QueueUrl": "http://127.0.0.1:4566/111122223333/orders"}),
        ("/111122223333/orders", {}),  # the Query protocol of older SDKs
        ("/", {"QueueUrl": "orders"}),
    ],
)
def test_a_queue_is_named_by_its_url_wherever_that_stands(path, params):
    target = Target("sqs", "SendMessage", params, "111122223333", "us-east-1", "POST", path)
    assert asked(target, "sqs", False) == [Asked("sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:orders")]


def test_a_command_asks_for_its_document_and_for_each_instance():
    ec2 = "arn:aws:ec2:us-east-1:111122223333:instance/"
    document = "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"

    def resources(operation, **params):
        found = asked(Target("ssm", operation, params, "111122223333", "us-east-1"), "ssm", False)
        assert {each.action for each in found} == {f"ssm:{operation}"}
        return [each.resource for each in found]

    named = {"DocumentName": "AWS-RunShellScript"}
    assert resources("SendCommand", **named, InstanceIds=["i-1", "i-2"]) == [document, f"{ec2}i-1", f"{ec2}i-2"]
    assert resources("SendCommand", **named, Targets=[{"Key": "tag:a", "Values": ["b"]}]) == [document, f"{ec2}*"]
    assert resources("CancelCommand", CommandId="0" * 36) == ["*"]
