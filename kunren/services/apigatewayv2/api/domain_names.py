"""Custom domain names and API mappings, as version 2 of the API has them (state: `domains`)."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.base import ApiBase
from kunren.services.apigatewayv2.domains.model import DomainName, TrustStore
from kunren.services.apigatewayv2.domains.state import find_domain, find_mapping, mappings_of
from kunren.services.apigatewayv2.domains.trust import read_trust
from kunren.services.apigatewayv2.errors import BadRequestException, NotHere

_FIELDS = {
    "CertificateArn": "certificate_arn",
    "CertificateName": "certificate_name",
    "SecurityPolicy": "security_policy",
    "IpAddressType": "ip_address_type",
    "OwnershipVerificationCertificateArn": "ownership_certificate",
}


class DomainNameOperations(ApiBase):
    async def create_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        checks.check_tags(params.get("Tags"))
        _refuse_routing_rules(params)
        fields = _fields(params)
        trust = await self._trust(ctx, params.get("MutualTlsAuthentication"))
        made = self._domains.create(
            ctx.account, ctx.region, params["DomainName"].lower(), fields.pop("certificate_arn", ""), trust=trust,
            tags=params.get("Tags"), **fields,
        )  # fmt: skip
        return views.domain_name(made)

    async def update_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._domain(ctx, params)
        _refuse_routing_rules(params)
        changes = _fields(params)
        if params.get("MutualTlsAuthentication") is not None:
            changes["trust"] = await self._trust(ctx, params["MutualTlsAuthentication"])
        return views.domain_name(self._domains.update(found, **changes))

    async def _trust(self, ctx: RequestContext, told: dict[str, Any] | None) -> TrustStore | None:
        """The trust store; None where the URI is empty. Raises BadRequestException."""
        given = told or {}
        uri, version = given.get("TruststoreUri", ""), given.get("TruststoreVersion", "")
        return await read_trust(self._call, ctx.account, ctx.region, uri, version)

    def _domain(self, ctx: RequestContext, params: dict[str, Any]) -> DomainName:
        return find_domain(self._store.snapshot(), ctx.account, ctx.region, params["DomainName"].lower())

    def get_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return views.domain_name(self._domain(ctx, params))

    def get_domain_names(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        every = self._store.snapshot().list(DomainName, ctx.account, ctx.region)
        found = self._page(every, params, lambda each: each.id)
        return {**found, "Items": [views.domain_name(each) for each in found["Items"]]}

    def delete_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._domains.delete(self._domain(ctx, params))

    # --- API mappings

    def create_api_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        key = _key(params)
        return views.api_mapping(
            self._domains.map(self._domain(ctx, params), key, params["ApiId"], params["Stage"])
        )  # fmt: skip

    def update_api_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        domain = self._domain(ctx, params)
        found = find_mapping(self._store.snapshot(), domain, params["ApiMappingId"])
        key = _key(params) if params.get("ApiMappingKey") is not None else found.key_path
        return views.api_mapping(
            self._domains.remap(domain, found, key, params["ApiId"], params.get("Stage") or found.stage)
        )

    def get_api_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        domain = self._domain(ctx, params)
        return views.api_mapping(find_mapping(self._store.snapshot(), domain, params["ApiMappingId"]))

    def get_api_mappings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        every = mappings_of(self._store.snapshot(), self._domain(ctx, params))
        found = self._page(every, params, lambda each: each.own_id)
        return {**found, "Items": [views.api_mapping(each) for each in found["Items"]]}

    def delete_api_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        domain = self._domain(ctx, params)
        self._domains.unmap(find_mapping(self._store.snapshot(), domain, params["ApiMappingId"]))


def _key(params: dict[str, Any]) -> str:
    key = params.get("ApiMappingKey") or ""
    return "" if key == "(none)" else str(key)


def _fields(params: dict[str, Any]) -> dict[str, Any]:
    """The one configuration that a domain name has, as fields. Raises BadRequestException, NotHere."""
    told = params.get("DomainNameConfigurations") or [{}]
    if len(told) > 1:
        raise BadRequestException("Only one DomainNameConfiguration is supported")
    if told[0].get("EndpointType", "REGIONAL") != "REGIONAL":
        raise BadRequestException("Only REGIONAL endpoints are supported for domain names of this API")
    if told[0].get("SecurityPolicy", "TLS_1_2") != "TLS_1_2":
        raise BadRequestException("TLS_1_2 is the only security policy for regional domain names of HTTP APIs")
    checks.check_address_type(told[0])
    return {field: told[0][member] for member, field in _FIELDS.items() if told[0].get(member)}


def _refuse_routing_rules(params: dict[str, Any]) -> None:
    if params.get("RoutingMode", "API_MAPPING_ONLY") != "API_MAPPING_ONLY":
        raise NotHere("routing rules of custom domain names (apigatewayv2:CreateRoutingRule)")
