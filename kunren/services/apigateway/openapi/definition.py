"""What an API definition says, whichever version it is written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Definition:
    """`paths` have methods by HTTP method, in the API's own shapes; `authorizerId` and `requestValidatorId` in them are
    names, and schemas refer to models by `models/NAME`. `models`, `authorizers` and `validators` are by name."""

    name: str = ""
    description: str | None = None
    version: str | None = None
    base_path: str = ""
    paths: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    authorizers: dict[str, dict[str, Any]] = field(default_factory=dict)
    validators: dict[str, dict[str, Any]] = field(default_factory=dict)
    responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    documentation: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
