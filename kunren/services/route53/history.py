"""Change History of hosted zones: which batch changed what, when and by whom. Pure but for the transaction it is given.

A zone has it while its tier is ADVANCED ("HostedZoneTier" in the API reference), from the moment it came to that tier;
what is older than a year is gone. Here a zone's history is bounded in number too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.dataplane.dns import names
from kunren.services.route53.changes import record_set_of
from kunren.services.route53.errors import FeatureNotEnabled, InvalidInput
from kunren.services.route53.model import Change, HistoricBatch, HistoricChange, HostedZone

RETENTION_S = 365 * 86_400.0
BATCHES_KEPT_MAX = 10_000
ASCENDING, DESCENDING = "ASCENDING", "DESCENDING"


def note(
    tx: Tx, ctx: RequestContext, zone: HostedZone, change: Change, operation: str, changes: Sequence[Mapping[str, Any]]
) -> None:
    """Remember a batch that was just applied, where the zone has a history."""
    if zone.history_since is None:
        return
    told = tuple(
        HistoricChange(
            action=each["Action"],
            name=names.to_text(names.to_wire(each["ResourceRecordSet"]["Name"])),
            record_set=record_set_of(each["ResourceRecordSet"]),
        )
        for each in changes
    )
    tx.put(
        HistoricBatch(
            account=zone.account,
            region=zone.id,
            id=f"{zone.version:010d}",
            change_id=change.id,
            operation=operation,
            submitted_at=change.submitted_at,
            submitted_by=f"arn:aws:iam::{ctx.account}:root",
            request_id=ctx.request_id,
            comment=change.comment,
            changes=told,
        )
    )
    kept = tx.list(HistoricBatch, zone.account, zone.id)
    for old in kept[: max(0, len(kept) - BATCHES_KEPT_MAX)]:
        tx.delete(old)


def batches(snapshot: Snapshot, zone: HostedZone, params: Mapping[str, Any], now: float) -> list[HistoricBatch]:
    """The batches of the range and in the order that a request wants. Raises FeatureNotEnabled and InvalidInput."""
    if zone.history_since is None:
        raise FeatureNotEnabled(zone.id)
    earliest = max(zone.history_since, now - RETENTION_S)
    after, before = (_time(params.get(each)) for each in ("SubmittedAfter", "SubmittedBefore"))
    if after is not None and after < earliest:
        raise InvalidInput(f"SubmittedAfter can't be earlier than {datetime.fromtimestamp(earliest).isoformat()}.")
    if before is not None and before <= (after if after is not None else earliest):
        raise InvalidInput("SubmittedBefore must be later than the start of the range.")
    found = [
        each
        for each in snapshot.list(HistoricBatch, zone.account, zone.id)
        if each.submitted_at >= (after if after is not None else earliest)
        and (before is None or each.submitted_at < before)
    ]
    order = params.get("SortOrder") or DESCENDING
    if start := params.get("StartAfterChangeId"):
        if order != ASCENDING or after is not None or before is not None:
            raise InvalidInput("StartAfterChangeId needs SortOrder ASCENDING, and no range of time.")
        at = next((at for at, each in enumerate(found) if each.change_id == start.rpartition("/")[2]), None)
        if at is None:
            raise InvalidInput(f"The change batch {start} isn't in the change history of the hosted zone.")
        found = found[at + 1 :]
    return found if order == ASCENDING else found[::-1]


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
