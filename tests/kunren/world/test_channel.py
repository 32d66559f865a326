"""The daemon's end of the agent's socket, against a scripted agent."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

from kunren.world.agent import frames
from kunren.world.channel import Channel, RulesetRefused
from kunren.world.interface import NoSuchNamespace, WorldEnded


class Scripted:
    """A channel, and the blocking end that plays the agent."""

    def __init__(self) -> None:
        ours, self.agent = socket.socketpair()
        self.events: list[dict[str, Any]] = []
        self.ends = 0
        self.channel = Channel(ours, self.events.append, self._ended)
        self.reader = frames.Reader(self.agent)

    def _ended(self) -> None:
        self.ends += 1

    async def requests(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            await asyncio.to_thread(self.reader.receive)
            found += [message for message, _ in self.reader.messages()]
        return found


def test_answers_find_their_callers_in_any_order():
    async def story() -> None:
        script = Scripted()
        asked = [asyncio.create_task(script.channel.ask("op", number=number)) for number in range(3)]
        for request in reversed(await script.requests(3)):
            frames.send(script.agent, {"id": request["id"], "result": request["number"] * 10})
        assert [result for result, _ in await asyncio.gather(*asked)] == [0, 10, 20]
        script.channel.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ({"kind": "os", "errno": 98, "text": "Address already in use"}, OSError),
        ({"kind": "namespace", "errno": 0, "text": "place-x"}, NoSuchNamespace),
        ({"kind": "ruleset", "errno": 0, "text": "syntax error"}, RulesetRefused),
        ({"kind": "bug", "errno": 0, "text": "KeyError"}, RuntimeError),
    ],
)
def test_each_kind_of_error_has_its_exception(error, raised):
    async def story() -> None:
        script = Scripted()
        asked = asyncio.create_task(script.channel.ask("op"))
        (request,) = await script.requests(1)
        frames.send(script.agent, {"id": request["id"], "error": error})
        with pytest.raises(raised, match=error["text"]):
            await asked
        script.channel.close()

    asyncio.run(story())


def test_the_end_of_the_stream_fails_who_waits_and_who_comes_later():
    async def story() -> None:
        script = Scripted()
        asked = asyncio.create_task(script.channel.ask("op"))
        await script.requests(1)
        script.agent.close()
        with pytest.raises(WorldEnded):
            await asked
        with pytest.raises(WorldEnded):
            await script.channel.ask("op")
        script.channel.close()
        assert script.ends == 1

    asyncio.run(story())


def test_a_message_larger_than_the_sockets_buffer_arrives_whole():
    async def story() -> None:
        script = Scripted()
        text = "x" * 3_000_000
        asked = asyncio.create_task(script.channel.ask("op", text=text))
        (request,) = await script.requests(1)
        assert request["text"] == text
        frames.send(script.agent, {"id": request["id"], "result": None})
        await asked
        script.channel.close()

    asyncio.run(story())


def test_descriptors_for_a_caller_that_is_gone_are_closed():
    async def story() -> None:
        script = Scripted()
        asked = asyncio.create_task(script.channel.ask("socket"))
        (request,) = await script.requests(1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        read_end, write_end = os.pipe()
        frames.send(script.agent, {"id": request["id"], "result": None}, [write_end])
        os.close(write_end)
        assert await asyncio.to_thread(os.read, read_end, 1) == b""  # no writer is left
        os.close(read_end)
        script.channel.close()

    asyncio.run(asyncio.wait_for(story(), 10))


def test_events_are_handed_on():
    async def story() -> None:
        script = Scripted()
        frames.send(script.agent, {"event": "exit", "pid": 7, "code": 0})
        while not script.events:
            await asyncio.sleep(0.01)
        assert script.events == [{"event": "exit", "pid": 7, "code": 0}]
        script.channel.close()

    asyncio.run(story())


def test_a_stream_that_is_no_message_ends_the_channel():
    async def story() -> None:
        script = Scripted()
        script.agent.sendall(b"\xff\xff\xff\xff garbage")
        while not script.ends:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), 10))
