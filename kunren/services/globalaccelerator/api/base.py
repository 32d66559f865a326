"""What all handlers of globalaccelerator share: finding by ARN, paging, touching the accelerator that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.pagination import InvalidToken, page
from kunren.services.globalaccelerator.errors import (
    AcceleratorNotFoundException,
    EndpointGroupNotFoundException,
    InvalidArgumentException,
    InvalidNextTokenException,
    InvalidPortRangeException,
    ListenerNotFoundException,
    WrongRegion,
)
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    Attachment,
    CustomGroup,
    EndpointGroup,
    EndpointHealth,
    Listener,
    PortRange,
)
from kunren.world.spec import WorldSpec

HOME_REGION = "us-west-2"
DEFAULT_PAGE = 10
PORT_RANGES_MAX = 10
R = TypeVar("R", bound=Resource)
Reader = Snapshot | Tx


class Base:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        self._spec = spec
        self._store = store
        self._clock = clock
        self._entropy = entropy
        store.register(Accelerator, AcceleratorStatus, Listener, EndpointGroup, CustomGroup, Attachment, EndpointHealth)

    def _snapshot(self, ctx: RequestContext) -> Snapshot:
        check_region(ctx)
        return self._store.snapshot()

    def _accelerator(
        self, reader: Reader, ctx: RequestContext, arn: str, *, custom: bool | None = False
    ) -> Accelerator:
        """`custom` says of which type it is to be, None: of any."""
        check_region(ctx)
        check_arn(arn, parts=1)
        found = reader.get(Accelerator, ctx.account, "", arn)
        if found is None or custom not in (None, found.custom):
            raise AcceleratorNotFoundException
        return found

    def _listener(self, reader: Reader, ctx: RequestContext, arn: str, *, custom: bool | None = False) -> Listener:
        check_region(ctx)
        check_arn(arn, parts=2)
        found = reader.get(Listener, ctx.account, "", arn)
        if found is None or custom not in (None, not found.protocol):
            raise ListenerNotFoundException
        return found

    def _group(self, reader: Reader, ctx: RequestContext, arn: str) -> EndpointGroup:
        check_region(ctx)
        check_arn(arn, parts=3)
        found = reader.get(EndpointGroup, ctx.account, "", arn)
        if found is None:
            raise EndpointGroupNotFoundException
        return found

    def _custom_group(self, reader: Reader, ctx: RequestContext, arn: str) -> CustomGroup:
        check_region(ctx)
        check_arn(arn, parts=3)
        found = reader.get(CustomGroup, ctx.account, "", arn)
        if found is None:
            raise EndpointGroupNotFoundException
        return found

    def _touch(self, tx: Tx, account: str, arn: str) -> None:
        """Something below the accelerator has changed: it is IN_PROGRESS until the edge locations have that."""
        found = tx.get(Accelerator, account, "", arn)
        assert found is not None
        now = self._clock.now()
        tx.put(msgspec.structs.replace(found, revision=found.revision + 1, modified_time=now))


def check_region(ctx: RequestContext) -> None:
    if ctx.region != HOME_REGION:
        raise WrongRegion(ctx.region)


def check_arn(arn: str, parts: int) -> None:
    """`parts` is 1 for an accelerator's ARN, 2 for a listener's, 3 for an endpoint group's."""
    parsed = parse_arn(arn)
    words = parsed.resource.split("/") if parsed is not None else []
    if parsed is None or parsed.service != "globalaccelerator" or len(words) != 2 * parts or words[0] != "accelerator":
        raise InvalidArgumentException(f"{arn} is not a valid ARN.")


def one_page(items: Sequence[R], params: dict[str, Any]) -> tuple[list[R], str | None]:
    """The resources of one page, in the order they were made (their ids are random), and the next one's token."""
    try:
        return page(items, params.get("NextToken"), params.get("MaxResults") or DEFAULT_PAGE, lambda each: each.id)
    except InvalidToken:
        raise InvalidNextTokenException from None


def port_ranges(given: Sequence[dict[str, Any]], others: Iterable[Listener], protocol: str) -> tuple[PortRange, ...]:
    """Checked port ranges of a listener; `others` are the accelerator's other listeners."""
    if not 1 <= len(given) <= PORT_RANGES_MAX:
        raise InvalidArgumentException(f"A listener must have from 1 to {PORT_RANGES_MAX} port ranges.")
    ranges = tuple(PortRange(first=each.get("FromPort") or 0, last=each.get("ToPort") or 0) for each in given)
    for each in ranges:
        if not 1 <= each.first <= each.last:
            raise _refused(each)
    taken = [theirs for other in others if other.protocol == protocol for theirs in other.port_ranges]
    for number, each in enumerate(ranges):
        for theirs in (*ranges[:number], *taken):
            if each.first <= theirs.last and theirs.first <= each.last:
                raise _refused(each, theirs)
    return ranges


def _refused(each: PortRange, other: PortRange | None = None) -> InvalidPortRangeException:
    shown = f"{each.first}-{each.last}"
    if other is None:
        return InvalidPortRangeException(f"Port range {shown} is not valid.")
    return InvalidPortRangeException(f"Port range {shown} overlaps with port range {other.first}-{other.last}.")


def same_request(existing: Iterable[R], token: str, matches: Callable[[R], bool]) -> R | None:
    """What an earlier call with this idempotency token made; a token that came with other parameters is refused."""
    for each in existing:
        if getattr(each, "idempotency_token", "") == token and token:
            if not matches(each):
                raise InvalidArgumentException("The idempotency token was used with different parameters.")
            return each
    return None
