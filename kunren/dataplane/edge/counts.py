"""What is counted of a distribution's requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kunren.dataplane.edge.message import Answer, Request

_CACHEABLE = frozenset({"Hit", "RefreshHit", "Miss"})
_UPLOADS = frozenset({"POST", "PUT"})
_DOWNLOADS = frozenset({"GET", "HEAD"})


@dataclass(slots=True)
class Counts:
    """Since they were last taken. `errors` counts answers by status, from 400 on; `origin_s` sums the seconds to the
    first byte of what origins answered (`from_origin` requests). Only GET and HEAD can be hits."""

    requests: int = 0
    downloaded: int = 0
    uploaded: int = 0
    hits: int = 0
    cacheable: int = 0
    from_origin: int = 0
    origin_s: float = 0.0
    errors: Counter[int] = field(default_factory=Counter)

    def add(self, request: Request, answer: Answer, sent: int, first_byte_s: float) -> None:
        self.requests += 1
        if request.method in _DOWNLOADS:
            self.downloaded += sent
        elif request.method in _UPLOADS and request.asked is not None:
            self.uploaded += request.asked.body_size
        if answer.status >= 400:
            self.errors[answer.status] += 1
        if answer.outcome in _CACHEABLE:
            if request.method in _DOWNLOADS:
                self.cacheable += 1
                self.hits += answer.outcome != "Miss"
            if answer.outcome != "Hit":
                self.from_origin += 1
                self.origin_s += first_byte_s
