"""What an app's inputs consist of: resource groups by their tags, Terraform's state in S3, single resources.

Load balancers and functions are looked up by their tags here; what moto answers for (tables, buckets, queues) by its
tagging API.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kunren.control.store import Snapshot, Store
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.elbv2.model import LoadBalancer, TargetGroup
from kunren.services.lambda_.model import Function
from kunren.services.resiliencehub.facts import BALANCER, BUCKET, FUNCTION, GROUP, QUEUE, SUPPORTED, TABLE
from kunren.services.resiliencehub.model import AppResource

_OF_TERRAFORM = {
    "aws_lb": BALANCER, "aws_alb": BALANCER, "aws_lb_target_group": GROUP, "aws_alb_target_group": GROUP,
    "aws_lambda_function": FUNCTION, "aws_dynamodb_table": TABLE, "aws_s3_bucket": BUCKET, "aws_sqs_queue": QUEUE,
}  # fmt: skip
_OF_ARN = {"dynamodb": TABLE, "s3": BUCKET, "sqs": QUEUE}
_TAGGED = ("dynamodb:table", "s3", "sqs:queue")


class Unresolved(Exception):
    """An input cannot be read; the text says why."""


class Resolved(NamedTuple):
    resources: tuple[AppResource, ...]
    unsupported: tuple[AppResource, ...]


class Discovery:
    """`resolve` asks services for the inputs of an app's version."""

    def __init__(self, store: Store, call: CallService) -> None:
        self._store, self._call = store, call

    async def resolve(self, mappings: Sequence[Mapping[str, Any]], account: str, region: str) -> Resolved:
        """Raises Unresolved."""
        found: dict[str, AppResource] = {}
        for each in mappings:
            for resource in await self._of(each, account, region):
                found.setdefault(resource.identifier, resource)
        usable = tuple(each for each in found.values() if each.type in SUPPORTED)
        return Resolved(usable, tuple(each for each in found.values() if each.type not in SUPPORTED))

    async def _of(self, mapping: Mapping[str, Any], account: str, region: str) -> Iterable[AppResource]:
        where = mapping["physicalResourceId"]["identifier"]
        try:
            match mapping["mappingType"]:
                case "ResourceGroup":
                    return await self._group(where, account, region)
                case "Terraform":
                    return await self._terraform(where, mapping.get("terraformSourceName") or where, account, region)
                case "Resource":
                    named = mapping.get("resourceName") or where
                    return [self._single(where, named, account, region)]
        except AwsError as error:
            raise Unresolved(f"{where}: {error}") from error
        raise Unresolved(f"Kunren has no inputs of the type {mapping['mappingType']} yet.")

    async def _group(self, arn: str, account: str, region: str) -> list[AppResource]:
        parsed = parse_arn(arn)
        name = arn.rpartition("/")[2]
        place = (parsed.account, parsed.region) if parsed is not None else (account, region)
        answer = await self._call(*place, "resource-groups", "GetGroupQuery", {"GroupName": name})
        query = json.loads(answer["GroupQuery"]["ResourceQuery"]["Query"])
        wanted = [(each["Key"], tuple(each.get("Values") or ())) for each in query.get("TagFilters") or ()]
        if not wanted:
            raise Unresolved(f"The resource group {name} is not made of tags.")
        return [*_by_tags(self._store.snapshot(), wanted, *place, name), *await self._tagged(wanted, *place, name)]

    async def _tagged(
        self, wanted: Sequence[tuple[str, tuple[str, ...]]], account: str, region: str, source: str
    ) -> list[AppResource]:
        filters = [{"Key": key, "Values": list(values)} for key, values in wanted]
        params = {"TagFilters": filters, "ResourceTypeFilters": list(_TAGGED)}
        answer = await self._call(account, region, "resourcegroupstaggingapi", "GetResources", params)
        arns = [each["ResourceARN"] for each in answer.get("ResourceTagMappingList") or ()]
        return [self._single(each, source, account, region) for each in arns]

    async def _terraform(self, url: str, source: str, account: str, region: str) -> list[AppResource]:
        bucket, key = bucket_and_key(url)
        answer = await self._call(account, region, "s3", "GetObject", {"Bucket": bucket, "Key": key})
        try:
            return of_state(json.loads(bytes(answer["Body"])), source, account, region)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unresolved(f"{url} is not a state file of Terraform.") from error

    def _single(self, identifier: str, source: str, account: str, region: str) -> AppResource:
        parsed = parse_arn(identifier)
        kind = "AWS::Unknown"
        if parsed is not None:
            account, region = parsed.account or account, parsed.region or region
            kind = _OF_ARN.get(parsed.service, f"AWS::{parsed.service}")
            if parsed.service == "elasticloadbalancing":
                kind = GROUP if parsed.resource.startswith("targetgroup/") else BALANCER
            elif parsed.service == "lambda":
                kind = FUNCTION
        logical = identifier.rpartition(":")[2].rpartition("/")[2] or identifier
        return AppResource(
            logical=logical, type=kind, identifier=identifier, account=account, region=region, source=source
        )


def _by_tags(
    snapshot: Snapshot, wanted: Sequence[tuple[str, tuple[str, ...]]], account: str, region: str, source: str
) -> list[AppResource]:
    """Every wanted key must be there, with one of its values where values are given."""

    def fits(tags: Mapping[str, str]) -> bool:
        return all(key in tags and (not values or tags[key] in values) for key, values in wanted)

    held: list[tuple[str, str, str, Mapping[str, str]]] = [
        *((each.name, BALANCER, each.id, each.tags) for each in snapshot.list(LoadBalancer, account, region)),
        *((each.name, GROUP, each.id, each.tags) for each in snapshot.list(TargetGroup, account, region)),
        *((each.name, FUNCTION, each.arn, each.tags) for each in snapshot.list(Function, account, region)),
    ]
    return [
        AppResource(logical=name, type=kind, identifier=arn, account=account, region=region, source=source)
        for name, kind, arn, tags in held
        if fits(tags)
    ]


def of_state(state: Mapping[str, Any], source: str, account: str, region: str) -> list[AppResource]:
    """The managed resources of a Terraform state file (version 4)."""
    found = []
    for resource in state["resources"]:
        if resource.get("mode") != "managed" or not str(resource["type"]).startswith("aws_"):
            continue
        for instance in resource["instances"]:
            attributes = instance.get("attributes") or {}
            identifier = str(attributes.get("arn") or attributes.get("id") or "")
            parsed = parse_arn(identifier)
            suffix = f"[{instance['index_key']}]" if "index_key" in instance else ""
            found.append(
                AppResource(
                    logical=f"{resource['name']}{suffix}",
                    type=_OF_TERRAFORM.get(resource["type"], resource["type"]),
                    identifier=identifier,
                    account=(parsed.account if parsed is not None else "") or account,
                    region=(parsed.region if parsed is not None else "") or str(attributes.get("region") or region),
                    source=source,
                )
            )
    return [each for each in found if each.identifier]


def bucket_and_key(url: str) -> tuple[str, str]:
    """Of `s3://bucket/key` or one of S3's own addresses. Raises Unresolved."""
    parts = urlsplit(url)
    host, path = parts.hostname or "", parts.path.lstrip("/")
    if parts.scheme == "s3":
        return host, path
    if host.startswith(("s3.", "s3-")):
        bucket, _, key = path.partition("/")
        return bucket, key
    bucket, dot, rest = host.partition(".s3")
    if not dot or not rest.startswith((".", "-")) or not path:
        raise Unresolved(f"{url} is not the address of an object in S3.")
    return bucket, path
