"""An event on a bus: which rules want it, and what their targets are to get. On a transaction."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from kunren.control.store import Tx
from kunren.core import event_patterns as patterns
from kunren.core.clock import iso_utc
from kunren.core.entropy import Entropy
from kunren.services.events.inputs import as_text, found_by, text_for
from kunren.services.events.model import ENABLED, Archive, ArchivedEvent, Delivery, Rule

ARCHIVED_MAX = 10_000
"""Events kept in one archive."""
_numbers = itertools.count()


def publish(
    tx: Tx, entropy: Entropy, account: str, region: str, bus: str, event: Mapping[str, Any], now: float,
    only: Collection[str] = (), forwarded: bool = False,
) -> None:  # fmt: skip
    """Have every rule of the bus that wants the event deliver it; `only` names rules by ARN, where not all may.
    `forwarded`: it comes from another bus."""
    for rule in tx.list(Rule, account, region):
        if rule.bus != bus or rule.pattern is None or rule.state == "DISABLED" or (only and rule.arn not in only):
            continue
        if patterns.matches(_parsed(rule.pattern), event):
            hand_out(tx, entropy, rule, event, now, forwarded=forwarded)
    if not event.get("replay-name"):
        for archive in tx.list(Archive, account, region):
            if archive.bus == bus and (archive.pattern is None or patterns.matches(_parsed(archive.pattern), event)):
                _keep(tx, archive, event, now)


def hand_out(
    tx: Tx, entropy: Entropy, rule: Rule, event: Mapping[str, Any], now: float, *, forwarded: bool = False
) -> None:
    """The event to each target of the rule."""
    for id, target in rule.targets.items():
        tx.put(
            Delivery(
                account=rule.account, region=rule.region, id=new_id(entropy, now), queue=f"{rule.id}|{id}",
                source=rule.arn, target=_with_key(target, event), at=now, forwarded=forwarded,
                text=text_for(target, event, rule.arn, iso_utc(now)),
            )
        )  # fmt: skip


def _with_key(target: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """A stream's partition key is found in the event itself, not in what the target is to get of it."""
    path = (target.get("KinesisParameters") or {}).get("PartitionKeyPath")
    key = found_by(path, event) if path else event.get("id")
    if ":kinesis:" not in target["Arn"] or key is None:
        return target
    return {**target, "KinesisParameters": {"PartitionKey": key if isinstance(key, str) else as_text(key)}}


@lru_cache(maxsize=1024)
def _parsed(pattern: str) -> Mapping[str, Any]:
    return patterns.parse(pattern)


def new_id(entropy: Entropy, now: float) -> str:
    """Sorts by time and by the order of making."""
    return f"{now:020.6f}-{next(_numbers):010d}-{entropy.hex(6)}"


def event_of(
    entropy: Entropy, account: str, region: str, *, source: str, kind: str, detail: Any, at: float,
    resources: Collection[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """An event as targets see it."""
    return {
        "version": "0",
        "id": entropy.uuid(),
        "detail-type": kind,
        "source": source,
        "account": account,
        "time": iso_utc(at)[:19] + "Z",
        "region": region,
        "resources": list(resources),
        "detail": detail,
    }


def scheduled(tx: Tx, entropy: Entropy, rule: Rule, at: float, now: float) -> None:
    """The rule's time has come."""
    if rule.state != ENABLED:
        return
    event = event_of(
        entropy, rule.account, rule.region, source="aws.events", kind="Scheduled Event", detail={}, at=at,
        resources=[rule.arn],
    )  # fmt: skip
    hand_out(tx, entropy, rule, event, now)


def _keep(tx: Tx, archive: Archive, event: Mapping[str, Any], now: float) -> None:
    held = [each for each in tx.list(ArchivedEvent, archive.account, archive.region) if each.archive == archive.id]
    for old in held[: max(0, len(held) + 1 - ARCHIVED_MAX)]:
        tx.delete(old)
    tx.put(
        ArchivedEvent(
            account=archive.account, region=archive.region, id=f"{now:020.6f}-{next(_numbers):010d}-{archive.id}",
            archive=archive.id, event=dict(event), at=now,
        )
    )  # fmt: skip
