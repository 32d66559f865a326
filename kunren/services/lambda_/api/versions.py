"""Versions: PublishVersion, ListVersionsByFunction."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.capacity.model import LATEST_PUBLISHED
from kunren.services.lambda_.capacity.rules import check_room
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.lookup import version_number, versions_of
from kunren.services.lambda_.model import SETTINGS, Configured, Function, PublishedVersion
from kunren.services.lambda_.names import parse_function_name
from kunren.services.lambda_.view import code_sha256, listed


class VersionOperations(ApiBase):
    def publish_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        with self._store.write() as tx:
            function = self._function(tx, name)
            self._updatable(tx, function)
            self._guard_revision(function, params)
            wanted = params.get("CodeSha256")
            has = code_sha256(function)
            if wanted and wanted != has:
                raise InvalidParameterValueException(
                    f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({has}). Please try again "
                    "with the CodeSHA256 in $LATEST."
                )
            version = self._publish(tx, function, params.get("Description"), params.get("PublishTo"))
        return self._shown(version, version.version)

    def _publish(
        self, tx: Tx, function: Function, description: str | None = None, where: str | None = None
    ) -> PublishedVersion:
        """A new version of what $LATEST is, or the newest one where nothing has changed since. `where`
        LATEST_PUBLISHED makes $LATEST.PUBLISHED anew instead."""
        if where and function.capacity is None:
            raise InvalidParameterValueException("PublishTo is supported for functions with a capacity provider only.")
        numbered = [each for each in versions_of(tx, function) if each.version != LATEST_PUBLISHED]
        if not where and numbered and _same(numbered[-1], function):
            return numbered[-1]
        number = function.last_version + 1
        version = PublishedVersion(
            account=function.account,
            region=function.region,
            id=f"{function.id}:{LATEST_PUBLISHED if where else number}",
            arn=function.arn,
            description=function.description if description is None else description,
            description_before=function.description,
            last_modified=self._clock.now(),
            revision_id=self._entropy.uuid(),
            update_id=self._entropy.hex(16),
            **{field: getattr(function, field) for field in SETTINGS},
        )
        check_room(tx, version)
        before = tx.get(PublishedVersion, version.account, version.region, version.id)
        if before is not None:
            version = msgspec.structs.replace(version, deployed_update_id=before.deployed_update_id)
        tx.put(version)
        if not where:
            tx.put(msgspec.structs.replace(function, last_version=number))
        return version

    def list_versions_by_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        function = self._function(snapshot, self._name(ctx, params))
        versions: list[Configured] = [function, *versions_of(snapshot, function)]
        shown, marker = self._page(versions, params, version_order)
        return {"Versions": [listed(self._shown(each, each.version)) for each in shown], "NextMarker": marker}


def _same(version: PublishedVersion, function: Function) -> bool:
    return version.description_before == function.description and all(
        getattr(version, field) == getattr(function, field) for field in SETTINGS
    )


def version_order(configured: Configured) -> str:
    """Sorts by name, then $LATEST first, then by number."""
    return f"{configured.name}:{version_number(configured):012d}"
