"""API definitions as documents, and what their references lead to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core import documents
from kunren.services.apigateway.errors import BadRequestException

BYTES_MAX = 6 * 1024 * 1024
"""Quota of API Gateway, "Maximum size of an API definition file"."""


def parse(body: bytes) -> dict[str, Any]:
    """The document, its names all texts. Takes seconds for large YAML. Raises BadRequestException."""
    if len(body) > BYTES_MAX:
        raise BadRequestException(f"API definition must not be larger than {BYTES_MAX} bytes")
    try:
        found = documents.parse(body)
    except documents.BadDocument as error:
        raise BadRequestException(f"Invalid OpenAPI input: {error}") from None
    if not str(found.get("swagger", "")).startswith("2") and not str(found.get("openapi", "")).startswith("3.0"):
        raise BadRequestException("Invalid OpenAPI input: only Swagger 2.0 and OpenAPI 3.0.x are supported")
    return found


def followed(document: Mapping[str, Any], value: Any) -> Any:
    """A value, or what its local reference leads to. Raises BadRequestException for one that leads nowhere or back to
    itself."""
    for _ in range(20):
        if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
            return value
        told = value["$ref"]
        if not told.startswith("#/"):
            raise BadRequestException(f"Invalid OpenAPI input: unsupported reference: {told}")
        value = document
        for part in told[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or name not in value:
                raise BadRequestException(f"Invalid OpenAPI input: the reference {told} leads nowhere")
            value = value[name]
    raise BadRequestException("Invalid OpenAPI input: a reference leads to itself")
