"""What the edge service notes of a request, in words and as what is compared."""

from __future__ import annotations

from kunren.dataplane.edge.cache import Kept
from kunren.dataplane.edge.message import Answer, Notes
from kunren.dataplane.edge.site import Behaviour, Selection
from kunren.trace.model import Considered, Observed

FROM_EDGE = "edge location"
_CACHE = {
    "nothing": "this edge location has nothing under this key",
    "invalidated": "what this edge location had was invalidated",
    "old": "what this edge location has is no longer good",
}


def function_told(event: str, name: str, outcome: object) -> str:
    """ "viewer-request turn: answers 301"."""
    return f"{event} {name.rpartition(':function:')[2] or name}: {_did(event, outcome)}"


def _did(event: str, outcome: object) -> str:
    if isinstance(outcome, Exception):
        return f"fails ({outcome})"
    if isinstance(outcome, Answer):
        return f"{'answers' if event.endswith('request') else 'gives back'} {outcome.status}"
    return "lets the request go on"


def cache_told(found: str, behaviour: Behaviour, method: str, kept: Kept | None, now: float) -> str:
    """Why it is a hit or none."""
    if found == "off":
        if behaviour.cache.max_ttl <= 0:
            return "the behaviour's policy keeps nothing"
        return f"answers to {method} are not kept"
    if kept is None:
        return _CACHE[found]
    age = f"it came {now - kept.stored_at:.0f} s ago"
    if found == "fresh":
        return f"this edge location has it: {age}, and is good for {kept.fresh_until - now:.0f} s more"
    asks = ", so the origin is asked whether it has changed" if kept.status == 200 and kept.validators else ""
    return f"{_CACHE[found]}: {age}{asks}"


def key_parts(behaviour: Behaviour, key: tuple[str, ...]) -> tuple[Considered, ...]:
    """What of the request names the object, and what does not."""
    rules = behaviour.cache
    _, method, origin, uri, query, *headers, cookies, encodings = key
    parts: tuple[tuple[str, str, Selection | None], ...] = (
        ("method", method, None), ("path", uri, None), ("origin", origin, None), ("query", query, rules.key.query),
        ("headers", ", ".join(headers), rules.key.headers), ("cookies", cookies, rules.key.cookies),
    )  # fmt: skip
    told = [_part(*each) for each in parts]
    if rules.encodings:
        told.append(_part("encodings", encodings, Selection("all")))
    return tuple(told)


def _part(name: str, value: str, selection: Selection | None) -> Considered:
    if selection is not None and selection.how == "none":
        return Considered(what=f"key: {name}", taken=False, because="not in the key")
    rule = (
        ""
        if selection is None or selection.how == "all"
        else f" ({selection.how} {', '.join(sorted(selection.names))})"
    )
    return Considered(what=f"key: {name}{rule}", taken=True, because=value or "none")


def note(observed: Observed, notes: Notes) -> None:
    """Write into what was observed what the edge service noted."""
    asked: list[str] = []
    answered, looks = False, 0
    functions: list[str] = []
    for what, *details in notes:
        match what:
            case "edge":
                observed.edge = details[0]
            case "distribution" if details[0] is not None:
                observed.distribution = details[0].id
            case "behaviour":
                observed.behaviour = details[0].pattern
            case "refused":
                looks = 1
            case "cache":
                looks += 1
            case "origin" if looks > 1:  # for the error page's sake
                answered = True
            case "origin":
                asked.append(details[0])
                answered = not isinstance(details[1], Exception)
            case "function":
                functions.append(function_told(*details))
    observed.origins, observed.functions = tuple(asked), tuple(functions)
    if not answered:
        observed.answered_by = FROM_EDGE
