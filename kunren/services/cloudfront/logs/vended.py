"""Standard logs (v2): CloudWatch Logs' deliveries whose sources are distributions.

moto answers for the delivery API (PutDeliverySource, PutDeliveryDestination, CreateDelivery); when somebody has changed
something there, `after` reads it anew into the store; `judge` refuses what nobody here would deliver. Records go to log
groups, where they are when somebody asks CloudWatch Logs anything, and to buckets with the files of every five minutes
(`delivery.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Store
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.errors import NotImplementedByKunren
from kunren.dataplane.edge.record import Record
from kunren.services.cloudfront.logs.lines import FIELDS, MORE_FIELDS
from kunren.services.cloudfront.logs.model import VendedDelivery
from kunren.services.cloudfront.model import Distribution
from kunren.services.lambda_.log_delivery import LogDelivery

REGION = "us-east-1"
_CHANGES = frozenset(
    {
        "CreateDelivery", "DeleteDelivery", "UpdateDeliveryConfiguration", "PutDeliverySource", "DeleteDeliverySource",
        "PutDeliveryDestination", "DeleteDeliveryDestination",
    }
)  # fmt: skip
_EVERY_FIELD = {**FIELDS, **MORE_FIELDS}
_HIVE = {
    "{DistributionId}": "distributionid", "{distributionid}": "distributionid", "{yyyy}": "year", "{MM}": "month",
    "{dd}": "day", "{HH}": "hour", "{accountid}": "accountid", "{account-id}": "accountid",
}  # fmt: skip


class VendedLogs:
    """`groups` delivers to log groups; its `before` belongs before CloudWatch Logs' operations, `after` behind them."""

    def __init__(self, store: Store, call: CallService) -> None:
        self._store = store
        self._call = call
        self.groups = LogDelivery(call, line_end="", makes_group=False)

    async def judge(self, operation: str, account: str, region: str, body: bytes) -> None:
        """Raises NotImplementedByKunren for a delivery of a distribution's logs that nobody here would make."""
        if operation != "CreateDelivery":
            return
        given = _object(body)

        async def listed(of: str, members: str) -> Sequence[Mapping[str, Any]]:
            made = await self._call(account, region or REGION, "logs", of, {})
            return made.get(members) or ()

        sources = await listed("DescribeDeliverySources", "deliverySources")
        if not any(each["name"] == given.get("deliverySourceName") and _distribution(each) for each in sources):
            return
        for end in await listed("DescribeDeliveryDestinations", "deliveryDestinations"):
            lacking = what_lacks(end["deliveryDestinationType"], end.get("outputFormat") or "")
            if end["arn"] == given.get("deliveryDestinationArn") and lacking:
                raise NotImplementedByKunren("logs", f"CreateDelivery of a distribution's logs {lacking}")

    async def after(self, operation: str) -> None:
        if operation not in _CHANGES:
            return
        snapshot = self._store.snapshot()
        accounts = {each.account for kind in (Distribution, VendedDelivery) for each in snapshot.every(kind)}
        for account in sorted(accounts):
            found = {each.id: each for each in await self._there(account)}
            with self._store.write() as tx:
                for each in tx.list(VendedDelivery, account, ""):
                    if each.id not in found:
                        tx.delete(each)
                for each in found.values():
                    if tx.get(VendedDelivery, account, "", each.id) != each:
                        tx.put(each)

    async def _there(self, account: str) -> list[VendedDelivery]:
        async def listed(operation: str, member: str) -> Sequence[Mapping[str, Any]]:
            made = await self._call(account, REGION, "logs", operation, {})
            return made.get(member) or ()

        sources = {each["name"]: each for each in await listed("DescribeDeliverySources", "deliverySources")}
        ends = {each["arn"]: each for each in await listed("DescribeDeliveryDestinations", "deliveryDestinations")}
        found = []
        for each in await listed("DescribeDeliveries", "deliveries"):
            source, end = sources.get(each["deliverySourceName"]), ends.get(each["deliveryDestinationArn"])
            distribution = _distribution(source) if source is not None else None
            if end is not None and distribution is not None:
                found.append(_delivery(account, distribution, each, end))
        return found

    def to_group(self, delivery: VendedDelivery, record: Record) -> None:
        parsed = parse_arn(delivery.target)
        if parsed is not None:
            group = parsed.resource.removeprefix("log-group:").removesuffix(":*")
            stream = f"CloudFront_{delivery.distribution_id}"
            told = [(int(record.at * 1000), line(delivery, record))]
            self.groups.take(delivery.account, parsed.region or REGION, group, stream, told)


def what_lacks(to: str, form: str) -> str:
    """What no delivery to such a destination has here; empty where there is nothing amiss."""
    if to not in ("S3", "CWL"):
        return f"to a destination of type {to}"
    return "as parquet" if form == "parquet" else ""


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        made = json.loads(body)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _distribution(source: Mapping[str, Any]) -> str | None:
    """The id of the distribution that a source is."""
    for arn in source.get("resourceArns") or ():
        parsed = parse_arn(arn)
        if parsed is not None and parsed.service == "cloudfront" and parsed.resource.startswith("distribution/"):
            return parsed.resource.partition("/")[2]
    return None


def _delivery(account: str, distribution: str, given: Mapping[str, Any], end: Mapping[str, Any]) -> VendedDelivery:
    where = given.get("s3DeliveryConfiguration") or {}
    return VendedDelivery(
        account=account,
        region="",
        id=given["id"],
        distribution_id=distribution,
        to=end["deliveryDestinationType"],
        target=end["deliveryDestinationConfiguration"]["destinationResourceArn"],
        format=end.get("outputFormat") or "json",
        fields=tuple(given.get("recordFields") or FIELDS),
        delimiter=given.get("fieldDelimiter") or "\t",
        suffix=where.get("suffixPath") or "AWSLogs/{account-id}/CloudFront/",
        hive=bool(where.get("enableHiveCompatiblePath")),
    )


def line(delivery: VendedDelivery, record: Record) -> str:
    """A field that nobody here knows says `-`."""
    said = {name: _EVERY_FIELD[name](record) if name in _EVERY_FIELD else "-" for name in delivery.fields}
    if delivery.format == "json":
        return json.dumps(said, separators=(",", ":"))
    return delivery.delimiter.join(said.values())


def file(delivery: VendedDelivery, lines: Iterable[str]) -> bytes:
    """A whole file, before it is compressed."""
    head = f"#Version: 1.0\n#Fields: {' '.join(delivery.fields)}\n" if delivery.format == "w3c" else ""
    return (head + "".join(f"{each}\n" for each in lines)).encode("utf-8", "replace")


def bucket_and_key(delivery: VendedDelivery, hour: int, unique: str) -> tuple[str, str]:
    """Of a file of the hour that begins at `hour` × 3600 s (AWS time)."""
    parsed = parse_arn(delivery.target)
    bucket, _, prefix = (parsed.resource if parsed is not None else "").partition("/")
    when = datetime.fromtimestamp(hour * 3600, UTC)
    values = {
        "{DistributionId}": delivery.distribution_id,
        "{distributionid}": delivery.distribution_id,
        "{account-id}": delivery.account,
        "{accountid}": delivery.account,
        "{yyyy}": f"{when:%Y}",
        "{MM}": f"{when:%m}",
        "{dd}": f"{when:%d}",
        "{HH}": f"{when:%H}",
    }
    suffix = delivery.suffix
    for name, value in values.items():
        suffix = suffix.replace(name, f"{_HIVE[name]}={value}" if delivery.hive else value)
    folders = [each.strip("/") for each in (prefix, suffix) if each.strip("/")]
    return bucket, "/".join([*folders, f"{delivery.distribution_id}.{when:%Y-%m-%d-%H}.{unique}.gz"])
