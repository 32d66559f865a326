"""Whether a domain's CAA records let Amazon issue (RFC 8659; ACM User Guide, "(Optional) Configure a CAA record").

The records of the name itself count, or else those of its nearest ancestor that has any; a name without any may be
issued for. Pure but for `refused`, which asks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

Lookup = Callable[[str], Awaitable[list[str]]]  # a name's CAA records as text, [] for none; raises where nobody answers
AMAZON = frozenset(("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"))
_KNOWN = frozenset(("issue", "issuewild", "iodef"))
_CRITICAL = 128
_RECORD = re.compile(r'(\d+) ([A-Za-z0-9]+) "(.*)"', re.DOTALL)


async def nothing_said(name: str) -> list[str]:
    """A lookup where no domain has CAA records."""
    return []


async def refused(names: Iterable[str], lookup: Lookup) -> list[str]:
    """Those of the names that may not be issued for."""
    wanted = list(dict.fromkeys(each for name in names for each in climb(name)))
    found = dict(zip(wanted, await asyncio.gather(*map(lookup, wanted)), strict=True))
    return [name for name in names if not permitted(name, found)]


def climb(name: str) -> list[str]:
    """The names whose records count for a name, nearest first. A wildcard begins at the name that it covers."""
    labels = name.removeprefix("*.").rstrip(".").split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def permitted(name: str, records: Mapping[str, Sequence[str]]) -> bool:
    """Whether the records, by name, let Amazon issue for `name`."""
    relevant: Sequence[str] = next((records[each] for each in climb(name) if records.get(each)), ())
    properties = [(int(each[1]), each[2].lower(), each[3]) for each in map(_RECORD.fullmatch, relevant) if each]
    if any(flags & _CRITICAL and tag not in _KNOWN for flags, tag, _ in properties):
        return False
    values = {kind: [value for _, tag, value in properties if tag == kind] for kind in ("issue", "issuewild")}
    said = values["issuewild"] if name.startswith("*.") and values["issuewild"] else values["issue"]
    return not said or any(value.partition(";")[0].strip().lower() in AMAZON for value in said)
