"""How much a key value store holds, and what a file says that one is made from. Pure.

Developer Guide, "Quotas on key value stores" and "File format for key-value pairs".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

KEY_BYTES_MAX = 512
VALUE_BYTES_MAX = 1024
STORE_BYTES_MAX = 5 * 1024 * 1024
UPDATE_KEYS_MAX = 50
UPDATE_BYTES_MAX = 3 * 1024 * 1024
STORES_MAX = 50  # per account
FUNCTIONS_PER_STORE_MAX = 10
STORES_PER_FUNCTION_MAX = 1


class BadFile(Exception):
    """The file of a new store can't be used; the text says why."""


class TooLarge(Exception):
    """A key, a value, an update or a store is larger than it may be; the text says which."""


def size_of(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())


def check_pair(key: str, value: str) -> None:
    """Raises TooLarge."""
    if len(key.encode()) > KEY_BYTES_MAX:
        raise TooLarge(f"The key exceeds the maximum size of {KEY_BYTES_MAX} bytes.")
    if len(value.encode()) > VALUE_BYTES_MAX:
        raise TooLarge(f"The value exceeds the maximum size of {VALUE_BYTES_MAX} bytes.")


def check_store(size_bytes: int) -> None:
    """Raises TooLarge."""
    if size_bytes > STORE_BYTES_MAX:
        raise TooLarge(f"The key value store exceeds the maximum size of {STORE_BYTES_MAX} bytes.")


def check_update(puts: Mapping[str, str], deletes: int) -> None:
    """Raises TooLarge."""
    if len(puts) + deletes > UPDATE_KEYS_MAX:
        raise TooLarge(f"An update can have at most {UPDATE_KEYS_MAX} keys.")
    if sum(size_of(key, value) for key, value in puts.items()) > UPDATE_BYTES_MAX:
        raise TooLarge(f"An update can have at most {UPDATE_BYTES_MAX} bytes.")


def read_file(content: bytes) -> dict[str, str]:
    """The values of `{"data": [{"key": ..., "value": ...}]}`. Raises BadFile and TooLarge."""
    if len(content) > STORE_BYTES_MAX:
        raise TooLarge(f"The file exceeds the maximum size of {STORE_BYTES_MAX} bytes.")
    try:
        listed = json.loads(content.decode())["data"]
        pairs = [(each["key"], each["value"]) for each in listed]
    except (UnicodeDecodeError, ValueError):
        raise BadFile("the file is not JSON in UTF-8") from None
    except (KeyError, TypeError):
        raise BadFile('the file is not of the form {"data": [{"key": "...", "value": "..."}]}') from None
    values: dict[str, str] = {}
    for key, value in pairs:
        if not isinstance(key, str) or not isinstance(value, str) or not key:
            raise BadFile("keys and values must be strings, and keys not empty")
        if key in values:
            raise BadFile(f"the key {key} is there twice")
        check_pair(key, value)
        values[key] = value
    check_store(sum(size_of(key, value) for key, value in values.items()))
    return values
