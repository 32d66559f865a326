"""What the lambda service's operations share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.lambda_.capacity.model import FunctionScaling
from kunren.services.lambda_.capacity.rules import managed_state
from kunren.services.lambda_.downloads import Downloads
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
)
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.lookup import find, find_function, get_alias
from kunren.services.lambda_.model import (
    Alias,
    Configured,
    EventInvokeConfig,
    Function,
    FunctionStatus,
    FunctionUrl,
    ProvisionedConcurrency,
    PublishedVersion,
)
from kunren.services.lambda_.names import FunctionName, parse_function_name
from kunren.services.lambda_.packages import Packages
from kunren.services.lambda_.view import configuration, state, update_status

T = TypeVar("T")
PAGE_ITEMS_MAX = 50


class ApiBase:
    """Lookups and guards; each of the API's parts inherits it."""

    _store: Store
    _clock: Clock
    _entropy: Entropy
    _invoker: Invoker
    _packages: Packages
    _downloads: Downloads

    def _name(self, ctx: RequestContext, params: Mapping[str, Any]) -> FunctionName:
        return parse_function_name(params["FunctionName"], ctx.account, ctx.region, params.get("Qualifier"))

    def _function(self, source: Snapshot | Tx, name: FunctionName) -> Function:
        """The function, whatever the qualifier says. Raises ResourceNotFoundException."""
        return find_function(source, name)

    def _qualified(self, source: Snapshot | Tx, name: FunctionName) -> Function | PublishedVersion | Alias:
        """What the qualifier itself names. Raises ResourceNotFoundException."""
        found = get_alias(source, name) or find(source, name)
        assert isinstance(found, Function | PublishedVersion | Alias)
        return found

    def _status(self, source: Snapshot | Tx, function: Configured) -> FunctionStatus | None:
        return source.get(FunctionStatus, function.account, function.region, function.id)

    def _shown(self, function: Configured, qualifier: str = "") -> dict[str, Any]:
        snapshot = self._store.snapshot()
        status = self._status(snapshot, function)
        shown = configuration(function, status, qualifier=qualifier)
        shown["State"] = managed_state(snapshot, function, status)
        return shown

    def _page(
        self, items: list[T], params: Mapping[str, Any], key: Callable[[T], str], items_max: int = PAGE_ITEMS_MAX
    ) -> tuple[list[T], str | None]:
        limit = min(params.get("MaxItems") or items_max, items_max)
        try:
            return page(items, params.get("Marker"), limit, key)
        except InvalidToken:
            raise InvalidParameterValueException("Invalid Marker") from None

    def _forget_qualifier(self, tx: Tx, function: Function, qualifier: str) -> None:
        """A version or alias goes: so does what hangs on it."""
        config = tx.get(EventInvokeConfig, function.account, function.region, f"{function.id}:{qualifier}")
        url = tx.get(FunctionUrl, function.account, function.region, f"{function.id}:{qualifier}")
        warm = tx.get(ProvisionedConcurrency, function.account, function.region, f"{function.id}:{qualifier}")
        scaling = tx.get(FunctionScaling, function.account, function.region, f"{function.id}:{qualifier}")
        for each in (config, url, warm, scaling):
            if each is not None:
                tx.delete(each)
        if qualifier in function.policies:
            left = {each: policy for each, policy in function.policies.items() if each != qualifier}
            heads = {each: head for each, head in function.policy_heads.items() if each != qualifier}
            tx.put(msgspec.structs.replace(function, policies=left, policy_heads=heads))

    def _updatable(self, source: Snapshot | Tx, function: Function) -> None:
        """Raises ResourceConflictException while another deployment is under way."""
        status = self._status(source, function)
        prefix = "The operation cannot be performed at this time."
        if state(function, status) == "Pending":
            raise ResourceConflictException(f"{prefix} The function is currently in the following state: Pending")
        if function.deployed_update_id and update_status(function, status) == "InProgress":
            raise ResourceConflictException(f"{prefix} An update is in progress for resource: {function.arn}")

    def _guard_revision(self, function: Configured | Alias, params: Mapping[str, Any]) -> None:
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
