"""Configurations of DNS query logging."""

from __future__ import annotations

from typing import Any

from kunren.core import pagination
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService, nobody_answers
from kunren.core.context import RequestContext
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    InsufficientCloudWatchLogsResourcePolicy,
    InvalidInput,
    InvalidPaginationToken,
    NoSuchCloudWatchLogsLogGroup,
    NoSuchQueryLoggingConfig,
    QueryLoggingConfigAlreadyExists,
)
from kunren.services.route53.model import QueryLoggingConfig
from kunren.services.route53.query_logs import REGION, log_group, permits
from kunren.services.route53.shapes import location, max_items
from kunren.services.route53.store import GLOBAL

PER_PAGE = 100


class QueryLogging(Base):
    call: CallService = staticmethod(nobody_answers)

    async def create_query_logging_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The log group must be there already, and let Route 53 write to it."""
        arn = params["CloudWatchLogsLogGroupArn"]
        self._loggable(ctx, params["HostedZoneId"], arn)
        group = log_group(arn)
        told = await self.call(ctx.account, REGION, "logs", "DescribeLogGroups", {"logGroupNamePrefix": group})
        if not any(each["logGroupName"] == group for each in told.get("logGroups", ())):
            raise NoSuchCloudWatchLogsLogGroup
        told = await self.call(ctx.account, REGION, "logs", "DescribeResourcePolicies", {})
        if not permits((each["policyDocument"] for each in told.get("resourcePolicies", ())), arn):
            raise InsufficientCloudWatchLogsResourcePolicy
        with self._store.write() as tx:
            zone_id = self._loggable(ctx, params["HostedZoneId"], arn)
            made = QueryLoggingConfig(
                account=ctx.account, region=GLOBAL, id=self._entropy.uuid(), zone_id=zone_id, log_group_arn=arn
            )
            tx.put(made)
        return {"QueryLoggingConfig": _shape(made), "Location": location(f"/queryloggingconfig/{made.id}")}

    def _loggable(self, ctx: RequestContext, given: str, arn: str) -> str:
        """The id of the zone that is to be logged."""
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, given)
        if zone.private:
            raise InvalidInput("Query logging is only supported for public hosted zones.")
        parsed = parse_arn(arn)
        if parsed is None or parsed.service != "logs" or not parsed.resource.startswith("log-group:"):
            raise InvalidInput(f"The ARN {arn} is not the ARN of a CloudWatch Logs log group.")
        if parsed.region != REGION or parsed.account != ctx.account:
            raise InvalidInput(
                "The CloudWatch Logs log group must be in the us-east-1 region and in the account of the hosted zone."
            )
        if any(each.zone_id == zone.id for each in snapshot.list(QueryLoggingConfig, ctx.account, GLOBAL)):
            raise QueryLoggingConfigAlreadyExists(zone.id)
        return zone.id

    def get_query_logging_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().get(QueryLoggingConfig, ctx.account, GLOBAL, params["Id"])
        if found is None:
            raise NoSuchQueryLoggingConfig(params["Id"])
        return {"QueryLoggingConfig": _shape(found)}

    def delete_query_logging_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = tx.get(QueryLoggingConfig, ctx.account, GLOBAL, params["Id"])
            if found is None:
                raise NoSuchQueryLoggingConfig(params["Id"])
            tx.delete(found)
        return {}

    def list_query_logging_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = snapshot.list(QueryLoggingConfig, ctx.account, GLOBAL)
        if given := params.get("HostedZoneId"):
            zone = self._zone(snapshot, ctx.account, given)
            found = [each for each in found if each.zone_id == zone.id]
        limit = max_items(params.get("MaxResults"), PER_PAGE)
        try:
            page, token = pagination.page(found, params.get("NextToken"), limit, lambda each: each.id)
        except pagination.InvalidToken:
            raise InvalidPaginationToken from None
        return {"QueryLoggingConfigs": [_shape(each) for each in page], "NextToken": token}


def _shape(config: QueryLoggingConfig) -> dict[str, Any]:
    return {
        "Id": config.id,
        "HostedZoneId": config.zone_id,
        "CloudWatchLogsLogGroupArn": config.log_group_arn,
    }
