"""All chance in one seeded place, so that a run can be replayed: ids, jitter, weighted choice."""

from __future__ import annotations

import random
import secrets
import string
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_LOWER_ALNUM = string.ascii_lowercase + string.digits
_UPPER_ALNUM = string.ascii_uppercase + string.digits


class Entropy:
    """A seeded source; without a seed it draws one (shown as `.seed`, for replaying)."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(63) if seed is None else seed
        self._random = random.Random(self.seed)

    def hex(self, digits: int) -> str:
        """That many lower-case hexadecimal digits, as in `vpc-0123456789abcdef0` (17 of them)."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def resource_id(self, prefix: str) -> str:
        """An EC2-style id: prefix, hyphen, 17 hexadecimal digits."""
        return f"{prefix}-{self.hex(17)}"

    def digits(self, count: int) -> str:
        return "".join(self._random.choices(string.digits, k=count))

    def lower(self, count: int) -> str:
        """Lower-case letters and digits."""
        return "".join(self._random.choices(_LOWER_ALNUM, k=count))

    def upper(self, count: int) -> str:
        """Upper-case letters and digits, as in a hosted zone id."""
        return "".join(self._random.choices(_UPPER_ALNUM, k=count))

    def uuid(self) -> str:
        """A version 4 UUID."""
        bits = self._random.getrandbits(128)
        bits = (bits & ~(0xF << 76)) | (4 << 76)
        bits = (bits & ~(0x3 << 62)) | (2 << 62)
        raw = f"{bits:032x}"
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return self._random.randint(low, high)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def choice(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        return self._random.choices(options, weights=weights, k=1)[0]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """That many different ones, in random order."""
        return self._random.sample(options, count)

    def shuffled(self, options: Sequence[T]) -> list[T]:
        out = list(options)
        self._random.shuffle(out)
        return out
