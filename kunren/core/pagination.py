"""One way to page through a list for every service."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class InvalidToken(ValueError):
    """The page token was not one of ours; a service renames this to its own modelled error."""


def page(items: Sequence[T], token: str | None, limit: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """One page of `items` (already sorted by `key`, keys unique) and the token of the next, or None at the end.

    The token holds the last key given out, so items created or deleted between two pages neither repeat nor hide
    others. Raises InvalidToken.
    """
    start = 0
    if token:
        after = decode_token(token)
        start = next((i for i, item in enumerate(items) if key(item) > after), len(items))
    chosen = list(items[start : start + limit])
    more = start + limit < len(items)
    return chosen, encode_token(key(chosen[-1])) if more and chosen else None


def encode_token(key: str) -> str:
    return base64.urlsafe_b64encode(b"k1:" + key.encode()).decode()


def decode_token(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token.encode())
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidToken(token) from error
    if not raw.startswith(b"k1:"):
        raise InvalidToken(token)
    try:
        return raw[3:].decode()
    except UnicodeDecodeError as error:
        raise InvalidToken(token) from error
