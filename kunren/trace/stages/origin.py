"""A distribution's origin: which is asked, what it will say, whether the next of its group is asked, and what becomes
of the answer on its way back.

The request to an origin is foretold as any other is, from the edge location on.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kunren.dataplane.edge import keys
from kunren.dataplane.edge.fetch import Pending, asks_securely, members_of
from kunren.dataplane.edge.locations import edge_hash
from kunren.dataplane.edge.message import Request as EdgeRequest
from kunren.dataplane.edge.message import first
from kunren.dataplane.edge.site import Behaviour, Origin, Site
from kunren.trace.course import Course
from kunren.trace.edge_words import FROM_EDGE
from kunren.trace.model import (
    ANSWER,
    CLOSED,
    NO_ADDRESS,
    REFUSED,
    TIMEOUT,
    TLS_FAILURE,
    UNREACHABLE,
    Considered,
    Request,
    Step,
)
from kunren.world.addresses import edge_address

STAGE = "origin"
_NO_ANSWER = {NO_ADDRESS: 502, TIMEOUT: 504, REFUSED: 502, UNREACHABLE: 502, TLS_FAILURE: 502, CLOSED: 502}


def stage(course: Course) -> Step | tuple[Step, ...] | None:
    rehearsal = course.rehearsal
    if rehearsal is None:
        return None
    pending = rehearsal.made
    assert isinstance(pending, Pending)
    if pending.ready is not None:
        course.expected.origins = ()
        return _back(course, pending, (pending.ready.status,), "no origin is asked", "the answer is there", ())
    reference = pending.behaviour.lambdas.get("origin-request")
    if reference is not None:
        why = (
            f"Lambda@Edge function {reference.arn.rpartition(':function:')[2]} is asked before the origin, and decides"
        )
        return course.ended(STAGE, pending.behaviour.origin, why, unsure=why)
    within = [each for each in members_of(pending.site, pending.behaviour, pending.request.method)[1]
              if pending.site.origins[each].way is not None]  # fmt: skip
    if within:
        why = f"origin {within[0]} is in a VPC, which the edge location reaches by interfaces of its own there"
        return course.ended(STAGE, within[0], why, unsure=why)
    return _asked(course, pending)


def _asked(course: Course, pending: Pending) -> tuple[Step, ...]:
    """Each origin in turn, until one has an answer that stays."""
    assert course.foretell is not None
    group, members = members_of(pending.site, pending.behaviour, pending.request.method)
    considered, below, asked, sure = [], [], [], True
    statuses: tuple[int, ...] | None = None
    because, chosen = "", ""
    for number, member in enumerate(members):
        origin = pending.site.origins[member]
        request = to_origin(course, pending.behaviour, origin, pending.request)
        behind, steps = course.foretell(course.state, request)
        statuses, why = _verdict(behind)
        below += [msgspec.structs.replace(each, stage=f"{member} › {each.stage}", ends=False) for each in steps]
        asked.append(member)
        last = group is None or number == len(members) - 1
        fails = not last and group is not None and statuses is not None and set(statuses) <= group.statuses
        sure = sure and (last or fails or (statuses is not None and not set(statuses) & group.statuses))  # type: ignore[union-attr]
        considered.append(Considered(what=f"{member}: {request.url}", taken=not fails, because=why))
        if not fails:
            chosen = member
            because = _why_this(pending.behaviour, member, number, why, group is not None and not last)
            _take_over(course, behind)
            break
    course.expected.origins = tuple(asked) if sure else None
    first_step = _back(course, pending, statuses if sure else None, chosen, because, tuple(considered))
    return (*first_step, *below[:-1], *(msgspec.structs.replace(each, ends=True) for each in below[-1:]))


def _why_this(behaviour: Behaviour, member: str, number: int, why: str, may_fail: bool) -> str:
    if number:
        return f"the origins before it in group {behaviour.origin} fail; it: {why}"
    where = f"the first of group {behaviour.origin}" if member != behaviour.origin else "the behaviour names it"
    return f"{where}; {why}" + (", so the next is not asked" if may_fail else "")


def to_origin(course: Course, behaviour: Behaviour, origin: Origin, viewers: EdgeRequest) -> Request:
    """The request that the edge location sends, as a request to follow."""
    assert course.edge is not None
    secure = asks_securely(origin, viewers)
    via = f"1.1 {edge_hash(viewers.viewer.edge)}.cloudfront.net (CloudFront)"
    headers = keys.origin_headers(behaviour, origin, viewers, via)
    query = keys.origin_query(behaviour, viewers)
    scheme, port = ("https", origin.https_port) if secure else ("http", origin.http_port)
    path = origin.path + viewers.uri
    return Request(
        url=f"{scheme}://{origin.domain}:{port}{path}" + (f"?{query}" if query else ""), scheme=scheme,
        host=origin.domain, port=port, path=path, query=query or None, method=viewers.method, headers=tuple(headers),
        place=course.edge.name, source=edge_address(course.state.spec.places.index(course.edge)),
        server_name=(first(headers, "host") or origin.domain).partition(":")[0],
    )  # fmt: skip


def _verdict(behind: Course) -> tuple[tuple[int, ...] | None, str]:
    """The statuses that the edge location will have of an origin, and why; None: the origin decides."""
    expected = behind.expected
    if expected.outcome in _NO_ANSWER:
        status = _NO_ANSWER[expected.outcome]
        return (status,), f"{expected.outcome}, which is {status}"
    if expected.verified is False:
        return (502,), "its certificate does not name it, which is 502"
    if expected.outcome == ANSWER and expected.statuses is not None:
        return expected.statuses, f"it answers {' or '.join(map(str, expected.statuses))}"
    return None, expected.unsure or "what it answers is its own"


def _take_over(course: Course, behind: Course) -> None:
    """Who answers is who answers the edge location."""
    course.balancer = behind.balancer
    expected, seen = course.expected, behind.expected
    expected.targets = seen.targets
    answers = seen.outcome in (ANSWER, None) and seen.verified is not False
    expected.answered_by = seen.answered_by if answers else FROM_EDGE
    expected.location = seen.location if answers else None


def _back(
    course: Course, pending: Pending, statuses: tuple[int, ...] | None, chosen: str, because: str,
    considered: tuple[Considered, ...],
) -> tuple[Step, ...]:  # fmt: skip
    """Error pages and viewer-response functions, and what is to be observed in the end."""
    expected, site, behaviour = course.expected, pending.site, pending.behaviour
    expected.outcome = ANSWER
    told = [because]
    if statuses is not None and (pages := _pages(site, statuses)):
        told.append(f"the distribution has a page of its own for {' and '.join(map(str, pages))}")
        statuses = tuple(dict.fromkeys((*statuses, *pages.values())))
        expected.answered_by = None
    later = [
        each for each in ("origin-response", "viewer-response") if each in (*behaviour.lambdas, *behaviour.scripts)
    ]
    if later and (statuses is None or min(statuses) < 400):
        told.append(f"the behaviour's function for {' and '.join(later)} may change the answer")
        expected.unsure, statuses, expected.location = told[-1], None, None
    expected.statuses = statuses
    if not behaviour.lambdas:
        kinds = ("Hit",) if pending.ready is not None else ("Miss", "RefreshHit") if pending.stale else ("Miss",)
        expected.cache = tuple(f"{each} from cloudfront" for each in (*kinds, "Error"))
    step = Step(stage=STAGE, chosen=chosen, because="; ".join(told), considered=considered)
    return (step,) if considered else (msgspec.structs.replace(step, ends=True),)


def _pages(site: Site, statuses: Iterable[int]) -> dict[int, int]:
    """Status → the one that the distribution gives instead, where it has a page."""
    return {
        each: site.errors[each].status or each for each in statuses if each in site.errors and site.errors[each].page
    }
