"""HTTP APIs: AWS::ApiGatewayV2::… What belongs to an API is named by it and by an id of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Tagging, change, tagging
from kunren.services.cloudformation.work import Failed, Work

_API = (
    "ApiKeySelectionExpression CorsConfiguration CredentialsArn Description DisableExecuteApiEndpoint IpAddressType "
    "Name RouteKey RouteSelectionExpression Target Version"
)
_AUTHORIZER = (
    "AuthorizerCredentialsArn AuthorizerPayloadFormatVersion AuthorizerResultTtlInSeconds AuthorizerType AuthorizerUri "
    "EnableSimpleResponses IdentitySource IdentityValidationExpression JwtConfiguration Name"
)
_INTEGRATION = (
    "ConnectionId ConnectionType CredentialsArn Description IntegrationMethod IntegrationSubtype IntegrationType "
    "IntegrationUri PayloadFormatVersion RequestParameters ResponseParameters TimeoutInMillis TlsConfig"
)
_ROUTE = "AuthorizationScopes AuthorizationType AuthorizerId OperationName RouteKey Target"
_STAGE = "AccessLogSettings AutoDeploy DefaultRouteSettings DeploymentId Description RouteSettings StageVariables"


class Api(Declared):
    """From its properties, or from an OpenAPI document in the template (Body)."""

    async def create(self, work: Work) -> None:
        if "Body" not in work.properties:
            await super().create(work)
            return
        params = {"Body": _document(work), **work.pick("FailOnWarnings", "BasePath=Basepath")}
        await work.write("apigatewayv2", "ImportApi", params, "ApiId", physical=True)
        await self._over(work)
        await self.settle(work)
        if work.tags:
            await self._tags(work)

    async def update(self, work: Work) -> None:
        if work.changed("Body", "FailOnWarnings", "BasePath"):
            if "Body" not in work.properties:
                raise Failed("Kunren does not implement an AWS::ApiGatewayV2::Api that loses its Body yet.")
            params = {
                "ApiId": work.physical,
                "Body": _document(work),
                **work.pick("FailOnWarnings", "BasePath=Basepath"),
            }
            await work.write("apigatewayv2", "ReimportApi", params)
            await self._over(work)
        await super().update(work)

    async def _over(self, work: Work) -> None:
        """What is stated beside the document counts more than it."""
        if stated := work.pick(
            *(name for name in _API.split() if name not in ("RouteKey", "Target", "CredentialsArn"))
        ):
            await work.write("apigatewayv2", "UpdateApi", {"ApiId": work.physical, **stated})

    async def _tags(self, work: Work) -> None:
        arn = f"arn:aws:apigateway:{work.region}::/apis/{work.physical}"
        await work.write("apigatewayv2", "TagResource", {"ResourceArn": arn, "Tags": work.tags})


def _document(work: Work) -> str:
    body = work.properties["Body"]
    return body if isinstance(body, str) else json.dumps(body)


class Part(Declared):
    """Of an API."""

    def describe_params(self, work: Work) -> dict[str, Any]:
        return {"ApiId": work.properties["ApiId"], self.key: work.physical}

    def id_params(self, work: Work) -> dict[str, Any]:
        return self.describe_params(work)


def _part(noun: str, names: str, gives: Mapping[str, str], key: str = "", also: str = "", **more: Any) -> Part:
    """A type whose properties are the parameters of its operations."""
    key = key or f"{noun}Id"
    return Part(
        f"AWS::ApiGatewayV2::{noun}",
        "apigatewayv2",
        create=f"Create{noun}",
        takes=f"ApiId {names} {also}",
        made=key,
        key=key,
        describe=f"Get{noun}",
        settings=[
            Setting(
                f"Update{noun}",
                names,
                lambda work: {"ApiId": work.properties["ApiId"], key: work.physical, **work.pick(*names.split())},
                on_create=False,
            )
        ],
        gives=gives,
        delete=f"Delete{noun}",
        **more,
    )


class ApiMapping(Declared):
    """A path of a domain name."""

    def describe_params(self, work: Work) -> dict[str, Any]:
        return {"DomainName": work.properties["DomainName"], "ApiMappingId": work.physical}

    def id_params(self, work: Work) -> dict[str, Any]:
        return self.describe_params(work)


def _arn_tags(path: str) -> Tagging:
    def arn(work: Work) -> str:
        where = f"apis/{work.properties['ApiId']}/stages" if path == "stages" else path
        return f"arn:aws:apigateway:{work.region}::/{where}/{work.physical}"

    return tagging("ResourceArn", by=arn, as_map=True)


_MAPPING = "ApiId ApiMappingKey Stage"
KINDS: tuple[Kind, ...] = (
    Api(
        "AWS::ApiGatewayV2::Api",
        "apigatewayv2",
        create="CreateApi",
        takes=f"ProtocolType {_API}",
        also="Body FailOnWarnings BasePath",
        updates="Body FailOnWarnings BasePath",
        made="ApiId",
        key="ApiId",
        describe="GetApi",
        settings=[change("UpdateApi", "ApiId", _API)],
        gives={"ApiId": "ApiId", "ApiEndpoint": "ApiEndpoint"},
        tags=_arn_tags("apis"),
        delete="DeleteApi",
    ),
    _part("Authorizer", _AUTHORIZER, {"AuthorizerId": "AuthorizerId"}),
    _part("Integration", _INTEGRATION, {"IntegrationId": "IntegrationId"}),
    _part("Route", _ROUTE, {"RouteId": "RouteId"}),
    _part("Deployment", "Description", {"DeploymentId": "DeploymentId"}, also="StageName"),
    _part("Stage", _STAGE, {}, key="StageName", also="StageName", tags=_arn_tags("stages")),
    Declared(
        "AWS::ApiGatewayV2::VpcLink",
        "apigatewayv2",
        create="CreateVpcLink",
        takes="Name SecurityGroupIds SubnetIds",
        made="VpcLinkId",
        key="VpcLinkId",
        describe="GetVpcLink",
        ready="VpcLinkStatus == 'AVAILABLE'",
        broken="VpcLinkStatus == 'FAILED' && VpcLinkStatusMessage",
        settings=[change("UpdateVpcLink", "VpcLinkId", "Name")],
        gives={"VpcLinkId": "VpcLinkId"},
        tags=_arn_tags("vpclinks"),
        delete="DeleteVpcLink",
        await_end=True,
    ),
    Declared(
        "AWS::ApiGatewayV2::DomainName",
        "apigatewayv2",
        create="CreateDomainName",
        takes="DomainNameConfigurations MutualTlsAuthentication",
        name="DomainName",
        key="DomainName",
        describe="GetDomainName",
        ready="DomainNameConfigurations[0].DomainNameStatus == 'AVAILABLE'",
        settings=[
            Setting(
                "UpdateDomainName",
                "DomainNameConfigurations MutualTlsAuthentication",
                lambda work: {
                    "DomainName": work.physical,
                    **work.pick("DomainNameConfigurations", "MutualTlsAuthentication"),
                },
                on_create=False,
            )
        ],
        gives={
            "RegionalDomainName": "DomainNameConfigurations[0].ApiGatewayDomainName",
            "RegionalHostedZoneId": "DomainNameConfigurations[0].HostedZoneId",
        },
        tags=_arn_tags("domainnames"),
        delete="DeleteDomainName",
    ),
    ApiMapping(
        "AWS::ApiGatewayV2::ApiMapping",
        "apigatewayv2",
        create="CreateApiMapping",
        takes=f"DomainName {_MAPPING}",
        made="ApiMappingId",
        key="ApiMappingId",
        describe="GetApiMapping",
        settings=[
            Setting(
                "UpdateApiMapping",
                _MAPPING,
                lambda work: {
                    "ApiMappingId": work.physical,
                    "DomainName": work.properties["DomainName"],
                    **work.pick(*_MAPPING.split()),
                },
                on_create=False,
            )
        ],
        gives={"ApiMappingId": "ApiMappingId"},
        delete="DeleteApiMapping",
    ),
)
