"""What all of Cloud Map's handlers have in common: finding, paging, operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from kunren.control.store import Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.servicediscovery.errors import (
    InstanceNotFound,
    InvalidInput,
    NamespaceNotFound,
    ServiceNotFound,
    TooManyTagsException,
)
from kunren.services.servicediscovery.model import (
    Instance,
    Namespace,
    Operation,
    Service,
    View,
    instance_id,
    outlived,
)

T = TypeVar("T")
TAGS_MAX = 50


class Base:
    service: ClassVar[str] = "servicediscovery"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    def _id(self, prefix: str) -> str:
        return f"{prefix}-{self._entropy.lower(16)}"

    # --- finding; an ARN does wherever an id does -----------------------------------------------------------------

    @staticmethod
    def _namespace(view: View, ctx: RequestContext, id: str) -> Namespace:
        """Raises NamespaceNotFound."""
        found = view.get(Namespace, ctx.account, ctx.region, id.rpartition("/")[2])
        if found is None or not found.ready:
            raise NamespaceNotFound(f"{id}")
        return found

    @staticmethod
    def _service(view: View, ctx: RequestContext, id: str) -> Service:
        """Raises ServiceNotFound."""
        found = view.get(Service, ctx.account, ctx.region, id.rpartition("/")[2])
        if found is None:
            raise ServiceNotFound("Service not found")
        return found

    @staticmethod
    def _instance(view: View, service: Service, name: str) -> Instance:
        """Raises InstanceNotFound."""
        found = view.get(Instance, service.account, service.region, instance_id(service.id, name))
        if found is None:
            raise InstanceNotFound(f"Instance not found: {name}")
        return found

    # --- operations -----------------------------------------------------------------------------------------------

    def _operation(
        self, tx: Tx, ctx: RequestContext, type: str, namespace: str, targets: dict[str, str], *,
        request: str | None = None, leftover: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """The answer of a call whose work goes on behind it."""
        operation = Operation(
            account=ctx.account, region=ctx.region, id=f"{self._entropy.lower(32)}-{self._entropy.lower(8)}", type=type,
            namespace=namespace, targets=targets, request=request, leftover=leftover, created_at=self._clock.now(),
            updated_at=self._clock.now(),
        )  # fmt: skip
        namespaces = {each.id for each in tx.list(Namespace, ctx.account, ctx.region)}
        for each in outlived(tx.list(Operation, ctx.account, ctx.region), namespaces):
            tx.delete(each)
        tx.put(operation)
        return {"OperationId": operation.id}


def paged(
    items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], usual: int = 100
) -> tuple[list[T], dict[str, str]]:
    """One page, and the member NextToken where there are more. Raises InvalidInput."""
    try:
        part, token = page(sorted(items, key=key), params.get("NextToken"), params.get("MaxResults") or usual, key)
    except InvalidToken:
        raise InvalidInput("Invalid NextToken") from None
    return part, ({"NextToken": token} if token else {})


def passes(filters: Iterable[Mapping[str, Any]] | None, values: Mapping[str, Any]) -> bool:
    """Whether something with these values, by filter name, is asked for. Raises InvalidInput."""
    for each in filters or ():
        value, wanted = values.get(each["Name"]), each["Values"]
        condition = each.get("Condition") or "EQ"
        if not wanted:
            raise InvalidInput(f"The filter {each['Name']} has no values")
        if condition == "BEGINS_WITH":
            fits = str(value).startswith(wanted[0])
        elif condition == "BETWEEN":
            try:
                start, end = map(float, wanted)
                fits = start <= float(value) <= end  # type: ignore[arg-type]
            except (TypeError, ValueError):
                raise InvalidInput(f"The filter {each['Name']} can't be BETWEEN these values") from None
        else:
            fits = value in wanted
        if not fits:
            return False
    return True


def check_tags(tags: Mapping[str, str], resource: str) -> None:
    if len(tags) > TAGS_MAX:
        raise TooManyTagsException(f"A resource can have {TAGS_MAX} tags at most", ResourceName=resource)
