"""Dynamic references: what a secret's text gives by its key, and what is said where it gives nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from kunren.services.cloudformation.scopes import references_in, with_dynamic
from kunren.services.cloudformation.work import Failed

REFERENCE = "{{resolve:secretsmanager:held:SecretString:key}}"


def looked_up(text: str) -> str:
    async def call(account: str, region: str, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        return {"SecretString": text}

    shown, _ = asyncio.run(references_in({"A": REFERENCE}, call, "1", "r"))
    found: str = asyncio.run(with_dynamic(REFERENCE, call, "1", "r", {}))
    assert shown == {REFERENCE: found}
    return found


def test_a_secret_gives_a_value_by_its_key() -> None:
    assert looked_up('{"key": "value"}') == "value"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "Could not parse SecretString JSON"),
        ('["key"]', "Could not find a value associated with JSONKey in SecretString: key"),
        ("{}", "Could not find a value associated with JSONKey in SecretString: key"),
    ],
)
def test_a_secret_that_gives_none_fails_what_asks_for_it(text: str, why: str) -> None:
    with pytest.raises(Failed, match=f"^{why}$"):
        looked_up(text)
