"""A distribution up to its cache: edge location, certificate, distribution by name, behaviour, function, cache.

Decided by the edge service itself (`Pipeline.consider`): it is asked what it would do with the request, and notes why.
CloudFront Functions so run once more; Lambda@Edge functions do not, since each call of them is one more invocation.
"""

from __future__ import annotations

from kunren.dataplane.edge import viewer
from kunren.dataplane.edge.message import Answer, Viewer
from kunren.dataplane.edge.message import Request as EdgeRequest
from kunren.services.acm.model import AMAZON_ISSUED, Certificate
from kunren.services.cloudfront.anycast_ip_lists.rules import listed_addresses
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.continuous import HEADER_PREFIX
from kunren.services.cloudfront.model import Distribution
from kunren.services.cloudfront.whereabouts import whereabouts
from kunren.trace.course import Course, Rehearsal
from kunren.trace.edge_words import FROM_EDGE, cache_told, function_told, key_parts
from kunren.trace.model import ANSWER, CLOSED, CONNECTED, REFUSED, TLS_FAILURE, Considered, Step
from kunren.trace.send import sent_headers
from kunren.trace.stages import edge_location
from kunren.trace.stages.certificate import fingerprint, name_covers, sni
from kunren.world.addresses import CLOUDFRONT

DEPTH_MAX = 3
_OWN_NAME = "*.cloudfront.net"
_HOP_BY_HOP = ("connection",)


def _reached(course: Course) -> bool:
    """Whether the address is one that distributions answer on."""
    return course.address in CLOUDFRONT or course.address in listed_addresses(course.snapshot)


def edge(course: Course) -> Step | None:
    if not _reached(course):
        return None
    if not any(each.config["Enabled"] for each in course.snapshot.every(Distribution)):
        why = "no distribution is enabled, so no edge location has the address"
        return course.ended(edge_location.STAGE, "none", why, unsure=why)
    if course.depth >= DEPTH_MAX:
        why = f"the request comes through {DEPTH_MAX} distributions and is not followed further"
        return course.ended(edge_location.STAGE, "none", why, unsure=why)
    return edge_location.reached(course, "where all distributions answer")


def entrance(course: Course) -> Step | None:
    if not _reached(course):
        return None
    request = course.request
    if request.transport == "udp":
        why = "what QUIC carries is not traced"
        return course.ended("listener", "UDP", why, unsure=why)
    protocol = {80: "HTTP", 443: "HTTPS"}.get(request.port)
    if protocol is None:
        return course.ended("listener", "none", "edge locations listen on ports 80 and 443", outcome=REFUSED)
    name = f"{protocol} :{request.port}"
    if request.is_flow:
        return course.ended("listener", name, f"edge locations listen on port {request.port}", outcome=CONNECTED)
    if request.scheme == "https" and protocol == "HTTP":
        return course.ended("listener", name, "it speaks no TLS", outcome=TLS_FAILURE)
    if request.scheme == "http" and protocol == "HTTPS":
        return course.ended("listener", name, "it expects a TLS handshake", outcome=CLOSED)
    return Step(stage="listener", chosen=name, because=f"edge locations listen on port {request.port}")


def certificate(course: Course) -> Step | None:
    if not _reached(course) or course.request.scheme != "https":
        return None
    host = course.request.server_name or course.request.host
    name = sni(host)
    for each in course.snapshot.every(Distribution):
        aliases = items(each.config["Aliases"])
        arn = each.config["ViewerCertificate"].get("ACMCertificateArn")
        if arn and each.config["Enabled"] and name and any(name_covers(alias, name) for alias in aliases):
            found = next((row for row in course.snapshot.every(Certificate) if row.id == arn), None)
            if found is not None:
                return _shown(course, found, each.id, name)
    course.expected.verified = name_covers(_OWN_NAME, host)
    return Step(
        stage="certificate", chosen=_OWN_NAME, because=f"no distribution with a certificate has the name {host}"
    )


def _shown(course: Course, found: Certificate, distribution: str, name: str) -> Step:
    expected = course.expected
    expected.certificate, expected.fingerprint = found.id, fingerprint(found)
    if not any(name_covers(each, name) for each in found.names):
        expected.verified = False
    elif found.type == AMAZON_ISSUED:
        expected.verified = True
    because = f"the client named {name} (SNI), an alias of distribution {distribution}"
    return Step(stage="certificate", chosen=f"{found.domain_name} ({found.id})", because=because)


def chosen(course: Course) -> Step | None:
    """Has the edge service rehearse the request."""
    if not _reached(course) or course.edge is None:
        return None
    asked = course.request
    if course.state.consider is None:
        return course.ended("distribution", "unknown", "no edge service is asked", unsure="no edge service is asked")
    where = whereabouts(course.state.spec.places)[course.edge.name]
    seen = Viewer(asked.source, 0, course.edge.name, where, asked.scheme == "https", reached=course.address or "")
    headers = [each for each in sent_headers(asked) if each[0].lower() not in _HOP_BY_HOP]
    request = EdgeRequest(asked.method, asked.path, asked.query or "", headers, seen, "foretold", notes=[])
    made = course.state.consider(request)
    course.rehearsal = rehearsal = Rehearsal(request, request.notes or [], made)
    (site,) = rehearsal.noted("distribution")[0]
    name = asked.host_header.partition(":")[0]
    if site is None:
        assert isinstance(made, Answer)
        return answered(course, "distribution", "none", f"no enabled distribution has the name {name}", made)
    if (site.split is not None and site.split.header is None) or (site.primary and not _asks_for_staging(request)):
        why = f"a continuous deployment policy sends a share of the requests for {name} to a staging distribution"
        return course.ended("distribution", "unknown", why, unsure=why)
    course.expected.distribution = site.id
    own = name == site.domain_name
    because = f"{name} is {'its own name' if own else 'among its aliases'}; the Host header decides"
    return Step(stage="distribution", chosen=f"{site.id} ({site.domain_name})", because=because)


def _asks_for_staging(request: EdgeRequest) -> bool:
    return any(header.lower().startswith(HEADER_PREFIX) for header, _ in request.headers)


def behaviour(course: Course) -> Step | tuple[Step, ...] | None:
    rehearsal = course.rehearsal
    if rehearsal is None:
        return None
    (site,), (taken,) = rehearsal.noted("distribution")[0], rehearsal.noted("behaviour")[0]
    course.expected.behaviour = taken.pattern
    path = course.request.path
    tried = site.behaviours[: site.behaviours.index(taken) + 1]
    considered = tuple(
        Considered(
            what=_named(each.pattern), taken=each is taken, because="" if each is taken else f"does not match {path}"
        )
        for each in tried
    )
    because = f"the first whose pattern matches {path}" if taken.pattern != "*" else f"no pattern matches {path}"
    step = Step(
        stage="behaviour", chosen=f"{_named(taken.pattern)} → {taken.origin}", because=because, considered=considered
    )
    refusals = rehearsal.noted("refused")
    if not refusals:
        return step
    refusal: Answer = refusals[0][0]
    told = "sent on to HTTPS" if refusal.outcome == "Redirect" else f"refused with {refusal.status}"
    why = viewer.reason_of(refusal) or f"the behaviour takes viewers by {taken.viewer_protocol}"
    return step, answered(course, "viewer", told, why, refusal)


def _named(pattern: str) -> str:
    return "default behaviour" if pattern == "*" else pattern


def function(course: Course) -> Step | None:
    """The viewer-request function."""
    rehearsal = course.rehearsal
    if rehearsal is None:
        return None
    (taken,) = rehearsal.noted("behaviour")[0]
    if (reference := taken.lambdas.get("viewer-request")) is not None:
        why = (
            f"Lambda@Edge function {reference.arn.rpartition(':function:')[2]} is asked, and decides what becomes of it"
        )
        return course.ended("function", reference.arn, why, unsure=why)
    ran = [each for each in rehearsal.noted("function") if each[0] == "viewer-request"]
    if not ran:
        return None
    event, name, outcome = ran[0]
    told = function_told(event, name, outcome)
    course.expected.functions = (told,)
    because = "the behaviour has it for viewer requests"
    if outcome is None:
        now = rehearsal.request.uri + (f"?{rehearsal.request.query}" if rehearsal.request.query else "")
        if now != course.request.target:
            because += f"; the request is for {now} from here on"
        return Step(stage="function", chosen=told, because=because)
    assert isinstance(rehearsal.made, Answer)
    return answered(course, "function", told, because, rehearsal.made)


def cache(course: Course) -> Step | None:
    rehearsal = course.rehearsal
    looked = rehearsal.noted("cache") if rehearsal is not None else []
    if rehearsal is None or not looked:
        return None
    found, taken, *rest = looked[0]
    key, kept = rest or (None, None)
    because = cache_told(found, taken, course.request.method, kept, course.state.now)
    considered = key_parts(taken, key) if key is not None else ()
    if found != "fresh":
        return Step(stage="cache", chosen="miss", because=because, considered=considered)
    if isinstance(rehearsal.made, Answer):
        return answered(course, "cache", "hit", because, rehearsal.made, considered)
    return Step(stage="cache", chosen="hit", because=because, considered=considered)


def answered(
    course: Course, stage: str, chosen: str, because: str, answer: Answer, considered: tuple[Considered, ...] = ()
) -> Step:
    """The edge location has the answer itself, and what is to be observed of it is known."""
    rehearsal = course.rehearsal
    assert rehearsal is not None
    told = [function_told(*each) for each in rehearsal.noted("function")]
    course.expected.functions = tuple(told)
    if later := [each for each in told if each.startswith("viewer-response")]:
        because += f"; then {later[0]}"
    if not isinstance(rehearsal.made, Answer):  # an error page may take its place
        return Step(stage=stage, chosen=chosen, because=because, considered=considered)
    final = rehearsal.made
    return course.ended(
        stage, chosen, because, considered, outcome=ANSWER, statuses=(final.status,), location=final.header("location"),
        cache=(f"{final.outcome} from cloudfront",), origins=(), answered_by=FROM_EDGE,
    )  # fmt: skip
