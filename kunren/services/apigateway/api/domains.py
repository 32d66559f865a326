"""Custom domain names and base path mappings, as version 1 of the API has them: the same rows as version 2's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError, NotImplementedByKunren
from kunren.services.apigateway.api.base import id_of, paged
from kunren.services.apigateway.api.rest_apis import RestApiOperations, check_address_type
from kunren.services.apigateway.errors import BadRequestException, ConflictException, NotFoundException
from kunren.services.apigateway.model import RestApi, Stage
from kunren.services.apigateway.patching import LIST, Rule, patched
from kunren.services.apigatewayv2 import errors as shared
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName, TrustStore
from kunren.services.apigatewayv2.domains.state import DomainState, find_domain, mappings_of, mappings_to
from kunren.services.apigatewayv2.domains.trust import read_trust

NONE = "(none)"
_REFUSED = (shared.BadRequestException, shared.ConflictException, shared.NotFoundException)
_BASE_PATH = re.compile(r"[a-zA-Z0-9$_.+!*'(),-]+")
_DOMAIN = (
    Rule("/regionalCertificateArn"),
    Rule("/regionalCertificateName"),
    Rule("/certificateArn"),
    Rule("/certificateName"),
    Rule("/securityPolicy"),
    Rule("/endpointConfiguration/types/{item}", LIST),
    Rule("/endpointConfiguration/ipAddressType", choices=("ipv4", "dualstack")),
    Rule("/mutualTlsAuthentication/truststoreUri", operations=("replace", "add", "remove")),
    Rule("/mutualTlsAuthentication/truststoreVersion", operations=("replace", "add", "remove")),
    Rule("/ownershipVerificationCertificateArn"),
)
_MAPPING = (Rule("/basePath"), Rule("/restapiId"), Rule("/restApiId"), Rule("/stage"))


def domain_shape(found: DomainName) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "domainName": found.id,
        "domainNameArn": found.arn,
        "certificateUploadDate": found.uploaded,
        "endpointConfiguration": {
            "types": ["EDGE" if found.edge else "REGIONAL"],
            "ipAddressType": found.ip_address_type,
        },
        "domainNameStatus": "AVAILABLE",
        "securityPolicy": found.security_policy,
        "routingMode": "BASE_PATH_MAPPING_ONLY",
        "tags": found.tags,
    }
    if found.edge:
        shape |= {"distributionDomainName": found.target, "distributionHostedZoneId": found.hosted_zone_id}
    else:
        shape |= {"regionalDomainName": found.target, "regionalHostedZoneId": found.hosted_zone_id}
    arn, name = _certificate_members(found.edge)
    shape[arn] = found.certificate_arn
    if found.certificate_name:
        shape[name] = found.certificate_name
    if found.ownership_certificate:
        shape["ownershipVerificationCertificateArn"] = found.ownership_certificate
    if found.trust is not None:
        shape["mutualTlsAuthentication"] = {"truststoreUri": found.trust.uri}
        if found.trust.version:
            shape["mutualTlsAuthentication"]["truststoreVersion"] = found.trust.version
    return shape


def _certificate_members(edge: bool) -> tuple[str, str]:
    """By which members a domain name's certificate goes."""
    return ("certificateArn", "certificateName") if edge else ("regionalCertificateArn", "regionalCertificateName")


def mapping_shape(found: ApiMapping) -> dict[str, Any]:
    shape = {"basePath": found.key_path or NONE, "restApiId": found.api_id}
    return {**shape, "stage": found.stage} if found.stage else shape


class DomainOperations(RestApiOperations):
    """`domains` is set before anything is asked."""

    domains: DomainState

    async def create_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        told = params.get("endpointConfiguration") or {}
        edge = _is_edge(told.get("types") or ["EDGE"])
        for name, what in (("certificateBody", "certificates uploaded with a domain name"),
                           ("policy", "private custom domain names")):  # fmt: skip
            if params.get(name):
                raise NotImplementedByKunren("apigateway", what)
        if (params.get("routingMode") or "BASE_PATH_MAPPING_ONLY") != "BASE_PATH_MAPPING_ONLY":
            raise NotImplementedByKunren("apigateway", "routing rules")
        check_address_type(told.get("ipAddressType"))
        policy = params.get("securityPolicy") or "TLS_1_2"
        _check_security_policy(policy)
        arn, name = _certificate_members(edge)
        try:
            made = self.domains.create(
                ctx.account, ctx.region, params["domainName"].lower(), params.get(arn) or "", tags=params.get("tags"),
                security_policy=policy, certificate_name=params.get(name) or "", edge=edge,
                trust=await self._trust(ctx, edge, params.get("mutualTlsAuthentication")),
                ip_address_type=told.get("ipAddressType") or "ipv4",
                ownership_certificate=params.get("ownershipVerificationCertificateArn") or "",
            )  # fmt: skip
        except _REFUSED as error:
            raise _ours(error) from None
        return domain_shape(made)

    async def _trust(self, ctx: RequestContext, edge: bool, told: Mapping[str, Any] | None) -> TrustStore | None:
        given = told or {}
        uri, version = given.get("truststoreUri") or "", given.get("truststoreVersion") or ""
        if uri and edge:
            raise BadRequestException("Mutual TLS is only supported for REGIONAL domain names")
        return await read_trust(self._call, ctx.account, ctx.region, uri, version)

    def _domain(self, view: Snapshot | Tx, ctx: RequestContext, params: Mapping[str, Any]) -> DomainName:
        try:
            return find_domain(view, ctx.account, ctx.region, params["domainName"].lower())
        except shared.NotFoundException:
            raise NotFoundException("Invalid domain name identifier specified") from None

    def get_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return domain_shape(self._domain(self._store.snapshot(), ctx, params))

    def get_domain_names(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return paged(self._store.snapshot().list(DomainName, ctx.account, ctx.region), params, domain_shape, id_of)

    async def update_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._domain(self._store.snapshot(), ctx, params)
        shape = domain_shape(found)
        told = patched(shape, params.get("patchOperations"), _DOMAIN)
        edge = _is_edge(told["endpointConfiguration"]["types"])
        check_address_type(told["endpointConfiguration"]["ipAddressType"])
        _check_security_policy(told["securityPolicy"])
        arn, name = _certificate_members(edge)
        changes: dict[str, Any] = {}
        if (told.get(arn) or "") != found.certificate_arn:
            changes["certificate_arn"] = told.get(arn) or ""
        try:
            if told.get("mutualTlsAuthentication") != shape.get("mutualTlsAuthentication"):
                changes["trust"] = await self._trust(ctx, edge, told.get("mutualTlsAuthentication"))
            made = self.domains.update(
                found, certificate_name=told.get(name) or "", security_policy=told["securityPolicy"], edge=edge,
                ip_address_type=told["endpointConfiguration"]["ipAddressType"],
                ownership_certificate=told.get("ownershipVerificationCertificateArn") or "", **changes,
            )  # fmt: skip
        except _REFUSED as error:
            raise _ours(error) from None
        return domain_shape(made)

    def delete_domain_name(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self.domains.delete(self._domain(self._store.snapshot(), ctx, params))

    # --- base path mappings ---------------------------------------------------------------------------------------

    def create_base_path_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        domain = self._domain(self._store.snapshot(), ctx, params)
        key = _key(params.get("basePath"))
        self._check_target(ctx, params["restApiId"], params.get("stage") or "")
        try:
            return mapping_shape(self.domains.map(domain, key, params["restApiId"], params.get("stage") or ""))
        except shared.ConflictException:
            raise ConflictException("Base path already exists for this domain name") from None
        except _REFUSED as error:
            raise _ours(error) from None

    def _check_target(self, ctx: RequestContext, api: str, stage: str) -> None:
        snapshot = self._store.snapshot()
        if snapshot.get(RestApi, ctx.account, ctx.region, api) is None:
            raise BadRequestException("Invalid REST API identifier specified")
        if stage and snapshot.get(Stage, ctx.account, ctx.region, f"{api}/{stage}") is None:
            raise BadRequestException("Invalid stage identifier specified")

    def _mapping(self, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[DomainName, ApiMapping]:
        snapshot = self._store.snapshot()
        domain, key = self._domain(snapshot, ctx, params), _key(params["basePath"])
        for each in mappings_of(snapshot, domain):
            if each.key_path == key:
                return domain, each
        raise NotFoundException("Invalid base path mapping identifier specified")

    def get_base_path_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return mapping_shape(self._mapping(ctx, params)[1])

    def get_base_path_mappings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = mappings_of(snapshot, self._domain(snapshot, ctx, params))
        return paged(found, params, mapping_shape, lambda each: each.key_path or NONE)

    def update_base_path_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        domain, found = self._mapping(ctx, params)
        told = patched(mapping_shape(found), params.get("patchOperations"), _MAPPING)
        api, stage = told.get("restapiId", told["restApiId"]), told.get("stage") or ""
        self._check_target(ctx, api, stage)
        try:
            return mapping_shape(self.domains.remap(domain, found, _key(told["basePath"]), api, stage))
        except shared.ConflictException:
            raise ConflictException("Base path already exists for this domain name") from None
        except _REFUSED as error:
            raise _ours(error) from None

    def delete_base_path_mapping(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self.domains.unmap(self._mapping(ctx, params)[1])

    def check_unmapped(self, tx: Tx, ctx: RequestContext, api: str, stage: str | None) -> None:
        if mappings_to(tx, ctx.account, ctx.region, api, stage):
            what = "stage" if stage is not None else "API"
            raise BadRequestException(f"Please remove all base path mappings related to the {what} in your domains.")


def _key(told: str | None) -> str:
    """A mapping's key; "" where the base path is none. Raises BadRequestException."""
    if told in (None, "", NONE):
        return ""
    assert told is not None
    if "/" in told:
        raise BadRequestException(
            "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level "
            "base path mapping, use API Gateway V2."
        )
    if not _BASE_PATH.fullmatch(told):
        raise BadRequestException("Invalid base path specified: " + told)
    return told


def _is_edge(types: list[str]) -> bool:
    if types not in (["EDGE"], ["REGIONAL"]):
        raise NotImplementedByKunren("apigateway", "private custom domain names")
    return types == ["EDGE"]


def _check_security_policy(policy: str) -> None:
    if policy == "TLS_1_0":
        raise NotImplementedByKunren("apigateway", "security policy TLS_1_0")


def _ours(error: AwsError) -> AwsError:
    """An error of version 2's as version 1 has it."""
    kinds = (BadRequestException, ConflictException, NotFoundException)
    return next(ours(error.message) for ours in kinds if ours.code == error.code)
