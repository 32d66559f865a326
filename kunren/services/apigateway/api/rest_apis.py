"""RestApis, and the account's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.apigateway import policies, tables
from kunren.services.apigateway.api.base import Base, given, id_of, paged, shape_of
from kunren.services.apigateway.errors import BadRequestException
from kunren.services.apigateway.model import PARTS, Account, Model, PathResource, RestApi, UsagePlan
from kunren.services.apigateway.patching import patched

COMPRESSION_MAX = 10_485_760
_ERROR_SCHEMA = (
    '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n  "title" : "Error Schema",\n  "type" : "object",\n'
    '  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}'
)
_EMPTY_SCHEMA = (
    '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n  "title" : "Empty Schema",\n  "type" : "object"\n}'
)
_DEFAULT_MODELS = (
    ("Error", "This is a default error schema model", _ERROR_SCHEMA),
    ("Empty", "This is a default empty schema model", _EMPTY_SCHEMA),
)


def execute_arn(account: str, region: str, api: str) -> str:
    return build_arn("execute-api", region, account, api)


def check_rest_api(shape: Mapping[str, Any]) -> None:
    """Raises BadRequestException, and NotImplemented for what is not here."""
    if not shape.get("name"):
        raise BadRequestException("Rest API name cannot be null or empty")
    size = shape.get("minimumCompressionSize")
    if size is not None and not 0 <= size <= COMPRESSION_MAX:
        raise BadRequestException("Invalid minimum compression size, must be between 0 and 10485760")
    types = shape["endpointConfiguration"]["types"]
    if len(types) != 1 or types[0] not in tables.ENDPOINT_TYPES:
        raise BadRequestException("Endpoint configuration types must contain exactly one of: [EDGE, REGIONAL, PRIVATE]")
    if types == ["PRIVATE"]:
        raise NotImplementedByKunren("apigateway", "private endpoint types")
    check_address_type(shape["endpointConfiguration"].get("ipAddressType"))
    if shape["endpointConfiguration"].get("vpcEndpointIds"):
        raise BadRequestException("VPCEndpoints can only be specified with PRIVATE apis")


def check_address_type(told: str | None) -> None:
    """Raises NotImplemented."""
    if told == "dualstack":
        raise NotImplementedByKunren("apigateway", "ipAddressType dualstack")


class RestApiOperations(Base):
    def create_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        source = params.get("cloneFrom")
        with self._store.write() as tx:
            api = self._new_rest_api(tx, ctx, params)
            if source is not None:
                self._clone(tx, self._rest_api(tx, ctx, {"restApiId": source}), api)
            else:
                self._begin(tx, api)
        return api.shape

    def _new_rest_api(self, tx: Tx, ctx: RequestContext, params: Mapping[str, Any]) -> RestApi:
        id, root = self._id(10), self._id(10)
        shape: dict[str, Any] = {
            "id": id,
            **given(
                params, "name", "description", "version", "binaryMediaTypes", "minimumCompressionSize",
                "securityPolicy", "endpointAccessMode",
            ),
            "createdDate": self._now(),
            "apiKeySource": params.get("apiKeySource") or "HEADER",
            "endpointConfiguration": endpoint_configuration(params.get("endpointConfiguration")),
            "disableExecuteApiEndpoint": bool(params.get("disableExecuteApiEndpoint")),
            "rootResourceId": root,
            "tags": params.get("tags") or {},
        }  # fmt: skip
        if policy := params.get("policy"):
            shape["policy"] = policies.checked(policy, execute_arn(ctx.account, ctx.region, id))
        check_rest_api(shape)
        api = RestApi(account=ctx.account, region=ctx.region, id=id, shape=shape)
        tx.put(api)
        return api

    def _begin(self, tx: Tx, api: RestApi) -> None:
        """What every new API has: a root and the two default models."""
        root = api.shape["rootResourceId"]
        tx.put(PathResource(account=api.account, region=api.region, id=f"{api.id}/{root}", path="/"))
        for name, description, schema in _DEFAULT_MODELS:
            shape = {
                "id": self._id(), "name": name, "description": description, "schema": schema,
                "contentType": "application/json",
            }  # fmt: skip
            tx.put(Model(account=api.account, region=api.region, id=f"{api.id}/{name}", shape=shape))

    def _clone(self, tx: Tx, source: RestApi, api: RestApi) -> None:
        """All but deployments and stages, with ids of its own for the root alone."""
        old, new = source.shape["rootResourceId"], api.shape["rootResourceId"]
        for kind in PARTS:
            if kind.kind in ("apigateway.deployment", "apigateway.stage"):
                continue
            for each in tx.list(kind, source.account, source.region):
                prefix, _, own = each.id.partition("/")
                if prefix != source.id:
                    continue
                if isinstance(each, PathResource):
                    parent = new if each.parent == old else each.parent
                    each = msgspec.structs.replace(each, parent=parent)
                tx.put(msgspec.structs.replace(each, id=f"{api.id}/{new if own == old else own}"))

    def get_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._rest_api(self._store.snapshot(), ctx, params).shape

    def get_rest_apis(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return paged(self._store.snapshot().list(RestApi, ctx.account, ctx.region), params, shape_of, id_of)

    def update_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            shape = patched(api.shape, params.get("patchOperations"), tables.REST_API)
            if shape.get("policy") != api.shape.get("policy"):
                shape["policy"] = policies.checked(
                    shape.get("policy") or "", execute_arn(ctx.account, ctx.region, api.id)
                )
            for name in ("policy", "minimumCompressionSize"):
                if shape.get(name) in (None, ""):
                    shape.pop(name, None)
            check_rest_api(shape)
            return self._put(tx, api, shape).shape

    def delete_rest_api(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            self.check_unmapped(tx, ctx, api.id, None)
            self._delete_parts(tx, api)
            for plan in tx.list(UsagePlan, ctx.account, ctx.region):
                kept = [each for each in plan.shape["apiStages"] if each["apiId"] != api.id]
                if len(kept) != len(plan.shape["apiStages"]):
                    self._put(tx, plan, {**plan.shape, "apiStages": kept})
            tx.delete(api)

    def check_unmapped(self, tx: Tx, ctx: RequestContext, api: str, stage: str | None) -> None:
        """Raises BadRequestException where a domain's mapping leads there."""

    def _delete_parts(self, tx: Tx, api: RestApi, kinds: tuple[Any, ...] = PARTS) -> None:
        prefix = api.id + "/"
        for kind in kinds:
            for each in tx.list(kind, api.account, api.region):
                if each.id.startswith(prefix):
                    tx.delete(each)

    # --- the account's settings -----------------------------------------------------------------------------------

    def get_account(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._account(ctx).shape

    def _account(self, ctx: RequestContext) -> Account:
        found = self._store.snapshot().get(Account, ctx.account, ctx.region, "account")
        return found or Account(
            account=ctx.account, region=ctx.region, id="account",
            shape={
                "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0}, "features": ["UsagePlans"],
                "apiKeyVersion": "4",
            },
        )  # fmt: skip

    def update_account(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            account = self._account(ctx)
            shape = patched(account.shape, params.get("patchOperations"), tables.ACCOUNT)
            role = shape.get("cloudwatchRoleArn")
            if role and not (role.startswith("arn:aws") and ":iam::" in role and ":role/" in role):
                raise BadRequestException("The role ARN does not have required permissions configured.")
            if not role:
                shape.pop("cloudwatchRoleArn", None)
            return self._put(tx, account, shape).shape


def endpoint_configuration(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """As it is kept: EDGE is the default, and only private APIs are dual-stack by default."""
    told = told or {}
    types = list(told.get("types") or ["EDGE"])
    default = "dualstack" if types == ["PRIVATE"] else "ipv4"
    found: dict[str, Any] = {"types": types, "ipAddressType": told.get("ipAddressType") or default}
    if told.get("vpcEndpointIds"):
        found["vpcEndpointIds"] = list(told["vpcEndpointIds"])
    return found
