"""What all operations of ECS need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import pagination
from kunren.core.arn import parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.ecs import errors
from kunren.services.ecs.model import Cluster, Task, TaskDefinition
from kunren.services.ecs.names import last_part
from kunren.world.spec import WorldSpec

T = TypeVar("T")
Params = dict[str, Any]
Result = dict[str, Any]
TAGS_MAX = 50


class Operations:
    """Has what handlers are built with."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        self._store, self._clock, self._entropy, self._spec = store, clock, entropy, spec


def find_cluster(reader: Snapshot | Tx, ctx: RequestContext, named: str | None) -> Cluster:
    """By name or ARN; "default" where none is named. Raises ClusterNotFoundException."""
    found = reader.get(Cluster, ctx.account, ctx.region, own_name(ctx, named or "default", "cluster"))
    if found is None or found.status == "INACTIVE":
        raise errors.ClusterNotFoundException()
    return found


def own_name(ctx: RequestContext, named: str, kind: str) -> str:
    """The name in an ARN of the caller's account and region, or what is no ARN as it is. An ARN of somebody else's is
    the name of nothing: the empty string."""
    if not named.startswith("arn:"):
        return named
    arn = parse_arn(named)
    if arn is None or (arn.account, arn.region) != (ctx.account, ctx.region):
        return ""
    found, _, path = arn.resource.partition("/")
    return path if found == kind else ""


def find_definition(reader: Snapshot | Tx, ctx: RequestContext, named: str) -> TaskDefinition | None:
    """By FAMILY:REVISION, by ARN, or the last active one of FAMILY."""
    name = own_name(ctx, named, "task-definition")
    if ":" in name:
        return reader.get(TaskDefinition, ctx.account, ctx.region, name)
    active = [
        each
        for each in reader.list(TaskDefinition, ctx.account, ctx.region)
        if each.family == name and each.status == "ACTIVE"
    ]
    return max(active, key=lambda each: each.revision, default=None)


def find_task(reader: Snapshot | Tx, ctx: RequestContext, cluster: Cluster, named: str) -> Task | None:
    """By id or ARN, of that cluster."""
    name = own_name(ctx, named, "task")
    if "/" in name and name.partition("/")[0] != cluster.id:
        return None
    found = reader.get(Task, ctx.account, ctx.region, last_part(name))
    return found if found is not None and found.cluster == cluster.id else None


def tags_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Raises InvalidParameterException."""
    tags = {each.get("key") or "": each.get("value") or "" for each in params.get("tags") or ()}
    if len(params.get("tags") or ()) > TAGS_MAX:
        raise errors.InvalidParameterException(f"The number of tags must not be more than {TAGS_MAX}.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise errors.InvalidParameterException("Tag keys must not start with aws:.")
    return tags


def tags_to_wire(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": tags[key]} for key in sorted(tags)]


def page(
    items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], most: int = 100
) -> tuple[list[T], str | None]:
    """One page as maxResults and nextToken say. Raises InvalidParameterException."""
    limit = params.get("maxResults")
    if limit is not None and not 1 <= limit <= most:
        raise errors.InvalidParameterException(f"maxResults must be between 1 and {most}.")
    try:
        return pagination.page(items, params.get("nextToken"), limit or most, key)
    except pagination.InvalidToken as error:
        raise errors.InvalidParameterException("Invalid token.") from error


def without_empty(members: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in members if value is not None}
