"""What all of EC2's operations share: the parts they work with, DryRun, lookups, describing with filters and pages."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kunren.control.store import Resource, Store, Tx
from kunren.core import pagination
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.ec2 import errors, filters
from kunren.services.ec2.default_vpc import STATE_ID, ensure_default_vpc, known_region
from kunren.services.ec2.ids import IdKind
from kunren.services.ec2.model import AccountRegion, ClientToken
from kunren.services.ec2.store import Reader
from kunren.world.spec import Region, WorldSpec

R = TypeVar("R", bound=Resource)
T = TypeVar("T")
Params = dict[str, Any]
Handler = Callable[[Any, RequestContext, Params], dict[str, Any] | None]
PAGE_MIN, PAGE_MAX = 5, 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS's default quotas, per region or as named ("Amazon VPC quotas")."""

    vpcs: int = 5
    subnets_per_vpc: int = 200
    internet_gateways: int = 5
    route_tables_per_vpc: int = 200
    routes_per_table: int = 500
    security_groups: int = 2500
    rules_per_direction: int = 60
    network_interfaces: int = 5000
    cidrs_per_vpc: int = 5
    network_acls_per_vpc: int = 200
    entries_per_direction: int = 20
    elastic_ips: int = 5
    nat_gateways_per_zone: int = 5
    elastic_ips_per_nat_gateway: int = 2
    addresses_per_nat_gateway: int = 8
    peerings_per_vpc: int = 50
    outstanding_peerings: int = 25
    addresses_per_interface: int = 50
    dhcp_options: int = 250
    prefix_lists: int = 100
    vpc_endpoints: int = 50
    flow_logs_per_resource: int = 2
    public_access_exclusions: int = 50
    placement_groups: int = 500


class Tagged(Protocol):
    @property
    def tags(self) -> dict[str, str]: ...


class Ec2Base:
    """The parts that every group of operations works with."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, limits: Limits | None = None
    ) -> None:
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self.spec = spec
        self.limits = limits or Limits()

    def ensure_region(self, ctx: RequestContext) -> Region:
        """The region of the request; the account's default VPC there is made if this is its first call."""
        region = known_region(self.spec, ctx.region)
        if self.store.snapshot().get(AccountRegion, ctx.account, ctx.region, STATE_ID) is None:
            with self.store.write() as tx:
                ensure_default_vpc(tx, self.entropy, self.spec, ctx.account, ctx.region)
        return region

    def get(self, reader: Reader, ctx: RequestContext, kind: IdKind[R], id: str) -> R:
        """The resource of that id in the caller's account and region. Raises MalformedId and the kind's NotFound."""
        found = reader.get(kind.resource, ctx.account, ctx.region, id)
        if found is None:
            kind.form.check(id)
            raise kind.form.missing(id)
        return found

    def replay(self, tx: Tx, ctx: RequestContext, params: Params, kind: type[Resource]) -> str | None:
        """The id of what an earlier request with this ClientToken made. Raises IdempotentParameterMismatch."""
        token = params.get("ClientToken")
        used = tx.get(ClientToken, ctx.account, ctx.region, f"{kind.kind}|{token}") if token else None
        if used is None:
            return None
        if used.request != digest(params):
            raise errors.IdempotentParameterMismatch()
        return used.resource_id


def digest(params: Params) -> str:
    """What a request with a ClientToken asks, in short."""
    asked = {key: value for key, value in params.items() if key not in ("ClientToken", "DryRun")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def token_of(params: Params) -> dict[str, Any]:
    """The members that a resource keeps of the ClientToken it was made with."""
    token = params.get("ClientToken")
    return {"client_token": token, "client_request": digest(params)} if token else {}


def operation(handler: Handler) -> Handler:
    """Marks an operation: the default VPC is there when it runs, and DryRun is answered.

    With DryRun the operation runs in a transaction that is thrown away, so that what would be refused is refused.
    """

    @functools.wraps(handler)
    def run(self: Ec2Base, ctx: RequestContext, params: Params) -> dict[str, Any] | None:
        self.ensure_region(ctx)
        if not params.get("DryRun"):
            return handler(self, ctx, params)
        with self.store.write():
            handler(self, ctx, params)
            raise errors.DryRunOperation()

    return run


def tags_of(item: Tagged) -> Mapping[str, str]:
    return item.tags


def chosen(
    reader: Reader,
    ctx: RequestContext,
    kind: IdKind[R],
    params: Params,
    ids_member: str,
    table: Mapping[str, filters.Getter[R]],
) -> list[R]:
    """The resources that the ids and filters of a Describe request leave, sorted by id. Raises the kind's NotFound.

    Those named by id are looked up, so that asking for one costs the same however many there are.
    """
    wanted: Sequence[str] = params.get(ids_member) or ()
    if wanted:
        have = {each: reader.get(kind.resource, ctx.account, ctx.region, each) for each in sorted(set(wanted))}
        if missing := [each for each in dict.fromkeys(wanted) if have[each] is None]:
            for each in missing:
                kind.form.check(each)
            raise kind.form.missing(*missing)
        found = [each for each in have.values() if each is not None]
    else:
        found = reader.list(kind.resource, ctx.account, ctx.region)
    return filters.select(found, params.get("Filters"), table, tags_of)  # type: ignore[arg-type]


def paged(
    items: Sequence[T], params: Params, key: Callable[[T], str], ids_member: str | None = None, least: int = PAGE_MIN
) -> tuple[list[T], str | None]:
    """One page of items sorted by `key`, and the next token. Without MaxResults everything that is left.

    Raises InvalidParameterValue, InvalidParameterCombination (MaxResults with ids) and InvalidNextToken.
    """
    limit, token = params.get("MaxResults"), params.get("NextToken")
    if limit is not None and limit < least:
        raise errors.InvalidParameterValue(
            f"Value ( {limit} ) for parameter maxResults is invalid. Expecting a value greater than {least}."
        )
    if limit is not None and ids_member is not None and params.get(ids_member):
        name = ids_member[0].lower() + ids_member[1:]
        raise errors.InvalidParameterCombination(f"The parameter {name} cannot be used with the parameter maxResults")
    try:
        return pagination.page(items, token, min(limit, PAGE_MAX) if limit else max(len(items), 1), key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextToken() from error


def resource_id(resource: Resource) -> str:
    return resource.id
