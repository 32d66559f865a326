"""The custom error page also stands for an error that is in the cache."""

from __future__ import annotations

import asyncio

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.edge.message import Answer, Request, Viewer, Whereabouts
from kunren.dataplane.edge.pipeline import Pipeline
from kunren.dataplane.edge.site import Behaviour, CacheRules, ErrorResponse, Origin, Selection, Site

READ = frozenset({"GET", "HEAD"})


class Origins:
    async def ask(self, edge, origin, secure, method, target, headers, body):
        return Answer(200, [], b"page") if target == "/404.html" else Answer(404, [], b"raw")


async def asked(pipeline):
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts("JP"), secure=False)
    made = pipeline.begin(Request("GET", "/none", "", [("Host", "x.test")], viewer, "id"))
    return made if isinstance(made, Answer) else await pipeline.finish(made)


def test_the_second_viewer_gets_the_same_error_page_as_the_first():
    origin = Origin("o", "o.test", "", (), "http-only", 80, 443, 10, 3, 30, 5)
    site = Site(
        "s", "1", "d.cloudfront.net", ("x.test",),
        (Behaviour("*", "o", "allow-all", READ, READ, CacheRules(0, 86400, 31536000)),), {"o": origin},
        errors={404: ErrorResponse(404, "/404.html", 200, 10.0)},
    )  # fmt: skip

    async def both():
        pipeline = Pipeline(SystemClock(), Entropy(1), Origins(), None)
        pipeline.sites = {"x.test": site}
        return [await asked(pipeline), await asked(pipeline)]

    assert [(each.status, each.body) for each in asyncio.run(both())] == [(200, b"page"), (200, b"page")]


def test_a_viewer_from_a_country_that_is_kept_out_gets_the_error_page():
    origin = Origin("o", "o.test", "", (), "http-only", 80, 443, 10, 3, 30, 5)
    site = Site(
        "s", "1", "d.cloudfront.net", ("x.test",),
        (Behaviour("*", "o", "allow-all", READ, READ, CacheRules(0, 86400, 31536000)),), {"o": origin},
        errors={403: ErrorResponse(403, "/404.html", 451, 10.0)}, geo_allows=Selection("allExcept", frozenset({"JP"})),
    )  # fmt: skip

    async def once():
        pipeline = Pipeline(SystemClock(), Entropy(1), Origins(), None)
        pipeline.sites = {"x.test": site}
        return await asked(pipeline)

    answer = asyncio.run(once())
    assert (answer.status, answer.body, answer.detail) == (451, b"page", "ClientGeoBlocked")
