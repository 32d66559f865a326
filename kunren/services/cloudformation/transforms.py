"""Transforms: what turns a template into one without them. "Transform section", "AWS::LanguageExtensions transform"."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.intrinsics import NotYet, Scope, resolve, text
from kunren.services.cloudformation.macros import Expand
from kunren.services.cloudformation.template import parse

LANGUAGE, SERVERLESS, INCLUDE = "AWS::LanguageExtensions", "AWS::Serverless-2016-10-31", "AWS::Include"
ITEMS_MAX = 100
ROUNDS_MAX = 10_000  # of all loops: five, one in the other, could be ten thousand million
Fetch = Callable[[str], Awaitable[str]]


def transforms_of(template: Mapping[str, Any]) -> list[str]:
    """The transforms that a template declares at its top, in their order."""
    return [name for name, _ in _declared(template)]


def _declared(template: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Their names and parameters. Raises ValidationError."""
    given = template.get("Transform") or []
    return [_named(each) for each in (given if isinstance(given, list) else [given])]


def _named(stated: Any) -> tuple[str, dict[str, Any]]:
    named = {"Name": stated} if isinstance(stated, str) else stated
    parameters = named.get("Parameters") or {} if isinstance(named, dict) else None
    if parameters is None or not isinstance(named.get("Name"), str) or not isinstance(parameters, dict):
        raise ValidationError("Template format error: a transform is a name, or an object of Name and Parameters")
    return named["Name"], parameters


def _given(name: str, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """A transform's parameters as plain values. Raises ValidationError."""
    try:
        return resolve(parameters, Scope(values))
    except NotYet as missing:
        raise ValidationError(f"Template error: a parameter of transform {name} refers to {missing}") from None


async def expanded(
    template: Mapping[str, Any], values: Mapping[str, Any], region: str, expand: Expand, fetch: Fetch
) -> dict[str, Any]:
    """The template behind its transforms: pieces of it first, from within, then the whole. Raises ValidationError."""
    found = {key: each for key, each in template.items() if key != "Transform"}
    declared = _declared(template)
    found = await _transformed(found, values, expand, fetch)
    for name, parameters in declared:
        if name == INCLUDE:
            if parameters:
                found |= parse(await fetch(text(_given(name, parameters, values).get("Location", ""))))
        elif name == LANGUAGE:
            found = with_loops(found, values)
        elif name == SERVERLESS:
            from kunren.services.cloudformation.serverless import translated

            found = await asyncio.to_thread(translated, found, values, region)
        else:
            found = await expand(name, found, _given(name, parameters, values))
            if not isinstance(found, dict):
                raise ValidationError(f"Transform {name} gave no template")
    return found


async def _transformed(value: Any, values: Mapping[str, Any], expand: Expand, fetch: Fetch) -> Any:
    """Fn::Transform, wherever it stands: its piece is what stands beside it."""
    if isinstance(value, list):
        return [await _transformed(each, values, expand, fetch) for each in value]
    if not isinstance(value, dict):
        return value
    found: Any = {
        key: await _transformed(each, values, expand, fetch) for key, each in value.items() if key != "Fn::Transform"
    }
    if "Fn::Transform" in value:
        for each in value["Fn::Transform"] if isinstance(value["Fn::Transform"], list) else [value["Fn::Transform"]]:
            name, parameters = _named(each)
            given = _given(name, parameters, values)
            if name != INCLUDE:
                found = await expand(name, found, given)
            elif isinstance(found, dict):
                found |= parse(await fetch(text(given.get("Location", ""))))
            else:
                raise ValidationError("Template format error: AWS::Include stands beside what is no object")
    return found


def with_loops(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Each Fn::ForEach written out. Raises ValidationError."""
    scope = Scope(values, template.get("Mappings") or {})
    budget = iter(range(ROUNDS_MAX))
    found = {key: _loops(each, scope, {}, budget) for key, each in template.items()}
    assert isinstance(found, dict)
    return found


def _loops(value: Any, scope: Scope, known: Mapping[str, str], budget: Iterator[int]) -> Any:
    if isinstance(value, list):
        return [_loops(each, scope, known, budget) for each in value]
    if isinstance(value, str):
        return _filled(value, known)
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(value.get("Ref"), str) and value["Ref"] in known:
        return known[value["Ref"]]
    found: dict[str, Any] = {}
    for key, each in value.items():
        if key.startswith("Fn::ForEach"):
            for name, made in _rounds(key, each, scope, known, budget):
                if name in found:
                    raise ValidationError(f"Fn::ForEach layout is incorrect: {name} is made twice")
                found[name] = made
        else:
            found[_filled(key, known)] = _loops(each, scope, known, budget)
    return found


def _rounds(
    key: str, loop: Any, scope: Scope, known: Mapping[str, str], budget: Iterator[int]
) -> list[tuple[str, Any]]:
    if (
        not key.startswith("Fn::ForEach::")
        or not isinstance(loop, list)
        or len(loop) != 3
        or not isinstance(loop[0], str)
        or not isinstance(loop[2], dict)
    ):
        raise ValidationError("Template format error: Fn::ForEach layout is incorrect")
    name, collection, body = loop
    try:
        items = resolve(_loops(collection, scope, known, budget), scope)
    except NotYet as missing:
        raise ValidationError(f"Fn::ForEach could not resolve its collection: {missing.logical}") from None
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        raise ValidationError("Template format error: Fn::ForEach needs a list of at most 100 items")
    found: list[tuple[str, Any]] = []
    for item in items:
        if next(budget, None) is None:
            raise ValidationError(f"Fn::ForEach makes more than {ROUNDS_MAX} rounds")
        inner = {**known, name: text(item)}
        found += list(_loops(body, scope, inner, budget).items())
    return found


def _filled(value: str, known: Mapping[str, str]) -> str:
    for name, item in known.items():
        value = value.replace("${" + name + "}", item)
        value = value.replace("&{" + name + "}", "".join(each for each in item if each.isalnum()))
    return value
