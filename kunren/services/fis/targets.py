"""Which resources a target means: looked up when an experiment starts, chosen by its selection mode.

Resources come as the service that owns them describes them, so filters name attributes as its API does (`VpcId`,
`State`). "Targets for AWS FIS".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kunren.control.store import Snapshot, Store
from kunren.core.arn import build_arn, parse_arn
from kunren.core.calling import CallService
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state, state_to_wire
from kunren.services.ec2.model import Subnet, VpcEndpoint
from kunren.services.ec2.zones import zones_of
from kunren.services.ecs.model import Task
from kunren.services.ecs.names import arn as ecs_arn
from kunren.services.ecs.names import last_part
from kunren.services.ecs.views import task_to_wire
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.fis.checks import selection_of
from kunren.services.fis.model import Found
from kunren.services.lambda_.model import Function
from kunren.services.s3.model import Bucket
from kunren.world.spec import WorldSpec


class Candidate(NamedTuple):
    """A resource, with its tags and how its service describes it."""

    found: Found
    tags: Mapping[str, str]
    described: Mapping[str, Any]


class Resolver:
    """`resolve` asks services; everything else is pure."""

    def __init__(self, store: Store, entropy: Entropy, spec: WorldSpec, call: CallService) -> None:
        self._store, self._entropy, self._spec, self._call = store, entropy, spec, call

    async def resolve(
        self, name: str, target: Mapping[str, Any], accounts: Sequence[str], region: str
    ) -> tuple[Found, ...]:
        """The resources of one target, in these accounts. Raises AwsError where a service does not answer."""
        arns = target.get("resourceArns") or ()
        if target["resourceType"] == "aws:iam:role":
            found = [await self._role(arn) for arn in arns]
            candidates = [each for each in found if each is not None and each.found.account in accounts]
        else:
            snapshot = self._store.snapshot()
            candidates = [each for account in sorted(accounts) for each in self._all(snapshot, target, account, region)]
        if arns:
            candidates = [each for each in candidates if each.found.arn in arns]
        chosen = [each.found for each in candidates if fits(each, target)]
        return tuple(selected(name, target["selectionMode"], chosen, self._entropy))

    def _all(self, snapshot: Snapshot, target: Mapping[str, Any], account: str, region: str) -> list[Candidate]:
        parameters = target.get("parameters") or {}
        match target["resourceType"]:
            case "aws:ec2:subnet":
                zone = self._zone_name(region, parameters.get("availabilityZoneIdentifier"))
                return [
                    _subnet(each)
                    for each in snapshot.list(Subnet, account, region)
                    if zone in (None, each.availability_zone)
                    and parameters.get("vpc", each.vpc_id).rpartition("/")[2] in ("", each.vpc_id)
                ]
            case "aws:ec2:instance" | "aws:ec2:spot-instance" as kind:
                held = [each for each in snapshot.list(Instance, account, region) if each.ended_at is None]
                return [
                    _instance(snapshot, each) for each in held if kind.endswith(":instance") or each.lifecycle == "spot"
                ]
            case "aws:ecs:task":
                cluster, service = (last_part(parameters.get(each) or "") for each in ("cluster", "service"))
                return [
                    _task(snapshot, each)
                    for each in snapshot.list(Task, account, region)
                    if each.desired_status == "RUNNING"
                    and cluster in ("", each.cluster)
                    and (not service or each.group == f"service:{service}")
                ]
            case "aws:ec2:vpc-endpoint":
                return [_endpoint(each) for each in snapshot.list(VpcEndpoint, account, region) if not each.deleting]
            case "aws:lambda:function":
                return [_function(each) for each in snapshot.list(Function, account, region)]
            case "aws:s3:bucket":
                buckets = snapshot.every(Bucket)
                return [_bucket(each) for each in buckets if (each.owner, each.home) == (account, region)]
            case "aws:arc:zonal-shift-managed-resource":
                return [_balancer(each) for each in snapshot.list(LoadBalancer, account, region)]
        return []

    async def _role(self, arn: str) -> Candidate | None:
        parsed = parse_arn(arn)
        if parsed is None or not parsed.resource.startswith("role/"):
            return None
        name = parsed.resource.rpartition("/")[2]
        try:
            await self._call(parsed.account, "us-east-1", "iam", "GetRole", {"RoleName": name})
        except AwsError as error:
            if error.code == "NoSuchEntity":
                return None
            raise
        return Candidate(Found(arn=arn, account=parsed.account, region="", id=name), {}, {})

    def _zone_name(self, region: str, identifier: str | None) -> str | None:
        """A zone's name from its name or id."""
        if identifier is None:
            return None
        found = self._spec.region(region)
        zones = zones_of(found) if found is not None else ()
        return next((each.name for each in zones if identifier in (each.name, each.id)), identifier)


def fits(candidate: Candidate, target: Mapping[str, Any]) -> bool:
    """Whether a resource has the target's tags and passes its filters: every filter, by one of its values."""
    wanted = target.get("resourceTags") or {}
    if any(candidate.tags.get(key) != value for key, value in wanted.items()):
        return False
    return all(
        any(str(each) in one["values"] for each in at(candidate.described, one["path"].split(".")))
        for one in target.get("filters") or ()
    )


def at(described: Any, path: Sequence[str]) -> list[Any]:
    """What lies at a path of attributes; each element of a list is looked at."""
    if isinstance(described, list | tuple):
        return [found for each in described for found in at(each, path)]
    if not path:
        return [str(described).lower() if isinstance(described, bool) else described]
    if isinstance(described, Mapping) and path[0] in described:
        return at(described[path[0]], path[1:])
    return []


def selected(name: str, mode: str, found: Sequence[Found], entropy: Entropy) -> list[Found]:
    """ALL, a COUNT, or a PERCENT of them, rounded down ("selection mode"), by chance."""
    kind, number = selection_of(name, mode)
    if kind == "ALL":
        return list(found)
    wanted = number if kind == "COUNT" else len(found) * number // 100
    return sorted(entropy.sample(list(found), min(wanted, len(found))), key=lambda each: each.arn)


def _subnet(each: Subnet) -> Candidate:
    arn = build_arn("ec2", each.region, each.account, f"subnet/{each.id}")
    described = {
        "SubnetId": each.id, "VpcId": each.vpc_id, "AvailabilityZone": each.availability_zone, "CidrBlock": each.cidr,
        "OwnerId": each.account, "SubnetArn": arn,
    }  # fmt: skip
    return Candidate(Found(arn=arn, account=each.account, region=each.region, id=each.id), each.tags, described)


def _instance(snapshot: Snapshot, each: Instance) -> Candidate:
    arn = build_arn("ec2", each.region, each.account, f"instance/{each.id}")
    described = {
        "State": state_to_wire(state(snapshot, each)),
        "Placement": {"AvailabilityZone": each.availability_zone, "Tenancy": each.tenancy},
        "VpcId": each.vpc_id,
        "SubnetId": each.subnet_id,
        "InstanceType": each.instance_type,
        "ImageId": each.image_id,
        "InstanceLifecycle": each.lifecycle,
    }
    return Candidate(Found(arn=arn, account=each.account, region=each.region, id=each.id), each.tags, described)


def _task(snapshot: Snapshot, each: Task) -> Candidate:
    arn = ecs_arn(each, "task", each.cluster, each.id)
    found = Found(arn=arn, account=each.account, region=each.region, id=each.id)
    described = {
        name[:1].upper() + name[1:]: value
        for name, value in task_to_wire(snapshot, each).items()
        if isinstance(value, str | bool | int)
    }
    return Candidate(found, each.tags, described)


def _endpoint(each: VpcEndpoint) -> Candidate:
    arn = build_arn("ec2", each.region, each.account, f"vpc-endpoint/{each.id}")
    described = {"VpcEndpointId": each.id, "VpcId": each.vpc_id, "VpcEndpointType": each.type}
    return Candidate(Found(arn=arn, account=each.account, region=each.region, id=each.id), each.tags, described)


def _function(each: Function) -> Candidate:
    described = {"FunctionName": each.name, "Runtime": each.runtime}
    return Candidate(Found(arn=each.arn, account=each.account, region=each.region, id=each.name), each.tags, described)


def _balancer(each: LoadBalancer) -> Candidate:
    described = {"Type": each.type, "VpcId": each.vpc_id}
    return Candidate(Found(arn=each.id, account=each.account, region=each.region, id=each.id), each.tags, described)


def _bucket(each: Bucket) -> Candidate:
    tags = {tag["Key"]: tag["Value"] for tag in each.settings.get("tagging") or ()}
    described = {"Name": each.id, "BucketRegion": each.home}
    return Candidate(Found(arn=each.arn, account=each.owner, region=each.home, id=each.id), tags, described)
