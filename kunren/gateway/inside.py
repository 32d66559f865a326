"""Operations called from inside Kunren: ours by the dispatch table, the fallback's by a request as a client makes it.

Nothing goes over a socket. A request for the fallback is made and its answer is read by botocore's own serialisers,
which are imported when they are first needed. The caller's account becomes the access key, as with every client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from kunren.core.calling import Noted
from kunren.core.errors import NotImplementedByKunren, WireError
from kunren.gateway.chain import FALLBACK, OURS
from kunren.gateway.gateway import Fallback, Gateway
from kunren.gateway.http import HttpRequest, HttpResponse
from kunren.wire.catalog import UnknownService

_PROTOCOLS = ("json", "rest-json", "rest-xml", "query", "ec2")


class Inside:
    """`call` is what `kunren.core.calling.CallService` promises."""

    def __init__(self, gateway: Gateway, fallback: Fallback | None) -> None:
        self.gateway = gateway
        self._fallback = fallback
        self._clients: dict[str, asyncio.Future[_Client]] = {}

    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Raises AwsError: the service's own, or NotImplemented where nobody answers."""
        owner = self.gateway.owner(service, operation)
        if owner == OURS:
            return await self.gateway.invoke(service, operation, dict(params), account, region)
        if owner != FALLBACK or self._fallback is None:
            raise NotImplementedByKunren(service, operation)
        client = await self._client(service)
        request = client.request(operation, params, account, region)
        answer = await self._fallback.handle(service, operation, request)
        return client.read(operation, answer)

    async def _client(self, service: str) -> _Client:
        """Made once, however many ask for it at the same time."""
        made = self._clients.get(service)
        if made is None:
            made = self._clients[service] = asyncio.ensure_future(asyncio.to_thread(_client, service))
        return await asyncio.shield(made)


class InsideNoting:
    """`kunren.core.calling.CallAndNote`; `inside` gives the one there is once all is built."""

    def __init__(self, inside: Callable[[], Inside]) -> None:
        self._inside = inside

    def together(self, service: str, operation: str) -> bool:
        return self._inside().gateway.answers_at_once(service, operation)

    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any], noted: Noted
    ) -> Mapping[str, Any]:
        """Raises AwsError, and has noted nothing then."""
        inside = self._inside()
        if inside.gateway.owner(service, operation) == OURS:
            return await inside.gateway.invoke(service, operation, dict(params), account, region, noted)
        result = await inside.call(account, region, service, operation, params)
        noted(result)
        return result


class _Client(NamedTuple):
    model: Any
    serializer: Any
    parser: Any

    def request(self, operation: str, params: Mapping[str, Any], account: str, region: str) -> HttpRequest:
        model = self.model.operation_model(operation)
        made = self.serializer.serialize_to_request(dict(params), model)
        body = made["body"]
        if isinstance(body, Mapping):
            body = urlencode(body).encode()
        elif isinstance(body, str):
            body = body.encode()
        scope = f"{account}/20260101/{region}/{self.model.signing_name}/aws4_request"
        headers = {str(name).lower(): str(value) for name, value in made["headers"].items()}
        headers["host"] = f"{self.model.endpoint_prefix}.{region}.amazonaws.com"
        headers["content-length"] = str(len(body))
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        query = urlencode(made["query_string"]) if isinstance(made["query_string"], Mapping) else made["query_string"]
        path, _, own = made["url_path"].partition("?")
        return HttpRequest(
            made["method"],
            quote(path, safe="/~%"),
            "&".join(each for each in (own, query) if each),
            headers,
            body,
            True,
        )

    def read(self, operation: str, answer: HttpResponse) -> Mapping[str, Any]:
        from botocore.awsrequest import HeadersDict

        assert isinstance(answer.body, bytes)
        model = self.model.operation_model(operation)
        raw = model.has_streaming_output and answer.status < 300
        told = {
            "status_code": answer.status,
            "headers": HeadersDict(answer.headers),
            "body": bytearray(answer.body) if raw else answer.body,  # bytes would be taken for text
            "context": {"operation_name": operation},
        }
        found: dict[str, Any] = self.parser.parse(told, model.output_shape)
        if answer.status >= 300:
            error = found.get("Error", {})
            raise WireError(error.get("Code") or "InternalFailure", error.get("Message") or "", answer.status)
        found.pop("ResponseMetadata", None)
        return found


def _client(service: str) -> _Client:
    """What speaks that service's protocol. Blocks for some tens of milliseconds at the first call."""
    from botocore.exceptions import UnknownServiceError
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.parsers import create_parser
    from botocore.serialize import create_serializer

    try:
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    except UnknownServiceError as error:
        raise UnknownService(service) from error
    spoken = model.metadata.get("protocols") or [model.metadata["protocol"]]
    protocol = next(each for each in _PROTOCOLS if each in spoken)
    return _Client(model, create_serializer(protocol, include_validation=False), create_parser(protocol))
