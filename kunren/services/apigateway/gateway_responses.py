"""Gateway responses: what an API answers by itself, without an integration. Pure.

Source: "Gateway response types for API Gateway". A `Refusal` is raised wherever the way of a request ends early; what
the client gets is made from the owner's response of its type, of DEFAULT_4XX or DEFAULT_5XX, or the default.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

DEFAULT_STATUS: dict[str, str] = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}
TYPES = tuple(sorted((*DEFAULT_STATUS, "DEFAULT_4XX", "DEFAULT_5XX")))
DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'


class Refusal(Exception):
    """The way of a request ends: by which type of response, with which message and error type (of the header
    x-amzn-ErrorType). `status` stands where AWS answers another one than the type's."""

    def __init__(
        self, kind: str, message: str | None, error_type: str, *, status: int = 0, validation: str = ""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.error_type = error_type
        self.status = status or int(DEFAULT_STATUS[kind])
        self.validation = validation


class Chosen(NamedTuple):
    """The response that answers a refusal; `own` where the owner has put one."""

    status: int
    shape: dict[str, Any]
    own: bool


def default_response(kind: str) -> dict[str, Any]:
    """As the API shows a response that nobody has put."""
    found: dict[str, Any] = {
        "responseType": kind, "responseParameters": {}, "responseTemplates": {"application/json": DEFAULT_TEMPLATE},
        "defaultResponse": True,
    }  # fmt: skip
    return {**found, "statusCode": DEFAULT_STATUS[kind]} if kind in DEFAULT_STATUS else found


def choose(own: dict[str, dict[str, Any]], refusal: Refusal) -> Chosen:
    """The owner's response for a refusal, or the default one."""
    family = "DEFAULT_4XX" if refusal.status < 500 else "DEFAULT_5XX"
    for kind in (refusal.kind, family):
        shape = own.get(kind)
        if shape is not None:
            told = shape.get("statusCode")
            kept = refusal.status if told == DEFAULT_STATUS.get(kind) or not told else int(told)
            return Chosen(kept, shape, True)
    return Chosen(refusal.status, default_response(refusal.kind), False)


def default_body(refusal: Refusal) -> bytes:
    """The body as AWS writes it where nobody has put a response: texts of 5xx have a blank in front, a denied access
    has a capital M."""
    text = json.dumps(refusal.message, ensure_ascii=False)
    if refusal.kind == "ACCESS_DENIED":
        return f'{{"Message":{text}}}'.encode()
    return f'{{"message":{" " if refusal.status >= 500 and refusal.message else ""}{text}}}'.encode()


def missing_token() -> Refusal:
    return Refusal(
        "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", "MissingAuthenticationTokenException"
    )


def forbidden() -> Refusal:
    return Refusal("INVALID_API_KEY", "Forbidden", "ForbiddenException")


def broken(kind: str = "API_CONFIGURATION_ERROR", status: int = 0) -> Refusal:
    return Refusal(kind, "Internal server error", "InternalServerErrorException", status=status)
