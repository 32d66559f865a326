"""The resource types that stacks can have: one table, by type."""

from __future__ import annotations

from kunren.services.cloudformation.resources import (
    acm,
    apigateway,
    apigatewayv2,
    cloudfront,
    codedeploy,
    ec2,
    ecr,
    ecs,
    ecs_services,
    elbv2,
    fleets,
    globalaccelerator,
    hooks,
    iam,
    iam_parts,
    instances,
    lambda_,
    messaging,
    nested,
    network_extras,
    own,
    resilience,
    route53,
    s3,
    scaling,
    servicediscovery,
    stores,
    volumes,
    watching,
)
from kunren.services.cloudformation.resources.kind import Kind

TYPES: dict[str, Kind] = {
    each.type: each
    for module in (
        acm,
        apigateway,
        apigatewayv2,
        cloudfront,
        codedeploy,
        ec2,
        ecr,
        ecs,
        ecs_services,
        elbv2,
        fleets,
        globalaccelerator,
        hooks,
        iam,
        iam_parts,
        instances,
        lambda_,
        messaging,
        nested,
        network_extras,
        own,
        resilience,
        route53,
        s3,
        scaling,
        servicediscovery,
        stores,
        volumes,
        watching,
    )
    for each in module.KINDS
}
CUSTOM = "AWS::CloudFormation::CustomResource"


def custom_type(type: str) -> bool:
    """Whether a type is one that its template makes up."""
    return type.startswith("Custom::")


def kind_of(type: str) -> Kind:
    return TYPES[CUSTOM if custom_type(type) else type]
