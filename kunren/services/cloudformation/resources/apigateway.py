"""REST APIs: AWS::ApiGateway::…

Properties are API Gateway's members with a capital letter. What changes is patched; a method is put anew, which nobody
sees: traffic meets deployments.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Kind, Params, small
from kunren.services.cloudformation.work import Failed, Work

_SERVICE = "apigateway"


def smaller(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those members of a structure that are stated, by their own names."""
    return {small(name): value[name] for name in names if name in value}


def text(value: Any) -> str:
    """A value as a patch operation has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def patches(paths: Mapping[str, str], work: Work) -> list[dict[str, Any]]:
    """The operations that make what was to what is wanted, for properties by their paths; maps member by member."""
    found: list[dict[str, Any]] = []
    for name, path in paths.items():
        old, new = work.before.get(name), work.properties.get(name)
        if old == new:
            continue
        if isinstance(old or new, dict):
            old, new = old or {}, new or {}
            for key in [*old, *(each for each in new if each not in old)]:
                at = f"{path}/{escaped(key)}"
                if key not in new:
                    found.append({"op": "remove", "path": at})
                elif old.get(key) != new[key]:
                    found.append({"op": "replace" if key in old else "add", "path": at, "value": text(new[key])})
        else:
            found.append({"op": "replace", "path": path, "value": text(new) if new is not None else ""})
    return found


class Part(Kind):
    """A type by its three operations. `params` are the creation's; `at` names the resource for changes and deletion;
    `paths` are the properties that can be patched; `fixed` the others."""

    def __init__(
        self, type: str, noun: str, params: Params, at: Params, *, made: str | Callable[[Mapping[str, Any]], str],
        paths: Mapping[str, str] | None = None, fixed: str = "", create: str = "", attribute: str = "",
        update: str = "",
    ) -> None:  # fmt: skip
        self.type, self._params, self._at, self._made = f"AWS::ApiGateway::{type}", params, at, made
        self._create, self._delete, self._update = create or f"Create{noun}", f"Delete{noun}", update or f"Update{noun}"
        self._paths = dict(paths or {})
        self._attribute = attribute
        self.properties = frozenset({*self._paths, *fixed.split()})
        self.attributes = frozenset({attribute} if attribute else ())

    async def create(self, work: Work) -> None:
        await work.write(_SERVICE, self._create, self._params(work), self._made, physical=True)
        self._keep(work)

    def _keep(self, work: Work) -> None:
        if self._attribute:
            work.attributes = {self._attribute: work.physical}

    async def update(self, work: Work) -> None:
        other = [name for name in sorted(self.properties or ()) if name not in self._paths and work.changed(name)]
        if other:
            raise Failed(f"Kunren does not implement changes of {', '.join(other)} of {self.type} yet.")
        if operations := patches(self._paths, work):
            await work.write(_SERVICE, self._update, {**self._at(work), "patchOperations": operations})
        self._keep(work)

    async def delete(self, work: Work) -> None:
        await work.write(_SERVICE, self._delete, self._at(work), missing_ok=True)


def tag_map(work: Work) -> dict[str, Any]:
    return {"tags": work.tags} if work.tags else {}


class RestApi(Kind):
    type = "AWS::ApiGateway::RestApi"
    _paths = {
        "Name": "/name", "Description": "/description", "ApiKeySourceType": "/apiKeySource", "Policy": "/policy",
        "MinimumCompressionSize": "/minimumCompressionSize", "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
    }  # fmt: skip
    properties = frozenset({*_paths, "BinaryMediaTypes", "Body", "EndpointConfiguration", "FailOnWarnings", "Mode",
                            "Parameters", "Tags", "Version"})  # fmt: skip
    attributes = frozenset({"RestApiId", "RootResourceId"})

    async def create(self, work: Work) -> None:
        body = work.get("Body")
        title = ((body or {}).get("info") or {}).get("title") if isinstance(body, dict) else None
        params = {
            "name": work.get("Name") or title or work.name(),
            **work.pick(
                "Description=description", "BinaryMediaTypes=binaryMediaTypes", "Version=version",
                "MinimumCompressionSize=minimumCompressionSize", "ApiKeySourceType=apiKeySource",
                "DisableExecuteApiEndpoint=disableExecuteApiEndpoint",
            ),
            **tag_map(work),
        }  # fmt: skip
        if told := work.get("EndpointConfiguration"):
            params["endpointConfiguration"] = smaller(told, "Types", "VpcEndpointIds", "IpAddressType")
        if policy := work.get("Policy"):
            params["policy"] = text(policy)
        await work.write(_SERVICE, "CreateRestApi", params, "id", physical=True)
        if body is not None:
            await self._define(work)
        await self._keep(work)

    async def _define(self, work: Work) -> None:
        params = {
            "restApiId": work.physical, "mode": work.get("Mode") or "overwrite",
            "body": text(work.get("Body")).encode(),
            **work.pick("FailOnWarnings=failOnWarnings", "Parameters=parameters"),
        }  # fmt: skip
        await work.write(_SERVICE, "PutRestApi", params)

    async def _keep(self, work: Work) -> None:
        shown = await work.read(_SERVICE, "GetRestApi", {"restApiId": work.physical})
        work.attributes = {"RestApiId": work.physical, "RootResourceId": shown["rootResourceId"]}

    async def update(self, work: Work) -> None:
        if work.changed("Body", "Parameters") and work.get("Body") is not None:
            await self._define(work)
        operations = patches(self._paths, work)
        old, new = work.before.get("BinaryMediaTypes") or [], work.get("BinaryMediaTypes") or []
        for op, types in (("remove", set(old) - set(new)), ("add", set(new) - set(old))):
            operations += [{"op": op, "path": f"/binaryMediaTypes/{escaped(each)}"} for each in sorted(types)]
        if operations:
            await work.write(_SERVICE, "UpdateRestApi", {"restApiId": work.physical, "patchOperations": operations})
        if work.changed("EndpointConfiguration", "Version"):
            raise Failed(f"Kunren does not implement changes of EndpointConfiguration or Version of {self.type} yet.")
        await self._keep(work)

    async def delete(self, work: Work) -> None:
        await work.write(_SERVICE, "DeleteRestApi", {"restApiId": work.physical}, missing_ok=True)


class Method(Kind):
    type = "AWS::ApiGateway::Method"
    properties = frozenset({
        "ApiKeyRequired", "AuthorizationScopes", "AuthorizationType", "AuthorizerId", "HttpMethod", "Integration",
        "MethodResponses", "OperationName", "RequestModels", "RequestParameters", "RequestValidatorId", "ResourceId",
        "RestApiId",
    })  # fmt: skip

    def _at(self, work: Work) -> dict[str, Any]:
        return work.pick("RestApiId=restApiId", "ResourceId=resourceId", "HttpMethod=httpMethod")

    async def create(self, work: Work) -> None:
        work.known(work.name())
        await self._put(work)

    async def _put(self, work: Work) -> None:
        at = self._at(work)
        given = ("ApiKeyRequired", "AuthorizationScopes", "AuthorizerId", "OperationName", "RequestModels",
                 "RequestParameters", "RequestValidatorId")  # fmt: skip
        method = {"authorizationType": work.get("AuthorizationType") or "NONE", **smaller(work.properties, *given)}
        await work.write(_SERVICE, "PutMethod", {**at, **method})
        for each in work.get("MethodResponses") or []:
            params = {"statusCode": str(each["StatusCode"]), **smaller(each, "ResponseModels", "ResponseParameters")}
            await work.write(_SERVICE, "PutMethodResponse", {**at, **params})
        told = work.get("Integration")
        if told is None:
            return
        params = smaller(
            told, "Type", "Uri", "ConnectionType", "ConnectionId", "Credentials", "RequestParameters",
            "RequestTemplates", "PassthroughBehavior", "CacheNamespace", "CacheKeyParameters", "ContentHandling",
            "TimeoutInMillis", "IntegrationHttpMethod",
        )  # fmt: skip
        await work.write(_SERVICE, "PutIntegration", {**at, **params})
        for each in told.get("IntegrationResponses") or []:
            params = {
                "statusCode": str(each["StatusCode"]),
                **smaller(each, "SelectionPattern", "ResponseParameters", "ResponseTemplates", "ContentHandling"),
            }
            await work.write(_SERVICE, "PutIntegrationResponse", {**at, **params})

    async def update(self, work: Work) -> None:
        await work.write(_SERVICE, "DeleteMethod", self._at(work), missing_ok=True)
        await self._put(work)

    async def delete(self, work: Work) -> None:
        await work.write(_SERVICE, "DeleteMethod", self._at(work), missing_ok=True)


class Deployment(Kind):
    """With a StageName it makes that stage, and takes it away again."""

    type = "AWS::ApiGateway::Deployment"
    properties = frozenset({"Description", "RestApiId", "StageName"})
    attributes = frozenset({"DeploymentId"})

    async def create(self, work: Work) -> None:
        params = work.pick("RestApiId=restApiId", "Description=description", "StageName=stageName")
        await work.write(_SERVICE, "CreateDeployment", params, "id", physical=True)
        work.attributes = {"DeploymentId": work.physical}

    async def update(self, work: Work) -> None:
        if work.changed("StageName"):
            raise Failed(f"Kunren does not implement changes of StageName of {self.type} yet.")
        operations = patches({"Description": "/description"}, work)
        at = {**work.pick("RestApiId=restApiId"), "deploymentId": work.physical}
        if operations:
            await work.write(_SERVICE, "UpdateDeployment", {**at, "patchOperations": operations})

    async def delete(self, work: Work) -> None:
        api = work.pick("RestApiId=restApiId")
        if stage := work.get("StageName"):
            await work.write(_SERVICE, "DeleteStage", {**api, "stageName": stage}, missing_ok=True)
        await work.write(_SERVICE, "DeleteDeployment", {**api, "deploymentId": work.physical}, missing_ok=True)


class Stage(Kind):
    type = "AWS::ApiGateway::Stage"
    _paths = {
        "DeploymentId": "/deploymentId", "Description": "/description", "Variables": "/variables",
        "CacheClusterEnabled": "/cacheClusterEnabled", "CacheClusterSize": "/cacheClusterSize",
        "TracingEnabled": "/tracingEnabled",
    }  # fmt: skip
    properties = frozenset({*_paths, "AccessLogSetting", "MethodSettings", "RestApiId", "StageName", "Tags"})
    _settings = {
        "MetricsEnabled": "metrics/enabled", "LoggingLevel": "logging/loglevel",
        "DataTraceEnabled": "logging/dataTrace",
        "ThrottlingBurstLimit": "throttling/burstLimit", "ThrottlingRateLimit": "throttling/rateLimit",
        "CachingEnabled": "caching/enabled", "CacheTtlInSeconds": "caching/ttlInSeconds",
        "CacheDataEncrypted": "caching/dataEncrypted",
    }  # fmt: skip

    def _at(self, work: Work) -> dict[str, Any]:
        return {**work.pick("RestApiId=restApiId"), "stageName": work.physical}

    async def create(self, work: Work) -> None:
        name = work.get("StageName") or "default"
        params = {
            **work.pick(
                "RestApiId=restApiId", "DeploymentId=deploymentId", "Description=description", "Variables=variables",
                "CacheClusterEnabled=cacheClusterEnabled", "CacheClusterSize=cacheClusterSize",
                "TracingEnabled=tracingEnabled",
            ),
            "stageName": name, **tag_map(work),
        }  # fmt: skip
        await work.write(_SERVICE, "CreateStage", params, "stageName", physical=True)
        await self._set(work, [])

    async def _set(self, work: Work, operations: list[dict[str, Any]]) -> None:
        """Access logs and method settings as they are wanted, behind these operations."""
        if work.changed("AccessLogSetting"):
            told = work.get("AccessLogSetting")
            named = smaller(told or {}, "DestinationArn", "Format")
            operations += [
                {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value} for name, value in named.items()
            ]
            if not named:
                operations.append({"op": "remove", "path": "/accessLogSettings"})
        if work.changed("MethodSettings"):
            places = [_place(each) for each in work.get("MethodSettings") or []]
            gone = [_place(each) for each in work.before.get("MethodSettings") or []]
            operations += [{"op": "remove", "path": each} for each in gone if each not in places]
            operations += [
                {"op": "replace", "path": f"{_place(each)}/{self._settings[name]}", "value": text(each[name])}
                for each in work.get("MethodSettings") or []
                for name in self._settings
                if name in each
            ]
        if operations:
            await work.write(_SERVICE, "UpdateStage", {**self._at(work), "patchOperations": operations})

    async def update(self, work: Work) -> None:
        await self._set(work, patches(self._paths, work))

    async def delete(self, work: Work) -> None:
        await work.write(_SERVICE, "DeleteStage", self._at(work), missing_ok=True)


def _place(setting: Mapping[str, Any]) -> str:
    """The path of a method setting: resource path and method."""
    path = setting.get("ResourcePath") or "/*"
    return f"/{'*' if path == '/*' else escaped(path)}/{setting.get('HttpMethod') or '*'}"


def _api(work: Work) -> dict[str, Any]:
    return work.pick("RestApiId=restApiId")


def _plan(work: Work) -> dict[str, Any]:
    found: dict[str, Any] = {"name": work.get("UsagePlanName") or work.name(), **work.pick("Description=description")}
    if told := work.get("Throttle"):
        found["throttle"] = smaller(told, "BurstLimit", "RateLimit")
    if told := work.get("Quota"):
        found["quota"] = smaller(told, "Limit", "Offset", "Period")
    stages = [smaller(each, "ApiId", "Stage") for each in work.get("ApiStages") or []]
    return {**found, "apiStages": stages, **tag_map(work)}


class UsagePlan(Part):
    """A plan can only go when no stage is in it."""

    async def delete(self, work: Work) -> None:
        gone = [
            {"op": "remove", "path": "/apiStages", "value": f"{each['ApiId']}:{each['Stage']}"}
            for each in work.get("ApiStages") or []
        ]
        if gone:
            at = {"usagePlanId": work.physical, "patchOperations": gone}
            await work.write(_SERVICE, "UpdateUsagePlan", at, missing_ok=True)
        await super().delete(work)


class VpcLink(Part):
    """Stable when traffic can go through it."""

    async def create(self, work: Work) -> None:
        await super().create(work)

        async def available() -> bool | None:
            shown = await work.read(_SERVICE, "GetVpcLink", {"vpcLinkId": work.physical})
            if shown["status"] == "FAILED":
                raise Failed(f'Resource handler returned message: "{shown["statusMessage"]}"')
            return True if shown["status"] == "AVAILABLE" else None

        await work.until(available)


class DomainName(Part):
    """Its attributes are where DNS is to point."""

    async def create(self, work: Work) -> None:
        await super().create(work)
        shown = await work.read(_SERVICE, "GetDomainName", {"domainName": work.physical})
        names = sorted(self.attributes)
        work.attributes = {name: shown[small(name)] for name in names if small(name) in shown}

    def _keep(self, work: Work) -> None:
        """As they were made."""


def _domain(work: Work) -> dict[str, Any]:
    given = ("DomainName", "CertificateArn", "RegionalCertificateArn", "SecurityPolicy")
    found = {**smaller(work.properties, *given), **tag_map(work)}
    if told := work.get("EndpointConfiguration"):
        found["endpointConfiguration"] = smaller(told, "Types", "IpAddressType")
    if told := work.get("MutualTlsAuthentication"):
        found["mutualTlsAuthentication"] = smaller(told, "TruststoreUri", "TruststoreVersion")
    return found


def _domain_name() -> DomainName:
    made = DomainName(
        "DomainName", "DomainName", _domain, lambda work: {"domainName": work.physical}, made="domainName",
        paths={each: "/" + small(each) for each in ("CertificateArn", "RegionalCertificateArn", "SecurityPolicy")},
        fixed="DomainName EndpointConfiguration MutualTlsAuthentication Tags",
    )  # fmt: skip
    made.attributes = frozenset({
        "DomainNameArn", "DistributionDomainName", "DistributionHostedZoneId", "RegionalDomainName",
        "RegionalHostedZoneId",
    })  # fmt: skip
    return made


def _schema(work: Work) -> dict[str, Any]:
    schema = work.get("Schema")
    found = {
        "name": work.get("Name") or work.name().replace("-", ""),
        **_api(work),
        **work.pick("Description=description"),
    }
    found["contentType"] = work.get("ContentType") or "application/json"
    return found if schema is None else {**found, "schema": text(schema)}


def _authorizer(work: Work) -> dict[str, Any]:
    given = ("Name", "Type", "AuthType", "AuthorizerUri", "AuthorizerCredentials", "IdentitySource", "ProviderARNs",
             "IdentityValidationExpression", "AuthorizerResultTtlInSeconds")  # fmt: skip
    return {**_api(work), **smaller(work.properties, *given)}


class Account(Kind):
    """The account's role for logs: there from the start, so that nothing is made, and nothing goes."""

    type = "AWS::ApiGateway::Account"
    properties = frozenset({"CloudWatchRoleArn"})
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        work.known(work.name(64))
        work.attributes = {"Id": work.physical}
        await self.update(work)

    async def update(self, work: Work) -> None:
        patch = {"op": "replace", "path": "/cloudwatchRoleArn", "value": work.get("CloudWatchRoleArn") or ""}
        await work.write(_SERVICE, "UpdateAccount", {"patchOperations": [patch]})

    async def delete(self, work: Work) -> None:
        return


KINDS: tuple[Kind, ...] = (
    Account(),
    RestApi(),
    Method(),
    Deployment(),
    Stage(),
    Part(
        "Resource", "Resource", lambda work: work.pick(
            "RestApiId=restApiId", "ParentId=parentId", "PathPart=pathPart"
        ),
        lambda work: {**_api(work), "resourceId": work.physical}, made="id", attribute="ResourceId",
        fixed="RestApiId ParentId PathPart",
    ),
    Part(
        "Model", "Model", _schema, lambda work: {**_api(work), "modelName": work.physical}, made="name",
        paths={"Description": "/description", "Schema": "/schema"}, fixed="ContentType Name RestApiId",
    ),
    Part(
        "RequestValidator", "RequestValidator", lambda work: {**_api(work), **smaller(
            work.properties, "Name", "ValidateRequestBody", "ValidateRequestParameters"
        )},
        lambda work: {**_api(work), "requestValidatorId": work.physical}, made="id", attribute="RequestValidatorId",
        paths={each: "/" + small(each) for each in ("ValidateRequestBody", "ValidateRequestParameters")},
        fixed="Name RestApiId",
    ),
    Part(
        "Authorizer", "Authorizer", _authorizer, lambda work: {**_api(work), "authorizerId": work.physical}, made="id",
        attribute="AuthorizerId", fixed="RestApiId ProviderARNs",
        paths={each: "/" + small(each) for each in (
            "Name", "Type", "AuthType", "AuthorizerUri", "AuthorizerCredentials", "IdentitySource",
            "IdentityValidationExpression", "AuthorizerResultTtlInSeconds",
        )},
    ),
    Part(
        "GatewayResponse", "GatewayResponse", lambda work: {**_api(work), **smaller(
            work.properties, "ResponseType", "StatusCode", "ResponseParameters", "ResponseTemplates"
        )},
        lambda work: {**_api(work), **work.pick("ResponseType=responseType")}, create="PutGatewayResponse",
        made="responseType", fixed="RestApiId ResponseType", paths={
            "StatusCode": "/statusCode", "ResponseParameters": "/responseParameters",
            "ResponseTemplates": "/responseTemplates",
        },
    ),
    Part(
        "ApiKey", "ApiKey", lambda work: {
            "name": work.get("Name") or work.name(), **tag_map(work),
            **smaller(work.properties, "Description", "Enabled", "Value", "CustomerId"),
        },
        lambda work: {"apiKey": work.physical}, made="id", attribute="APIKeyId", fixed="Name Value Tags",
        paths={"Description": "/description", "Enabled": "/enabled", "CustomerId": "/customerId"},
    ),
    UsagePlan(
        "UsagePlan", "UsagePlan", _plan, lambda work: {"usagePlanId": work.physical}, made="id", attribute="Id",
        paths={"UsagePlanName": "/name", "Description": "/description"}, fixed="ApiStages Quota Throttle Tags",
    ),
    Part(
        "UsagePlanKey", "UsagePlanKey", lambda work: work.pick(
            "UsagePlanId=usagePlanId", "KeyId=keyId", "KeyType=keyType"
        ),
        lambda work: work.pick("UsagePlanId=usagePlanId", "KeyId=keyId"), made="id", fixed="KeyId KeyType UsagePlanId",
    ),
    VpcLink(
        "VpcLink", "VpcLink", lambda work: {
            **smaller(work.properties, "Name", "Description", "TargetArns"), **tag_map(work)
        },
        lambda work: {"vpcLinkId": work.physical}, made="id", attribute="VpcLinkId", fixed="TargetArns Tags",
        paths={"Name": "/name", "Description": "/description"},
    ),
    _domain_name(),
    Part(
        "BasePathMapping", "BasePathMapping", lambda work: smaller(
            work.properties, "DomainName", "BasePath", "RestApiId", "Stage"
        ),
        lambda work: {**work.pick("DomainName=domainName"), "basePath": work.get("BasePath") or "(none)"},
        made="basePath", paths={"RestApiId": "/restapiId", "Stage": "/stage"}, fixed="DomainName BasePath",
    ),
)  # fmt: skip
