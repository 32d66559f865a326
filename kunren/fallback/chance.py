"""The child's time and randomness, taken out of the operating system's hands: each request runs at a time and with a
seed that it is told, so that the journal's replay makes the same ids, keys and timestamps again.

`install()` must run before moto is imported: it replaces `time.time`, moto's `datetime`, `os.urandom` and what
builds on them (`uuid`, `secrets`, `random`). What cannot be seeded because a C library draws it (asymmetric keys) is
put on the request's tape when it first runs, and taken from there in a replay.

This is the one place outside `core` that touches time and chance directly: it exists to take them away from moto.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.abc
import importlib.machinery
import os
import random  # noqa: TID251 — replaced here, not used
import sys
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Chance:
    """State of the request that runs now. One thread only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.epoch = 0.0
        self.draws = 0
        self.changed = False
        self.replaying = False
        self.wait = 0.0
        self.tape: list[bytes] = []
        self._sources: list[random.Random] = []
        self._own = random.Random(0)
        self._moto: random.Random | None = None

    def begin(self, seed: int, now: float, tape: list[bytes] | None = None) -> None:
        """Start a request; with a `tape` it is a replay."""
        self.now = now
        self.draws = 0
        self.changed = False
        self.wait = 0.0
        self.replaying = tape is not None
        self.tape = list(tape or ())
        self._seed(seed)

    def _seed(self, seed: int) -> None:
        self._own.seed(seed)
        random.seed(seed)
        if self._moto is not None:
            self._moto.seed(seed)

    def urandom(self, size: int) -> bytes:
        self.draws += 1
        return self._own.randbytes(size)

    def taped(self, make: Callable[[], bytes]) -> bytes:
        """What `make` gives, or in a replay what it gave."""
        self.draws += 1
        if self.replaying and self.tape:
            return self.tape.pop(0)
        made = make()
        if not self.replaying:
            self.tape.append(made)
        return made

    @contextmanager
    def apart(self, name: str) -> Iterator[None]:
        """Something that moto makes by the way (the backend of an account and region, on first touch): it gets time
        and chance of its own, so that it is the same whoever touches it first, and the request's stay as they were."""
        kept = self._own.getstate(), random.getstate(), self._moto.getstate() if self._moto else None
        draws, now = self.draws, self.now
        self.now = self.epoch
        self._seed(_stable(name))
        try:
            yield
        finally:
            self.draws, self.now = draws, now
            self._own.setstate(kept[0])
            random.setstate(kept[1])
            if self._moto is not None and kept[2] is not None:
                self._moto.setstate(kept[2])

    def adopt(self, source: random.Random) -> None:
        """Take over moto's own source of randomness, and count what it draws."""
        self._moto = source
        kind: Any = type(source)
        real_bits, real_random = random.Random.getrandbits, random.Random.random

        def getrandbits(this: random.Random, bits: int) -> int:
            self.draws += 1
            return real_bits(this, bits)

        def draw(this: random.Random) -> float:
            self.draws += 1
            return real_random(this)

        kind.getrandbits = getrandbits
        kind.random = draw


class _DatetimeType(type):
    """A stand-in for `datetime.datetime` that its plain instances are instances of."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime.datetime)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, datetime.datetime)


def told_datetime(chance: Chance) -> type:
    """A class that makes plain datetimes and differs from theirs in what "now" is."""

    class ToldDatetime(datetime.datetime, metaclass=_DatetimeType):
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            return datetime.datetime.__new__(datetime.datetime, *args, **kwargs)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return datetime.datetime.fromtimestamp(chance.now, tz)

        @classmethod
        def today(cls) -> Any:
            return datetime.datetime.fromtimestamp(chance.now)

        @classmethod
        def utcnow(cls) -> Any:
            return datetime.datetime.fromtimestamp(chance.now, datetime.UTC).replace(tzinfo=None)

    return ToldDatetime


class _MotoFinder(importlib.abc.MetaPathFinder):
    """Gives moto's modules the told datetime in place of the real one, once they have run. Only moto's own modules
    are changed, since C and Rust libraries insist on the real class."""

    def __init__(self, told: type) -> None:
        self._class = told
        self._module = types.ModuleType("datetime")
        self._module.__dict__.update(datetime.__dict__)
        self._module.datetime = told  # type: ignore[attr-defined]

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] != "moto":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            real = spec.loader.exec_module

            def exec_module(module: types.ModuleType) -> None:
                real(module)
                self._replace(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _replace(self, module: types.ModuleType) -> None:
        for name, value in list(vars(module).items()):
            if value is datetime.datetime:
                setattr(module, name, self._class)
            elif value is datetime:
                setattr(module, name, self._module)


def install(chance: Chance) -> None:
    """Replace time and randomness in this process. Not to be undone."""
    assert "moto" not in sys.modules
    sys.meta_path.insert(0, _MotoFinder(told_datetime(chance)))
    time.time = lambda: chance.now  # noqa: TID251 — taken away, not used
    time.time_ns = lambda: int(chance.now * 1_000_000_000)
    os.urandom = chance.urandom
    random._urandom = chance.urandom  # type: ignore[attr-defined]  # noqa: SLF001 — SystemRandom and secrets draw here


def _stable(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
