"""One resource's operation, as its handler sees it: what is wanted, how to call AWS, how to wait.

A handler is run again from its start after a restart. So calls that change something are journaled: `write` gives what
the same call gave before, without making it twice. Where an operation of ours answers at once, the call and the note of
it are one transaction; otherwise the row says first that it is about to be asked, and an answer "exists already" to a
call that was begun before means that it had been made.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import jmespath
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import CallAndNote, CallService, Permit, limited
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.cloudformation.model import Stack, StackResource
from kunren.services.cloudformation.records import Records
from kunren.services.cloudformation.waking import Waking

T = TypeVar("T")
POLL_FIRST_S, POLL_LAST_S = 0.02, 0.5
STABLE_WITHIN_S = 10_800.0
_EXISTS = re.compile(
    r"AlreadyExist|AlreadyOwned|ResourceConflict|ResourceInUse|ResourceExists|QueueNameExists|Duplicate"
)
_MISSING = re.compile(r"NotFound|^NoSuch|NonExistent|DoesNotExist|UnknownResource")


UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a kind raises on values that it does not expect: the same however often it is tried, so the resource fails."""


class Failed(Exception):
    """The resource can't be as it is wanted; the text becomes its status reason."""


class AlreadyThere(Failed):
    """Somebody has what was to be made."""


class Cancelled(Exception):
    """The stack's operation has been given up meanwhile."""


class Work:
    """`properties` are what is wanted, `before` what was (updates), `old_tags`/`tags` the tags with the stack's own,
    `back_to` the attributes from before the operation, where this is the way back.
    `physical` and `attributes` are kept when the handler is through."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        call: CallService,
        noting: CallAndNote,
        records: Records,
        stack: Stack,
        row: StackResource,
        *,
        cancelled: Callable[[], bool],
        noted: Callable[[StackResource], None],
        waking: Waking | None = None,
        permit: Permit | None = None,
    ) -> None:
        assert row.attempt is not None
        self.store, self.clock = store, clock
        self.account, self.region = stack.account, stack.region
        self.stack, self.row = stack, row
        self.logical, self.type, self.token = row.logical, row.type, row.attempt.token
        self.properties: dict[str, Any] = row.attempt.properties
        self.update_policy: dict[str, Any] = row.attempt.update_policy
        self.before: dict[str, Any] = {}
        self.tags: dict[str, str] = {}
        self.old_tags: dict[str, str] = {}
        self.physical = row.physical
        self.attributes: dict[str, Any] = dict(row.attributes)
        self.back_to: Mapping[str, Any] = {}
        self._call = limited(call, permit, stack.actor) if self.looking else call
        self._noting, self.records = noting, records
        self._cancelled, self._noted, self._waking = cancelled, noted, waking
        self._permit = permit
        self._position, self._asked_before = 0, row.attempt.asked

    def get(self, name: str, default: Any = None) -> Any:
        return self.properties.get(name, default)

    def pick(self, *names: str) -> dict[str, Any]:
        """Those of the properties that are stated; "Name=LoadBalancerName" gives one under another name."""
        pairs = [each.partition("=") for each in names]
        return {new or name: self.properties[name] for name, _, new in pairs if name in self.properties}

    def changed(self, *names: str) -> bool:
        return any(self.properties.get(name) != self.before.get(name) for name in names)

    def name(self, longest: int = 64, lower: bool = False, suffix: str = "") -> str:
        """A name of the stack's own making: stack, logical id, twelve characters that are the attempt's."""
        tail = re.sub(r"[^0-9A-Za-z]", "", self.token)[:12].upper()
        room = longest - len(tail) - len(suffix) - 2
        stack, logical = self.stack.name, self.logical
        if len(stack) + len(logical) > room:
            stack = stack[: max(room - len(logical), room // 2)].rstrip("-")  # not all names may hold two in a row
            logical = logical[: room - len(stack)]
        found = f"{stack}-{logical}-{tail}{suffix}"
        return found.lower() if lower else found

    # -- calls -------------------------------------------------------------------------------------------------------

    async def write(
        self,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        keep: str | Callable[[Mapping[str, Any]], Any] = "",
        *,
        physical: bool = False,
        region: str = "",
        missing_ok: bool = False,
        taken: Callable[[], Awaitable[Any]] | None = None,
    ) -> Any:
        """Change something; returns what `keep` (a path, or a function) finds in the answer, also after a restart.
        With `physical` that is the resource's physical id. `taken` asks whether somebody has a name that is stated
        (AwsError: nobody), so that a restart does not take theirs for what was made here. Raises AwsError, Cancelled.
        """
        attempt = self.row.attempt
        assert attempt is not None
        position, self._position = self._position, self._position + 1
        if position < len(attempt.journal):
            kept = attempt.journal[position]
            if physical and kept:
                self.physical = kept
            return kept
        if self._cancelled():
            raise Cancelled
        try:
            await self.permitted(service, operation, params, region)
        except AwsError:
            self._position = position
            raise
        begun = attempt.asked == position
        if not begun and not self._noting.together(service, operation) and not await _there(taken):
            self._keep(asked=position)
            await self.store.durable()
        kept = None

        def noted(result: Mapping[str, Any]) -> None:
            nonlocal kept
            kept = keep(result) if callable(keep) else jmespath.search(keep, result) if keep else None
            if physical and kept:
                self.physical = kept
            self._keep(journal=kept)

        try:
            await self._noting.call(self.account, region or self.region, service, operation, dict(params), noted)
        except AwsError as error:
            if (begun and _EXISTS.search(error.code)) or (missing_ok and is_missing(error)):
                self._keep(journal=None)
                return None
            self._position = position  # it may be tried again
            raise
        return kept

    @property
    def looking(self) -> bool:
        """Whether nothing is to be made: a stopped instance, say, is not waited for."""
        return self.row.attempt is not None and self.row.attempt.action in ("read", "import")

    @property
    def passed(self) -> bool:
        """Whether a call behind this point was begun before a restart: what is waited for here is over."""
        attempt = self.row.attempt
        assert attempt is not None
        return self._position < len(attempt.journal) or attempt.asked >= self._position

    async def permitted(self, service: str, operation: str, params: Mapping[str, Any], region: str = "") -> None:
        """Raises AwsError where whoever asks for the operation of the stack may not have that called."""
        if self._permit is not None and self.stack.actor is not None:
            await self._permit(self.stack.actor, region or self.region, service, operation, params)

    async def undo(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """On the way out of a failure: a change that is the same however often it is made, and may fail."""
        with suppress(AwsError):
            await self.permitted(service, operation, params)
            await self._call(self.account, self.region, service, operation, dict(params))

    async def read(self, service: str, operation: str, params: Mapping[str, Any], region: str = "") -> Any:
        return await self._call(self.account, region or self.region, service, operation, dict(params))

    async def must_be_free(
        self,
        name: str,
        service: str,
        operation: str,
        params: Mapping[str, Any],
        found: Callable[[Mapping[str, Any]], Any] = bool,
    ) -> None:
        """For creations that answer well where the account has such a resource already: ask first. It has where
        `found` is true of the answer. Raises Failed."""
        assert self.row.attempt is not None
        if self.row.attempt.journal or self._asked_before >= 0:
            return  # it is this one, made before a restart
        try:
            shown = await self.read(service, operation, params)
        except AwsError:
            return
        if found(shown):
            raise AlreadyThere(f"Resource of type '{self.type}' with identifier '{name}' already exists.")

    def known(self, physical: str) -> None:
        """The physical id is decided before anything is made."""
        self.physical = physical
        if self.row.physical != physical:
            self._keep()

    def left(self, error: Exception | None) -> StackResource:
        """The row behind a failure. Where a creation made nothing (no call was begun, or the first one was refused), it
        names no resource: what has the name that was wanted is somebody else's, and a rollback is not to delete it."""
        attempt = self.row.attempt
        assert attempt is not None
        refused = isinstance(error, AwsError) and error.status < 500
        nothing = attempt.action == "create" and not attempt.journal and self._asked_before < 0
        return replace(self.row, physical="") if nothing and (refused or attempt.asked < 0) else self.row

    _NOTHING: Any = object()

    def _keep(self, asked: int | None = None, journal: Any = _NOTHING) -> None:
        attempt = self.row.attempt
        assert attempt is not None
        if asked is not None:
            attempt = replace(attempt, asked=asked)
        if journal is not Work._NOTHING:
            attempt = replace(attempt, journal=(*attempt.journal, journal))
        self.row = replace(self.row, attempt=attempt, physical=self.physical)
        self._noted(self.row)

    async def until(self, check: Callable[[], Awaitable[T | None]], what: str = "") -> T:
        """Ask until there is an answer. Raises Failed when it takes longer than AWS gives a resource, Cancelled."""
        began, pause = self.clock.now(), POLL_FIRST_S
        while True:
            if (found := await check()) is not None:
                return found
            if self._cancelled():
                raise Cancelled
            if self.clock.now() - began > STABLE_WITHIN_S:
                raise Failed(f"Resource of type '{self.type}' with identifier '{self.physical}' did not stabilize.")
            if self._waking is None:
                await self.clock.wall_sleep(pause)
            else:
                await self._waking.pause(self.physical, self.clock, pause)
            pause = min(pause * 1.5, POLL_LAST_S)


async def _there(ask: Callable[[], Awaitable[Any]] | None) -> bool:
    try:
        return ask is not None and bool(await ask())
    except AwsError:
        return False


def is_missing(error: AwsError) -> bool:
    """Whether an error says that what was asked for does not exist."""
    return _MISSING.search(error.code) is not None or (
        error.code == "ValidationError" and re.search("does not exist|not found", error.message) is not None
    )


def handler_code(error: AwsError) -> str:
    """The HandlerErrorCode that stands for an operation's error."""
    if _EXISTS.search(error.code):
        return "AlreadyExists"
    if is_missing(error):
        return "NotFound"
    if "AccessDenied" in error.code or error.code == "UnauthorizedOperation":
        return "AccessDenied"
    return "InvalidRequest" if error.status < 500 else "GeneralServiceException"


def told(error: AwsError, service: str, token: str) -> str:
    """An operation's error as a resource's status reason, as AWS words it."""
    code = handler_code(error)
    words = f"{error.message} (Service: {service}, Status Code: {error.status})"
    return f'Resource handler returned message: "{words}" (RequestToken: {token}, HandlerErrorCode: {code})'
