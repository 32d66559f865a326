"""Containers that an engine of this machine runs, in the network namespaces of the world (decision 32).

The engine is Podman: it takes a namespace's path. Docker joins namespaces of its own containers alone. An image's root
is given to the engine once, as an image `kunren.local/image:DIGEST`, if it does not have that image already. Each of
our containers has the label `kunren.run`, by which those that a daemon before left are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kunren.dataplane.containers.api import EngineApi, EngineError
from kunren.dataplane.containers.described import REPOSITORY, described
from kunren.dataplane.containers.interface import Containers, RunningContainer
from kunren.dataplane.containers.terminal import UNKNOWN_CODE, executed, opened, written
from kunren.dataplane.guests.disk import BUNDLE
from kunren.dataplane.guests.guests import GuestSpec
from kunren.world.agent.filesystem import NETNS_DIR, RESOLV_CONF, RESOLV_DIR
from kunren.world.file_systems import FileSystem
from kunren.world.interface import Process

log = logging.getLogger(__name__)
LABEL = "kunren.run"
_PRINTED_WITHIN_S, _ANSWERED_WITHIN_S = 5.0, 10.0
_REMOVED_CODE = 137
_NOT_RUNNING = "container state improper"
"""How Podman says, with status 500, what Docker says with 409."""
_CGROUPS = Path("/sys/fs/cgroup")


class EngineContainer:
    """A container of the engine as `RunningContainer`."""

    def __init__(self, api: EngineApi, id: str, pid: int, spec: GuestSpec) -> None:
        self._api, self._id, self._spec, self.pid = api, id, spec, pid
        self.namespace, self.variables = spec.namespace, spec.env
        self.enter_with = f"podman exec -it {id[:12]}"
        self.out_of_memory = False
        loop, output = asyncio.get_running_loop(), spec.output
        printing = loop.create_task(self._print(os.dup(output))) if output is not None else None
        self._running = loop.create_task(self._run(printing))

    async def wait(self) -> int:
        return await asyncio.shield(self._running)

    async def _run(self, printing: asyncio.Task[None] | None) -> int:
        try:
            code = int((await self._api.ask("POST", f"/containers/{self._id}/wait"))["StatusCode"])
            state = (await self._api.ask("GET", f"/containers/{self._id}/json"))["State"]
            self.out_of_memory = bool(state.get("OOMKilled"))
            if printing is not None:
                await asyncio.wait([printing], timeout=_PRINTED_WITHIN_S)
            await removed(self._api, self._id)
        except (EngineError, OSError) as error:
            gone = isinstance(error, EngineError) and error.status == 404  # somebody had the engine remove it
            log.log(logging.INFO if gone else logging.WARNING, "%s is lost: %s", self._spec.name, error)
            code = _REMOVED_CODE if gone else UNKNOWN_CODE
        finally:
            if printing is not None:
                printing.cancel()
        return code

    async def _print(self, output: int) -> None:
        os.set_blocking(output, False)
        try:
            async for each in self._api.printed(
                f"/containers/{self._id}/logs", follow="true", stdout="true", stderr="true"
            ):
                await written(output, each)
        except (EngineError, OSError) as error:
            log.debug("what %s prints is not read any more: %s", self._spec.name, error)
        finally:
            os.close(output)

    def load(self) -> tuple[float, int] | None:
        try:
            lines = Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
            own = next(each.removeprefix("0::/") for each in lines if each.startswith("0::/"))
            counted = (_CGROUPS / own / "cpu.stat").read_text().split()
            held = int((_CGROUPS / own / "memory.current").read_text())
            return int(counted[counted.index("usage_usec") + 1]) / 1e6, held
        except (OSError, StopIteration, ValueError):
            return None

    async def signal(self, number: int) -> None:
        try:
            await self._api.ask("POST", f"/containers/{self._id}/kill", signal=number)
        except EngineError as error:
            if error.status not in (404, 409) and _NOT_RUNNING not in str(error):
                log.warning("signal %d does not reach %s: %s", number, self._spec.name, error)

    async def open_terminal(self, argv: Sequence[str], terminal: int) -> Process:
        """Root's, whoever the container's user is."""
        return await opened(self._api, self._id, argv, terminal, {"TERM": "xterm-256color"})

    async def execute(self, argv: tuple[str, ...], timeout_s: float) -> int | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await executed(self._api, self._id, argv)
        except (OSError, TimeoutError):
            return None


class EngineContainers:
    """`Containers` by an engine. `sockets` tells where engines answer, `handle` what `World.handle` does, `owner` is
    this Kunren's mark, `used` a file that is there while the engine may have containers of ours. What the machine's own
    file system is for is run by `processes`; so is everything where none of the engines is one that can and it is not
    `required`, and where an engine is not `wanted` any more, which has it swept alone."""

    def __init__(
        self, processes: Containers, sockets: Callable[[], Sequence[Path]], handle: Callable[[], Mapping[str, Any]],
        owner: str, trust: Path, used: Path, *, wanted: bool, required: bool,
    ) -> None:  # fmt: skip
        self._processes, self._sockets, self._handle = processes, sockets, handle
        self._owner, self._trust, self._used = owner, trust, used
        self._wanted, self._required = wanted, required
        self._api: EngineApi | None = None
        self._importing = asyncio.Lock()

    async def sweep(self) -> None:
        try:
            api = await self._engine() if self._wanted else await first_podman(self._sockets())
            if api is None:
                if self._used.exists():
                    log.warning("containers may be left in Podman, which does not answer")
                return
            filters = f'{{"label": ["{LABEL}={self._owner}"]}}'
            for each in await api.ask("GET", "/containers/json", all="true", filters=filters):
                await removed(api, each["Id"])
            self._used.unlink(missing_ok=True)
        except (EngineError, OSError) as error:
            log.warning("containers may be left in the container engine: %s", error)

    def storage(self, image: Path, size: int) -> FileSystem | None:
        """None where an engine runs the containers, which reaches none of ours."""
        return self._processes.storage(image, size) if self._api is None and not self._required else None

    async def start(self, spec: GuestSpec) -> RunningContainer:
        api = await self._engine() if not spec.machine and spec.disk is None else None
        if api is None:
            return await self._processes.start(spec)
        assert spec.lower is not None
        self._used.touch()
        world = f"/proc/{self._handle()['agent_pid']}/root"
        binds = await asyncio.to_thread(self._binds, spec, world)
        try:
            image = await self._image(api, spec.lower)
            wanted = described(spec, image, f"{world}{NETNS_DIR}/{spec.namespace}", binds, {LABEL: self._owner})
            id = str((await api.ask("POST", "/containers/create", wanted, name=f"kunren-{spec.name}"))["Id"])
            try:
                await api.ask("POST", f"/containers/{id}/start")
                pid = int((await api.ask("GET", f"/containers/{id}/json"))["State"]["Pid"])
            except BaseException:
                await asyncio.shield(removed(api, id))
                raise
        except EngineError as error:
            raise refusal(str(error)) from error
        return EngineContainer(api, id, pid, spec)

    async def _engine(self) -> EngineApi | None:
        """The engine that runs containers; None where there is none and none is required. Raises OSError."""
        if self._api is None and self._wanted:
            self._api = await first_podman(self._sockets())
        if self._api is None and self._required:
            raise OSError(0, "no Podman answers on a socket here (see CONTAINER_HOST, and `kunren doctor`)")
        return self._api

    def _binds(self, spec: GuestSpec, world: str) -> dict[str, str]:
        """What is laid into the container, target → source on the host. Blocks."""
        binds = {BUNDLE: str(self._trust), **spec.binds}
        source = binds.get(RESOLV_CONF, f"{RESOLV_DIR}/{spec.namespace}")
        if source.startswith(RESOLV_DIR):  # a file of the world's, which nobody outside can mount
            spec.root.mkdir(parents=True, exist_ok=True)
            own = spec.root / "resolv.conf"
            own.write_bytes(Path(f"{world}{source}").read_bytes())
            binds[RESOLV_CONF] = str(own)
        return binds

    async def _image(self, api: EngineApi, root: Path) -> str:
        """The name by which the engine has the image with that root."""
        digest = root.parent.name
        name = f"{REPOSITORY}:{digest}"
        async with self._importing:
            for each in (f"sha256:{digest}", name):
                with contextlib.suppress(EngineError):
                    await api.ask("GET", f"/images/{each}/json")
                    return each
            with tempfile.TemporaryFile(dir=root.parent.parent) as file:
                await asyncio.to_thread(_packed, root, file)
                size = file.tell()
                file.seek(0)
                told = await api.upload("/images/create", file, size, fromSrc="-")
            id = next((each["status"] for each in reversed(told) if "status" in each), None)
            if id is None:
                raise EngineError(500, f"the image could not be given to the container engine: {told}")
            await api.ask("POST", f"/images/{id}/tag", repo=REPOSITORY, tag=digest)
        return name


async def first_podman(sockets: Sequence[Path]) -> EngineApi | None:
    """The first engine that is Podman."""
    for each in sockets:
        api = EngineApi(each)
        with contextlib.suppress(EngineError, OSError):
            told = await api.ask("GET", "/version")
            if any("podman" in one.get("Name", "").lower() for one in told.get("Components") or ()):
                return api
    return None


async def podman_of_root(sockets: Sequence[Path]) -> bool | None:
    """Whether the Podman that runs containers is root's, as it must be; None where none answers."""
    try:
        async with asyncio.timeout(_ANSWERED_WITHIN_S):
            api = await first_podman(sockets)
            return None if api is None else not (await api.ask("GET", "/info")).get("Rootless")
    except (EngineError, OSError):
        return None


async def removed(api: EngineApi, id: str) -> None:
    """End a container, if it runs, and forget it. Raises OSError."""
    try:
        await api.ask("DELETE", f"/containers/{id}", force="true", v="true")
    except EngineError as error:
        if error.status != 404:
            log.warning("container %s stays in the container engine: %s", id[:12], error)


def refusal(text: str) -> OSError:
    """What kept a container from starting, by the engine's words. Pure."""
    if "executable file not found" in text or ("exec:" in text and "no such file or directory" in text):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if "exec:" in text and "permission denied" in text:
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return OSError(0, text)


def _packed(root: Path, file: Any) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(root, ".")
