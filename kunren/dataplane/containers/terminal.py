"""Programs that a container engine runs in a container: to their end, or on a terminal of ours."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import termios
import tty
from collections.abc import Mapping, Sequence
from typing import Any

from kunren.dataplane.containers.api import EngineApi, EngineError, Hijacked

_PIECE = 65536
UNKNOWN_CODE = 255


async def executed(api: EngineApi, container: str, argv: Sequence[str]) -> int | None:
    """The program's exit code; None where it could not run. What it prints is nobody's. Raises OSError."""
    try:
        id = await _prepared(api, container, argv, {"AttachStdout": True, "AttachStderr": True})
        async with api.hijack(f"/exec/{id}/start", {"Detach": False, "Tty": False}) as carried:
            while await carried.reader.read(_PIECE):
                pass
        return await _code(api, id)
    except EngineError:
        return None


async def opened(
    api: EngineApi, container: str, argv: Sequence[str], terminal: int, variables: Mapping[str, str]
) -> Terminal:
    """Run a program as root, with that descriptor, of which we keep a copy, as its terminal. Raises OSError."""
    own = os.dup(terminal)
    try:
        more = dict.fromkeys(("Tty", "AttachStdin", "AttachStdout", "AttachStderr"), True)
        environment = [f"{name}={value}" for name, value in variables.items()]
        id = await _prepared(api, container, argv, {**more, "User": "0", "Env": environment})
    except EngineError as error:
        os.close(own)
        raise OSError(0, str(error)) from error
    except BaseException:
        os.close(own)
        raise
    tty.setraw(own)  # the program's own terminal, in the container, heeds lines and keys
    os.set_blocking(own, False)
    return Terminal(api, id, own)


async def _prepared(api: EngineApi, container: str, argv: Sequence[str], more: Mapping[str, Any]) -> str:
    return str((await api.ask("POST", f"/containers/{container}/exec", {"Cmd": list(argv), **more}))["Id"])


async def _code(api: EngineApi, id: str) -> int:
    return int((await api.ask("GET", f"/exec/{id}/json"))["ExitCode"])


class Terminal:
    """A program on a terminal, as `kunren.world.interface.Process`."""

    def __init__(self, api: EngineApi, id: str, terminal: int) -> None:
        self._api, self._id, self._terminal = api, id, terminal
        self._size = b""
        self.pid = 0
        self.returncode: int | None = None
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def wait(self) -> int:
        return await asyncio.shield(self._running)

    async def signal(self, number: int) -> None:
        with contextlib.suppress(EngineError, OSError):
            pid = int((await self._api.ask("GET", f"/exec/{self._id}/json"))["Pid"])
            if self.returncode is None and pid > 0:
                os.kill(pid, number)

    async def stop(self, grace_s: float = 5.0) -> int:
        await self.signal(signal.SIGHUP)
        await asyncio.wait([self._running], timeout=grace_s)
        if not self._running.done():
            await self.signal(signal.SIGKILL)
            await asyncio.wait([self._running], timeout=grace_s)
        if not self._running.done():
            self._running.cancel()
            return UNKNOWN_CODE
        return await self._running

    async def _run(self) -> int:
        code = UNKNOWN_CODE
        try:
            async with self._api.hijack(f"/exec/{self._id}/start", {"Detach": False, "Tty": True}) as carried:
                typing = asyncio.get_running_loop().create_task(self._type(carried))
                try:
                    while printed := await carried.reader.read(_PIECE):
                        await written(self._terminal, printed)
                finally:
                    typing.cancel()
                    await asyncio.gather(typing, return_exceptions=True)
            code = await _code(self._api, self._id)
        except EngineError as error:
            await written(self._terminal, f"{error}\r\n".encode())
        except OSError:
            pass  # nobody has the other end of the terminal, or the engine is gone
        finally:
            os.close(self._terminal)
            self.returncode = code
        return code

    async def _type(self, carried: Hijacked) -> None:
        """What is typed goes to the program, and so does the terminal's size when it has changed."""
        while True:
            await self._resize()
            await _ready(self._terminal, write=False)
            try:
                typed = os.read(self._terminal, _PIECE)
            except BlockingIOError:
                continue
            except OSError:
                typed = b""
            if not typed:
                carried.writer.write_eof()
                return
            carried.writer.write(typed)
            await carried.writer.drain()

    async def _resize(self) -> None:
        size = fcntl.ioctl(self._terminal, termios.TIOCGWINSZ, bytes(8))
        rows, columns = int.from_bytes(size[:2], "little"), int.from_bytes(size[2:4], "little")
        if size != self._size and rows and columns:
            self._size = size
            with contextlib.suppress(EngineError, OSError):
                await self._api.ask("POST", f"/exec/{self._id}/resize", h=rows, w=columns)


async def written(descriptor: int, content: bytes) -> None:
    """Write it all to a descriptor that does not block. Raises OSError."""
    while content:
        try:
            content = content[os.write(descriptor, content) :]
        except BlockingIOError:
            await _ready(descriptor, write=True)


async def _ready(descriptor: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def found() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if write else loop.add_reader)(descriptor, found)
    try:
        await ready
    finally:
        (loop.remove_writer if write else loop.remove_reader)(descriptor)
