"""Names to addresses, by the place's own resolver, without a cache: as the C library asks for each connection.

Lookups of one name that are under way at the same time share one question.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from kunren.drills.load.loop import Loop, now_ns

ASK_AGAIN_NS = 1_000_000_000
PORT = 53
Answered = Callable[[list[str]], None]


def resolver_address(resolv_conf: Path = Path("/etc/resolv.conf")) -> str:
    """The first name server that the system's resolver would ask."""
    for line in resolv_conf.read_text().splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            return words[1]
    return "127.0.0.1"


class Names:
    """`lookup(name, answered)` calls back with IPv4 addresses in the order of the answer, none where there is none.

    It never gives up: whoever asks has a deadline and stops listening.
    """

    def __init__(self, loop: Loop, server: str) -> None:
        self.server = server
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.connect((server, PORT))
        self._waiting: dict[str, list[Answered]] = {}
        self._questions: dict[int, str] = {}
        self._asked_ns: dict[str, int] = {}
        self._id = 0
        loop.watch(self._socket.fileno(), select.EPOLLIN, self._readable)
        loop.due.append(self._again)

    def lookup(self, name: str, answered: Answered) -> None:
        if is_address(name):
            answered([name])
        elif name in self._waiting:
            self._waiting[name].append(answered)
        else:
            self._waiting[name] = [answered]
            self._ask(name)

    def _ask(self, name: str) -> None:
        self._id = self._id % 65535 + 1
        question = dns.message.make_query(name, "A", id=self._id)
        self._questions[self._id] = name
        self._asked_ns[name] = now_ns()
        try:
            self._socket.send(question.to_wire())
        except OSError:
            pass  # asked again later

    def _again(self, now: int) -> int:
        wake = 1 << 62
        for name in list(self._waiting):
            at = self._asked_ns[name] + ASK_AGAIN_NS
            if at <= now:
                self._ask(name)
                at = now + ASK_AGAIN_NS
            wake = min(wake, at)
        return wake

    def _readable(self, _events: int) -> None:
        while True:
            try:
                raw = self._socket.recv(65535)
            except BlockingIOError:
                return
            except OSError:
                continue
            try:
                reply = dns.message.from_wire(raw)
            except Exception:  # not DNS
                continue
            name = self._questions.pop(reply.id, None)
            if name is not None:
                found = addresses_of(reply)
                for answered in self._waiting.pop(name, []):
                    answered(found)


def addresses_of(reply: dns.message.Message) -> list[str]:
    """The A records of an answer, in its order."""
    return [str(each) for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for each in rrset]


def is_address(name: str) -> bool:
    try:
        socket.inet_aton(name)
    except OSError:
        return False
    return name.count(".") == 3
