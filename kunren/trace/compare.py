"""What was expected against what was observed. Pure; what could not be foretold is not compared."""

from __future__ import annotations

from collections.abc import Iterator

from kunren.trace.model import Difference, Expected, Observed


def differences(expected: Expected, observed: Observed) -> tuple[Difference, ...]:
    return tuple(_differences(expected, observed))


def _differences(expected: Expected, observed: Observed) -> Iterator[Difference]:
    if expected.outcome is not None and expected.outcome != observed.outcome:
        yield Difference(what="outcome", expected=expected.outcome, observed=observed.outcome)
    if expected.addresses is not None and not set(observed.addresses) <= set(expected.addresses):
        wanted = ", ".join(expected.addresses) or "no address"
        yield Difference(
            what="addresses (a resolver remembers an earlier answer for its TTL)", expected=wanted,
            observed=", ".join(observed.addresses),
        )  # fmt: skip
    if expected.statuses is not None and observed.status is not None and observed.status not in expected.statuses:
        yield Difference(
            what="status", expected=" or ".join(map(str, expected.statuses)), observed=str(observed.status)
        )  # fmt: skip
    for what in ("rcode", "location", "fingerprint", "verified", "answered_by", "edge", "distribution", "behaviour"):
        wanted, seen = getattr(expected, what), getattr(observed, what)
        if wanted is not None and seen is not None and wanted != seen:
            yield Difference(what=_WORDS.get(what, what), expected=_shown(wanted), observed=_shown(seen))
    if expected.location is not None and observed.status is not None and observed.location is None:
        yield Difference(what="Location", expected=expected.location, observed="none")
    yield from _at_the_edge(expected, observed)
    for what, targets, seen in (
        ("endpoint", expected.endpoints, observed.endpoint), ("target", expected.targets, observed.target)
    ):  # fmt: skip
        possible = {each.id for each in targets}
        if possible and seen is not None and seen not in possible:
            yield Difference(what=what, expected=" or ".join(sorted(possible)), observed=seen)


def _at_the_edge(expected: Expected, observed: Observed) -> Iterator[Difference]:
    if expected.cache is not None and observed.cache is not None and observed.cache not in expected.cache:
        yield Difference(what="X-Cache", expected=" or ".join(expected.cache), observed=observed.cache)
    if expected.origins is not None and observed.origins is not None and expected.origins != observed.origins:
        wanted, seen = (" then ".join(each) or "none" for each in (expected.origins, observed.origins))
        yield Difference(what="origins asked", expected=wanted, observed=seen)
    if observed.origins is not None:
        for each in expected.functions:
            if each not in observed.functions:
                yield Difference(what="function", expected=each, observed=", ".join(observed.functions) or "none ran")


_WORDS = {
    "location": "Location", "fingerprint": "certificate (SHA-256)", "verified": "certificate trusted",
    "answered_by": "answered by", "edge": "edge location",
}  # fmt: skip


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
