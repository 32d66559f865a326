"""Requests of AWS's API made inside Kunren, as a client would send them: for whoever only has a request, no operation.

API Gateway's integrations with other services say what is sent (`path/...`), or name an operation and leave it to the
service's protocol what a request for it looks like (`action/...`).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from kunren.core.errors import NotImplementedByKunren
from kunren.gateway.gateway import Gateway
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.wire.catalog import Metadata


class AsClient:
    """`ask` goes through the gateway's own chain, faults and checks of the model included."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def ask(
        self, account: str, region: str, service: str, subdomain: str, action: str, method: str, path: str,
        query: str, headers: Mapping[str, str], body: bytes,
    ) -> tuple[int, list[tuple[str, str]], bytes]:  # fmt: skip
        """`service` is the endpoint's name. Status, headers and whole body. Raises NotImplemented where no service of
        that name is known."""
        model = next((each for each in self._gateway.catalog.index.values() if each.endpoint_prefix == service), None)
        if model is None:
            raise NotImplementedByKunren(service, action or path)
        sent = {name.lower(): value for name, value in headers.items()}
        if action:
            query, body = _as_protocol(model, action, query, sent, body)
        sent["host"] = f"{subdomain + '.' if subdomain else ''}{service}.{region}.amazonaws.com"
        sent["content-length"] = str(len(body))
        scope = f"{account}/20260101/{region}/{model.signs_as}/aws4_request"
        sent["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        answer = self._gateway.own_chain.handle(HttpRequest(method, path, query, sent, body, True))
        response: HttpResponse = await answer if inspect.isawaitable(answer) else answer
        content = response.body
        if not isinstance(content, bytes):
            content = b"".join([piece async for piece in content])
        return response.status, response.headers, content


def _as_protocol(model: Metadata, action: str, query: str, headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
    """Query and body for an operation; `headers` get what the protocol needs."""
    if model.aws_query_compatible is not None or {"query", "ec2"} & set(model.speaks):
        fields = [("Action", action), ("Version", model.api_version), *parse_qsl(query, keep_blank_values=True)]
        if body and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            fields += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        headers["content-type"] = "application/x-www-form-urlencoded"
        return "", urlencode(fields).encode()
    if model.target_prefix:
        headers.setdefault("x-amz-target", f"{model.target_prefix}.{action}")
        headers["content-type"] = f"application/x-amz-json-{model.json_version or '1.0'}"
    return query, body
