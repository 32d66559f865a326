"""Instance types: processors, memory and hourly price, as tables. Pure.

Figures from the EC2 instance type pages; prices are those of Linux on demand in us-east-1, in US dollars.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_BURSTABLE = (("nano", 2, 0.5), ("micro", 2, 1), ("small", 2, 2), ("medium", 2, 4), ("large", 2, 8), ("xlarge", 4, 16),
              ("2xlarge", 8, 32))  # fmt: skip
_T2 = (("nano", 1, 0.5), ("micro", 1, 1), ("small", 1, 2), ("medium", 2, 4), ("large", 2, 8), ("xlarge", 4, 16),
       ("2xlarge", 8, 32))  # fmt: skip
_SIZES = (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32), ("12xlarge", 48),
          ("16xlarge", 64), ("24xlarge", 96))  # fmt: skip
_C5 = (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("9xlarge", 36), ("12xlarge", 48),
       ("18xlarge", 72), ("24xlarge", 96))  # fmt: skip
# family → GiB per processor, price of "large"
_FAMILIES = {
    "m5": (4, 0.096), "m5a": (4, 0.086), "m6i": (4, 0.096), "m6a": (4, 0.0864), "m7i": (4, 0.1008),
    "m7a": (4, 0.11592),
    "c6i": (2, 0.085), "c6a": (2, 0.0765), "c7i": (2, 0.08925), "r5": (8, 0.126), "r6i": (8, 0.126), "r7i": (8, 0.1323),
    "m6g": (4, 0.077), "m7g": (4, 0.0816), "c6g": (2, 0.068), "c7g": (2, 0.0725), "r6g": (8, 0.1008),
    "r7g": (8, 0.1071),
}  # fmt: skip
_BURSTABLE_PRICES = {"t2": 0.0928, "t3": 0.0832, "t3a": 0.0752, "t4g": 0.0672}
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
"""The architecture of this machine, in EC2's words."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    name: str
    vcpus: int
    memory_mb: int
    price: float
    architecture: str
    burstable: bool = False

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]


@lru_cache(maxsize=1)
def all_types() -> dict[str, InstanceType]:
    """By name, in the order of the names."""
    return {each.name: each for each in sorted(_types(), key=lambda each: each.name)}


def _types() -> Iterator[InstanceType]:
    for family, large in _BURSTABLE_PRICES.items():
        for size, vcpus, memory in _T2 if family == "t2" else _BURSTABLE:
            price = round(large * memory / 8, 4)
            yield InstanceType(f"{family}.{size}", vcpus, round(memory * 1024), price, _architecture(family), True)
    for family, (ratio, large) in _FAMILIES.items():
        arm = _architecture(family) == "arm64"
        for size, vcpus in _SIZES[: -1 if arm else None]:
            price = round(large * vcpus / 2, 5)
            yield InstanceType(f"{family}.{size}", vcpus, vcpus * ratio * 1024, price, _architecture(family))
    for size, vcpus in _C5:
        yield InstanceType(f"c5.{size}", vcpus, vcpus * 2048, round(0.0425 * vcpus, 5), "x86_64")


def _architecture(family: str) -> str:
    return "arm64" if family.rstrip("dn").endswith("g") else "x86_64"
