"""What an app consists of, as far as recovery goes: read from the services' own state. Pure, from a snapshot.

A load balancer and its target groups are one component, and so is every function, table, bucket and queue. The ways
that lead clients elsewhere (records with health checks, accelerators) are found by what they point at, whether they are
among the app's resources or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kunren.control.store import Snapshot
from kunren.dataplane.dns import names
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.balancer import reached_groups
from kunren.services.elbv2.model import LoadBalancer, TargetGroup, TargetHealth, target_health_id
from kunren.services.globalaccelerator.model import EndpointGroup
from kunren.services.lambda_.model import Alias, Function
from kunren.services.resiliencehub.model import AppResource
from kunren.services.route53.model import HealthCheck, OwnerName, RecordSet
from kunren.services.s3.model import Bucket
from kunren.services.s3.replication import destination

BALANCER, FUNCTION = "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::Lambda::Function"
TABLE, BUCKET, QUEUE = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
SUPPORTED = (BALANCER, GROUP, FUNCTION, TABLE, BUCKET, QUEUE)
_COMPONENTS = {
    BALANCER: "AWS::ResilienceHub::NetworkingAppComponent",
    FUNCTION: "AWS::ResilienceHub::ComputeAppComponent",
    TABLE: "AWS::ResilienceHub::DatabaseAppComponent",
    BUCKET: "AWS::ResilienceHub::StorageAppComponent",
    QUEUE: "AWS::ResilienceHub::QueueAppComponent",
}
ALIAS_TTL_S = 60


class Behind(NamedTuple):
    """What is behind a load balancer: targets that serve, and their zones; how long a dead one is still sent to, None
    where nobody checks."""

    targets: int
    zones: int
    detection_s: float | None


class Way(NamedTuple):
    """A way by which clients are led to another Region: how long until it notices (None: it never does), and how long
    answers are remembered."""

    name: str
    detection_s: float | None
    ttl_s: int


class Component(NamedTuple):
    """`behind` is a load balancer's alone; `versions` whether a function, or what is in a bucket, can go back to an
    earlier one; `replicas` the other Regions to which a bucket is replicated."""

    name: str
    type: str
    resources: tuple[str, ...]
    kind: str
    region: str
    zones: int = 0
    behind: tuple[Behind, ...] = ()
    versions: bool = False
    replicas: tuple[str, ...] = ()


class Facts(NamedTuple):
    """`gone` are the identifiers of resources that do not exist. Whether tables and queues do, no snapshot tells."""

    components: tuple[Component, ...]
    ways: tuple[Way, ...]
    gone: tuple[str, ...] = ()


def facts_of(snapshot: Snapshot, resources: Sequence[AppResource]) -> Facts:
    """Everything that an estimate needs."""
    balancers = [each for each in (_balancer(snapshot, one) for one in resources) if each is not None]
    components = [_of_balancer(snapshot, each) for each in balancers]
    components += [each for each in (_other(snapshot, one) for one in resources) if each is not None]
    gone = tuple(each.identifier for each in resources if not _exists(snapshot, each))
    return Facts(tuple(sorted(components)), tuple(_ways(snapshot, balancers)), gone)


def component_type(resource_type: str) -> str | None:
    return _COMPONENTS.get(resource_type)


def _exists(snapshot: Snapshot, resource: AppResource) -> bool:
    match resource.type:
        case kind if kind == BALANCER:
            return _balancer(snapshot, resource) is not None
        case kind if kind == GROUP:
            return snapshot.get(TargetGroup, resource.account, resource.region, resource.identifier) is not None
        case kind if kind == FUNCTION:
            return _function(snapshot, resource) is not None
        case kind if kind == BUCKET:
            return snapshot.get(Bucket, "", "", _name(resource)) is not None
    return True


def _balancer(snapshot: Snapshot, resource: AppResource) -> LoadBalancer | None:
    if resource.type != BALANCER:
        return None
    return snapshot.get(LoadBalancer, resource.account, resource.region, resource.identifier)


def _of_balancer(snapshot: Snapshot, balancer: LoadBalancer) -> Component:
    groups = reached_groups(snapshot, balancer)
    return Component(
        name=f"{balancer.name}-{balancer.region}",
        type=_COMPONENTS[BALANCER],
        resources=(balancer.id, balancer.dns_name, *groups),
        kind=BALANCER,
        region=balancer.region,
        zones=len(balancer.zones),
        behind=tuple(_behind(snapshot, each) for each in groups.values() if each.target_type != "lambda"),
    )


def _behind(snapshot: Snapshot, group: TargetGroup) -> Behind:
    check = group.health_check
    serving = [
        each
        for each in group.targets
        if each.draining_since is None
        and (not check.enabled or _state(snapshot, group, target_health_id(group.id, each)) == "healthy")
    ]
    zones = {targets.zone_of(snapshot, group, each) for each in serving} - {None}
    detection = check.interval * check.unhealthy_threshold + check.timeout if check.enabled else None
    return Behind(len(serving), 9 if "all" in zones else len(zones), detection)


def _state(snapshot: Snapshot, group: TargetGroup, id: str) -> str:
    row = snapshot.get(TargetHealth, group.account, group.region, id)
    return row.state if row is not None else ""


def _other(snapshot: Snapshot, resource: AppResource) -> Component | None:
    if resource.type in (BALANCER, GROUP) or resource.type not in _COMPONENTS:
        return None
    name, region, versions = _name(resource), resource.region, False
    replicas: tuple[str, ...] = ()
    if resource.type == FUNCTION:
        function = _function(snapshot, resource)
        if function is None:
            return None
        name = function.name
        held = snapshot.list(Alias, resource.account, resource.region)
        versions = any(each.function == function.name for each in held)
    elif resource.type == BUCKET:
        bucket = snapshot.get(Bucket, "", "", name)
        if bucket is None:
            return None
        region, versions, replicas = bucket.home, bucket.versioning == "Enabled", _replicas(snapshot, bucket)
    return Component(
        name=f"{name}-{region}",
        type=_COMPONENTS[resource.type],
        resources=(resource.identifier,),
        kind=resource.type,
        region=region,
        versions=versions,
        replicas=replicas,
    )


def _name(resource: AppResource) -> str:
    return resource.identifier.rpartition(":")[2].rpartition("/")[2]


def _function(snapshot: Snapshot, resource: AppResource) -> Function | None:
    """By its name or ARN, which may name a version or an alias too."""
    name = resource.identifier.partition(":function:")[2].partition(":")[0] or resource.identifier
    return snapshot.get(Function, resource.account, resource.region, name)


def _replicas(snapshot: Snapshot, bucket: Bucket) -> tuple[str, ...]:
    rules = (bucket.settings.get("replication") or {}).get("Rules") or ()
    copies = [snapshot.get(Bucket, "", "", destination(each)) for each in rules if each.get("Status") == "Enabled"]
    return tuple(sorted({each.home for each in copies if each is not None} - {bucket.home}))


def _ways(snapshot: Snapshot, balancers: Iterable[LoadBalancer]) -> Iterator[Way]:
    named = {each.dns_name.lower(): each for each in balancers}
    regions = {each.region for each in named.values()}
    if len(regions) < 2:
        return
    yield from _accelerated(snapshot, {each.id for each in named.values()})
    for owner in snapshot.every(OwnerName):
        for kind in ("A", "AAAA", "CNAME"):
            sets = [each for each in owner.record_sets if each.type == kind]
            reached = [(each, named[name]) for each in sets if (name := _points_at(each)) in named]
            if len({balancer.region for _, balancer in reached}) > 1:
                yield _way(snapshot, owner, [each for each, _ in reached])


def _accelerated(snapshot: Snapshot, arns: set[str]) -> Iterator[Way]:
    led: dict[str, set[str]] = {}
    for group in snapshot.every(EndpointGroup):
        if any(each.id in arns for each in group.endpoints):
            led.setdefault(group.listener_arn, set()).add(group.group_region)
    for listener, regions in led.items():
        if len(regions) > 1:
            yield Way(listener.rpartition("/")[2], 0.0, 0)


def _way(snapshot: Snapshot, owner: OwnerName, sets: Sequence[RecordSet]) -> Way:
    found = [_detection(snapshot, owner.account, each) for each in sets]
    detection = None if any(each is None for each in found) else max(each for each in found if each is not None)
    ttl = max(each.ttl if each.ttl is not None else ALIAS_TTL_S for each in sets)
    return Way(names.to_text(names.from_sort_key(owner.id)).rstrip("."), detection, ttl)


def _detection(snapshot: Snapshot, account: str, record: RecordSet) -> float | None:
    """How long until Route 53 gives another answer than this one: by its health check, or by its target's health."""
    if record.health_check_id is not None:
        check = snapshot.get(HealthCheck, account, "", record.health_check_id)
        if check is not None:
            return float((check.config.request_interval_s or 30) * (check.config.failure_threshold or 3))
    return 0.0 if record.alias is not None and record.alias.evaluate_target_health else None


def _points_at(record: RecordSet) -> str:
    name = record.alias.dns_name if record.alias is not None else record.values[0] if record.values else ""
    return name.lower().rstrip(".").removeprefix("dualstack.")
