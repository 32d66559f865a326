"""The process behind `kunren up`: takes the lock, builds the App, reports readiness, ends on a signal or on request."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kunren.cli.failures import Unusable, explained
from kunren.core.ca import begin_authority
from kunren.settings import DEFAULT_PORT, DEFAULT_PROXY_PORT, Settings
from kunren.world.launcher import Launched, launch

log = logging.getLogger(__name__)
SWITCH_INTERVAL_S = 0.0005
GARBAGE_THRESHOLDS = (20_000, 20, 50)
Ready = Callable[[dict[str, Any]], None]


def parse(arguments: Sequence[str]) -> tuple[Settings, int | None]:
    """The settings, and the descriptor to which readiness is reported."""
    parser = argparse.ArgumentParser(prog="kunren.daemon")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--proxy-port", type=int, default=DEFAULT_PROXY_PORT)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--world", type=Path)
    parser.add_argument("--distance", action="store_true")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--container-engine", default="none")
    parser.add_argument("--ready-fd", type=int)
    told = parser.parse_args(arguments)
    settings = Settings(
        state_dir=told.state.resolve(),
        port=told.port,
        proxy_port=told.proxy_port,
        speed=told.speed,
        world_file=told.world,
        distance=told.distance,
        strict=told.strict,
        seed=told.seed,
        container_engine=told.container_engine,
        quotas=os.environ.get("KUNREN_QUOTAS", ""),
    )
    return settings, told.ready_fd


@contextlib.contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Hold the state folder: one daemon at a time. Raises Unusable."""
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.log_dir.mkdir(parents=True, exist_ok=True)
        file = (settings.state_dir / "lock").open("w")
    except OSError as error:
        raise Unusable(f"the state folder {settings.state_dir} can't be used: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unusable(
                f"a Kunren with the state folder {settings.state_dir} is already running. "
                "Use `kunren status` to look at it, `kunren down` to end it, or --state DIR for another one."
            ) from error
        _sweep(settings)
        try:
            yield
        finally:
            _sweep(settings)
            with contextlib.suppress(OSError):  # what a part that failed left there is swept by the next start
                settings.run_dir.rmdir()


def _sweep(settings: Settings) -> None:
    """Remove the sockets of a daemon that was killed."""
    for leftover in settings.run_dir.iterdir():
        if not leftover.is_dir():
            leftover.unlink()


def run(arguments: Sequence[str], on_ready: Ready | None = None) -> int:
    """Run a daemon until it is told to end; its exit code."""
    started = time.monotonic()
    settings, ready_fd = parse(arguments)
    report = _reporter(ready_fd, on_ready)
    foreground = on_ready is not None
    try:
        with locked(settings):
            _log_to(settings, foreground)
            _path_with_own_programs()
            _many_files()
            authority = begin_authority(settings.ca_dir)
            launched = launch(settings.log_dir / "world.log")
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(settings, list(arguments), started, report, launched, authority))
    except Exception as error:
        text = explained(error)
        if text is None:
            log.exception("the daemon failed")
            text = f"the daemon failed: {error!r}. The traceback is in {settings.log_dir / 'daemon.log'}."
        if foreground:
            raise Unusable(text) from error
        report({"error": text})
        return 1
    return 0


async def _serve(
    settings: Settings, arguments: list[str], started: float, report: Ready, launched: Launched,
    authority: subprocess.Popen[bytes] | None,
) -> None:  # fmt: skip
    from kunren.app import App
    from kunren.management.status import readiness

    if authority is not None:
        authority.wait()
    app = App(settings, arguments, launched)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, app.ending.set)
    try:
        await app.start()
        await _heal_unfinished(settings, app.gateway.port)
        _favour_answers()
        report(readiness(app, time.monotonic() - started))
        await app.run()
    finally:
        await app.stop()


async def _heal_unfinished(settings: Settings, port: int) -> None:
    """Have taken back what drills broke that ended with an earlier daemon; by a program of its own, from outside."""
    if any((settings.state_dir / "unfinished-drills").glob("*.json")):
        command = [
            sys.executable,
            "-m",
            "kunren.drills.unfinished",
            str(settings.state_dir),
            f"http://127.0.0.1:{port}",
        ]
        healing = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        if await healing.wait() != 0:
            log.error("an unfinished drill could not be healed: see above")


def _favour_answers() -> None:
    """Python's defaults are for programs that compute. Here the thread that writes to disk must not wait 5 ms for the
    interpreter while an answer waits for it, and what a start leaves behind needs no looking through for garbage."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def _reporter(ready_fd: int | None, on_ready: Ready | None) -> Ready:
    def report(value: dict[str, Any]) -> None:
        if on_ready is not None and "error" not in value:
            on_ready(value)
        if ready_fd is not None:
            import msgspec

            with contextlib.suppress(OSError), os.fdopen(ready_fd, "wb") as pipe:
                pipe.write(msgspec.json.encode(value))

    return report


def _log_to(settings: Settings, foreground: bool) -> None:
    """Into logs/daemon.log; warnings to the terminal as well when there is one."""
    to_file = logging.FileHandler(settings.log_dir / "daemon.log")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handlers: list[logging.Handler] = [to_file]
    if foreground:
        to_terminal = logging.StreamHandler()
        to_terminal.setLevel(logging.WARNING)
        handlers.append(to_terminal)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)


def _path_with_own_programs() -> None:
    """Programs that `make` brought for this environment are found too, after the system's own."""
    extra = [str(Path(sys.prefix) / "debian" / "bin"), "/usr/sbin", "/sbin"]
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([*known, *(each for each in extra if each not in known)])


def _many_files() -> None:
    """Every connection is a file: allow as many as this user may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
