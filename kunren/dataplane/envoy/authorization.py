"""Requests that Envoy asks about before they go on, and who decides.

How it works. A route that must ask carries a context of its owner's; Envoy sends it, with the request's head, over gRPC
to the socket that it takes its configuration from. Without a decision (nobody decides, or an error) Envoy answers 500.
Listeners without the filter pay nothing, and neither do routes without a context.

What it refuses to know: AWS, and what the decision is about.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kunren.dataplane.envoy.resources import TYPE, Fragment

log = logging.getLogger(__name__)
FILTER = "envoy.filters.http.ext_authz"
SERVICE, METHOD = "envoy.service.auth.v3.Authorization", "Check"
REASON_TAG = f"%DYNAMIC_METADATA({FILTER}:reason)%"
"""Why a request was answered, in Envoy's format for access logs; "-" for others."""
_CONFIG = TYPE + "envoy.extensions.filters.http.ext_authz.v3."


@dataclass(frozen=True, slots=True)
class Question:
    """A request's head: header names are lower case, `path` is with the query. `context` is the route's."""

    context: Mapping[str, str]
    method: str
    host: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Passed:
    """The request goes on, with these headers set and those removed."""

    set: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The request gets this answer. `reason` is told to access logs (`REASON_TAG`)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    reason: str = ""


Decide = Callable[[Question], Awaitable[Passed | Answered]]


class Authorization:
    """Serves one Envoy's questions; `handlers` are the gRPC server's."""

    def __init__(self) -> None:
        self._decide: Decide | None = None

    def decided_by(self, decide: Decide) -> None:
        self._decide = decide

    def handlers(self) -> Any:
        """The generic handler for a grpc.aio server."""
        import grpc
        from envoy.service.auth.v3 import external_auth_pb2

        method = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=external_auth_pb2.CheckRequest.FromString,
            response_serializer=external_auth_pb2.CheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def _check(self, asked: Any, context: Any) -> Any:
        from envoy.service.auth.v3 import external_auth_pb2

        if self._decide is None:
            raise RuntimeError("nobody decides about requests")
        http = asked.attributes.request.http
        try:
            decision = await self._decide(
                Question(
                    dict(asked.attributes.context_extensions), http.method, http.host, http.path, dict(http.headers)
                )
            )
        except Exception:
            log.exception("no decision about %s %s", http.method, http.path)
            raise
        made = external_auth_pb2.CheckResponse()
        if isinstance(decision, Passed):
            made.ok_response.headers_to_remove.extend(decision.removed)
            for name, value in decision.set:
                _add(made.ok_response.headers, name, value, "OVERWRITE_IF_EXISTS_OR_ADD")
            return made
        made.status.code = 7  # permission denied: any but zero
        made.denied_response.status.code = decision.status
        made.denied_response.body = decision.body
        if decision.reason:
            made.dynamic_metadata.update({"reason": decision.reason})
        for name, value in decision.headers:
            _add(made.denied_response.headers, name, value, "APPEND_IF_EXISTS_OR_ADD")
        return made


def _add(headers: Any, name: str, value: str, action: str) -> None:
    from envoy.config.core.v3 import base_pb2

    option = base_pb2.HeaderValueOption()
    option.header.key, option.header.value = name, value
    option.append_action = base_pb2.HeaderValueOption.HeaderAppendAction.Value(action)
    headers.append(option)


def http_filter(timeout_s: float) -> Fragment:
    """The HTTP filter of a listener, asleep on every route without `per_route`."""
    config = {
        "@type": _CONFIG + "ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "xds"}, "timeout": f"{timeout_s:g}s"},
        "status_on_error": {"code": "InternalServerError"},
    }
    return {"name": FILTER, "typed_config": config, "disabled": True}


def per_route(context: Mapping[str, str]) -> Fragment:
    """The `typed_per_filter_config` of a route whose requests are asked about."""
    settings = {"context_extensions": dict(context)}
    return {FILTER: {"@type": _CONFIG + "ExtAuthzPerRoute", "check_settings": settings}}
