"""Invalidations: objects of these paths that were kept before now are asked for again."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.cloudfront.api.base import API, Base, Reader, page
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.errors import InvalidArgument, NoSuchInvalidation
from kunren.services.cloudfront.model import DistributionStatus, Invalidation


class Invalidations(Base):
    def create_invalidation(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        batch = params["InvalidationBatch"]
        paths = tuple(items(batch["Paths"]))
        for path in paths:
            if not path.startswith("/") or "*" in path[:-1]:
                raise InvalidArgument(f"Your request contains one or more invalid invalidation paths: {path}")
        if not paths:
            raise InvalidArgument("Your request contains no invalidation paths.")
        with self._store.write() as tx:
            distribution = self._distribution(tx, ctx.account, params["DistributionId"])
            for each in self._own(tx, ctx, distribution.id):
                if each.caller_reference == batch["CallerReference"]:
                    if each.paths != paths:
                        raise InvalidArgument("Your request contains a caller reference that was used for other paths.")
                    return {"Invalidation": self._invalidation_shown(tx, each)}
            made = Invalidation(
                account=ctx.account,
                region="",
                id=f"{distribution.id}|I{self._entropy.upper(13)}",
                paths=paths,
                caller_reference=batch["CallerReference"],
                created_time=self._clock.now(),
            )
            tx.put(made)
            shown = self._invalidation_shown(tx, made)
        return {
            "Invalidation": shown,
            "Location": f"{API}/distribution/{distribution.id}/invalidation/{shown['Id']}",
        }

    def get_invalidation(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        distribution = self._distribution(snapshot, ctx.account, params["DistributionId"])
        found = snapshot.get(Invalidation, ctx.account, "", f"{distribution.id}|{params['Id']}")
        if found is None:
            raise NoSuchInvalidation
        return {"Invalidation": self._invalidation_shown(snapshot, found)}

    def list_invalidations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        distribution = self._distribution(snapshot, ctx.account, params["DistributionId"])
        newest = sorted(self._own(snapshot, ctx, distribution.id), key=lambda each: -each.created_time)
        shown, members = page(list(enumerate(newest)), params, lambda each: f"{each[0]:08d}")
        made = [self._invalidation_shown(snapshot, each) for _, each in shown]
        listed = {"Marker": params.get("Marker") or "", "IsTruncated": "NextMarker" in members, **members}
        summaries = [{key: each[key] for key in ("Id", "CreateTime", "Status")} for each in made]
        return {"InvalidationList": {**listed, **({"Items": summaries} if summaries else {})}}

    def _own(self, reader: Reader, ctx: RequestContext, identity: str) -> list[Invalidation]:
        return [each for each in reader.list(Invalidation, ctx.account, "") if each.id.startswith(identity + "|")]

    def _invalidation_shown(self, reader: Reader, shown: Invalidation) -> dict[str, Any]:
        distribution, _, identity = shown.id.partition("|")
        seen = reader.get(DistributionStatus, shown.account, "", distribution)
        done = seen is not None and seen.invalidated_at >= shown.created_time
        return {
            "Id": identity,
            "Status": "Completed" if done else "InProgress",
            "CreateTime": shown.created_time,
            "InvalidationBatch": {
                "Paths": {"Quantity": len(shown.paths), "Items": list(shown.paths)},
                "CallerReference": shown.caller_reference,
            },
        }
