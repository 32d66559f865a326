"""Event invocations in virtual time, with functions that do as they are told."""

import asyncio

from kunren.control.store import Store
from kunren.core.calling import nobody_answers
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.lambda_.destinations import Destinations
from kunren.services.lambda_.errors import ResourceNotFoundException, TooManyRequestsException
from kunren.services.lambda_.events import EventQueue
from kunren.services.lambda_.invoker import InvokeResult
from kunren.services.lambda_.model import Alias, AsyncEvent, EventInvokeConfig, Function, PublishedVersion

OK = InvokeResult(200, b"", None, "$LATEST")
BAD = InvokeResult(200, b"", "Unhandled", "$LATEST")
BUSY = TooManyRequestsException("Rate Exceeded.")


class Functions:
    def __init__(self, clock, answers):
        self.clock = clock
        self.answers = list(answers)
        self.at = []

    async def invoke(self, *told, **more):
        self.at.append(self.clock.now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def event(now):
    return AsyncEvent(account="1", region="r", id="e", function="f", payload=b"\xff{}", accepted_at=now, not_before=now)


def play(answers, steps, step_s, store=None, **config):
    """When (seconds after acceptance) the function was tried, and whether the event is still waiting."""

    async def whole():
        clock = SimClock()
        states = store or Store(None)
        states.register(AsyncEvent, EventInvokeConfig, Function, PublishedVersion, Alias)
        if config:
            with states.write() as tx:
                tx.put(
                    EventInvokeConfig(
                        account="1", region="r", id="f:$LATEST", arn="arn", function="f", last_modified=0.0, **config
                    )
                )
        functions = Functions(clock, answers)
        queue = EventQueue(states, functions, clock, Destinations(nobody_answers, clock, Entropy(1)))
        running = asyncio.ensure_future(queue.run())
        start = clock.now()
        with states.write() as tx:
            tx.put(event(start))
        for _ in range(steps):
            for _ in range(8):
                await asyncio.sleep(0)
            clock.advance(step_s)
        for _ in range(8):
            await asyncio.sleep(0)
        running.cancel()
        left = states.snapshot().get(AsyncEvent, "1", "r", "e")
        return [round(each - start) for each in functions.at], left is not None

    return asyncio.run(whole())


def test_an_event_that_succeeds_is_done_with():
    assert play([OK], 10, 60) == ([0], False)


def test_function_errors_are_retried_after_one_and_two_minutes_then_dropped():
    assert play([BAD], 60, 10) == ([0, 60, 180], False)


def test_an_event_invoke_configuration_says_how_often_and_how_long():
    assert play([BAD], 60, 10, retries_max=0) == ([0], False)
    assert play([BAD], 60, 10, retries_max=1) == ([0, 60], False)
    assert play([BAD], 60, 10, age_max_s=100) == ([0, 60], False)
    assert play([BUSY], 100, 1, age_max_s=60) == ([0, 1, 3, 7, 15, 31], False)


def test_a_retry_that_succeeds_is_the_last():
    assert play([BAD, OK], 60, 10) == ([0, 60], False)


def test_throttled_events_back_off_from_one_second():
    tried, left = play([BUSY], 20, 1)
    assert tried == [0, 1, 3, 7, 15]
    assert left


def test_throttled_events_end_after_six_hours():
    tried, left = play([BUSY], 200, 150)
    assert 6 * 3600 - 600 < tried[-1] <= 6 * 3600
    assert not left


def test_an_event_for_a_function_that_is_gone_is_dropped():
    assert play([ResourceNotFoundException("gone")], 3, 1) == ([0], False)


def test_events_left_by_a_daemon_that_died_are_taken_up(tmp_path):
    path = tmp_path / "kunren.db"
    before = Store(path)
    before.register(AsyncEvent)
    with before.write() as tx:
        tx.put(event(0.0))
    before.close()

    async def whole():
        clock = SimClock()
        store = Store(path)
        store.register(AsyncEvent, EventInvokeConfig, Function, PublishedVersion, Alias)
        functions = Functions(clock, [OK])
        destinations = Destinations(nobody_answers, clock, Entropy(1))
        running = asyncio.ensure_future(EventQueue(store, functions, clock, destinations).run())
        while store.snapshot().get(AsyncEvent, "1", "r", "e") is not None:
            await asyncio.sleep(0)
        running.cancel()
        await store.durable()
        store.close()
        return len(functions.at)

    assert asyncio.run(whole()) == 1
