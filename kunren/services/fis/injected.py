"""Faults of running actions that are met by whoever makes a call: errors of AWS's API, and changed invocations.

Nothing is injected or taken away: what is in force is read from the experiments that run, so it begins and ends with
them, also after a crash. `ApiErrors.hook` stands in the gateway's chain, `InvocationFaults.of` before each invocation.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from kunren.control.store import Key, Store
from kunren.core.calling import CallService
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, WireError
from kunren.core.own_credentials import role_of_token
from kunren.services.fis.catalog import listed
from kunren.services.fis.model import Experiment, Found
from kunren.services.lambda_.invocation_faults import InvocationFault

_API = "aws:fis:inject-api-"
_LAMBDA = "aws:lambda:invocation-"
DELAY_MS = 2000


class Running(NamedTuple):
    action_id: str
    parameters: Mapping[str, str]
    resources: tuple[Found, ...]
    qualifier: str = ""


class Injected:
    """The running actions of one family, kept as the store says."""

    def __init__(self, store: Store, prefix: str, changed: Callable[[], None] = lambda: None) -> None:
        self._store, self._prefix, self._changed = store, prefix, changed
        self.running: tuple[Running, ...] = ()
        store.subscribe(self._read, wants=lambda kind: kind == Experiment.kind)
        self._read()

    def _read(self, _: frozenset[Key] = frozenset()) -> None:
        before, self.running = self.running, tuple(self._found())
        if before != self.running:
            self._changed()

    def _found(self) -> Iterator[Running]:
        for experiment in self._store.snapshot().every(Experiment):
            for name, run in experiment.runs.items():
                action = experiment.actions[name]
                if run.status == "running" and action["actionId"].startswith(self._prefix):
                    given = action.get("parameters") or {}
                    for target in (action.get("targets") or {}).values():
                        settings = experiment.targets[target].get("parameters") or {}
                        found = experiment.found.get(target, ())
                        yield Running(action["actionId"], given, found, settings.get("functionQualifier", ""))


class Route(Protocol):
    """What the gateway knows of a request by then."""

    @property
    def service(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def region(self) -> str: ...


class ApiCall(Protocol):
    @property
    def route(self) -> Any: ...
    @property
    def request(self) -> Any: ...


class ApiErrors:
    """Errors for calls that an IAM role makes. Whose a call is: a function's credentials name its role, and STS knows
    those that it gave out for an assumed role."""

    def __init__(self, store: Store, entropy: Entropy, call: CallService) -> None:
        self._injected = Injected(store, _API)
        self._entropy, self._call = entropy, call
        self._roles: dict[str, str] = {}  # access key → name of the role, "" for none

    def hook(self, call: ApiCall) -> Awaitable[None] | None:
        """Raises the error that a call meets."""
        if not self._injected.running or call.route is None:
            return None
        route = call.route
        concerned = [
            each
            for each in self._injected.running
            if each.parameters["service"] == route.service and route.operation in listed(each.parameters["operations"])
        ]
        if not concerned:
            return None
        token = call.request.headers.get("x-amz-security-token", "")
        if (role := role_of_token(token)) is not None:
            self._meet(concerned, role, route.service)
            return None
        return self._ask(concerned, route)

    async def _ask(self, concerned: list[Running], route: Route) -> None:
        key = route.access_key
        if key not in self._roles:
            role = await self._assumed(key)
            if role is None:
                return
            self._roles[key] = role
        self._meet(concerned, self._roles[key], route.service)

    async def _assumed(self, key: str) -> str | None:
        """The name of the role, "" for none; None where STS does not answer, and is to be asked again."""
        if not key.startswith("ASIA") and not key.startswith("LSIA"):
            return ""
        try:
            arn = str((await self._call(key, "us-east-1", "sts", "GetCallerIdentity", {})).get("Arn", ""))
        except AwsError:
            return None
        return arn.split("/")[1] if ":assumed-role/" in arn else ""

    def _meet(self, concerned: list[Running], role: str, service: str) -> None:
        for each in concerned:
            named = any(role in (found.arn, found.id) for found in each.resources)
            if role and named and self._entropy.uniform(0, 100) < float(each.parameters["percentage"]):
                raise error_of(each.action_id, service)


def error_of(action_id: str, service: str) -> WireError:
    """What a service answers; EC2's codes are EC2's own ("Error codes for the Amazon EC2 API")."""
    kind = action_id.removeprefix(_API)
    if kind == "throttle-error":
        if service == "ec2":
            return WireError("RequestLimitExceeded", "Request limit exceeded.", 503)
        return WireError("ThrottlingException", "Rate exceeded", 400)
    if kind == "unavailable-error":
        code = "Unavailable" if service == "ec2" else "ServiceUnavailable"
        return WireError(code, "The service is unavailable. Please try again shortly.", 503)
    code = "InternalError" if service == "ec2" else "InternalFailure"
    return WireError(code, "An internal error has occurred", 500)


class InvocationFaults:
    """What happens to invocations of functions."""

    def __init__(self, store: Store, entropy: Entropy) -> None:
        self._injected = Injected(store, _LAMBDA)
        self._entropy = entropy

    def of(self, arn: str, qualifier: str) -> InvocationFault | None:
        """What this invocation of a function (by its ARN without qualifier) meets; drawn anew each time."""
        found: InvocationFault | None = None
        for each in self._injected.running:
            if not any(one.arn == arn for one in each.resources) or each.qualifier not in ("", qualifier):
                continue
            parameters = each.parameters
            if self._entropy.uniform(0, 100) < float(parameters.get("invocationPercentage", "100")):
                found = _changed(found or InvocationFault(), each.action_id, parameters)
        return found


def _changed(fault: InvocationFault, action_id: str, parameters: Mapping[str, str]) -> InvocationFault:
    """The fault with one more action's effect; of several answers the last counts."""
    match action_id.removeprefix(_LAMBDA):
        case "add-delay":
            delay = float(parameters.get("startupDelayMilliseconds", DELAY_MS)) / 1000
            return fault._replace(delay_s=fault.delay_s + delay)
        case "error":
            answer: dict[str, Any] = {"errorMessage": "Error injected by AWS FIS", "errorType": "FaultInjected"}
            return fault._replace(answer=_json(answer), fails=True, runs=parameters["preventExecution"] == "false")
    answer = {
        "statusCode": int(parameters["statusCode"]),
        "headers": {"Content-Type": parameters["contentTypeHeader"]},
        "body": "",
    }
    return fault._replace(answer=_json(answer), fails=False, runs=parameters["preventExecution"] == "false")


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
