"""Services that are made when they are first needed: at their first call, or at the start where the store has something
of theirs. Most of what AWS has, one deployment never asks for; its modules are neither read nor held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar


class Service(Protocol):
    """What every service has that may come later."""

    async def run(self) -> None: ...

    def status(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=Service)


class Later(Generic[S]):
    """`later()` is the service, made by `make` at the first call; `made` is it, or None before. `prefix` begins the
    kinds of its resources: with one of them in the store the service is needed at the start."""

    def __init__(self, name: str, prefix: str, make: Callable[[], S], began: Callable[[Later[Any]], None]) -> None:
        self.name, self.prefix = name, prefix
        self.made: S | None = None
        self._make, self._began = make, began

    def __call__(self) -> S:
        if self.made is None:
            self.made = self._make()
            self._began(self)
        return self.made


class Apis(Mapping[str, object]):
    """The objects whose methods answer calls, by botocore's name of the service. What comes later is given as a
    function of no arguments that gives the object."""

    def __init__(self, there: Mapping[str, object], later: Mapping[str, Callable[[], object]]) -> None:
        self._there, self._later = dict(there), dict(later)

    def __getitem__(self, name: str) -> object:
        if name not in self._there and name in self._later:
            self._there[name] = self._later[name]()
        return self._there[name]

    def __contains__(self, name: object) -> bool:
        return name in self._there or name in self._later

    def __iter__(self) -> Iterator[str]:
        return iter({**self._later, **self._there})

    def __len__(self) -> int:
        return len(self._there.keys() | self._later.keys())
