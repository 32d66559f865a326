"""What a command document has an instance run, with the parameters that a command gives it. Pure.

"SSM document schema features and examples", "Command document plugin reference" (aws:runShellScript).
AWS-RunShellScript is a document like any other. Documents of one step are carried out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kunren.services.ssm import errors

PLUGIN = "aws:runShellScript"
SHELL = "AWS-RunShellScript"
_NAME = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_STORED = re.compile(r"\{\{\s*ssm(-secure)?:")
_TIMEOUT = r"([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)"
_LINUX = {"StringEquals": ["platformType", "Linux"]}
_TYPES = ("String", "StringList", "Boolean", "Integer")
OWN: dict[str, Any] = {
    "schemaVersion": "1.2",
    "parameters": {
        "commands": {"type": "StringList"},
        "workingDirectory": {"type": "String", "default": ""},
        "executionTimeout": {"type": "String", "default": "3600", "allowedPattern": _TIMEOUT},
    },
    "runtimeConfig": {
        PLUGIN: {
            "properties": [
                {
                    "id": "0.aws:runShellScript",
                    "runCommand": "{{ commands }}",
                    "workingDirectory": "{{ workingDirectory }}",
                    "timeoutSeconds": "{{ executionTimeout }}",
                }
            ]
        }
    },
}


class Script(NamedTuple):
    """`step` is what GetCommandInvocation knows it by, `folder` empty where none is named."""

    step: str
    lines: list[str]
    folder: str
    timeout_s: int


def read(content: str) -> Mapping[str, Any]:
    """A document from JSON or YAML. Raises InvalidDocument."""
    import yaml

    try:
        found = json.loads(content) if content.lstrip().startswith("{") else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.InvalidDocument("", "The content of the document can't be read.") from error
    return found if isinstance(found, Mapping) else {}


def script(document: Mapping[str, Any], given: Mapping[str, Sequence[str]]) -> Script:
    """Raises InvalidParameters, NotYet."""
    values = _values(document.get("parameters") or {}, given)
    step, told = _step(document)
    lines = _filled(told.get("runCommand") or [], values)
    folder, timeout = (_text(told.get(each), values) for each in ("workingDirectory", "timeoutSeconds"))
    if re.fullmatch(_TIMEOUT, timeout or "3600") is None:
        raise errors.InvalidParameters("The timeout is a number of seconds, 172800 at most.")
    return Script(step, lines, folder, int(timeout or "3600"))


def _values(defined: Mapping[str, Any], given: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Each parameter's value, or its default."""
    for name in given:
        if name not in defined:
            raise errors.InvalidParameters(f"Parameter {name} is not defined in the document.")
    found = {}
    for name, told in defined.items():
        kind, default = told.get("type"), told.get("default")
        if kind not in _TYPES:
            raise errors.NotYet(f"parameters of the type {kind} in documents")
        values = list(given.get(name) or (_list(default) if default is not None else ()))
        if (name not in given and default is None) or (not values and kind != "StringList"):
            raise errors.InvalidParameters(f"Parameter {name} is required.")
        if kind != "StringList" and len(values) > 1:
            raise errors.InvalidParameters(f"Parameter {name} is a single value.")
        if any(_STORED.search(each) for each in values):
            raise errors.NotYet("references to parameters in commands")
        found[name] = values
        _check(name, told, values)
    return found


def _check(name: str, told: Mapping[str, Any], values: Sequence[str]) -> None:
    """Whether values are among those that the document allows."""
    allowed, pattern = told.get("allowedValues"), told.get("allowedPattern")
    for each in values:
        if allowed and each not in _list(allowed):
            raise errors.InvalidParameters(f"Parameter {name} is none of the allowed values: {each}")
        if pattern and re.fullmatch(pattern, each) is None:
            raise errors.InvalidParameters(f"Parameter {name} does not match {pattern}: {each}")


def _step(document: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The name of the only step, and what it is told."""
    if "runtimeConfig" in document:
        plugins = document["runtimeConfig"] or {}
        steps = [(name, name, each) for name, told in plugins.items() for each in _list(told.get("properties") or [])]
    else:
        main = document.get("mainSteps") or []
        steps = [(each.get("action", ""), each.get("name", ""), each.get("inputs") or {}) for each in main]
        for each in main:
            if each.get("precondition") not in (None, {}, _LINUX):
                raise errors.NotYet("preconditions of steps but the platform's")
            if later := [name for name in ("onFailure", "onSuccess", "finallyStep") if name in each]:
                raise errors.NotYet(f"{later[0]} of steps")
    if len(steps) != 1:
        raise errors.NotYet("commands by documents of several steps")
    action, name, told = steps[0]
    if action != PLUGIN:
        raise errors.NotYet(f"commands by the plugin {action}")
    return name, told


def _filled(written: Any, values: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines with parameters in their places; a line that is a list's name alone is its lines."""
    lines: list[str] = []
    for each in _list(written):
        whole = _NAME.fullmatch(each.strip())
        lines += values[whole[1]] if whole is not None and whole[1] in values else [_text(each, values)]
    return lines


def _text(written: Any, values: Mapping[str, Sequence[str]]) -> str:
    text = "" if written is None else str(written)
    if _STORED.search(text):
        raise errors.NotYet("references to parameters in documents")
    return _NAME.sub(lambda found: " ".join(values.get(found[1], [found[0]])), text)


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [each if isinstance(each, Mapping) else _word(each) for each in value]
    return [value if isinstance(value, Mapping) else _word(value)]


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
