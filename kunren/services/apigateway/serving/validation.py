"""Request validation: required parameters, and bodies by their models. Pure ("Request validation for REST APIs")."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kunren.services.apigateway.gateway_responses import Refusal
from kunren.services.apigateway.schemas import bundle
from kunren.services.apigateway.serving.exchange import Deployed, Exchange
from kunren.services.apigateway.serving.media import media_type, to_text


def validate(exchange: Exchange) -> None:
    """Raises Refusal."""
    validator = exchange.deployed.validators.get(exchange.method.get("requestValidatorId") or "")
    if validator is None:
        return
    if validator["validateRequestParameters"]:
        _check_parameters(exchange)
    if validator["validateRequestBody"]:
        _check_body(exchange)


def _check_parameters(exchange: Exchange) -> None:
    missing = []
    query = exchange.query()
    for name, required in (exchange.method.get("requestParameters") or {}).items():
        place, _, own = name.removeprefix("method.request.").partition(".")
        if not required:
            continue
        if place in ("querystring", "multivaluequerystring"):
            there = bool(query.get(own, [""])[-1])
        elif place in ("header", "multivalueheader"):
            there = bool(exchange.request.headers.get(own.lower()))
        else:
            there = bool(exchange.parameters.get(own))
        if not there:
            missing.append(own)
    if missing:
        raise Refusal(
            "BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]",
            "BadRequestException",
        )  # fmt: skip


def _check_body(exchange: Exchange) -> None:
    models = exchange.method.get("requestModels") or {}
    told = media_type(exchange.request.headers.get("content-type")) or "application/json"
    name = models.get(told) or models.get("$default")
    if name is None:
        return
    schema = _schema(exchange.deployed, name)
    if schema is None:
        return
    from kunren.services.apigateway.json_schema import validation_errors

    try:
        document = json.loads(to_text(exchange.request.body))
    except (ValueError, RecursionError):
        raise _refused("[Unable to parse input]") from None
    if errors := validation_errors(schema, document):
        exchange.log(f"Request body does not match model schema for content type {told}: [{', '.join(errors)}]")
        raise _refused(f"[{', '.join(errors)}]")


def _refused(validation: str) -> Refusal:
    return Refusal("BAD_REQUEST_BODY", "Invalid request body", "BadRequestException", validation=validation)


def _schema(deployed: Deployed, name: str) -> str | None:
    """A model's schema with all that it leads to, as text; None for one that says nothing."""
    model: dict[str, Any] = deployed.models.get(name) or {}
    text = model.get("schema")
    if not text:
        return None
    if "/models/" not in text:
        return str(text)
    return _bundled(text, json.dumps(deployed.models))


@lru_cache(maxsize=128)
def _bundled(text: str, models: str) -> str:
    return json.dumps(bundle(json.loads(text), json.loads(models)))
