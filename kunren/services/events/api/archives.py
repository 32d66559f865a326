"""Archives of events, and replays of them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.events.api.base import (
    Operations,
    Params,
    Result,
    View,
    bus_name,
    check_pattern,
    moment,
    paged,
    present,
    seconds,
)
from kunren.services.events.errors import (
    IllegalStatusException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
    ValidationException,
)
from kunren.services.events.model import Archive, ArchivedEvent, Replay
from kunren.services.events.publishing import publish

DAY = 86_400.0


class ArchiveOperations(Operations):
    def create_archive(self, ctx: RequestContext, params: Params) -> Result:
        name, now = params["ArchiveName"], self._clock.now()
        if params.get("EventPattern"):
            check_pattern(params["EventPattern"])
        with self._store.write() as tx:
            bus = self._bus(tx, ctx, params["EventSourceArn"])
            if tx.get(Archive, ctx.account, ctx.region, name) is not None:
                raise ResourceAlreadyExistsException(f"Archive {name} already exists.")
            archive = Archive(
                account=ctx.account, region=ctx.region, id=name, bus=bus.id, pattern=params.get("EventPattern") or None,
                description=params.get("Description"), retention_days=params.get("RetentionDays") or 0, created_at=now,
            )  # fmt: skip
            tx.put(archive)
        return {"ArchiveArn": archive.arn, "State": "ENABLED", "CreationTime": moment(now)}

    def update_archive(self, ctx: RequestContext, params: Params) -> Result:
        if params.get("EventPattern"):
            check_pattern(params["EventPattern"])
        with self._store.write() as tx:
            archive = self._archive(tx, ctx, params["ArchiveName"])
            for member, field in (("EventPattern", "pattern"), ("Description", "description"),
                                  ("RetentionDays", "retention_days")):  # fmt: skip
                if params.get(member) is not None:
                    archive = replace(archive, **{field: params[member]})
            tx.put(archive)
        return {"ArchiveArn": archive.arn, "State": "ENABLED", "CreationTime": moment(archive.created_at)}

    def describe_archive(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        archive = self._archive(snapshot, ctx, params["ArchiveName"])
        return {**self._archive_view(snapshot, archive), **present(
            ArchiveArn=archive.arn, Description=archive.description, EventPattern=archive.pattern
        )}  # fmt: skip

    def list_archives(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, prefix, source = self._store.snapshot(), params.get("NamePrefix") or "", params.get("EventSourceArn")
        found = [
            each
            for each in snapshot.list(Archive, ctx.account, ctx.region)
            if each.id.startswith(prefix) and (source is None or bus_name(source) == each.bus)
        ]
        shown, token = paged(found, params, lambda each: each.id)
        return {"Archives": [self._archive_view(snapshot, each) for each in shown], "NextToken": token}

    def delete_archive(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            archive = self._archive(tx, ctx, params["ArchiveName"])
            for each in tx.list(ArchivedEvent, ctx.account, ctx.region):
                if each.archive == archive.id:
                    tx.delete(each)
            tx.delete(archive)
        return {}

    def start_replay(self, ctx: RequestContext, params: Params) -> Result:
        """The events go out as one transaction, in their order; so a replay is completed when it is answered."""
        now, start, end = self._clock.now(), seconds(params["EventStartTime"]), seconds(params["EventEndTime"])
        if start >= end:
            raise ValidationException(
                "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime."
            )
        destination = params["Destination"]
        with self._store.write() as tx:
            archive = self._archive(tx, ctx, params["EventSourceArn"].rpartition("archive/")[2])
            if bus_name(destination["Arn"]) != archive.bus:
                raise ValidationException(
                    "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted."
                )
            if tx.get(Replay, ctx.account, ctx.region, params["ReplayName"]) is not None:
                raise ResourceAlreadyExistsException(f"Replay {params['ReplayName']} already exists.")
            last: float | None = None
            for each in tx.list(ArchivedEvent, ctx.account, ctx.region):
                if each.archive == archive.id and start <= each.at < end and not self._is_old(archive, each, now):
                    event = {**each.event, "replay-name": params["ReplayName"]}
                    only = destination.get("FilterArns") or ()
                    publish(tx, self._entropy, ctx.account, ctx.region, archive.bus, event, now, only)
                    last = each.at
            replay = Replay(
                account=ctx.account, region=ctx.region, id=params["ReplayName"], archive=archive.id,
                destination=dict(destination), description=params.get("Description"), start=start, end=end,
                state="COMPLETED", started_at=now, ended_at=now, last_at=last,
            )  # fmt: skip
            tx.put(replay)
        return {"ReplayArn": replay.arn, "State": "STARTING", "ReplayStartTime": moment(now)}

    def describe_replay(self, ctx: RequestContext, params: Params) -> Result:
        replay = self._replay(self._store.snapshot(), ctx, params["ReplayName"])
        shown = self._replay_view(replay)
        return {
            **shown,
            **present(ReplayArn=replay.arn, Description=replay.description, Destination=replay.destination),
        }

    def list_replays(self, ctx: RequestContext, params: Params) -> Result:
        prefix = params.get("NamePrefix") or ""
        found = [
            each
            for each in self._store.snapshot().list(Replay, ctx.account, ctx.region)
            if each.id.startswith(prefix) and params.get("State") in (None, each.state)
        ]
        shown, token = paged(found, params, lambda each: each.id)
        return {"Replays": [self._replay_view(each) for each in shown], "NextToken": token}

    def cancel_replay(self, ctx: RequestContext, params: Params) -> Result:
        replay = self._replay(self._store.snapshot(), ctx, params["ReplayName"])
        raise IllegalStatusException(f"Replay {replay.id} is not in a valid state for this operation.")

    def _archive(self, view: View, ctx: RequestContext, name: str) -> Archive:
        found = view.get(Archive, ctx.account, ctx.region, name)
        if found is None:
            raise ResourceNotFoundException(f"Archive {name} does not exist.")
        return found

    def _replay(self, view: View, ctx: RequestContext, name: str) -> Replay:
        found = view.get(Replay, ctx.account, ctx.region, name)
        if found is None:
            raise ResourceNotFoundException(f"Replay {name} does not exist.")
        return found

    def _is_old(self, archive: Archive, event: ArchivedEvent, now: float) -> bool:
        return bool(archive.retention_days) and event.at < now - archive.retention_days * DAY

    def _archive_view(self, view: View, archive: Archive) -> dict[str, Any]:
        now = self._clock.now()
        held = [
            each
            for each in view.list(ArchivedEvent, archive.account, archive.region)
            if each.archive == archive.id and not self._is_old(archive, each, now)
        ]
        return {
            "ArchiveName": archive.id,
            "EventSourceArn": f"arn:aws:events:{archive.region}:{archive.account}:event-bus/{archive.bus}",
            "State": "ENABLED",
            "RetentionDays": archive.retention_days,
            "SizeBytes": sum(len(str(each.event)) for each in held),
            "EventCount": len(held),
            "CreationTime": moment(archive.created_at),
        }

    def _replay_view(self, replay: Replay) -> dict[str, Any]:
        return present(
            ReplayName=replay.id,
            EventSourceArn=f"arn:aws:events:{replay.region}:{replay.account}:archive/{replay.archive}",
            State=replay.state,
            EventStartTime=moment(replay.start),
            EventEndTime=moment(replay.end),
            EventLastReplayedTime=moment(replay.last_at),
            ReplayStartTime=moment(replay.started_at),
            ReplayEndTime=moment(replay.ended_at),
        )
