"""What there is of a type: which operation lists it, and where its identifiers stand in the answer. `ListResources`.

A row is a line: service, operation, path in the answer, and the properties that the operation is told ("Name", or
"Name=parameter"). The path gives an identifier, or a list of all its parts; where it gives one part of several, the
others are what was told. Types that stacks ask for in lists (`Vpcs[0]` of DescribeVpcs) need no line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jmespath

from kunren.core.calling import CallService
from kunren.services.cloudformation.control.errors import (
    HandlerInternalFailureException,
    InvalidRequestException,
    UnsupportedActionException,
)
from kunren.services.cloudformation.errors import not_implemented
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.resources.kind import Declared
from kunren.services.cloudformation.schemas import Schema

_CONTINUED = (  # how services name what the next page is asked for by: in the answer, and in the request
    ("NextToken", "NextToken"), ("nextToken", "nextToken"), ("NextMarker", "Marker"), ("Marker", "Marker"),
    ("position", "position"), ("LastEvaluatedTableName", "ExclusiveStartTableName"),
    ("ContinuationToken", "ContinuationToken"),
)  # fmt: skip
_ARC = "route53-recovery-control-config"
_ROWS = f"""
ApiGateway::ApiKey apigateway GetApiKeys items[].id
ApiGateway::Authorizer apigateway GetAuthorizers items[].id RestApiId=restApiId
ApiGateway::BasePathMapping apigateway GetBasePathMappings items[].basePath DomainName=domainName
ApiGateway::Deployment apigateway GetDeployments items[].id RestApiId=restApiId
ApiGateway::DomainName apigateway GetDomainNames items[].domainName
ApiGateway::Model apigateway GetModels items[].name RestApiId=restApiId
ApiGateway::RequestValidator apigateway GetRequestValidators items[].id RestApiId=restApiId
ApiGateway::Resource apigateway GetResources items[].id RestApiId=restApiId
ApiGateway::RestApi apigateway GetRestApis items[].id
ApiGateway::Stage apigateway GetStages item[].stageName RestApiId=restApiId
ApiGateway::UsagePlan apigateway GetUsagePlans items[].id
ApiGateway::VpcLink apigateway GetVpcLinks items[].id
ApiGatewayV2::Api apigatewayv2 GetApis Items[].ApiId
ApiGatewayV2::ApiMapping apigatewayv2 GetApiMappings Items[].ApiMappingId DomainName
ApiGatewayV2::Authorizer apigatewayv2 GetAuthorizers Items[].AuthorizerId ApiId
ApiGatewayV2::Deployment apigatewayv2 GetDeployments Items[].DeploymentId ApiId
ApiGatewayV2::DomainName apigatewayv2 GetDomainNames Items[].DomainName
ApiGatewayV2::Integration apigatewayv2 GetIntegrations Items[].IntegrationId ApiId
ApiGatewayV2::Route apigatewayv2 GetRoutes Items[].RouteId ApiId
ApiGatewayV2::Stage apigatewayv2 GetStages Items[].StageName ApiId
ApiGatewayV2::VpcLink apigatewayv2 GetVpcLinks Items[].VpcLinkId
AutoScaling::LifecycleHook autoscaling DescribeLifecycleHooks LifecycleHooks[].LifecycleHookName AutoScalingGroupName
AutoScaling::ScalingPolicy autoscaling DescribePolicies ScalingPolicies[].PolicyARN AutoScalingGroupName
AutoScaling::ScheduledAction autoscaling DescribeScheduledActions \
ScheduledUpdateGroupActions[].[ScheduledActionName,AutoScalingGroupName] AutoScalingGroupName
CertificateManager::Certificate acm ListCertificates CertificateSummaryList[].CertificateArn
CloudFront::CachePolicy cloudfront ListCachePolicies CachePolicyList.Items[].CachePolicy.Id
CloudFront::Distribution cloudfront ListDistributions DistributionList.Items[].Id
CloudFront::Function cloudfront ListFunctions FunctionList.Items[].FunctionMetadata.FunctionARN
CloudFront::KeyGroup cloudfront ListKeyGroups KeyGroupList.Items[].KeyGroup.Id
CloudFront::KeyValueStore cloudfront ListKeyValueStores KeyValueStoreList.Items[].Name
CloudFront::OriginAccessControl cloudfront ListOriginAccessControls OriginAccessControlList.Items[].Id
CloudFront::OriginRequestPolicy cloudfront ListOriginRequestPolicies \
OriginRequestPolicyList.Items[].OriginRequestPolicy.Id
CloudFront::PublicKey cloudfront ListPublicKeys PublicKeyList.Items[].Id
CloudFront::ResponseHeadersPolicy cloudfront ListResponseHeadersPolicies \
ResponseHeadersPolicyList.Items[].ResponseHeadersPolicy.Id
CloudWatch::Alarm cloudwatch DescribeAlarms MetricAlarms[].AlarmName
CloudWatch::CompositeAlarm cloudwatch DescribeAlarms CompositeAlarms[].AlarmName
CloudWatch::Dashboard cloudwatch ListDashboards DashboardEntries[].DashboardName
CodeDeploy::Application codedeploy ListApplications applications[]
CodeDeploy::DeploymentConfig codedeploy ListDeploymentConfigs deploymentConfigsList[]
CodeDeploy::DeploymentGroup codedeploy ListDeploymentGroups deploymentGroups[] ApplicationName=applicationName
DynamoDB::Table dynamodb ListTables TableNames[]
EC2::EC2Fleet ec2 DescribeFleets Fleets[?!starts_with(FleetState,'deleted')].FleetId
EC2::EIP ec2 DescribeAddresses Addresses[].[PublicIp,AllocationId]
EC2::FlowLog ec2 DescribeFlowLogs FlowLogs[].FlowLogId
EC2::KeyPair ec2 DescribeKeyPairs KeyPairs[].KeyName
EC2::PlacementGroup ec2 DescribePlacementGroups PlacementGroups[].GroupName
EC2::SpotFleet ec2 DescribeSpotFleetRequests \
SpotFleetRequestConfigs[?!starts_with(SpotFleetRequestState,'cancelled')].SpotFleetRequestId
EC2::SubnetRouteTableAssociation ec2 DescribeRouteTables RouteTables[].Associations[?SubnetId][].RouteTableAssociationId
EC2::VPCEndpointService ec2 DescribeVpcEndpointServiceConfigurations ServiceConfigurations[].ServiceId
ECS::Cluster ecs ListClusters clusterArns[]
ECS::Service ecs ListServices serviceArns[] Cluster=cluster
ECS::TaskDefinition ecs ListTaskDefinitions taskDefinitionArns[]
ElasticLoadBalancingV2::Listener elbv2 DescribeListeners Listeners[].ListenerArn LoadBalancerArn
ElasticLoadBalancingV2::ListenerRule elbv2 DescribeRules Rules[].RuleArn ListenerArn
Events::EventBus events ListEventBuses EventBuses[].Name
Events::Rule events ListRules Rules[].Arn EventBusName
FIS::ExperimentTemplate fis ListExperimentTemplates experimentTemplates[].id
GlobalAccelerator::Accelerator globalaccelerator ListAccelerators Accelerators[].AcceleratorArn
GlobalAccelerator::EndpointGroup globalaccelerator ListEndpointGroups EndpointGroups[].EndpointGroupArn ListenerArn
GlobalAccelerator::Listener globalaccelerator ListListeners Listeners[].ListenerArn AcceleratorArn
IAM::Group iam ListGroups Groups[].GroupName
IAM::InstanceProfile iam ListInstanceProfiles InstanceProfiles[].InstanceProfileName
IAM::ManagedPolicy iam ListPolicies Policies[].Arn
IAM::Role iam ListRoles Roles[].RoleName
IAM::User iam ListUsers Users[].UserName
KMS::Alias kms ListAliases Aliases[].AliasName
KMS::Key kms ListKeys Keys[].KeyId
Lambda::Alias lambda ListAliases Aliases[].AliasArn FunctionName
Lambda::EventSourceMapping lambda ListEventSourceMappings EventSourceMappings[].UUID
Lambda::Function lambda ListFunctions Functions[].FunctionName
Lambda::LayerVersion lambda ListLayerVersions LayerVersions[].LayerVersionArn LayerName
Lambda::Url lambda ListFunctionUrlConfigs FunctionUrlConfigs[].FunctionArn TargetFunctionArn=FunctionName
Lambda::Version lambda ListVersionsByFunction Versions[?Version!='$LATEST'].FunctionArn FunctionName
Logs::LogGroup logs DescribeLogGroups logGroups[].logGroupName
Logs::LogStream logs DescribeLogStreams logStreams[].logStreamName LogGroupName=logGroupName
Logs::MetricFilter logs DescribeMetricFilters metricFilters[].[logGroupName,filterName] LogGroupName=logGroupName
Logs::SubscriptionFilter logs DescribeSubscriptionFilters subscriptionFilters[].filterName LogGroupName=logGroupName
Route53::HealthCheck route53 ListHealthChecks HealthChecks[].Id
Route53::HostedZone route53 ListHostedZones HostedZones[].Id
Route53RecoveryControl::Cluster {_ARC} ListClusters Clusters[].ClusterArn
Route53RecoveryControl::ControlPanel {_ARC} ListControlPanels ControlPanels[].ControlPanelArn
Route53RecoveryControl::RoutingControl {_ARC} ListRoutingControls RoutingControls[].RoutingControlArn ControlPanelArn
Route53RecoveryControl::SafetyRule {_ARC} ListSafetyRules SafetyRules[].*[].SafetyRuleArn ControlPanelArn
S3::Bucket s3 ListBuckets Buckets[].Name
SNS::Subscription sns ListSubscriptions Subscriptions[].SubscriptionArn
SNS::Topic sns ListTopics Topics[].TopicArn
SQS::Queue sqs ListQueues QueueUrls[]
SSM::Parameter ssm DescribeParameters Parameters[].Name
SecretsManager::Secret secretsmanager ListSecrets SecretList[].ARN
ServiceDiscovery::HttpNamespace servicediscovery ListNamespaces Namespaces[?Type=='HTTP'].Id
ServiceDiscovery::Instance servicediscovery ListInstances Instances[].Id ServiceId
ServiceDiscovery::PrivateDnsNamespace servicediscovery ListNamespaces Namespaces[?Type=='DNS_PRIVATE'].Id
ServiceDiscovery::PublicDnsNamespace servicediscovery ListNamespaces Namespaces[?Type=='DNS_PUBLIC'].Id
ServiceDiscovery::Service servicediscovery ListServices Services[].Id
"""
_MORE: Mapping[str, Mapping[str, Any]] = {
    "AWS::IAM::ManagedPolicy": {"Scope": "Local"},
    "AWS::SQS::Queue": {"MaxResults": 1000},  # without it there is one page of a thousand, and no token
}
_LAST_PART = ("AWS::ECS::Cluster", "AWS::Route53::HostedZone")
"""Their identifier is what stands behind the last slash of what is listed."""


class Listing(NamedTuple):
    service: str
    operation: str
    path: str
    told: tuple[tuple[str, str], ...] = ()


def _listing(service: str, operation: str, path: str, *told: str) -> Listing:
    pairs = (each.partition("=") for each in told)
    return Listing(service, operation, path, tuple((name, parameter or name) for name, _, parameter in pairs))


LISTINGS: Mapping[str, Listing] = {
    f"AWS::{type}": _listing(*rest) for type, *rest in (line.split() for line in _ROWS.strip().splitlines())
}


def listing(of: Schema) -> Listing:
    """Raises UnsupportedActionException where AWS has no list of the type, NotImplemented where Kunren has none."""
    if "list" not in of.document.get("handlers", {}):
        raise UnsupportedActionException(f"Resource type {of.type} does not support LIST action")
    if (found := LISTINGS.get(of.type)) is not None:
        return found
    kind = kind_of(of.type)
    if not isinstance(kind, Declared) or not kind.by.endswith("[]") or not kind.item.endswith("[0]"):
        raise not_implemented(f"ListResources of Cloud Control API for the resource type {of.type}")
    standing = f"[?!({kind.ended})]" if kind.ended else "[]"
    path = f"{kind.item.removesuffix('[0]').replace('[0]', '[]')}{standing}.{kind.key}"
    return Listing(kind.service, kind.describe, path)


def missing(of: Schema, found: Listing, model: Mapping[str, Any]) -> list[str]:
    """The properties that must be told, and are not. Pure."""
    wanted = of.document["handlers"]["list"].get("handlerSchema", {}).get("required", ())
    parts = [name for name, _ in found.told if name in of.primary and "[" not in found.path.rpartition("[]")[2]]
    return sorted(name for name in {*wanted, *parts} if name not in model)


def identifiers(of: Schema, found: Listing, model: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    """The identifiers in one answer. Pure."""
    listed: Sequence[Any] = jmespath.search(found.path, answer) or ()
    told = {name: model[name] for name, _ in found.told if name in of.primary and name in model}

    def whole(each: Any) -> str:
        if isinstance(each, list):
            return "|".join(map(str, each))
        part = str(each).rpartition("/")[2] if of.type in _LAST_PART else str(each)
        return "|".join(str(told.get(name, part)) for name in of.primary)

    return [whole(each) for each in listed]


def primary(of: Schema, identifier: str) -> dict[str, str]:
    """The properties that an identifier is made of. Pure."""
    parts = identifier.split("|", len(of.primary) - 1)
    return dict(zip(of.primary, parts, strict=False))


async def listed(call: CallService, account: str, region: str, of: Schema, model: Mapping[str, Any]) -> list[str]:
    """The identifiers of all that there is, sorted. Raises AwsError."""
    found = listing(of)
    if absent := missing(of, found, model):
        raise InvalidRequestException(
            f"Missing or invalid ResourceModel property in {of.type} list handler request input. "
            f"Required property: [{', '.join(absent)}]"
        )
    params = {
        **_MORE.get(of.type, {}), **{parameter: model[name] for name, parameter in found.told if name in model},
    }  # fmt: skip
    kind, ids = kind_of(of.type), set[str]()
    at = (kind.region if isinstance(kind, Declared) else "") or region
    while True:
        answer = await call(account, at, found.service, found.operation, params)
        ids.update(identifiers(of, found, model, answer))
        again = continued(answer)
        if not again:
            return sorted(ids)
        if again.items() <= params.items():
            raise HandlerInternalFailureException(f"{found.operation} gives the same page again and again")
        params |= again


def continued(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the next page is asked for by; nothing behind the last one (which may still say its own marker). Pure."""
    parts = [answer, *(each for each in answer.values() if isinstance(each, dict) and "Items" in each)]
    return next(
        (
            {asked: part[given]}
            for part in parts  # CloudFront has it within the list
            for given, asked in _CONTINUED
            if part.get(given) and (given != "Marker" or part.get("IsTruncated"))
        ),
        {},
    )
