"""The child process that runs moto: `python -m kunren.fallback.child --socket PATH --journal PATH`.

One thread. It connects to the daemon's socket, replays its journal, says hello, and then takes whatever calls have
come, runs them one after the other, makes what changed something durable with one write, and answers them all. So the
order of the journal is the order in which things happened, and many callers share one wait for the disk. A backend of
moto is imported when its service is first called. The socket's end is the child's end.

Where the journal cannot be written, the answer is an error and the child ends: the next one replays what is on disk,
so that nothing unwritten stays visible.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from kunren.fallback import chance as chance_module
from kunren.fallback import hooks, identities
from kunren.fallback.frames import FAILED, LENGTH, NOT_IMPLEMENTED, OK, Answer, Call, Hello, frame
from kunren.fallback.journal import Journal, JournalTaken
from kunren.fallback.mutations import READ, WRITE
from kunren.fallback.operations import handled, moto_handlers
from kunren.fallback.services import SERVICES

log = logging.getLogger("kunren.fallback.child")
BATCH_MAX = 64
FORM = "application/x-www-form-urlencoded"
_NOT_FOUND_PAGES = (404, 405)
_monotonic = time.monotonic  # taken before time is replaced


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One line of the journal. `digest` is of the answer that the caller got."""

    call: Call
    digest: bytes
    tape: list[bytes]


class Epoch(msgspec.Struct, array_like=True, frozen=True):
    """The journal's first record: the time at which what moto makes by itself is dated, and who wrote it."""

    now: float
    moto: str


class Moto:
    """moto's applications, one per service, each call at its own time and with its own seed."""

    def __init__(self) -> None:
        self.chance = chance_module.Chance()
        self._applications: dict[str, Any] = {}
        self._handlers: dict[str, frozenset[str]] = {}
        chance_module.install(self.chance)
        hooks.install_common(self.chance)

    def run(self, call: Call, tape: list[bytes] | None = None) -> Answer:
        """The answer to a call; with a tape it is a replay."""
        try:
            if call.service == identities.QUESTION:
                self.chance.begin(call.seed, call.now, tape)
                return Answer(call.id, OK, 200, [], identities.told(call.now))
            if call.operation and not handled(call.operation, self._handlers_of(call.service)):
                return Answer(call.id, NOT_IMPLEMENTED, message="moto has no such operation")
            application = self._application(SERVICES[call.service].package)
            self.chance.begin(call.seed, call.now, tape)
            status, headers, body = _ask(application, _environ(call))
        except NotImplementedError as error:
            return Answer(call.id, NOT_IMPLEMENTED, message=str(error))
        except Exception as error:
            log.exception("%s %s failed inside moto", call.service, call.operation)
            return Answer(call.id, FAILED, message=f"moto failed: {error!r}")
        if status in _NOT_FOUND_PAGES and body.startswith(b"<!doctype html>"):
            return Answer(call.id, NOT_IMPLEMENTED, message="moto has no such path")
        return Answer(call.id, OK, status, headers, body, wait=self.chance.wait)

    def changed(self, call: Call, answer: Answer) -> bool:
        """Whether the call that ran last belongs in the journal (see `mutations`)."""
        if answer.outcome != OK or answer.status >= 400:
            return self.chance.changed
        if call.kind == WRITE or self.chance.changed:
            return True
        return call.kind == READ and self.chance.draws > 0

    def _handlers_of(self, service: str) -> frozenset[str]:
        if service not in self._handlers:
            self._handlers[service] = moto_handlers(service, SERVICES[service].package)
        return self._handlers[service]

    def _application(self, package: str) -> Any:
        if package not in self._applications:
            from moto.moto_server.werkzeug_app import create_backend_app

            hooks.install_service(package, self.chance)
            application: Any = create_backend_app(package)
            application.debug = False
            application.config["PROPAGATE_EXCEPTIONS"] = True
            self._applications[package] = application
        return self._applications[package]


def _environ(call: Call) -> dict[str, Any]:
    """The call as a WSGI environment (PEP 3333), as moto's own server would make it."""
    from moto.core.request import (
        PRESERVED_HEADER_NAMES_ENVIRON_KEY,
        environ_key_for_header,
        should_preserve_original_header_name,
    )

    host = call.headers.get("host", f"{call.service}.amazonaws.com")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(call.path).decode("latin-1"),
        "QUERY_STRING": call.query,
        "RAW_URI": f"{call.path}?{call.query}" if call.query else call.path,
        "REQUEST_URI": f"{call.path}?{call.query}" if call.query else call.path,
        "SERVER_NAME": host.rpartition(":")[0] or host,
        "SERVER_PORT": "443" if call.secure else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if call.secure else "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(call.body)),
        "HTTP_X_MOTO_ACCOUNT_ID": call.account,
        PRESERVED_HEADER_NAMES_ENVIRON_KEY: {},
    }
    for name, value in call.headers.items():
        if name in ("content-length", "transfer-encoding", "x-moto-account-id", "expect"):
            continue
        key = environ_key_for_header(name)
        if "_" in name:
            if not should_preserve_original_header_name(name) or key in environ:
                continue  # WSGI cannot tell x_a from x-a: the one with the hyphen counts
            environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY][key] = name
        environ[key] = value
    if not (call.method == "POST" and call.headers.get("content-type", "").startswith(FORM)):
        environ["CONTENT_TYPE"] = _no_form(environ.get("CONTENT_TYPE", ""))
    environ[hooks.OPERATION] = call.operation
    environ.pop(hooks.CALLER, None)
    if call.caller:
        environ[hooks.CALLER] = json.dumps(call.caller)
    return environ


def _no_form(content_type: str) -> str:
    """What the router did not read as a form is none for moto either, however it is written."""
    bare = content_type.strip().lower()
    return "application/octet-stream" if bare.startswith((FORM, "multipart/form-data")) else content_type


def _ask(application: Any, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started[:] = [(status, headers)]

    pieces = application(environ, start_response)
    try:
        body = b"".join(pieces)
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    status, headers = started[0]
    return int(status.split(" ", 1)[0]), headers, body


def _digest(answer: Answer) -> bytes:
    return hashlib.sha256(answer.status.to_bytes(4, "big") + answer.body).digest()[:16]


class Child:
    """The journal, moto and the socket."""

    def __init__(self, connection: socket.socket, journal: Journal, epoch: float) -> None:
        self._connection = connection
        self._journal = journal
        self._epoch = epoch
        self._moto: Moto | None = None
        self._buffer = bytearray()
        self._call = msgspec.msgpack.Decoder(Call)

    def start(self) -> Hello:
        """Replay the journal. Its first record is the epoch; a new journal gets one."""
        began = _monotonic()
        moto = self._moto = Moto()
        from moto import __version__ as version

        records = self._journal.records()
        first = next(records, None)
        if first is None:
            moto.chance.epoch = self._epoch
            self._journal.append([msgspec.msgpack.encode(Epoch(self._epoch, version))])
            return Hello(dropped_bytes=self._journal.dropped_bytes, journal_bytes=self._journal.size)
        epoch = msgspec.msgpack.decode(first, type=Epoch)
        moto.chance.epoch = epoch.now
        if epoch.moto != version:
            log.warning("the journal was begun with moto %s and is replayed by %s", epoch.moto, version)
        replayed = differing = 0
        decoder = msgspec.msgpack.Decoder(Record)
        for payload in records:
            record = decoder.decode(payload)
            answer = moto.run(record.call, record.tape)
            replayed += 1
            if _digest(answer) != record.digest:
                differing += 1
                log.warning("%s %s came out differently in the replay", record.call.service, record.call.operation)
        return Hello(
            replayed=replayed,
            differing=differing,
            replay_s=_monotonic() - began,
            dropped_bytes=self._journal.dropped_bytes,
            journal_bytes=self._journal.size,
        )

    def serve(self) -> None:
        """Answer until the daemon hangs up. Raises OSError where the journal cannot be written."""
        assert self._moto is not None
        while calls := list(self._take()):
            answers, records = [], []
            for call in calls:
                answer = self._moto.run(call)
                answers.append(answer)
                if self._moto.changed(call, answer):
                    records.append(msgspec.msgpack.encode(Record(call, _digest(answer), self._moto.chance.tape)))
            if records:
                try:
                    self._journal.append(records)
                except OSError as error:
                    message = f"the change could not be written to {self._journal.path}: {error}"
                    self._send([Answer(call.id, FAILED, message=message) for call in calls])
                    raise
            self._send(answers)

    def _send(self, answers: list[Answer]) -> None:
        self._connection.sendall(b"".join(frame(answer) for answer in answers))

    def _take(self) -> Iterator[Call]:
        """At least one call, and those that have come meanwhile; none at the end."""
        taken = 0
        while taken < BATCH_MAX:
            if (payload := self._next_frame()) is not None:
                taken += 1
                yield self._call.decode(payload)
            elif taken and not select.select([self._connection], [], [], 0)[0]:
                return
            else:
                more = self._connection.recv(1 << 20)
                if not more:
                    return
                self._buffer += more

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[LENGTH.size : end])
        del self._buffer[:end]
        return payload


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kunren.fallback.child")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--journal", required=True, type=Path)
    parser.add_argument("--epoch", required=True, type=float, help="AWS time at which a new journal begins")
    told = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(told.socket)
    try:
        child = Child(connection, Journal(told.journal), told.epoch)
        hello = child.start()
    except JournalTaken as error:
        connection.sendall(frame(Hello(error=f"another process holds the journal {error}")))
        return 1
    except ImportError as error:
        connection.sendall(frame(Hello(error=f"moto cannot be imported ({error}); `pip install 'moto[server]'`")))
        return 1
    except Exception as error:
        log.exception("moto could not be started")
        connection.sendall(frame(Hello(error=f"moto could not be started: {error!r}")))
        return 1
    connection.sendall(frame(hello))
    try:
        child.serve()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the daemon is gone, and with it everyone who could ask
    except OSError:
        log.exception("the child ends, so that nothing unwritten stays visible")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
