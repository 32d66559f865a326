"""One request on its way through an HTTP API: what is known of it, for mappings, events and access logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kunren.dataplane.apis.interface import ApiRequest, ApiResponse
from kunren.dataplane.apis.lambda_event import clf_time, query_values
from kunren.services.apigatewayv2.model import Content, Stage
from kunren.services.apigatewayv2.parameters import in_body
from kunren.services.apigatewayv2.routing import Chosen


@dataclass(slots=True)
class Exchange:
    """`authorizer` is what the event says of who asks (`{"jwt": ...}`), `known` the `$context.authorizer` and
    `$context.identity` variables that go with it. Latencies are real milliseconds."""

    request: ApiRequest
    stage: Stage
    content: Content
    trace_id: str
    began: float
    route: Chosen | None = None
    authorizer: dict[str, Any] | None = None
    known: dict[str, Any] = field(default_factory=dict)
    integration_status: int | None = None
    integration_latency_ms: int | None = None
    integration_error: str = ""
    integration_request_id: str = ""
    authorizer_error: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The stage's variables."""
        return dict(self.stage.config.get("StageVariables", {}))

    @property
    def route_key(self) -> str:
        return str(self.route.config["RouteKey"]) if self.route is not None else ""

    @property
    def route_arn(self) -> str:
        """The ARN by which permissions and policies speak of what is asked for."""
        request = self.request
        head = f"arn:aws:execute-api:{request.api.region}:{request.api.account}:{request.api.id}/{request.stage}"
        assert self.route is not None
        if not self.route.key.method:
            return f"{head}/$default"
        return f"{head}/{request.method}{self.route.key.path}"

    def context(self) -> dict[str, Any]:
        """The `$context` variables that are known before there is an answer."""
        request = self.request
        return {
            "accountId": request.api.account,
            "apiId": request.api.id,
            "customDomain.basePathMatched": request.base_path or None,
            "domainName": request.host,
            "domainPrefix": request.host.partition(".")[0],
            "extendedRequestId": request.id,
            "httpMethod": request.method,
            "identity.sourceIp": request.source_ip,
            "identity.userAgent": request.headers.get("user-agent"),
            "path": request.raw_path,
            "protocol": "HTTP/1.1",
            "requestId": request.id,
            "requestTime": clf_time(request.time),
            "requestTimeEpoch": int(request.time * 1000),
            "routeKey": self.route_key,
            "stage": request.stage,
            **_certificate(request),
            **self.known,
        }

    def logged(self, response: ApiResponse, now: float) -> dict[str, Any]:
        """All `$context` variables, for the access log."""
        length = len(response.body) if isinstance(response.body, bytes) else 0
        failed = response.status >= 400 and self.integration_status is None
        words = response.body.decode("utf-8", "replace") if failed and isinstance(response.body, bytes) else ""
        said = in_body(words.encode(), ".message") if words else None
        return {
            **self.context(),
            "authorizer.error": self.authorizer_error,
            "dataProcessed": len(self.request.body) + length,
            "error.message": said,
            "error.messageString": f'"{said}"' if said else None,
            "error.responseType": _RESPONSE_TYPES.get(response.status) if failed else None,
            "integration.error": self.integration_error,
            "integration.integrationStatus": self.integration_status,
            "integration.latency": self.integration_latency_ms,
            "integration.requestId": self.integration_request_id,
            "integration.status": self.integration_status,
            "integrationErrorMessage": self.integration_error,
            "integrationLatency": self.integration_latency_ms,
            "integrationStatus": self.integration_status,
            "responseLatency": int((now - self.began) * 1000),
            "responseLength": length,
            "status": response.status,
        }

    def look(self, name: str) -> str | None:
        """A variable of parameter mappings about the request, by its name without `$`."""
        where, _, rest = name.partition(".")
        if where == "stageVariables":
            return self.variables.get(rest)
        if where == "context":
            value = self.context().get(rest)
            return None if value is None else str(value)
        return self._of_request(rest) if where == "request" else None

    def _of_request(self, rest: str) -> str | None:
        part, _, name = rest.partition(".")
        request = self.request
        if part == "header":
            return request.headers.get(name.lower())
        if part == "querystring":
            values = query_values(request.query).get(name)
            return ",".join(values) if values is not None else None
        if part == "path":
            return self.route.parameters.get(name) if name and self.route is not None else request.path
        if part.startswith("body"):
            return in_body(request.body, rest.removeprefix("body"))
        return None


def _certificate(request: ApiRequest) -> dict[str, Any]:
    shown, head = request.certificate, "identity.clientCert."
    if shown is None:
        return {}
    return {
        f"{head}clientCertPem": shown.pem,
        f"{head}subjectDN": shown.subject,
        f"{head}issuerDN": shown.issuer,
        f"{head}serialNumber": shown.serial,
        f"{head}validity.notBefore": shown.not_before,
        f"{head}validity.notAfter": shown.not_after,
    }


_RESPONSE_TYPES = {
    401: "UNAUTHORIZED", 403: "ACCESS_DENIED", 404: "NOT_FOUND", 413: "REQUEST_TOO_LARGE", 429: "THROTTLED",
    500: "INTEGRATION_FAILURE", 503: "INTEGRATION_TIMEOUT",
}  # fmt: skip
