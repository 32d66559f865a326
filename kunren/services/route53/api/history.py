"""Change History: batches and single changes of a hosted zone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kunren.core import pagination
from kunren.core.context import RequestContext
from kunren.dataplane.dns import names
from kunren.services.route53 import history
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput, InvalidPaginationToken, NoSuchChange
from kunren.services.route53.model import HistoricBatch, HistoricChange
from kunren.services.route53.shapes import bare_id, named_record_set_shape

BATCHES_PER_PAGE, BATCHES_PER_PAGE_MAX = 100, 1000
CHANGES_PER_PAGE = 100
T = TypeVar("T")


class History(Base):
    def list_hosted_zone_change_batches(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._batches(ctx, params)
        page, token = _page(found, params, BATCHES_PER_PAGE, BATCHES_PER_PAGE_MAX, lambda each: each.id)
        return {"ChangeBatchSummaries": [_summary(each) for each in page], "NextToken": token}

    def get_hosted_zone_change_batch(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        wanted = bare_id(params["ChangeId"])
        found = self._batches(ctx, {"HostedZoneId": params["HostedZoneId"]})
        batch = next((each for each in found if each.change_id == wanted), None)
        if batch is None:
            raise NoSuchChange(wanted)
        changes = [
            {"Action": each.action, "ResourceRecordSet": named_record_set_shape(each.name, each.record_set)}
            for each in batch.changes
        ]
        return {
            "ChangeBatchSummary": _summary(batch),
            "ChangeBatch": {"Comment": batch.comment, "Changes": changes},
        }

    def list_resource_record_set_changes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, rtype = params.get("RecordName"), params.get("RecordType")
        if bool(name) != bool(rtype):
            raise InvalidInput("RecordName and RecordType must be specified together.")
        try:
            wanted = names.to_text(names.to_wire(name)) if name else None
        except names.BadName as error:
            raise InvalidInput(f"FATAL problem: {error}") from None
        single = [
            (f"{batch.id}.{number:04d}", batch, change)
            for batch in self._batches(ctx, params)
            for number, change in enumerate(batch.changes)
            if wanted is None or (change.name, change.record_set.type) == (wanted, rtype)
        ]
        page, token = _page(single, params, CHANGES_PER_PAGE, CHANGES_PER_PAGE, lambda each: each[0])
        return {"ResourceRecordSetChanges": [_change(each[1], each[2]) for each in page], "NextToken": token}

    def _batches(self, ctx: RequestContext, params: dict[str, Any]) -> list[HistoricBatch]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["HostedZoneId"])
        return history.batches(snapshot, zone, params, self._clock.now())


def _page(
    found: Sequence[T], params: dict[str, Any], usual: int, most: int, key: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """A page, whichever way the list runs: the token names the last one given out."""
    given = params.get("MaxResults")
    limit = usual if not given else int(given) if given.isascii() and given.isdigit() else 0
    if not 1 <= limit <= most:
        raise InvalidInput(f"The value '{given}' for maxresults is not between 1 and {most}.")
    start = 0
    if token := params.get("NextToken"):
        try:
            last = pagination.decode_token(token)
        except pagination.InvalidToken:
            raise InvalidPaginationToken from None
        start = next((at + 1 for at, each in enumerate(found) if key(each) == last), len(found))
    page = list(found[start : start + limit])
    more = start + limit < len(found)
    return page, pagination.encode_token(key(page[-1])) if more and page else None


def _summary(batch: HistoricBatch) -> dict[str, Any]:
    return {**_who(batch), "Comment": batch.comment, "ChangeCount": len(batch.changes)}


def _change(batch: HistoricBatch, change: HistoricChange) -> dict[str, Any]:
    shape = named_record_set_shape(change.name, change.record_set)
    return {**_who(batch), "Action": change.action, "ResourceRecordSet": shape}


def _who(batch: HistoricBatch) -> dict[str, Any]:
    return {
        "ChangeId": batch.change_id,
        "Operation": batch.operation,
        "SubmittedAt": batch.submitted_at,
        "SubmittedBy": batch.submitted_by,
        "RequestId": batch.request_id,
    }
