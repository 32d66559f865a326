"""Key value stores as functions at the edge read them, and what a function's question is answered with. Pure.

Developer Guide, "Helper methods for key value stores".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kunren.core.clock import iso_utc


@dataclass(frozen=True, slots=True)
class KeyValues:
    """One store at one moment. Times are AWS seconds."""

    get: Callable[[str], str | None]
    count: int
    created_time: float
    modified_time: float


def answer(stores: Mapping[str, KeyValues], own: Sequence[str], asked: Sequence[Any]) -> dict[str, Any]:
    """`{"value": ...}`, or `{"error": ...}`. `own` are the ids of the stores that the function is associated with;
    `asked` is a store's id ("" for the only one), what is asked for, and a key."""
    identity, what, key = asked
    chosen = identity or (own[0] if own else "")
    store = stores.get(chosen) if chosen in own else None
    if store is None:
        return {"error": f"KeyValueStore {identity} is not associated with the function" if identity or own else
                "No KeyValueStore is associated with the function"}  # fmt: skip
    if what == "count":
        return {"value": store.count}
    if what == "meta":
        return {
            "value": {
                "creationDateTime": iso_utc(store.created_time),
                "lastUpdatedDateTime": iso_utc(store.modified_time),
                "keyCount": store.count,
            }
        }
    found = store.get(str(key))
    if what == "exists":
        return {"value": found is not None}
    return {"value": found} if found is not None else {"error": f"Key {key} not found"}
