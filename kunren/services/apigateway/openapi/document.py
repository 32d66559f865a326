"""From bytes to a document: JSON or YAML, bounded in size, depth and what aliases make of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml

from kunren.services.apigateway.errors import BadRequestException

BYTES_MAX = 6 * 1024 * 1024
"""Quota of API Gateway, "Maximum size of an API definition file"."""
_NODES_MAX = 2_000_000
_DEPTH_MAX = 200
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(body: bytes) -> dict[str, Any]:
    """The document, its names all texts. Takes seconds for large YAML. Raises BadRequestException."""
    if len(body) > BYTES_MAX:
        raise BadRequestException(f"API definition must not be larger than {BYTES_MAX} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequestException("Invalid OpenAPI input: the document is not UTF-8") from None
    try:
        told = json.loads(text) if text.lstrip()[:1] in ("{", "[") else _yaml(text)
    except RecursionError:
        raise BadRequestException("Invalid OpenAPI input: the document is nested too deeply") from None
    except ValueError:
        try:
            told = _yaml(text)  # YAML may begin with a brace too
        except RecursionError:
            raise BadRequestException("Invalid OpenAPI input: the document is nested too deeply") from None
    if not isinstance(told, dict):
        raise BadRequestException("Invalid OpenAPI input: the document is no object")
    found: dict[str, Any] = _Plain().of(told, 0)
    if not str(found.get("swagger", "")).startswith("2") and not str(found.get("openapi", "")).startswith("3.0"):
        raise BadRequestException("Invalid OpenAPI input: only Swagger 2.0 and OpenAPI 3.0.x are supported")
    return found


def _yaml(text: str) -> Any:
    if _too_deep(text):
        raise RecursionError
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" on line {where.line + 1}" if where is not None else ""
        raise BadRequestException(f"Invalid OpenAPI input: the document is neither JSON nor YAML{line}") from None
    except ValueError as error:  # a date that there is not
        raise BadRequestException(f"Invalid OpenAPI input: {error}") from None


def _too_deep(text: str) -> bool:
    """Whether brackets nest deeper than anything sensible; the loader would go down with them."""
    depth = 0
    for each in re.finditer(r"[\[{\]}]", text):
        depth += 1 if each[0] in "[{" else -1
        if depth > _DEPTH_MAX:
            return True
        depth = max(depth, 0)
    return re.search(r"^(?:[-?:] ){200}", text, re.MULTILINE) is not None


class _Plain:
    """Makes names texts and dates texts again, and counts."""

    def __init__(self) -> None:
        self.nodes = 0

    def of(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > _NODES_MAX or depth > _DEPTH_MAX:
            raise BadRequestException("Invalid OpenAPI input: the document is too large or nested too deeply")
        if isinstance(value, dict):
            return {_name(key): self.of(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        return value.isoformat() if isinstance(value, date) else value


def _name(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


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
