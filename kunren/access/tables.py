"""What of actions and resources does not follow from the operation's name (Service authorization reference)."""

from __future__ import annotations

from typing import NamedTuple

PREFIXES = {
    "cloudwatch": "cloudwatch", "dynamodbstreams": "dynamodb", "resourcegroupstaggingapi": "tag", "ses": "ses",
    "elbv2": "elasticloadbalancing", "sso-admin": "sso", "service-quotas": "servicequotas",
    "cloudfront-keyvaluestore": "cloudfront-keyvaluestore", "cloudcontrol": "cloudformation",
}  # fmt: skip
"""Services whose actions do not begin with the name that they sign as."""

ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeWithResponseStream"): "InvokeFunction",
    ("lambda", "GetLayerVersionByArn"): "GetLayerVersion",
    ("sqs", "SendMessageBatch"): "SendMessage",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sns", "PublishBatch"): "Publish",
    ("cloudfront", "CreateDistributionWithTags"): "CreateDistribution",
    ("secretsmanager", "BatchGetSecretValue"): "BatchGetSecretValue",
}

STATEMENTS = {
    "TransactWriteItems": "TransactItems", "TransactGetItems": "TransactItems", "ExecuteStatement": "Statement",
    "BatchExecuteStatement": "Statements", "ExecuteTransaction": "TransactStatements",
}  # fmt: skip
"""DynamoDB's operations that are several in one, and the parameter that has them."""

TRANSACTED = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem", "ConditionCheck":
    "ConditionCheckItem",
}  # fmt: skip
"""The action that each part of a transaction is."""

_CONTROL = ("CreateResource", "DeleteResource", "GetResource", "ListResources", "UpdateResource")
ELSEWHERE = {
    ("ec2", "CreateFlowLogs"): "vpc-flow-logs",
    ("ecs", "RegisterTaskDefinition"): "ecs-tasks",
    ("ec2", "RequestSpotFleet"): "spotfleet",
    ("ecs", "RunTask"): "ecs-tasks",
    ("ecs", "StartTask"): "ecs-tasks",
    ("autoscaling", "CreateAutoScalingGroup"): "ec2",
    ("autoscaling", "UpdateAutoScalingGroup"): "ec2",
    **{("cloudcontrol", each): "cloudformation" for each in _CONTROL},
    ("cloudformation", "ActivateType"): "hooks.cloudformation",
}  # fmt: skip
"""Service principals that roles are handed to, where they are not named as the service is here."""

PROFILE_ROLE = "(role of the instance profile)"
"""Stands for a parameter: the request has the profile alone, whose role is found out before (`named.py`)."""
_OF_SERVICES = (
    "role", "loadBalancers.advancedConfiguration.roleArn", "deploymentConfiguration.lifecycleHooks.roleArn",
)  # fmt: skip
PASSED = {
    ("lambda", "CreateFunction"): ("Role",),
    ("lambda", "UpdateFunctionConfiguration"): ("Role",),
    ("fis", "CreateExperimentTemplate"): ("roleArn",),
    ("fis", "UpdateExperimentTemplate"): ("roleArn",),
    ("ec2", "CreateFlowLogs"): ("DeliverLogsPermissionArn",),
    ("ec2", "RunInstances"): (PROFILE_ROLE,),
    ("ec2", "CreateFleet"): (PROFILE_ROLE,),
    ("ec2", "ModifyFleet"): (PROFILE_ROLE,),
    ("ec2", "RequestSpotInstances"): (PROFILE_ROLE,),
    ("ec2", "RequestSpotFleet"): ("SpotFleetRequestConfig.IamFleetRole",),
    ("ec2", "AssociateIamInstanceProfile"): (PROFILE_ROLE,),
    ("ec2", "ReplaceIamInstanceProfileAssociation"): (PROFILE_ROLE,),
    ("events", "PutRule"): ("RoleArn",),
    ("events", "PutTargets"): ("Targets.RoleArn",),
    ("scheduler", "CreateSchedule"): ("Target.RoleArn",),
    ("scheduler", "UpdateSchedule"): ("Target.RoleArn",),
    ("autoscaling", "PutLifecycleHook"): ("RoleARN",),
    ("autoscaling", "CreateAutoScalingGroup"): (PROFILE_ROLE,),
    ("autoscaling", "UpdateAutoScalingGroup"): (PROFILE_ROLE,),
    **{("cloudcontrol", each): ("RoleArn",) for each in _CONTROL},
    ("cloudformation", "CreateStack"): ("RoleARN",),
    ("cloudformation", "UpdateStack"): ("RoleARN",),
    ("cloudformation", "DeleteStack"): ("RoleARN",),
    ("cloudformation", "RollbackStack"): ("RoleARN",),
    ("cloudformation", "ContinueUpdateRollback"): ("RoleARN",),
    ("cloudformation", "CreateChangeSet"): ("RoleARN",),
    ("cloudformation", "ActivateType"): ("ExecutionRoleArn",),
    ("cloudformation", "CreateStackSet"): ("AdministrationRoleARN",),
    ("cloudformation", "UpdateStackSet"): ("AdministrationRoleARN",),
    ("ecs", "RegisterTaskDefinition"): ("taskRoleArn", "executionRoleArn"),
    ("ecs", "RunTask"): ("overrides.taskRoleArn", "overrides.executionRoleArn"),
    ("ecs", "StartTask"): ("overrides.taskRoleArn", "overrides.executionRoleArn"),
    ("ecs", "CreateService"): _OF_SERVICES,
    ("ecs", "UpdateService"): _OF_SERVICES,
    ("codedeploy", "CreateDeploymentGroup"): ("serviceRoleArn",),
    ("codedeploy", "UpdateDeploymentGroup"): ("serviceRoleArn",),
}
"""Parameters by which a role is handed to a service; behind a point, those of a structure, or of each in a list."""

WITHOUT_RESOURCE = {
    ("acm", "ListCertificates"), ("acm", "GetAccountConfiguration"), ("acm", "PutAccountConfiguration"),
    ("globalaccelerator", "CreateAccelerator"), ("kms", "ListKeys"),
    ("kms", "ListAliases"), ("kms", "CreateKey"), ("secretsmanager", "ListSecrets"),
    ("secretsmanager", "GetRandomPassword"), ("sns", "ListTopics"), ("sns", "ListSubscriptions"),
    ("elbv2", "DescribeLoadBalancers"), ("elbv2", "DescribeTargetGroups"), ("elbv2", "DescribeListeners"),
    ("elbv2", "DescribeRules"), ("elbv2", "DescribeTargetHealth"), ("elbv2", "DescribeTags"),
    ("elbv2", "DescribeLoadBalancerAttributes"), ("elbv2", "DescribeTargetGroupAttributes"),
    ("elbv2", "DescribeListenerAttributes"), ("elbv2", "DescribeListenerCertificates"),
    ("route53", "CreateHostedZone"), ("route53", "CreateHealthCheck"), ("cloudfront", "ListDistributions"),
    ("servicediscovery", "CreateHttpNamespace"), ("servicediscovery", "CreatePrivateDnsNamespace"),
    ("servicediscovery", "CreatePublicDnsNamespace"),
}  # fmt: skip
"""Operations that policies can't limit to a resource, whatever their parameters name."""


class Rule(NamedTuple):
    """Where an operation's name fits `operations`, the parameter `member` names the resource: `rest` with it in place
    of `{}`, behind the service, region and account. `last_part`: of a value with slashes the part behind them."""

    member: str
    rest: str
    operations: str = ""
    region: bool = True
    account: bool = True
    last_part: bool = False
    service: str = ""


def _global(member: str, rest: str, operations: str = "", account: bool = True) -> Rule:
    return Rule(member, rest, operations, False, account, True)


RESOURCES: dict[str, tuple[Rule, ...]] = {
    "route53": (
        _global("HostedZoneId", "hostedzone/{}", account=False),
        _global("Id", "change/{}", "^GetChange$", account=False),
        _global("Id", "hostedzone/{}", "HostedZone|VPCAssociation", account=False),
        _global("Id", "trafficpolicy/{}", "TrafficPolicy$|TrafficPolicyComment|TrafficPolicyVersion", account=False),
        _global("Id", "trafficpolicyinstance/{}", "TrafficPolicyInstance", account=False),
        _global("Id", "delegationset/{}", "DelegationSet", account=False),
        _global("HealthCheckId", "healthcheck/{}", account=False),
        _global("ResourceId", "hostedzone/{}", "Tags", account=False),
    ),
    "cloudfront": (
        _global("Id", "distribution/{}", "Distribution"),
        _global("DistributionId", "distribution/{}"),
        _global("PrimaryDistributionId", "distribution/{}"),
        _global("Name", "function/{}", "Function$"),
        _global("Name", "key-value-store/{}", "KeyValueStore"),
        _global("Id", "cache-policy/{}", "CachePolicy"),
        _global("Id", "origin-request-policy/{}", "OriginRequestPolicy"),
        _global("Id", "response-headers-policy/{}", "ResponseHeadersPolicy"),
        _global("Id", "origin-access-control/{}", "OriginAccessControl"),
        _global("Id", "origin-access-identity/{}", "OriginAccessIdentity"),
        _global("Id", "continuous-deployment-policy/{}", "ContinuousDeployment"),
        _global("Resource", "{}", "Tag"),
    ),
    "cloudfront-keyvaluestore": (_global("KvsARN", "key-value-store/{}"),),
    "elbv2": (
        Rule("Name", "loadbalancer/app/{}/*", "^CreateLoadBalancer$", service="elasticloadbalancing"),
        Rule("Name", "targetgroup/{}/*", "^CreateTargetGroup$", service="elasticloadbalancing"),
        Rule("TargetGroupArn", "{}", "Target"),
        Rule("RuleArn", "{}"), Rule("ListenerArn", "{}"), Rule("LoadBalancerArn", "{}"),
    ),
    "acm": (Rule("CertificateArn", "{}"), Rule("DomainName", "certificate/*", "^RequestCertificate$")),
    "fis": (
        Rule("id", "experiment-template/{}", "Template"),
        Rule("experimentTemplateId", "experiment-template/{}"),
        Rule("experimentId", "experiment/{}"), Rule("id", "experiment/{}", "Experiment$"),
    ),
    "cloudformation": (
        Rule("StackName", "stack/{}/*"), Rule("StackSetName", "stackset/{}:*"), Rule("ChangeSetName", "changeSet/{}:*"),
    ),
    "autoscaling": (
        Rule("AutoScalingGroupName", "autoScalingGroup:*:autoScalingGroupName/{}"),
        Rule("LaunchConfigurationName", "launchConfiguration:*:launchConfigurationName/{}"),
    ),
    "sts": (Rule("RoleArn", "{}"),),
    "sns": (
        Rule("TopicArn", "{}"), Rule("TargetArn", "{}"), Rule("SubscriptionArn", "{}"),
        Rule("Name", "{}", "^CreateTopic$"),
    ),
    "kms": (Rule("KeyId", "key/{}"),),
    "servicediscovery": (
        Rule("ServiceId", "service/{}"), Rule("Id", "service/{}", "Service$"),
        Rule("Id", "namespace/{}", "Namespace$"), Rule("NamespaceId", "namespace/{}", "^CreateService$"),
    ),
    "kinesis": (Rule("StreamName", "stream/{}"),),
}  # fmt: skip

EC2_TYPES = {
    "i": "instance", "vpc": "vpc", "subnet": "subnet", "sg": "security-group", "rtb": "route-table",
    "igw": "internet-gateway", "eigw": "egress-only-internet-gateway", "nat": "natgateway", "acl": "network-acl",
    "eni": "network-interface", "eipalloc": "elastic-ip", "vpce": "vpc-endpoint", "vpce-svc": "vpc-endpoint-service",
    "pcx": "vpc-peering-connection", "pl": "prefix-list", "dopt": "dhcp-options", "fl": "vpc-flow-log",
    "sgr": "security-group-rule", "scr": "subnet-cidr-reservation", "ami": "image", "vol": "volume",
    "snap": "snapshot", "lt": "launch-template", "fleet": "fleet", "sfr": "spot-fleet-request",
}  # fmt: skip
"""Kinds of resources by the prefix of their ids."""
EC2_CREATED = {
    "Vpc": "vpc", "Subnet": "subnet", "SecurityGroup": "security-group", "RouteTable": "route-table",
    "InternetGateway": "internet-gateway", "EgressOnlyInternetGateway": "egress-only-internet-gateway",
    "NatGateway": "natgateway", "NetworkAcl": "network-acl", "NetworkInterface": "network-interface",
    "Address": "elastic-ip", "VpcEndpoint": "vpc-endpoint", "VpcPeeringConnection": "vpc-peering-connection",
    "ManagedPrefixList": "prefix-list", "DhcpOptions": "dhcp-options", "FlowLogs": "vpc-flow-log",
    "VpcEndpointServiceConfiguration": "vpc-endpoint-service", "Fleet": "fleet",
    "Volume": "volume", "Snapshot": "snapshot",
    "SpotFleet": "spot-fleet-request", "SpotInstances": "spot-instances-request",
}  # fmt: skip
"""What operations that create something are about, besides what they name."""
EC2_MADE = {
    "RunInstances": ("instance", "network-interface", "volume"), "CreateImage": ("image", "snapshot"),
    "CopyImage": ("image",), "RegisterImage": ("image",), "CopySnapshot": ("snapshot",),
}  # fmt: skip
"""As EC2_CREATED, of operations that make several or whose name does not say it."""
IAM_LISTED = {"ListUsers": "user", "ListRoles": "role", "ListGroups": "group", "ListPolicies": "policy",
              "ListInstanceProfiles": "instance-profile"}  # fmt: skip
