"""What is remembered of a request that was answered, for those who write logs of it."""

from __future__ import annotations

from dataclasses import dataclass

from kunren.dataplane.edge.message import Answer, Request
from kunren.dataplane.edge.site import Site


@dataclass(frozen=True, slots=True)
class Record:
    """`request.asked` has the request as the viewer sent it. `at` is when the answer was complete, in AWS time; `sent`
    counts its bytes with the headers, as HTTP/1.1 has them. `broken` tells why it did not get through, in the words of
    x-edge-detailed-result-type; its status is 0 where nothing was sent."""

    site: Site
    request: Request
    answer: Answer
    at: float
    sent: int
    first_byte_s: float
    taken_s: float
    broken: str = ""
