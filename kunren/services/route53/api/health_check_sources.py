"""Health check sources: where private endpoints are probed from. `kunren.services.route53.sources` makes them."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core import pagination
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire
from kunren.services.ec2.model import Vpc
from kunren.services.route53 import sources
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput, InvalidVPCId
from kunren.services.route53.model import CallerReference, HealthCheck, HealthCheckSource, SourceSubnet
from kunren.services.route53.shapes import health_check_shape, location, max_items
from kunren.services.route53.source_errors import (
    HealthCheckSourceAlreadyExists,
    NoSuchHealthCheckSource,
    TooManyHealthCheckSources,
)
from kunren.services.route53.store import GLOBAL

SOURCES_MAX = 5
SOURCES_PER_PAGE = 100
CHECKS_PER_PAGE = 1000
Result = dict[str, Any]


class HealthCheckSources(Base):
    def create_health_check_source(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        """The same reference and settings again give the source that exists; one that failed is tried again."""
        reference = params.get("CallerReference") or self._entropy.uuid()
        id = f"healthchecksource/{reference}"
        vpc_id, subnets = _read(params["HealthCheckSourceConfig"])
        with self._store.write() as tx:
            vpc = next((each for each in tx.every(Vpc) if (each.account, each.id) == (ctx.account, vpc_id)), None)
            if vpc is None:
                raise InvalidVPCId(vpc_id, ctx.region)
            used = tx.get(CallerReference, ctx.account, GLOBAL, id)
            if used is not None:
                source = sources.find_source(tx, ctx.account, used.made)
                if source is None or (source.vpc_id, source.subnets) != (vpc_id, subnets):
                    raise HealthCheckSourceAlreadyExists
                if source.status == sources.FAILED:
                    source = msgspec.structs.replace(source, status=sources.PENDING, reason_code=None, reason=None)
                    tx.put(source)
                return _made(source)
            if len(tx.list(HealthCheckSource, ctx.account, GLOBAL)) >= SOURCES_MAX:
                raise TooManyHealthCheckSources
            source = HealthCheckSource(
                account=ctx.account,
                region=GLOBAL,
                id=self._entropy.uuid(),
                vpc_id=vpc_id,
                vpc_region=vpc.region,
                subnets=subnets,
                status=sources.PENDING,
                tags=tags_from_wire(params.get("Tags")),
            )
            tx.put(source)
            tx.put(CallerReference(account=ctx.account, region=GLOBAL, id=id, made=source.id))
        return _made(source)

    def get_health_check_source(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        return {"HealthCheckSource": _shape(self._source(self._store.snapshot(), ctx.account, params))}

    def delete_health_check_source(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        with self._store.write() as tx:
            source = self._source(tx, ctx.account, params)
            if source.status in (sources.PENDING, sources.IN_PROGRESS):
                raise InvalidInput(f"The health check source {source.id} is being created.")
            if any(each.config.source_id == source.id for each in tx.list(HealthCheck, ctx.account, GLOBAL)):
                raise InvalidInput(f"The health check source {source.id} is in use by health checks.")
            source = msgspec.structs.replace(source, status=sources.DELETE_PENDING, reason_code=None, reason=None)
            tx.put(source)
        return {"HealthCheckSourceId": source.id, "HealthCheckSourceStatus": source.status}

    def list_health_check_sources(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        found = self._store.snapshot().list(HealthCheckSource, ctx.account, GLOBAL)
        limit = max_items(params.get("MaxResults"), SOURCES_PER_PAGE)
        try:
            page, token = pagination.page(found, params.get("NextToken"), limit, lambda each: each.id)
        except pagination.InvalidToken:
            raise InvalidInput("The pagination token is not valid.") from None
        return {"HealthCheckSources": [_shape(each) for each in page], "NextToken": token}

    def list_health_checks_by_source(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        snapshot = self._store.snapshot()
        source = self._source(snapshot, ctx.account, params)
        limit, marker = max_items(params.get("MaxItems"), CHECKS_PER_PAGE), params.get("Marker") or ""
        using = [each for each in snapshot.list(HealthCheck, ctx.account, GLOBAL) if each.config.source_id == source.id]
        found = [each for each in using if each.id >= marker]
        more = len(found) > limit
        return {
            "HealthChecks": [health_check_shape(each) for each in found[:limit]],
            "Marker": marker or None,
            "IsTruncated": more,
            "NextMarker": found[limit].id if more else None,
            "MaxItems": str(limit),
        }

    def _source(self, reader: Snapshot | Tx, account: str, params: dict[str, Any]) -> HealthCheckSource:
        source = sources.find_source(reader, account, params["HealthCheckSourceId"])
        if source is None:
            raise NoSuchHealthCheckSource(params["HealthCheckSourceId"])
        return source


def _read(given: dict[str, Any]) -> tuple[str, tuple[SourceSubnet, ...]]:
    subnets = tuple(
        SourceSubnet(
            subnet_id=each["SubnetId"],
            zone_id=each["AvailabilityZoneId"],
            groups=tuple(dict.fromkeys(each["SecurityGroupIdList"])),
        )
        for each in given["SubnetConfigurationList"]
    )
    if not sources.zones_distinct(subnets):
        raise InvalidInput("The subnets of a health check source must be in different Availability Zones.")
    return given["VpcId"], subnets


def _made(source: HealthCheckSource) -> Result:
    return {
        "HealthCheckSourceId": source.id,
        "HealthCheckSourceStatus": source.status,
        "Location": location(f"/healthchecksource/{source.id}"),
    }


def _shape(source: HealthCheckSource) -> Result:
    subnets = [
        {"SubnetId": each.subnet_id, "AvailabilityZoneId": each.zone_id, "SecurityGroupIdList": list(each.groups)}
        for each in source.subnets
    ]
    return {
        "HealthCheckSourceId": source.id,
        "HealthCheckSourceStatus": source.status,
        "HealthCheckSourceConfig": {"VpcId": source.vpc_id, "SubnetConfigurationList": subnets},
        "StatusReasonCode": source.reason_code,
        "StatusReason": source.reason,
    }
