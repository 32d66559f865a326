"""A bucket's website: whose bucket the Host names, and what it sends elsewhere before it looks at any object."""

from __future__ import annotations

from urllib.parse import unquote

from kunren.services.s3 import website
from kunren.services.s3.model import Bucket
from kunren.services.s3.website_front import bucket_name
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, CONNECTED, REFUSED, TLS_FAILURE, Step
from kunren.world.addresses import website_endpoint

STAGE = "website"
REDIRECTED_METHODS = ("GET", "HEAD")


def stage(course: Course) -> Step | None:
    regions = course.state.spec.regions
    region = next((each.name for at, each in enumerate(regions) if website_endpoint(at) == course.address), None)
    if region is None:
        return None
    request, where = course.request, f"website endpoint of {region}"
    if request.transport == "udp" or request.port != 80:
        return course.ended(STAGE, where, "websites answer on port 80 alone", outcome=REFUSED)
    if request.is_flow:
        return course.ended(STAGE, where, "it listens on port 80", outcome=CONNECTED)
    if request.scheme == "https":
        return course.ended(STAGE, where, "it speaks no TLS", outcome=TLS_FAILURE)
    name = bucket_name(request.host_header)
    bucket = course.snapshot.get(Bucket, "", "", name)
    configuration = bucket.settings.get("website") if bucket is not None else None
    if not configuration:
        why = f"no bucket is named {name}" if bucket is None else f"bucket {name} has no website configuration"
        return course.ended(STAGE, where, why, outcome=ANSWER, statuses=(404,))
    return _within(course, name, configuration)


def _within(course: Course, name: str, configuration: dict[str, object]) -> Step:
    request, chosen = course.request, f"bucket {name}"
    if request.method not in REDIRECTED_METHODS:
        because = f"a website takes no {request.method}"
        return course.ended(STAGE, chosen, because, outcome=ANSWER, statuses=(405,))
    target = request.path + (f"?{request.query}" if request.query else "")
    found, because = website.everything_to(configuration, target, "http"), "its website redirects all requests"
    if found is None:
        rules = configuration.get("RoutingRules") or []
        assert isinstance(rules, list)
        host = request.host_header.partition(":")[0]
        found = website.by_rules(rules, unquote(request.path[1:]), None, host, "http")
        because = "a routing rule takes the key"
    if found is None:
        why = "what the bucket's objects are is not traced"
        return course.ended(STAGE, chosen, "no redirect is for this key", outcome=ANSWER, unsure=why)
    because += f": {found.status} to {found.location}"
    return course.ended(
        STAGE, chosen, because, outcome=ANSWER, statuses=(found.status,), location=found.location
    )  # fmt: skip
