"""The daemon's end of moto's child: started at the first call, started again (and replayed) after it died.

The daemon listens on a unix socket in the run folder and the child connects to it, so that "the child is ready" is a
frame and not a guess. Calls are multiplexed: each waits for the answer with its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

import kunren
from kunren.core.clock import Clock
from kunren.fallback.frames import LENGTH, Answer, Call, Hello, frame

log = logging.getLogger(__name__)
START_S = 120.0  # a long journal takes its time
RETRY_AFTER_S = 1.0


class Running(Protocol):
    """A started child, as `kunren.world.interface.Process` has it."""

    @property
    def pid(self) -> int: ...
    async def wait(self) -> int: ...
    async def stop(self, grace_s: float = 5.0) -> int: ...


Spawn = Callable[[Sequence[str], Mapping[str, str], Path], Awaitable[Running]]
"""(argv, environment, log file) → the started process."""


class Unavailable(Exception):
    """moto cannot answer; the text says why."""


class Lost(Exception):
    """The child died before it answered: whether the call had its effect is not known."""


def child_environment() -> dict[str, str]:
    """The child's whole environment: nothing of the daemon's, and the same order of sets in every replay."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(Path(kunren.__file__).parent.parent),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "HOME": "/nonexistent",
        "TZ": "UTC",
    }


class ChildProcess:
    """`ask(call)`; everything else happens by itself."""

    def __init__(self, run_dir: Path, journal: Path, log_file: Path, clock: Clock, spawn: Spawn) -> None:
        self.hello: Hello | None = None
        self.starts = 0
        self._socket_path = run_dir / "moto.sock"
        self._journal = journal
        self._log_file = log_file
        self._clock = clock
        self._spawn = spawn
        self._starting = asyncio.Lock()
        self._refusal: tuple[float, str] | None = None
        self._process: Running | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    @property
    def running(self) -> bool:
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    async def ask(self, call: Call) -> Answer:
        """Raises Unavailable where the child cannot be started, Lost where it died meanwhile."""
        if self._writer is None:
            await self._start()
        assert self._writer is not None
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[call.id] = answer
        try:
            self._writer.write(frame(call))
            await self._writer.drain()
            return await answer
        except ConnectionError:
            raise Lost from None
        finally:
            self._waiting.pop(call.id, None)

    async def stop(self) -> None:
        """End the child; a later `ask` starts another."""
        async with self._starting:
            await self._end()

    async def _start(self) -> None:
        async with self._starting:
            if self._writer is not None:
                return
            if self._refusal is not None and self._clock.monotonic() < self._refusal[0]:
                raise Unavailable(self._refusal[1])
            await self._end()
            try:
                await self._start_once()
                self._refusal = None
            except (Unavailable, OSError) as error:
                await self._end()
                reason = str(error)
                self._refusal = self._clock.monotonic() + RETRY_AFTER_S, reason
                log.error("moto: %s", reason)
                raise Unavailable(reason) from None

    async def _start_once(self) -> None:
        connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        connected = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connected.done():
                writer.close()
            else:
                connected.set_result((reader, writer))

        self._socket_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        self._socket_path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(accept, str(self._socket_path))
        try:
            argv = [sys.executable, "-m", "kunren.fallback.child", "--socket", str(self._socket_path)]
            argv += ["--journal", str(self._journal), "--epoch", repr(self._clock.now())]
            process = self._process = await self._spawn(argv, child_environment(), self._log_file)
            self.starts += 1
            reader, writer = await self._connection(connected, process)
        finally:
            server.close()
            self._socket_path.unlink(missing_ok=True)
        hello = await self._read_hello(reader)
        if hello.error:
            writer.close()
            raise Unavailable(hello.error)
        self.hello = hello
        self._writer = writer
        self._reader_task = asyncio.get_running_loop().create_task(self._read(reader, writer), name="moto:answers")
        log.info("moto runs: %d changes replayed in %.2f s", hello.replayed, hello.replay_s)
        if hello.differing:
            log.warning("moto: %d replayed changes came out differently", hello.differing)

    async def _connection(
        self, connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]], process: Running
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ended = asyncio.ensure_future(process.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {connected, ended}
            await asyncio.wait(waiting, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if connected.done():
            return connected.result()
        if ended.done() and not ended.cancelled():
            raise Unavailable(f"moto's process ended with {ended.result()} at its start; see {self._log_file}")
        raise Unavailable(f"moto's process did not answer within {START_S:.0f} s; see {self._log_file}")

    async def _read_hello(self, reader: asyncio.StreamReader) -> Hello:
        try:
            async with asyncio.timeout(START_S):
                return msgspec.msgpack.decode(await _read_frame(reader), type=Hello)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unavailable(f"moto's process died at its start; see {self._log_file}") from None
        except TimeoutError:
            raise Unavailable(f"moto's process was not ready within {START_S:.0f} s; see {self._log_file}") from None

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = msgspec.msgpack.Decoder(Answer)
        try:
            while True:
                answer = decoder.decode(await _read_frame(reader))
                waiter = self._waiting.get(answer.id)
                if waiter is not None and not waiter.done():
                    waiter.set_result(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()
            for waiter in self._waiting.values():
                if not waiter.done():
                    waiter.set_exception(Lost())

    async def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        if self._reader_task is not None:
            self._reader_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader_task
            self._reader_task = None
        process, self._process = self._process, None
        if process is not None:
            await process.stop()


async def _read_frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return await reader.readexactly(length)


class _Subprocess:
    """A plain child of this process (tests, and where there is no world)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    async def stop(self, grace_s: float = 5.0) -> int:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(grace_s):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        return await self._process.wait()


async def spawn_subprocess(argv: Sequence[str], env: Mapping[str, str], log_file: Path) -> Running:
    with log_file.open("ab") as output:
        process: Any = await asyncio.create_subprocess_exec(
            *argv, env=dict(env), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    return _Subprocess(process)
