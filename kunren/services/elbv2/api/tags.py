"""Tags of load balancers, target groups, listeners, rules and trust stores."""

from __future__ import annotations

import msgspec

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.elbv2 import errors
from kunren.services.elbv2.api.base import (
    Api,
    Params,
    Result,
    View,
    find_balancer,
    find_group,
    find_listener,
    find_rule,
    find_trust_store,
    merged_tags,
)
from kunren.services.elbv2.arns import kind_of
from kunren.services.elbv2.limits import ARNS_PER_DESCRIBE
from kunren.services.elbv2.model import Listener, LoadBalancer, Rule, TargetGroup, TrustStore


class TagsApi(Api):
    def add_tags(self, ctx: RequestContext, params: Params) -> Result:
        """AddTags: to all of the resources, or to none."""
        with self._store.write() as tx:
            for arn in params["ResourceArns"]:
                found = _find(tx, ctx, arn)
                tx.put(msgspec.structs.replace(found, tags=merged_tags(found.tags, params["Tags"])))
        return {}

    def remove_tags(self, ctx: RequestContext, params: Params) -> Result:
        """RemoveTags: keys that a resource does not have do not matter."""
        gone = set(params["TagKeys"])
        with self._store.write() as tx:
            for arn in params["ResourceArns"]:
                found = _find(tx, ctx, arn)
                kept = {key: value for key, value in found.tags.items() if key not in gone}
                tx.put(msgspec.structs.replace(found, tags=kept))
        return {}

    def describe_tags(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeTags of up to 20 resources, in the order they were asked for."""
        wanted = list(dict.fromkeys(params["ResourceArns"]))
        if len(wanted) > ARNS_PER_DESCRIBE:
            raise errors.validation_error(f"Up to '{ARNS_PER_DESCRIBE}' resources can be described in a single call")
        snapshot = self._store.snapshot()
        return {
            "TagDescriptions": [
                {"ResourceArn": arn, "Tags": tags_to_wire(_find(snapshot, ctx, arn).tags)} for arn in wanted
            ]
        }


def _find(view: View, ctx: RequestContext, arn: str) -> LoadBalancer | TargetGroup | Listener | Rule | TrustStore:
    match kind_of(arn):
        case "load balancer":
            return find_balancer(view, ctx, arn)
        case "target group":
            return find_group(view, ctx, arn)
        case "listener":
            return find_listener(view, ctx, arn)
        case "listener rule":
            return find_rule(view, ctx, arn)
        case "trust store":
            return find_trust_store(view, ctx, arn)
    raise errors.validation_error(f"'{arn}' is not a valid load balancing resource ARN")
