"""Distributions by what they have: policies, key groups, VPC origins, web ACLs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudfront import views
from kunren.services.cloudfront.anycast_ip_lists.rules import find as anycast_ip_list
from kunren.services.cloudfront.api.base import page
from kunren.services.cloudfront.api.distributions import Distributions
from kunren.services.cloudfront.checks import behaviours_of, items
from kunren.services.cloudfront.errors import NoSuchResource
from kunren.services.cloudfront.model import Distribution, KeyGroup
from kunren.services.cloudfront.policies import cache_policy, origin_request_policy, response_headers_policy
from kunren.services.cloudfront.realtime_logs.rules import found as realtime_log_config
from kunren.services.cloudfront.vpc_origins import rules


class Listings(Distributions):
    def list_distributions_by_cache_policy_id(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        cache_policy(self._store.snapshot(), ctx.account, params["CachePolicyId"])
        return self._ids(ctx, params, _with_policy("CachePolicyId", params["CachePolicyId"]))

    def list_distributions_by_origin_request_policy_id(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        origin_request_policy(self._store.snapshot(), ctx.account, params["OriginRequestPolicyId"])
        return self._ids(ctx, params, _with_policy("OriginRequestPolicyId", params["OriginRequestPolicyId"]))

    def list_distributions_by_response_headers_policy_id(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        response_headers_policy(self._store.snapshot(), ctx.account, params["ResponseHeadersPolicyId"])
        return self._ids(ctx, params, _with_policy("ResponseHeadersPolicyId", params["ResponseHeadersPolicyId"]))

    def list_distributions_by_key_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = params["KeyGroupId"]
        if self._store.snapshot().get(KeyGroup, ctx.account, "", wanted) is None:
            raise NoSuchResource
        return self._ids(
            ctx,
            params,
            lambda each: any(wanted in items(one["TrustedKeyGroups"]) for one in behaviours_of(each.config)),
        )

    def list_distributions_by_vpc_origin_id(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, wanted = self._store.snapshot(), params["VpcOriginId"]
        rules.find(snapshot, ctx.account, wanted)
        found = {each.id for each in rules.distributions_of(snapshot, ctx.account, wanted)}
        return self._ids(ctx, params, lambda each: each.id in found)

    def list_distributions_by_web_acl_id(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """`null` names those without one."""
        wanted = "" if params["WebACLId"] == "null" else params["WebACLId"]
        return self._summaries(ctx, params, lambda each: each.config["WebACLId"] == wanted)

    def list_distributions_by_anycast_ip_list_id(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = anycast_ip_list(self._store.snapshot(), ctx.account, params["AnycastIpListId"]).id
        return self._summaries(ctx, params, lambda each: each.config.get("AnycastIpListId") == wanted)

    def list_distributions_by_realtime_log_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, arn = params.get("RealtimeLogConfigName"), params.get("RealtimeLogConfigArn")
        wanted = realtime_log_config(self._store.snapshot(), ctx.account, name, arn).arn
        return self._summaries(ctx, params, _with_policy("RealtimeLogConfigArn", wanted))

    def _summaries(
        self, ctx: RequestContext, params: dict[str, Any], takes: Callable[[Distribution], bool]
    ) -> dict[str, Any]:
        shown, listed = self._listed(ctx, params, takes)
        snapshot = self._store.snapshot()
        found = [views.summary(each, self._status(snapshot, each)) for each in shown]
        return {"DistributionList": {**listed, **({"Items": found} if found else {})}}

    def _ids(
        self, ctx: RequestContext, params: dict[str, Any], takes: Callable[[Distribution], bool]
    ) -> dict[str, Any]:
        shown, listed = self._listed(ctx, params, takes)
        return {"DistributionIdList": {**listed, **({"Items": [each.id for each in shown]} if shown else {})}}

    def _listed(
        self, ctx: RequestContext, params: dict[str, Any], takes: Callable[[Distribution], bool]
    ) -> tuple[Sequence[Distribution], dict[str, Any]]:
        every = self._store.snapshot().list(Distribution, ctx.account, "")
        shown, members = page([each for each in every if takes(each)], params, lambda each: each.id)
        return shown, {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members, **members}


def _with_policy(reference: str, identity: str) -> Callable[[Distribution], bool]:
    return lambda each: any(one.get(reference) == identity for one in behaviours_of(each.config))
