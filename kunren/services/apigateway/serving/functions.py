"""Lambda functions as integrations and authorizers see them: found by their URI, asked by leave of their policy."""

from __future__ import annotations

import re
from typing import NamedTuple

from kunren.control.store import Store
from kunren.core.errors import AwsError
from kunren.services.lambda_.invoker import Invoker, InvokeResult
from kunren.services.lambda_.lookup import find, find_function
from kunren.services.lambda_.names import FunctionName, split_arn
from kunren.services.lambda_.policy import service_may_invoke

SERVICE = "apigateway.amazonaws.com"
_URI = re.compile(r"arn:aws:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(.+)/invocations")


class NotPermitted(Exception):
    """The function is not there, or its policy does not let the API in; the text says which."""


class Functions:
    def __init__(self, store: Store, invoker: Invoker) -> None:
        self._store = store
        self._invoker = invoker

    def new_trace_id(self) -> str:
        return self._invoker.new_trace_id()

    def check(self, uri: str, source_arn: str, account: str, *, by_role: bool) -> FunctionName:
        """The function of a URI. With a role the function's own policy is not asked. Raises NotPermitted."""
        found = _URI.fullmatch(uri)
        name = split_arn(found[1]) if found is not None else None
        if name is None:
            raise NotPermitted(f"{uri} names no function")
        snapshot = self._store.snapshot()
        try:
            find(snapshot, name)
            statements = find_function(snapshot, name).policies.get(name.qualifier, ())
        except AwsError as error:
            raise NotPermitted(str(error)) from None
        if not by_role and not service_may_invoke(
            statements, service=SERVICE, source_arn=source_arn, source_account=account
        ):
            raise NotPermitted("Invalid permissions on Lambda function")
        return name

    async def invoke(self, name: FunctionName, payload: bytes, trace_id: str) -> InvokeResult:
        """Raises AwsError."""
        return await self._invoker.invoke(
            name.account, name.region, name.name, name.qualifier or None, payload, trace_id=trace_id
        )

    async def start(self, name: FunctionName, payload: bytes, request_id: str) -> None:
        """An Event invocation, accepted and on disk. Raises AwsError."""
        self._invoker.enqueue(name, payload, request_id)
        await self._store.durable()


class Named(NamedTuple):
    """What a service integration's URI says: the service, and a path or an operation of it."""

    region: str
    service: str
    subdomain: str
    path: str
    action: str


def service_of(uri: str) -> Named | None:
    """`arn:aws:apigateway:REGION:[SUBDOMAIN.]SERVICE:path/...` or `:action/...`."""
    parts = uri.split(":", 5)
    if len(parts) != 6 or parts[:3] != ["arn", "aws", "apigateway"]:
        return None
    subdomain, _, service = parts[4].rpartition(".")
    kind, _, rest = parts[5].partition("/")
    if kind == "path":
        return Named(parts[3], service, subdomain, "/" + rest, "")
    return Named(parts[3], service, subdomain, "/", rest.removeprefix("&Action=")) if kind == "action" else None
