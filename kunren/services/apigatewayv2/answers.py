"""What an HTTP API says itself, without an integration. Pure."""

from __future__ import annotations

import json

from kunren.dataplane.apis.interface import ApiResponse

MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def refusal(status: int, *headers: tuple[str, str]) -> ApiResponse:
    """`{"message":"Forbidden"}` and the like."""
    text = json.dumps({"message": MESSAGES[status]}, separators=(",", ":")).encode()
    return ApiResponse(status, [("Content-Type", "application/json"), *headers], text)
