"""Resources as the API shows them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.services.apigatewayv2.model import (
    Api,
    Authorizer,
    Deployment,
    Integration,
    Route,
    Stage,
    VpcLink,
)


def api(found: Api) -> dict[str, Any]:
    config = found.config
    shown: dict[str, Any] = {
        "ApiId": found.id,
        "ApiEndpoint": f"https://{found.id}.execute-api.{found.region}.amazonaws.com",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": found.created,
        "DisableExecuteApiEndpoint": bool(config.get("DisableExecuteApiEndpoint")),
        "IpAddressType": config.get("IpAddressType", "ipv4"),
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "Tags": found.tags,
    }
    if found.import_info:
        shown["ImportInfo"] = list(found.import_info)
    return {**config, **shown}


def route(found: Route) -> dict[str, Any]:
    shown = {**found.config, "RouteId": found.own_id}
    return {**shown, "ApiGatewayManaged": True} if found.managed else shown


def integration(found: Integration) -> dict[str, Any]:
    shown = {**found.config, "IntegrationId": found.own_id}
    return {**shown, "ApiGatewayManaged": True} if found.managed else shown


def authorizer(found: Authorizer) -> dict[str, Any]:
    return {**found.config, "AuthorizerId": found.own_id}


def stage(found: Stage, *, has_routes: bool = True) -> dict[str, Any]:
    """`has_routes` says whether there is anything to deploy."""
    config = found.config
    shown: dict[str, Any] = {
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False, **config.get("DefaultRouteSettings", {})},
        "RouteSettings": config.get("RouteSettings", {}),
        "StageVariables": config.get("StageVariables", {}),
        "StageName": found.own_id,
        "CreatedDate": found.created,
        "LastUpdatedDate": found.updated,
        "Tags": found.tags,
    }
    if "Description" in config:
        shown["Description"] = config["Description"]
    if config.get("AccessLogSettings"):
        shown["AccessLogSettings"] = config["AccessLogSettings"]
    if found.deployment:
        shown["DeploymentId"] = found.deployment
    if config.get("AutoDeploy"):
        shown["AutoDeploy"] = True
        shown["LastDeploymentStatusMessage"] = (
            f"Successfully deployed stage with deployment ID '{found.deployment}'"
            if has_routes and found.deployment
            else "Deployment attempt failed: At least one route is required before deploying the Api."
        )
    return {**shown, "ApiGatewayManaged": True} if found.managed else shown


def deployment(found: Deployment) -> dict[str, Any]:
    return {
        **found.config,
        "AutoDeployed": found.automatic,
        "CreatedDate": found.created,
        "DeploymentId": found.own_id,
        "DeploymentStatus": "DEPLOYED",
    }


def domain_name(found: DomainName) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "ApiGatewayDomainName": found.target,
        "CertificateArn": found.certificate_arn,
        "CertificateUploadDate": found.uploaded,
        "DomainNameStatus": "AVAILABLE",
        "EndpointType": "EDGE" if found.edge else "REGIONAL",
        "HostedZoneId": found.hosted_zone_id,
        "IpAddressType": found.ip_address_type,
        "SecurityPolicy": found.security_policy,
    }
    if found.certificate_name:
        configuration["CertificateName"] = found.certificate_name
    if found.ownership_certificate:
        configuration["OwnershipVerificationCertificateArn"] = found.ownership_certificate
    shown: dict[str, Any] = {
        "ApiMappingSelectionExpression": "$request.basepath",
        "DomainName": found.id,
        "DomainNameArn": found.arn,
        "DomainNameConfigurations": [configuration],
        "RoutingMode": "API_MAPPING_ONLY",
        "Tags": found.tags,
    }
    if found.trust is not None:
        shown["MutualTlsAuthentication"] = {"TruststoreUri": found.trust.uri}
        if found.trust.version:
            shown["MutualTlsAuthentication"]["TruststoreVersion"] = found.trust.version
    return shown


def api_mapping(found: ApiMapping) -> dict[str, Any]:
    return {
        "ApiId": found.api_id,
        "ApiMappingId": found.own_id,
        "ApiMappingKey": found.key_path,
        "Stage": found.stage,
    }


def vpc_link(found: VpcLink, status: str, message: str) -> dict[str, Any]:
    """`status` and `message` are as the link's interfaces were observed."""
    return {
        "CreatedDate": found.created,
        "Name": found.name,
        "SecurityGroupIds": list(found.groups),
        "SubnetIds": list(found.subnets),
        "Tags": found.tags,
        "VpcLinkId": found.id,
        "VpcLinkStatus": status,
        "VpcLinkStatusMessage": message,
        "VpcLinkVersion": "V2",
    }
