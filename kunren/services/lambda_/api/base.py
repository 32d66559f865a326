"""What the lambda service's operations share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.lambda_.code import CodeStore
from kunren.services.lambda_.errors import (
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.model import Function, FunctionStatus
from kunren.services.lambda_.names import FunctionName, only_latest, parse_function_name
from kunren.services.lambda_.view import configuration, state, update_status

FetchS3 = Callable[[str, str, str | None], Awaitable[bytes]]
"""Called with bucket, key and version; raises LookupError with S3's own words."""
CodeUrl = Callable[[str, str, str, str], str | None]
"""Called with account, region, function name and the package's SHA-256; a URL that really downloads it, or None."""


class ApiBase:
    """Lookups and guards; each of the API's parts inherits it."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _invoker: Invoker
    _code: CodeStore
    _fetch_s3: FetchS3 | None
    _code_url: CodeUrl | None

    def _name(self, ctx: RequestContext, params: Mapping[str, Any]) -> FunctionName:
        return parse_function_name(params["FunctionName"], ctx.account, ctx.region, params.get("Qualifier"))

    def _get(self, source: Snapshot | Tx, name: FunctionName) -> Function:
        """Raises ResourceNotFoundException."""
        function = source.get(Function, name.account, name.region, name.name)
        if function is None:
            raise ResourceNotFoundException(f"Function not found: {name.qualified_arn}")
        only_latest(name)
        return function

    def _status(self, source: Snapshot | Tx, function: Function) -> FunctionStatus | None:
        return source.get(FunctionStatus, function.account, function.region, function.id)

    def _shown(self, function: Function, *, qualified: bool = False) -> dict[str, Any]:
        return configuration(function, self._status(self._store.snapshot(), function), qualified=qualified)

    def _updatable(self, source: Snapshot | Tx, function: Function) -> None:
        """Raises ResourceConflictException while another deployment is under way."""
        status = self._status(source, function)
        prefix = "The operation cannot be performed at this time."
        if state(function, status) == "Pending":
            raise ResourceConflictException(f"{prefix} The function is currently in the following state: Pending")
        if function.deployed_update_id and update_status(function, status) == "InProgress":
            raise ResourceConflictException(f"{prefix} An update is in progress for resource: {function.arn}")

    def _guard_revision(self, function: Function, params: Mapping[str, Any]) -> None:
        """Raises PreconditionFailedException."""
        told = params.get("RevisionId")
        if told and told != function.revision_id:
            raise PreconditionFailedException(
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
                "retrieve the latest Revision Id"
            )

    def _revised(self, function: Function, **changes: Any) -> Function:
        """The function with changes that need no deployment."""
        return msgspec.structs.replace(function, revision_id=self._entropy.uuid(), **changes)

    def _updated(self, function: Function, **changes: Any) -> Function:
        """The function with changes that the runtime must take up."""
        return self._revised(function, update_id=self._entropy.hex(16), last_modified=self._clock.now(), **changes)
