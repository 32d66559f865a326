"""The walk through the links."""

import asyncio
import inspect
from collections.abc import Awaitable

from kunren.gateway.chain import Call, Chain, Promise, Told
from kunren.gateway.http import HttpRequest, HttpResponse

REQUEST = HttpRequest("GET", "/", "", {})


def fail(call: Call, error: Exception) -> HttpResponse:
    return HttpResponse(500, [], str(error).encode())


def test_links_that_do_not_wait_answer_at_once_and_in_order() -> None:
    seen: list[str] = []

    def first(call: Call) -> None:
        seen.append("first")

    def last(call: Call) -> None:
        seen.append("last")
        call.response = HttpResponse(204)

    assert Chain([first, last], fail).handle(REQUEST) == HttpResponse(204)
    assert seen == ["first", "last"]


def test_the_walk_goes_on_behind_a_link_that_waits() -> None:
    async def pause(call: Call) -> None:
        await asyncio.sleep(0)
        call.request_id = "waited"

    def waits(call: Call) -> Awaitable[None]:
        return pause(call)

    def last(call: Call) -> None:
        call.response = HttpResponse(200, [], call.request_id.encode())

    async def main() -> HttpResponse:
        outcome = Chain([waits, waits, last], fail).handle(REQUEST)
        assert inspect.isawaitable(outcome)
        return await outcome

    assert asyncio.run(main()).body == b"waited"


def test_an_error_ends_the_walk_before_and_behind_a_wait() -> None:
    def broken(call: Call) -> None:
        raise ValueError("broken")

    async def pause(call: Call) -> None:
        await asyncio.sleep(0)

    async def main() -> HttpResponse:
        outcome = Chain([pause, broken], fail).handle(REQUEST)
        assert inspect.isawaitable(outcome)
        return await outcome

    assert Chain([broken, pause], fail).handle(REQUEST) == HttpResponse(500, [], b"broken")
    assert asyncio.run(main()) == HttpResponse(500, [], b"broken")


def test_an_answer_is_held_back_until_it_may_be_given() -> None:
    held: list[Told] = []

    def hold(call: Call, told: Told) -> bool:
        held.append(told)
        return True

    def last(call: Call) -> None:
        call.response = HttpResponse(204)

    given: list[HttpResponse] = []
    for outcome in (None, ValueError("lost")):
        promise = Chain([last], fail, hold).handle(REQUEST)
        assert isinstance(promise, Promise)
        promise.then(given.append)
        held.pop()(outcome)
    assert given == [HttpResponse(204), HttpResponse(500, [], b"lost")]


def test_a_promise_kept_early_is_given_at_once_and_one_can_be_awaited() -> None:
    async def main() -> HttpResponse:
        promise = Promise()
        asyncio.get_running_loop().call_soon(promise.keep, HttpResponse(204))
        return await promise

    promise, given = Promise(), list[HttpResponse]()
    promise.keep(HttpResponse(201))
    promise.then(given.append)
    assert given == [HttpResponse(201)]
    assert asyncio.run(main()) == HttpResponse(204)
