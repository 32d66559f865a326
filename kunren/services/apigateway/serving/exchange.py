"""One request on its way: what is known of it, step by step, and how templates, functions and logs see it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from kunren.dataplane.apis.interface import ApiRequest
from kunren.dataplane.apis.lambda_event import context_v1, event_v1, query_values
from kunren.services.apigateway.gateway_responses import Refusal
from kunren.services.apigateway.serving.media import is_binary, to_text
from kunren.services.apigateway.serving.router import Matched, Router

_CANONICAL = {
    each.lower(): each
    for each in (
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Content-Type", "Cookie",
        "Host", "If-Match", "If-Modified-Since", "If-None-Match", "Origin", "Referer", "User-Agent", "Via",
        "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto",
    )
}  # fmt: skip


class Deployed:
    """A deployment, ready to serve: `frozen` as `freezing.freeze` made it."""

    def __init__(self, frozen: Mapping[str, Any]) -> None:
        self.api: Mapping[str, Any] = frozen["api"]
        self.models: dict[str, Any] = frozen["models"]
        self.validators: dict[str, Any] = frozen["validators"]
        self.authorizers: dict[str, Any] = frozen["authorizers"]
        self.responses: dict[str, Any] = frozen["responses"]
        self.router = Router(frozen["resources"])


class Exchange:
    """Filled in from the front to the back. `request` may be replaced by its uncompressed self."""

    def __init__(
        self, request: ApiRequest, deployed: Deployed, stage: Mapping[str, Any], variables: Mapping[str, str],
        canary: bool,
    ) -> None:  # fmt: skip
        self.request = request
        self.deployed = deployed
        self.stage = stage
        self.variables = variables
        self.canary = canary
        self.matched: Matched | None = None
        self.trace_id = ""
        self.authorizer: dict[str, Any] = {}
        self.identity: dict[str, Any] = {}
        self.overrides: dict[str, Any] = {}
        self.refusal: Refusal | None = None
        self.integration_status: int | None = None
        self.integration_latency_ms: int | None = None
        self.authorizer_latency_ms: int | None = None
        self.cached: bool | None = None
        """Whether the cache had the response; None where nothing is cached."""
        self.warnings: list[tuple[str, str]] = []
        self.lines: list[str] = []
        self.tracing = False

    # --- the request ----------------------------------------------------------------------------------------------

    @property
    def method(self) -> dict[str, Any]:
        assert self.matched is not None
        return self.matched.method

    @property
    def integration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.method["methodIntegration"]
        return found

    @property
    def parameters(self) -> dict[str, str]:
        return self.matched.parameters if self.matched is not None else {}

    @property
    def resource_path(self) -> str:
        return self.matched.path if self.matched is not None else ""

    @property
    def binary(self) -> bool:
        """Whether the request's body is one of the API's binary types."""
        types = self.deployed.api.get("binaryMediaTypes") or ()
        return bool(types) and is_binary(types, self.request.headers.get("content-type", "application/json"))

    def query(self) -> dict[str, list[str]]:
        return query_values(self.request.query)

    def method_arn(self) -> str:
        """Of the request's own path, as authorizers and policies see it."""
        return self._arn(self.request.path)

    def source_arn(self) -> str:
        """Of the method, as functions' policies see it."""
        return self._arn(self.resource_path)

    def _arn(self, path: str) -> str:
        api = self.request.api
        place = f"{api.id}/{self.stage['stageName']}/{self.request.method}/{path.lstrip('/')}"
        return f"arn:aws:execute-api:{api.region}:{api.account}:{place}"

    def log(self, text: str) -> None:
        """A line of the execution log, where there is one."""
        if self.tracing:
            self.lines.append(text)

    # --- how others see it ----------------------------------------------------------------------------------------

    def context(self) -> dict[str, Any]:
        """The request's context, as functions get it."""
        found = context_v1(self.request, self.resource_path)
        found["identity"] = {**found["identity"], **self.identity}
        found["stage"] = self.stage["stageName"]
        found["resourceId"] = self.matched.resource_id if self.matched is not None else None
        if self.authorizer:
            found["authorizer"] = {**self.authorizer, "integrationLatency": self.authorizer_latency_ms or 0}
        if self.deployed.api.get("id") and self.stage.get("deploymentId"):
            found["deploymentId"] = self.stage["deploymentId"]
        if self.canary:
            found["isCanaryRequest"] = True
        return found

    def event(self) -> dict[str, Any]:
        """The event of a Lambda proxy integration."""
        event = event_v1(
            self.request, resource=self.resource_path, parameters=self.parameters, variables=self.variables,
            context=self.context(), trace_id=self.trace_id, version=None,
        )  # fmt: skip
        event["headers"] = {canonical(name): value for name, value in event["headers"].items()}
        event["multiValueHeaders"] = {canonical(name): values for name, values in event["multiValueHeaders"].items()}
        if self.request.body:
            event["isBase64Encoded"] = self.binary
            event["body"] = self.body_text()
        return event

    def body_text(self) -> str:
        """The body as functions and templates see it: base64 where its type is binary."""
        if self.binary:
            return base64.b64encode(self.request.body).decode()
        return to_text(self.request.body)


def canonical(name: str) -> str:
    """A header's name as HTTP/1.1 clients write the well-known ones; the front keeps them in lower case."""
    return _CANONICAL.get(name, name)
