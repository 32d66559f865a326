"""Results of pure functions, remembered by which objects their arguments are.

Stored records are immutable and keep their identity until they change, so what was made of one needs no second making
while it is the same object; to ask whether it is costs nothing, where to compare or to hash it would cost as much as
to make the result anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_KEPT_MAX = 1 << 14
_kept: dict[str, Any] = {}


def by_identity(size: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Remember at least the `size` results that were used last, at most twice as many. The function is pure, its
    arguments (positional ones only) and results are changed by nobody. Arguments are kept alive while they are
    remembered, so no identity is used twice."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        young: dict[tuple[int, ...], tuple[object, T]] = {}
        old: dict[tuple[int, ...], tuple[object, T]] = {}

        @wraps(function)
        def remembered(*args: P.args, **kwargs: P.kwargs) -> T:
            nonlocal young, old
            key = tuple(map(id, args))
            found = young.get(key)
            if found is None:
                assert not kwargs
                found = old.pop(key, None) or (args, function(*args, **kwargs))
                if len(young) >= size:
                    young, old = {}, young
                young[key] = found
            return found[1]

        return remembered

    return decorate


def kept(key: str, value: T) -> T:
    """The object that was last given for the key, where the new one equals it: what was made of it need not be made
    anew."""
    before = _kept.pop(key, None)
    made = _kept[key] = before if before == value else value
    if len(_kept) > _KEPT_MAX:
        del _kept[next(iter(_kept))]
    return made
