"""What is kept stays as the origin said it, and is as old as the question."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.edge.message import Answer, Request, Viewer, Whereabouts
from kunren.dataplane.edge.pipeline import Pipeline
from kunren.dataplane.edge.site import Behaviour, CacheRules, Origin, ResponseHeaders, Site

READ = frozenset({"GET", "HEAD"})
TIMED = ResponseHeaders(server_timing=100.0)
SITE = Site(
    "s", "1", "d.cloudfront.net", ("x.test",),
    (Behaviour("*", "o", "allow-all", READ, READ, CacheRules(0, 86400, 31536000), response_headers=TIMED),),
    {"o": Origin("o", "o.test", "", (), "http-only", 80, 443, 10, 3, 30, 5)},
)  # fmt: skip


class Origins:
    """Answers once it may."""

    def __init__(self):
        self.may = asyncio.Event()
        self.times = 0

    async def ask(self, edge, origin, secure, method, target, headers, body):
        await self.may.wait()
        self.times += 1
        return Answer(200, [("Server", "o")], b"object")


async def asked(pipeline):
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts("JP"), secure=False)
    made = pipeline.begin(Request("GET", "/a", "b=1", [("Host", "x.test")], viewer, "id"))
    return made if isinstance(made, Answer) else await pipeline.finish(made)


def test_headers_that_an_answer_gets_are_not_kept_with_the_object():
    async def story():
        origins = Origins()
        origins.may.set()
        pipeline = Pipeline(SystemClock(), Entropy(1), origins, None)
        pipeline.sites = {"x.test": SITE}
        return [await asked(pipeline) for _ in range(3)]

    for answer, cache in zip(asyncio.run(story()), ("miss", "hit", "hit"), strict=True):
        (timing,) = [value for name, value in answer.headers if name == "Server-Timing"]
        assert f"cdn-cache-{cache}," in timing


def test_an_object_whose_path_is_invalidated_while_it_comes_is_asked_for_again():
    async def story():
        clock, origins = SystemClock(), Origins()
        pipeline = Pipeline(clock, Entropy(1), origins, None)
        pipeline.sites = {"x.test": SITE}
        first = asyncio.create_task(asked(pipeline))
        await asyncio.sleep(0)
        pipeline.sites = {"x.test": replace(SITE, invalidated=(("/a*", clock.now()),))}
        origins.may.set()
        await first
        return (await asked(pipeline)).outcome, origins.times

    assert asyncio.run(story()) == ("Miss", 2)
