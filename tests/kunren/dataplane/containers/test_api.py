"""The client of container engines' API, against a server that answers as told, in all the ways that HTTP has."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.containers.api import EngineApi, EngineError, framed


def frame(content: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1))
def test_what_was_printed_is_the_same_however_it_is_cut(printed: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(each, 1 + at % 2) for at, each in enumerate(printed))
    found, kept, at = [], b"", 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        frames, kept = framed(kept + stream[at : at + size])
        found += frames
        at += size
    assert (found, kept) == (printed, b"")


def asked(tmp_path: Path, answer: bytes, ask: Any) -> tuple[bytes, Any]:
    """What the server was sent, and what came of its answer."""
    told = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        told.append(head + await reader.readexactly(size))
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def main() -> Any:
        server = await asyncio.start_unix_server(serve, tmp_path / "engine.sock")
        async with server:
            return await ask(EngineApi(tmp_path / "engine.sock"))

    found = asyncio.run(main())
    return told[0], found


CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"Id": "\r\n4\r\nx1"}\r\n0\r\n\r\n'
SIZED = b'HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{"Id": "x1"}'
CLOSED = b'HTTP/1.0 200 OK\r\n\r\n{"Id": "x1"}\n'


@pytest.mark.parametrize("answer", [CHUNKED, SIZED, CLOSED])
def test_an_answer_is_read_to_its_end(tmp_path: Path, answer: bytes) -> None:
    sent, found = asked(tmp_path, answer, lambda api: api.ask("POST", "/containers/create", {"Image": "i"}, name="a b"))
    assert found == {"Id": "x1"}
    assert sent.startswith(b"POST /v1.41/containers/create?name=a+b HTTP/1.1\r\n")
    assert sent.endswith(b'\r\n\r\n{"Image": "i"}')


def test_an_answer_without_a_document_is_none(tmp_path: Path) -> None:
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert asked(tmp_path, empty, lambda api: api.ask("POST", "/containers/x/start"))[1] is None


@pytest.mark.parametrize("body, message", [(b'{"message": "no such image"}', "no such image"), (b"odd", "odd")])
def test_a_refusal_is_in_the_engines_words(tmp_path: Path, body: bytes, message: str) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with pytest.raises(EngineError, match=message) as refused:
        asked(tmp_path, answer, lambda api: api.ask("GET", "/images/x/json"))
    assert refused.value.status == 404


@pytest.mark.parametrize("answer", [SIZED[:-3], CHUNKED[:-12], b"HTTP/1.1 200"])
def test_an_answer_that_breaks_off_is_an_os_error(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(ConnectionResetError, match="broke off its answer"):
        asked(tmp_path, answer, lambda api: api.ask("GET", "/version"))


def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(EngineApi(tmp_path / "none.sock").ask("GET", "/version"))


def test_a_file_goes_as_it_is(tmp_path: Path) -> None:
    content = b"tar" * 700_000
    answer = b'HTTP/1.1 200 OK\r\n\r\n{"status": "a"}\n{"status": "sha256:1"}\n'

    def upload(api: EngineApi) -> Any:
        return api.upload("/images/create", io.BytesIO(content), len(content), fromSrc="-")

    sent, found = asked(tmp_path, answer, upload)
    assert sent.partition(b"\r\n\r\n")[2] == content
    assert found == [{"status": "a"}, {"status": "sha256:1"}]


def test_what_a_container_prints_comes_without_its_frames(tmp_path: Path) -> None:
    stream = frame(b"one\n") + frame(b"two\n", 2)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(stream), stream)

    async def read(api: EngineApi) -> list[bytes]:
        return [each async for each in api.printed("/containers/x/logs", follow="true")]

    assert asked(tmp_path, answer, read)[1] == [b"one\n", b"two\n"]
