"""Process 1 of a guest: starts what its boot plan says, one after the other, reaps what is orphaned, and ends.

A plan is a list of steps, each with any of
- `once`: a path; where something is there the step is left out, else it is made before the step is begun,
- `files`: [{"path", "content" (base64), "mode", "append"}], written in order,
- `argv`: a program, waited for,
- `folder`: the programs in that folder, in the order of their names, each waited for.

SIGTERM or SIGINT ends the guest: all its programs get SIGTERM, what still runs after `GRACE_S` is killed, and our exit
code is 0, or `REBOOT` after SIGINT. `shutdown` and its like in `BIN` send these from inside.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from kunren.world.agent import kernel, volumes

GRACE_S = 10.0
REBOOT = 64
BIN = "/run/kunren/bin"
_HEARD = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
_COMMANDS = {"shutdown": "TERM", "poweroff": "TERM", "halt": "TERM", "reboot": "INT"}
_MOUNTING = [{"argv": [f"{BIN}/mount", "-a"]}]


def run(plan: list[dict[str, Any]], env: dict[str, str]) -> None:
    """Boot, and live until the guest is to end. Returns never."""
    signal.pthread_sigmask(signal.SIG_SETMASK, _HEARD)
    kernel.set_process_name("init")
    _write_commands()
    starts = _starts([*_MOUNTING, *plan] if os.path.exists("/etc/fstab") else plan, env)
    current = next(starts, 0)
    while True:
        heard = signal.sigwait(_HEARD)
        if heard != signal.SIGCHLD:
            _end(REBOOT if heard == signal.SIGINT else 0)
        while ended := _reaped():
            if ended == current:
                current = next(starts, 0)


def hold(argv: list[str], env: dict[str, str], tell: int) -> None:
    """Be process 1 for one program: hand on to it every signal, reap what is orphaned, and end with it, as it did.
    Where it can't be run, "ERRNO TEXT" is told on the pipe. Returns never."""
    heard = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    pid = os.fork()
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(tell, f"{error.errno or 5} {error.strerror or error}".encode())
        finally:
            os._exit(127)
    os.close(tell)
    kernel.set_process_name("init")
    while True:
        number = signal.sigwait(heard)
        if number != signal.SIGCHLD:
            os.kill(pid, number)
            continue
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if ended == pid:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
            if not ended:
                break


def _reaped() -> int:
    """The number of a child that has ended, 0 where there is none."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0


def _starts(plan: list[dict[str, Any]], env: dict[str, str]) -> Iterator[int]:
    """Does the plan; gives the number of each program that is to be waited for before it goes on."""
    for step in plan:
        try:
            if once := step.get("once"):
                if os.path.exists(once):
                    continue
                os.makedirs(os.path.dirname(once), exist_ok=True)
                os.close(os.open(once, os.O_CREAT | os.O_WRONLY, 0o644))
            for file in step.get("files", ()):
                _write(file)
        except OSError as error:
            _say(f"{error}")
            continue
        if argv := step.get("argv"):
            yield _start(argv, env)
        if folder := step.get("folder"):
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                if os.access(path := f"{folder}/{name}", os.X_OK) and os.path.isfile(path):
                    yield _start([path], env)


def _write(file: dict[str, Any]) -> None:
    folder = os.path.dirname(file["path"])
    os.makedirs(folder or "/", exist_ok=True)
    flags = os.O_APPEND if file.get("append") else os.O_TRUNC
    fd = os.open(file["path"], os.O_CREAT | os.O_WRONLY | flags, 0o600)
    with os.fdopen(fd, "wb") as opened:
        opened.write(base64.b64decode(file["content"]))
        os.fchmod(opened.fileno(), file.get("mode", 0o644))


def _start(argv: list[str], env: dict[str, str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir("/")
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        _say(f"{argv[0]} can't be run: {error.strerror or error}")
    finally:
        os._exit(127)


def _say(text: str) -> None:
    os.write(2, f"init: {text}\n".encode())


def _write_commands() -> None:
    os.makedirs(BIN, exist_ok=True)
    for name, number in _COMMANDS.items():
        _write_command(name, f"#!/bin/sh\nexec kill -{number} 1\n")
    first, *others = volumes.COMMANDS
    _write_command(first, volumes.SCRIPT)
    for name in others:
        os.symlink(first, f"{BIN}/{name}")


def _write_command(name: str, text: str) -> None:
    fd = os.open(f"{BIN}/{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o755)
    os.write(fd, text.encode())
    os.fchmod(fd, 0o755)
    os.close(fd)


def _end(code: int) -> None:
    """End everything in the guest, ourselves last."""
    _signal_all(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while (left := deadline - time.monotonic()) > 0 and _any_left():
        signal.sigtimedwait((signal.SIGCHLD,), left)
    _signal_all(signal.SIGKILL)
    sys.stdout.flush()
    os._exit(code)


def _any_left() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _signal_all(number: int) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        pass
