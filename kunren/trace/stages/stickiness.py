"""What a client's stickiness cookies ask for: the load balancer's own reading of them, in Python.

`services/elbv2/dataplane/stickiness.py` is what writes them, and the authority on their form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kunren.services.elbv2.dataplane.stickiness import group_cookie, per_route, target_stickiness
from kunren.services.elbv2.matcher import Asked
from kunren.services.elbv2.model import Listener, TargetGroup
from kunren.trace.course import State

_ENTRY = re.compile(r"([0-9a-f]+)=([^,;]+),(\d+);")
_SHARDS = 4


def cookies(asked: Asked) -> dict[str, str]:
    """The request's cookies by name."""
    found: dict[str, str] = {}
    for each in (asked.header("cookie") or "").split(";"):
        name, equals, value = each.strip().partition("=")
        if equals:
            found.setdefault(name, value)
    return found


def sticky_group(listener: Listener, groups: Sequence[TargetGroup], asked: Asked) -> TargetGroup | None:
    """The group that an AWSALBTG (or AWSALBTGCORS) cookie names."""
    given = cookies(asked)
    values = [given[name] for name in ("AWSALBTG", "AWSALBTGCORS") if name in given]
    for group in groups:
        if any(value.startswith(group_cookie(listener.id, group.id)) for value in values):
            return group
    return None


def sticky_target(state: State, listener: Listener, group: TargetGroup, asked: Asked) -> tuple[str, str] | None:
    """(ADDRESS:PORT, the cookie's name) that a cookie asks for; None where none does, or it is too old."""
    settings = target_stickiness(group, state.wall_seconds)
    if settings is None:
        return None
    key = per_route(listener.id, settings, secure=False)["filter_context"]["key"]
    given = cookies(asked)
    name, value = "AWSALB", given.get("AWSALB") or given.get("AWSALBCORS")
    if settings.cookie is not None:
        if settings.cookie not in given:
            return None
        name, value = "AWSALBAPP", _joined(given)
    found = _opened(value or "", key).get(settings.target_group)
    if found is None or state.wall * 1000 - found[1] >= settings.seconds * 1000:
        return None
    return found[0], name


def _joined(given: Mapping[str, str]) -> str:
    parts = (given.get(f"AWSALBAPP-{number}", "_remove_") for number in range(_SHARDS))
    return "".join(each for each in parts if each != "_remove_")


def _opened(value: str, key: str) -> dict[str, tuple[str, int]]:
    """Target group's digest → (address, when it was issued in milliseconds)."""
    if len(value) < 8 or len(value) % 2 or not re.fullmatch("[0-9a-f]+", value):
        return {}
    seed, raw = int(value[:4], 16), bytes.fromhex(value[4:])
    plain = bytes(
        byte ^ ord(key[(number * 7 + seed) % len(key)]) ^ ((seed * number) % 251)
        for number, byte in enumerate(raw, start=1)
    ).decode("latin-1")
    if not plain.startswith("v1"):
        return {}
    return {group: (address, int(issued)) for group, address, issued in _ENTRY.findall(plain[2:])}
