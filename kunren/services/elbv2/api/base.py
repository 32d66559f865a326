"""What the files of this package share: finding resources by ARN, paging, tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from kunren.control.store import Resource, Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.services.elbv2 import errors
from kunren.services.elbv2.arns import check_arn
from kunren.services.elbv2.limits import PAGE_SIZE, TAGS_PER_RESOURCE
from kunren.services.elbv2.model import Listener, LoadBalancer, Rule, TargetGroup, TrustStore
from kunren.services.elbv2.parts import Parts

Params: TypeAlias = dict[str, Any]
Result: TypeAlias = dict[str, Any]
View: TypeAlias = Snapshot | Tx
R = TypeVar("R", bound=Resource)
T = TypeVar("T")


class Api:
    """Base of the operations of one resource."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._store = parts.store
        self._limits = parts.limits


def _of_caller(view: View, kind: type[R], ctx: RequestContext, arn: str) -> R | None:
    """The resource, if it is in the caller's account and region: ARNs are the ids."""
    return view.get(kind, ctx.account, ctx.region, arn)


def find_balancer(view: View, ctx: RequestContext, arn: str) -> LoadBalancer:
    """Raises ValidationError, LoadBalancerNotFound."""
    check_arn(arn, "load balancer")
    found = _of_caller(view, LoadBalancer, ctx, arn)
    if found is None:
        raise errors.LoadBalancerNotFound(f"Load balancer '{arn}' not found")
    return found


def find_listener(view: View, ctx: RequestContext, arn: str) -> Listener:
    """Raises ValidationError, ListenerNotFound."""
    check_arn(arn, "listener")
    found = _of_caller(view, Listener, ctx, arn)
    if found is None:
        raise errors.ListenerNotFound(f"Listener '{arn}' not found")
    return found


def find_rule(view: View, ctx: RequestContext, arn: str) -> Rule:
    """Raises ValidationError, RuleNotFound."""
    check_arn(arn, "listener rule")
    found = _of_caller(view, Rule, ctx, arn)
    if found is None:
        raise errors.RuleNotFound(f"Rule '{arn}' not found")
    return found


def find_group(view: View, ctx: RequestContext, arn: str) -> TargetGroup:
    """Raises ValidationError, TargetGroupNotFound."""
    check_arn(arn, "target group")
    found = _of_caller(view, TargetGroup, ctx, arn)
    if found is None:
        raise errors.TargetGroupNotFound("One or more target groups not found")
    return found


def find_trust_store(view: View, ctx: RequestContext, arn: str) -> TrustStore:
    """Raises ValidationError, TrustStoreNotFound."""
    check_arn(arn, "trust store")
    found = _of_caller(view, TrustStore, ctx, arn)
    if found is None:
        raise errors.TrustStoreNotFound(f"Trust store '{arn}' not found")
    return found


def pages(params: Params, items: Sequence[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """One page of the items, which are sorted by `key`, and the next marker."""
    try:
        return page(items, params.get("Marker"), params.get("PageSize") or PAGE_SIZE, key)
    except InvalidToken as error:
        raise errors.validation_error("The specified marker is not valid") from error


def new_tags(params: Params) -> dict[str, str]:
    """The tags of a Create… call. Raises DuplicateTagKeys, TooManyTags, ValidationError."""
    return merged_tags({}, params.get("Tags") or ())


def merged_tags(current: dict[str, str], given: Sequence[Params]) -> dict[str, str]:
    """Tags after adding. Raises DuplicateTagKeys, TooManyTags, ValidationError."""
    merged = dict(current)
    seen: set[str] = set()
    for tag in given:
        key = tag["Key"]
        if key in seen:
            raise errors.DuplicateTagKeys(f"Tag key was specified more than once: {key}")
        if key.lower().startswith("aws:"):
            raise errors.validation_error("aws: prefixed tag key names are not allowed for external use.")
        seen.add(key)
        merged[key] = tag.get("Value") or ""
    if len(merged) > TAGS_PER_RESOURCE:
        raise errors.TooManyTags("The quota for the number of tags that can be assigned to a resource has been reached")
    return merged
