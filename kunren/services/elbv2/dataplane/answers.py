"""What an Application Load Balancer says itself: error pages, redirects' bodies, its name in `Server`.

Envoy's own answers are turned into ALB's by the reason Envoy had (its response flags), never by status alone, since a
fixed response may have any status of 2XX, 4XX and 5XX and must stay as it is.

"Troubleshoot your Application Load Balancers" lists the codes.
"""

from __future__ import annotations

from typing import Any

from kunren.dataplane.envoy.resources import TYPE, Fragment

SERVER = "awselb/2.0"
_REASONS = {
    301: "Moved Permanently",
    302: "Found",
    400: "Bad Request",
    401: "Authorization Required",
    405: "Not Allowed",
    408: "Request Time-out",
    414: "Request-URI Too Large",
    463: "",
    464: "",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
    561: "",
}


def page(status: int) -> str:
    """ALB's page for a status."""
    title = f"{status} {_REASONS[status]}".rstrip()
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "</body>\r\n</html>\r\n"
    )


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Fragment:
    """A header that Envoy sets; a literal % is doubled, as its format strings want it."""
    return {"header": {"key": name, "value": value}, "append_action": action}


def literal(text: str) -> str:
    """Text for a place where Envoy reads format strings."""
    return text.replace("%", "%%")


def own_headers(content_type: str) -> list[Fragment]:
    """The headers of an answer that the load balancer makes."""
    return [header("server", SERVER), header("content-type", literal(content_type))]


def local_replies(*, anonymous: bool = False) -> Fragment:
    """Envoy's `local_reply_config`: the first mapper whose filter holds is used. `anonymous` answers have no Server."""
    connect_timeout = {
        "and_filter": {"filters": [_flags("UF"), _details("response.code_details.contains('connection_timeout')")]}
    }
    made_here = _details("response.code_details != 'direct_response'")
    refused = [{"and_filter": {"filters": [_status(status), made_here]}} for status in (400, 426, 431)]
    unfinished = {"and_filter": {"filters": [_status(408), made_here]}}
    mappers = [
        _mapper(_status(301), 301),
        _mapper(_status(302), 302),
        _mapper(connect_timeout, 504),
        _mapper(_flags("UF", "UC", "UR", "LR", "UPE", "URX"), 502),
        _mapper(_flags("UH", "NC", "UO"), 503),
        _mapper(unfinished, 408),
        _mapper(_flags("SI", "UT", "DT"), 504),
        _mapper({"and_filter": {"filters": [_status(501), made_here]}}, 501),
        _mapper(_flags("DPE"), 400),
        *(_mapper(each, 400) for each in refused),
    ]
    if anonymous:
        for each in mappers:
            del each["headers_to_add"]
    return {"mappers": mappers}


def _mapper(condition: Fragment, status: int) -> Fragment:
    return {
        "filter": condition,
        "status_code": status,
        "headers_to_add": [header("server", SERVER)],
        "body_format_override": {
            "text_format_source": {"inline_string": literal(page(status))},
            "content_type": "text/html",
        },
    }


def _flags(*flags: str) -> Fragment:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: int) -> Fragment:
    value = {"default_value": status, "runtime_key": "kunren.never"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _details(expression: str) -> Fragment:
    config: dict[str, Any] = {
        "@type": TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": expression,
    }
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}
