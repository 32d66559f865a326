"""Flow logs: create, delete, describe."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, ids, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, digest, operation, paged, resource_id, token_of
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.flow_logs import destinations
from kunren.services.ec2.flow_logs.fields import format_of
from kunren.services.ec2.ids import IdKind
from kunren.services.ec2.model import FlowLog, FlowLogStatus, Vpc

INTERVALS_S = (60, 600)
_KINDS: dict[str, IdKind[Any]] = {"VPC": ids.VPC, "Subnet": ids.SUBNET, "NetworkInterface": ids.NETWORK_INTERFACE}
_NOT_YET = {
    "DeliverCrossAccountRole": "flow logs to other accounts",
    "TagFieldSpecifications": "tags as fields of flow logs",
}


class FlowLogOperations(Ec2Base):
    @operation
    def create_flow_logs(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        settings = _settings(params)
        tags = tagging.at_creation(params, "vpc-flow-log")
        made, refused = [], []
        with self.store.write() as tx:
            earlier = self._earlier(tx, ctx, params)
            if earlier:
                return {"ClientToken": params["ClientToken"], "FlowLogIds": earlier, "Unsuccessful": []}
            kind = _KINDS[params["ResourceType"]]
            for resource in [self.get(tx, ctx, kind, each) for each in params["ResourceIds"]]:
                log = FlowLog(
                    account=ctx.account,
                    region=ctx.region,
                    id=self.entropy.resource_id("fl"),
                    resource_id=resource.id,
                    vpc_id=resource.id if isinstance(resource, Vpc) else resource.vpc_id,
                    created_at=self.clock.now(),
                    tags=tags,
                    **settings,
                    **token_of(params),
                )
                if self._same(tx, log):
                    refused.append(_refusal(errors.FlowLogAlreadyExists(), resource.id))
                else:
                    self._check_limit(tx, log)
                    tx.put(log)
                    made.append(log.id)
        return {"ClientToken": params.get("ClientToken"), "FlowLogIds": made, "Unsuccessful": refused}

    def _earlier(self, tx: Tx, ctx: RequestContext, params: Params) -> list[str]:
        """What was made with this ClientToken. Raises IdempotentParameterMismatch."""
        token = params.get("ClientToken")
        found = [each for each in tx.list(FlowLog, ctx.account, ctx.region) if token and each.client_token == token]
        if any(each.client_request != digest(params) for each in found):
            raise errors.IdempotentParameterMismatch()
        return [each.id for each in sorted(found, key=lambda each: params["ResourceIds"].index(each.resource_id))]

    def _same(self, tx: Tx, log: FlowLog) -> bool:
        """There is one to the same place already."""

        def place(each: FlowLog) -> tuple[str | None, ...]:
            return each.resource_id, each.destination_type, each.destination, each.log_group

        return any(place(each) == place(log) for each in tx.list(FlowLog, log.account, log.region))

    def _check_limit(self, tx: Tx, log: FlowLog) -> None:
        there = [each for each in tx.list(FlowLog, log.account, log.region) if each.resource_id == log.resource_id]
        if len(there) >= self.limits.flow_logs_per_resource:
            raise quota_errors.FlowLogLimitExceeded()

    @operation
    def delete_flow_logs(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            wanted = [(each, tx.get(FlowLog, ctx.account, ctx.region, each)) for each in params["FlowLogIds"]]
            missing = [id for id, log in wanted if log is None]
            for each in missing:
                ids.FLOW_LOG.form.check(each)
            if missing:
                raise errors.FlowLogNotFound(*missing)
            for _, log in wanted:
                if log is not None:
                    _delete(tx, log)
        return {"Unsuccessful": []}

    @operation
    def describe_flow_logs(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            _sweep(tx, ctx)
        snapshot = self.store.snapshot()
        asked = {**params, "Filters": params.get("Filter")}
        found = chosen(snapshot, ctx, ids.FLOW_LOG, asked, "FlowLogIds", filters_for(snapshot))
        page, token = paged(found, params, resource_id, "FlowLogIds")
        return {"FlowLogs": [_to_wire(snapshot, each) for each in page], "NextToken": token}


def _settings(params: Params) -> dict[str, Any]:
    """The members of a log that do not depend on what it watches."""
    if params["ResourceType"] not in _KINDS:
        raise errors.NotYet(f"flow logs of the resource type {params['ResourceType']}")
    for member, what in _NOT_YET.items():
        if params.get(member):
            raise errors.NotYet(what)
    if not params.get("TrafficType"):
        raise errors.MissingParameter("trafficType")
    interval = params.get("MaxAggregationInterval", INTERVALS_S[-1])
    if interval not in INTERVALS_S:
        raise errors.InvalidParameter("Invalid Flow Log Max Aggregation Interval")
    return {
        **destinations.checked(params),
        "traffic_type": params["TrafficType"],
        "interval_s": interval,
        "format": format_of(params.get("LogFormat")),
        "role": params.get("DeliverLogsPermissionArn"),
    }


def _refusal(error: Any, resource_id: str) -> dict[str, Any]:
    return {"Error": {"Code": error.code, "Message": error.message}, "ResourceId": resource_id}


def _delete(tx: Tx, log: FlowLog) -> None:
    status = tx.get(FlowLogStatus, log.account, log.region, log.id)
    if status is not None:
        tx.delete(status)
    tx.delete(log)


def _sweep(tx: Tx, ctx: RequestContext) -> None:
    """Forget the logs of what is deleted."""
    for log in tx.list(FlowLog, ctx.account, ctx.region):
        kind = next(each for each in _KINDS.values() if log.resource_id.startswith(each.form.prefix + "-"))
        if tx.get(kind.resource, ctx.account, ctx.region, log.resource_id) is None:
            _delete(tx, log)


def filters_for(reader: store.Reader) -> dict[str, Getter[FlowLog]]:
    return {
        "deliver-log-status": lambda log: _delivery(reader, log)[0] or "",
        "log-destination-type": lambda log: log.destination_type,
        "flow-log-id": lambda log: log.id,
        "log-group-name": lambda log: log.log_group or "",
        "resource-id": lambda log: log.resource_id,
        "traffic-type": lambda log: log.traffic_type,
    }


def _delivery(reader: store.Reader, log: FlowLog) -> tuple[str | None, str | None]:
    """DeliverLogsStatus and its message; nothing before anything was delivered."""
    status = reader.get(FlowLogStatus, log.account, log.region, log.id)
    if status is None:
        return None, None
    return ("SUCCESS", None) if status.error is None else ("FAILED", status.error)


def _to_wire(reader: store.Reader, log: FlowLog) -> dict[str, Any]:
    status, message = _delivery(reader, log)
    options = {
        "FileFormat": "plain-text",
        "HiveCompatiblePartitions": log.hive_partitions,
        "PerHourPartition": log.hour_partitions,
    }
    return {
        "FlowLogId": log.id,
        "FlowLogStatus": "ACTIVE",
        "CreationTime": log.created_at,
        "ResourceId": log.resource_id,
        "TrafficType": log.traffic_type,
        "LogDestinationType": log.destination_type,
        "LogDestination": log.destination,
        "LogGroupName": log.log_group,
        "LogFormat": log.format,
        "MaxAggregationInterval": log.interval_s,
        "DeliverLogsPermissionArn": log.role,
        "DeliverLogsStatus": status,
        "DeliverLogsErrorMessage": message,
        "DestinationOptions": options if log.has_options else None,
        "Tags": tags_to_wire(log.tags),
    }
