"""Versions: PublishVersion, ListVersionsByFunction."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.lookup import versions_of
from kunren.services.lambda_.model import LATEST, SETTINGS, Configured, Function, PublishedVersion
from kunren.services.lambda_.names import parse_function_name
from kunren.services.lambda_.view import listed


class VersionOperations(ApiBase):
    def publish_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("PublishTo"):
            raise InvalidParameterValueException("Kunren does not have PublishTo yet.")
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        with self._store.write() as tx:
            function = self._function(tx, name)
            self._updatable(tx, function)
            self._guard_revision(function, params)
            wanted = params.get("CodeSha256")
            has = base64.b64encode(bytes.fromhex(function.code.sha256)).decode()
            if wanted and wanted != has:
                raise InvalidParameterValueException(
                    f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({has}). Please try again "
                    "with the CodeSHA256 in $LATEST."
                )
            version = self._publish(tx, function, params.get("Description"))
        return self._shown(version, version.version)

    def _publish(self, tx: Tx, function: Function, description: str | None = None) -> PublishedVersion:
        """A new version of what $LATEST is, or the newest one where nothing has changed since."""
        newest = next(reversed(versions_of(tx, function)), None)
        if newest is not None and _same(newest, function):
            return newest
        number = function.last_version + 1
        version = PublishedVersion(
            account=function.account,
            region=function.region,
            id=f"{function.id}:{number}",
            arn=function.arn,
            description=function.description if description is None else description,
            description_before=function.description,
            last_modified=self._clock.now(),
            revision_id=self._entropy.uuid(),
            update_id=self._entropy.hex(16),
            **{field: getattr(function, field) for field in SETTINGS},
        )
        tx.put(version)
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
    number = 0 if configured.version == LATEST else int(configured.version)
    return f"{configured.name}:{number:012d}"
