"""A fault: something of the world that is broken for as long as this resource exists."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from kunren.control.store import Resource

What = Literal["zone", "region", "vpc", "subnet", "place", "edge", "link"]


class Fault(Resource, frozen=True, kw_only=True):
    """`what` and `name` say what is broken (the table in README.md); a link has its two ends in `name` and `other`.

    It loses `loss` (0 to 1) of its packets, and they take `delay_ms` longer each way. `owner` is who injected it and
    will heal it ("drill az-lost", "fis EXP…"). One that is `lasting` outlives the daemon, since its owner does; any
    other is healed when the daemon starts. `since` is AWS time.
    """

    kind: ClassVar[str] = "faults.fault"

    account: str = ""
    region: str = ""
    what: What
    name: str
    other: str = ""
    loss: float = 1.0
    delay_ms: float = 0.0
    owner: str = ""
    lasting: bool = False
    since: float = 0.0


class WantedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one says to have a `Fault`."""

    what: str
    name: str
    other: str = ""
    loss: float = 1.0
    delay_ms: float = 0.0
    owner: str = ""
    lasting: bool = False
