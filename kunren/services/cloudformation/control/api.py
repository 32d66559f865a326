"""AWS Cloud Control API's operations."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import jsonpatch
import jsonpointer
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.calling import Actor, actor_of
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.pagination import InvalidToken, page
from kunren.services.cloudformation.acting import SESSION
from kunren.services.cloudformation.control import errors
from kunren.services.cloudformation.control.engine import RUNNING
from kunren.services.cloudformation.control.lists import listed, primary
from kunren.services.cloudformation.control.resources import expired, known, named, remembered, shown, work_on
from kunren.services.cloudformation.decisions import decide, tags_of
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.hooks import VERSION
from kunren.services.cloudformation.model import Attempt, HookResult, Request, StackResource
from kunren.services.cloudformation.parts import Parts
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.resources.kind import Unreadable
from kunren.services.cloudformation.schemas import Schema, coerced, violations
from kunren.services.cloudformation.template import checked
from kunren.services.cloudformation.work import UNFORESEEN, Failed, handler_code

PAGE = 100
STATE_BYTES_MAX = 262_144  # of DesiredState, as the model of the operations says
KEPT_DAYS = 7  # that a request is shown
TOKEN_HOURS = 36  # that a client token is known again
_NO_OBJECT = "Model validation failed (#: expected type: JSONObject)"
Params = Mapping[str, Any]
Result = dict[str, Any]


class CloudControlApi:
    """Handlers of cloudcontrol."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, parts: Parts) -> None:
        self._store, self._clock, self._entropy, self._parts = store, clock, entropy, parts

    # -- changes -----------------------------------------------------------------------------------------------------

    def create_resource(self, ctx: RequestContext, params: Params) -> Result:
        of = known(params["TypeName"])
        properties = _model(of, _json(params["DesiredState"], "DesiredState"))
        return self._begin(ctx, params, "CREATE", named(ctx.account, ctx.region, of, ""), properties)

    async def update_resource(self, ctx: RequestContext, params: Params) -> Result:
        if (asked := self._by_token(ctx, params)) is not None:
            return asked  # what it did, the resource shows by now
        of = known(params["TypeName"])
        row, actual = await self._held(ctx, of, params)
        before = {key: each for key, each in {**row.properties, **actual}.items() if key not in of.read_only}
        properties = _model(of, patched(before, _json(params["PatchDocument"], "PatchDocument")))
        if decide(kind_of(of.type), of.type, before, properties)[0] == "replace":
            raise errors.InvalidRequestException(
                "Invalid patch update: createOnlyProperties ["
                + ", ".join(f"/properties/{each}" for each in sorted(of.create_only))
                + "] cannot be updated"
            )
        return self._begin(ctx, params, "UPDATE", replace(row, properties=before), properties)

    async def delete_resource(self, ctx: RequestContext, params: Params) -> Result:
        if (asked := self._by_token(ctx, params)) is not None:
            return asked  # what it did, the resource shows by now
        of = known(params["TypeName"])
        row, _ = await self._held(ctx, of, params)
        return self._begin(ctx, params, "DELETE", row, row.properties)

    def _by_token(self, ctx: RequestContext, params: Params) -> Result | None:
        """What was answered to this very request before. Raises ClientTokenConflictException."""
        token, since = params.get("ClientToken"), self._clock.now() - TOKEN_HOURS * 3600
        for each in self._store.snapshot().list(Request, ctx.account, ctx.region) if token else ():
            if each.client_token == token and each.asked_at > since:
                if each.asked != _asked(params):
                    raise errors.ClientTokenConflictException(f"Client token {token} was used with other parameters")
                return {"ProgressEvent": _event(each)}
        return None

    def _begin(
        self, ctx: RequestContext, params: Params, operation: str, row: StackResource, properties: dict[str, Any]
    ) -> Result:
        wanted = params.get("Identifier", "")
        with self._store.write() as tx:
            if (before := self._by_token(ctx, params)) is not None:
                return before
            held = tx.list(Request, ctx.account, ctx.region)
            for each in expired(held, self._clock.now() - KEPT_DAYS * 86_400):
                tx.delete(each)
                for one in tx.list(HookResult, ctx.account, ctx.region):
                    if one.execution == each.id:
                        tx.delete(one)
            for each in held:
                if wanted and each.status in RUNNING and (each.type, each.identifier) == (row.type, wanted):
                    raise errors.ConcurrentOperationException(
                        f"Resource {wanted} of type {row.type} is being worked on by request {each.id}"
                    )
            id = self._entropy.uuid()
            attempt = Attempt(
                action=operation.lower(),
                token=id,
                properties=properties,
                began=self._clock.now(),
                tags=tags_of(kind_of(row.type), row.type, properties, {}),
            )
            made = Request(
                account=ctx.account,
                region=ctx.region,
                id=id,
                type=row.type,
                operation=operation,
                identifier=wanted,
                actor=_actor(ctx, params),
                status="IN_PROGRESS",
                row=replace(row, attempt=attempt),
                client_token=params.get("ClientToken", ""),
                asked=_asked(params),
                asked_at=self._clock.now(),
                model=json.dumps(properties) if operation != "DELETE" else "",
                at=self._clock.now(),
            )
            tx.put(made)
        return {"ProgressEvent": _event(made)}

    # -- reads -------------------------------------------------------------------------------------------------------

    async def get_resource(self, ctx: RequestContext, params: Params) -> Result:
        of = known(params["TypeName"])
        row, actual = await self._read(ctx, of, params)
        told = {"Identifier": params["Identifier"], "Properties": json.dumps(shown(of, row, actual), default=str)}
        return {"TypeName": of.type, "ResourceDescription": told}

    def _remembered(self, ctx: RequestContext, of: Schema, wanted: str) -> StackResource | None:
        return remembered(self._store.snapshot(), ctx.account, ctx.region, of, wanted)

    async def _held(self, ctx: RequestContext, of: Schema, params: Params) -> tuple[StackResource, dict[str, Any]]:
        """As `_read`; where a kind can't look, what was made here is what it was made as."""
        try:
            return await self._read(ctx, of, params)
        except errors.UnsupportedActionException:
            if (row := self._remembered(ctx, of, params["Identifier"])) is None:
                raise
            return row, {}

    async def _read(self, ctx: RequestContext, of: Schema, params: Params) -> tuple[StackResource, dict[str, Any]]:
        """What is known of the resource, and what it is like. Raises ResourceNotFoundException,
        UnsupportedActionException where a kind can't look."""
        wanted = params["Identifier"]
        row = self._remembered(ctx, of, wanted) or named(ctx.account, ctx.region, of, wanted)
        attempt = Attempt(action="read", token=self._entropy.uuid(), properties=row.properties)
        work = work_on(self._parts, replace(row, attempt=attempt), actor=_actor(ctx, params))
        try:
            actual = await kind_of(of.type).read(work)
        except Unreadable:
            raise errors.UnsupportedActionException(f"Resource type {of.type} does not support READ action") from None
        except (Failed, AwsError) as error:
            _check_allowed(error)
            raise errors.ResourceNotFoundException(str(error)) from None
        except UNFORESEEN:  # an identifier of another shape
            actual = None
        if actual is None:
            raise errors.ResourceNotFoundException(
                f"Resource of type '{of.type}' with identifier '{wanted}' was not found."
            )
        return replace(row, attributes=work.attributes or row.attributes), coerced(
            of, {key: each for key, each in actual.items() if each is not None}
        )

    async def list_resources(self, ctx: RequestContext, params: Params) -> Result:
        of = known(params["TypeName"])
        model = _json(params["ResourceModel"], "ResourceModel") if params.get("ResourceModel") else {}
        if not isinstance(model, dict):
            raise errors.InvalidRequestException(_NO_OBJECT)
        call = self._parts.call_as(_actor(ctx, params))
        try:
            found = await listed(call, ctx.account, ctx.region, of, coerced(of, model))
        except AwsError as error:
            _check_allowed(error)
            if error.status >= 500 or type(error).__module__ == errors.__name__:
                raise
            raise errors.InvalidRequestException(error.message) from None
        try:
            chosen, token = page(found, params.get("NextToken"), params.get("MaxResults") or PAGE, str)
        except InvalidToken:
            raise errors.InvalidRequestException("The NextToken is invalid.") from None
        told = [{"Identifier": each, "Properties": json.dumps(primary(of, each))} for each in chosen]
        return {"TypeName": of.type, "ResourceDescriptions": told, **({"NextToken": token} if token else {})}

    def get_resource_request_status(self, ctx: RequestContext, params: Params) -> Result:
        request = self._request(ctx, params["RequestToken"])
        asked = [
            each
            for each in self._store.snapshot().list(HookResult, ctx.account, ctx.region)
            if each.execution == request.id
        ]
        token = {"HooksRequestToken": request.id} if asked else {}
        hooks = {"HooksProgressEvent": [hook_event(each) for each in asked]} if asked else {}
        return {"ProgressEvent": {**_event(request), **token}, **hooks}

    def list_resource_requests(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("ResourceRequestStatusFilter") or {}
        held = [
            each
            for each in self._store.snapshot().list(Request, ctx.account, ctx.region)
            if each.at >= self._clock.now() - KEPT_DAYS * 86_400
            and each.operation in (wanted.get("Operations") or (each.operation,))
            and each.status in (wanted.get("OperationStatuses") or (each.status,))
        ]
        try:
            chosen, token = page(held, params.get("NextToken"), params.get("MaxResults") or PAGE, lambda each: each.id)
        except InvalidToken:
            raise errors.InvalidRequestException("The NextToken is invalid.") from None
        return {
            "ResourceRequestStatusSummaries": [_event(each) for each in chosen],
            **({"NextToken": token} if token else {}),
        }

    def cancel_resource_request(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            request = self._request(ctx, params["RequestToken"])
            if request.status != "IN_PROGRESS":
                raise errors.ConcurrentModificationException(
                    f"Request {request.id} is in {request.status} state and cannot be cancelled"
                )
            request = replace(request, status="CANCEL_IN_PROGRESS", at=self._clock.now())
            tx.put(request)
        return {"ProgressEvent": _event(request)}

    def _request(self, ctx: RequestContext, token: str) -> Request:
        found = self._store.snapshot().get(Request, ctx.account, ctx.region, token)
        if found is None or found.at < self._clock.now() - KEPT_DAYS * 86_400:
            raise errors.RequestTokenNotFoundException(f"Request with token {token} was not found")
        return found


def hook_event(result: HookResult) -> Result:
    """A HookProgressEvent."""
    return {
        "HookTypeName": result.name,
        "HookTypeVersionId": VERSION,
        "HookTypeArn": result.arn,
        "InvocationPoint": "PRE_PROVISION",
        "HookStatus": result.status,
        "HookEventTime": result.at,
        "HookStatusMessage": result.reason,
        "FailureMode": result.mode,
    }


def _actor(ctx: RequestContext, params: Params) -> Actor | None:
    """Who must be allowed what a request makes and reads: the role that is handed over, or whoever asks. Raises
    AccessDeniedException."""
    role = params.get("RoleArn")
    if role and role.split(":")[4:5] != [ctx.account]:
        raise errors.AccessDeniedException(f"Role {role} is invalid or cannot be assumed")
    return Actor(role=role, session=SESSION) if role else actor_of(ctx.caller)


def _check_allowed(error: Exception) -> None:
    """Raises AccessDeniedException where the error says that somebody may not."""
    if isinstance(error, AwsError) and handler_code(error) == "AccessDenied":
        raise errors.AccessDeniedException(error.message) from None


def _asked(params: Params) -> str:
    return json.dumps({key: params[key] for key in sorted(params) if key != "ClientToken"}, default=str)


def patched(before: dict[str, Any], patch: Any) -> Any:
    """The properties behind a JSON Patch (RFC 6902). Raises InvalidRequestException, also where copies of copies would
    make the properties larger than a request may state them."""
    found: Any = copy.deepcopy(before)
    room = STATE_BYTES_MAX
    try:
        for each in jsonpatch.JsonPatch(patch):
            if each["op"] == "copy":
                room -= len(json.dumps(jsonpointer.resolve_pointer(found, each["from"])))
                if room < 0:
                    raise errors.InvalidRequestException("Invalid patch: it makes the properties too large")
            found = jsonpatch.apply_patch(found, [each], in_place=True)
        return checked(found)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, ValidationError, *UNFORESEEN) as error:
        raise errors.InvalidRequestException(f"Invalid patch: {error}") from None


def _json(text: str, name: str) -> Any:
    try:
        return checked(json.loads(text))
    except (RecursionError, ValueError, ValidationError):
        raise errors.InvalidRequestException(f"{name} is no JSON document") from None


def _model(of: Schema, given: Any) -> dict[str, Any]:
    """The properties, of the kinds that the schema wants. Raises InvalidRequestException."""
    if not isinstance(given, dict):
        raise errors.InvalidRequestException(_NO_OBJECT)
    properties = coerced(of, given)
    if wrong := violations(of, properties):
        raise errors.InvalidRequestException(f"Model validation failed ({'; '.join(wrong)})")
    return properties


def _event(request: Request) -> Result:
    optional = {
        "Identifier": request.identifier,
        "ResourceModel": request.model,
        "StatusMessage": request.message,
        "ErrorCode": request.code,
    }
    return {
        "TypeName": request.type,
        "RequestToken": request.id,
        "Operation": request.operation,
        "OperationStatus": request.status,
        "EventTime": request.at,
        **{key: value for key, value in optional.items() if value},
    }
