"""What a load balancer refuses before any rule is looked at."""

from __future__ import annotations

from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, Step

STAGE = "limits"
_ADDRESSES_MAX = 30


def stage(course: Course) -> Step | None:
    assert course.balancer is not None
    if course.request.method == "TRACE":
        return _refused(course, 405, "an Application Load Balancer does not allow TRACE")
    mode = value(LOAD_BALANCER, course.balancer.attributes, "routing.http.xff_header_processing.mode")
    sent = course.asked().header("x-forwarded-for") or ""
    if mode != "remove" and sent.count(",") >= _ADDRESSES_MAX:
        return _refused(course, 463, f"X-Forwarded-For has more than {_ADDRESSES_MAX} addresses")
    return None


def _refused(course: Course, status: int, because: str) -> Step:
    return course.ended(
        STAGE, f"refused with {status}", because, outcome=ANSWER, statuses=(status,), answered_by="load balancer"
    )
