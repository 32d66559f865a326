"""Carries packets between the ends of links that take time. A program of its own, in the world's internet:

    python -I -S relay.py < orders > answers

The first order says how far everything is: {"blocks": [[bytes of an address, network, mask, site], ...],
"one_way_ms": {site: {site: ms}}, "jitter": share, "loss": share, "rate_mbit": number}. Then {"join": name, "site":
site, "inner": [path of a network namespace, device], "outer": [path, device]}, answered by its name once the two TUN
devices are joined; or {"join": name, "one_way_ms": ...}, answered once packets take that long.

How it works. A packet that leaves a site (read from its inner device) waits for as long as its destination is away,
then enters the internet by the outer device. What comes the other way is passed on at once: its sender's link has
waited already. So the TCP between the ends stays the kernel's own. Packets of one link to one site keep their order.
Nothing of Kunren is imported, so that it starts in 30 ms.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time
from typing import Any

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
MULTICAST = 0xFF
PACKETS_AT_ONCE = 64
WAITING_MAX = 200_000
PACKET_MAX = 65_536
_libc = ctypes.CDLL(None, use_errno=True)


class Plan:
    """Who has which address, and how far the sites are from each other."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._blocks = [(length, network, mask, site) for length, network, mask, site in told["blocks"]]
        self.lengthen(told["one_way_ms"])
        self.jitter: float = told["jitter"]
        self.loss: float = told["loss"]
        self.bytes_per_s = float(told["rate_mbit"]) * 1_000_000 / 8
        self._sites: dict[bytes, str] = {}

    def lengthen(self, one_way_ms: dict[str, dict[str, float]]) -> None:
        """How far the sites are from each other from now on."""
        self._one_way_s: dict[str, dict[str, float]] = {
            site: {other: float(ms) / 1000 for other, ms in row.items()} for site, row in one_way_ms.items()
        }

    def site(self, address: bytes) -> str:
        """Whose a destination is; "" for nobody's."""
        found = self._sites.get(address)
        if found is None:
            number, size = int.from_bytes(address, "big"), len(address)
            found = next(
                (site for length, network, mask, site in self._blocks if length == size and number & mask == network),
                "",
            )
            if len(self._sites) < 65_536:
                self._sites[address] = found
        return found

    def delay_s(self, site: str, other: str) -> float:
        return self._one_way_s.get(site, {}).get(other, 0.0)


class Link:
    """One site's link: its two devices, and until when it is busy."""

    def __init__(self, site: str, inner: int, outer: int) -> None:
        self.site, self.inner, self.outer = site, inner, outer
        self.busy_until = 0.0
        self.last: dict[str, float] = {}


class Relay:
    """Packets on their way, by when they arrive."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._count = 0

    def send(self, link: Link, packet: bytes, now: float) -> None:
        """A packet leaves the site."""
        plan = self.plan
        destination = _destination(packet)
        if not destination or len(self._waiting) >= WAITING_MAX:
            return
        if plan.loss and random.random() < plan.loss:
            return
        other = plan.site(destination)
        due = now
        if plan.bytes_per_s:
            link.busy_until = max(now, link.busy_until) + len(packet) / plan.bytes_per_s
            due = link.busy_until
        delay = plan.delay_s(link.site, other)
        if delay and plan.jitter:
            delay += delay * plan.jitter * random.random()
        due = max(due + delay, link.last.get(other, 0.0))
        link.last[other] = due
        if due <= now:
            _write(link.outer, packet)
            return
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, link.outer, packet))

    def deliver(self, now: float) -> float | None:
        """Let arrive what is due; the time until the next arrival, None where nothing is on its way."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, _, device, packet = heapq.heappop(waiting)
            _write(device, packet)
        return waiting[0][0] - now if waiting else None


def _destination(packet: bytes) -> bytes:
    """Where an IPv4 or IPv6 packet goes; nothing for what is neither, or of the link alone."""
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        return packet[24:40] if packet[24] != MULTICAST else b""
    return packet[16:20] if len(packet) >= 20 and packet[0] >> 4 == 4 else b""


def attach(path: str, device: str) -> int:
    """Hold the TUN device of another namespace."""
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(namespace, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(namespace)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def _write(device: int, packet: bytes) -> None:
    try:
        os.write(device, packet)
    except OSError:  # the device is down or full: lost, as on any link
        pass


def serve(orders: int, answers: int) -> None:
    """Until the orders end."""
    epoll = select.epoll()
    epoll.register(orders, select.EPOLLIN)
    outward: dict[int, Link] = {}
    inward: dict[int, int] = {}
    relay: Relay | None = None
    heard = b""
    left: float | None = None
    while True:
        for fd, _ in epoll.poll(left if left is None else max(0.0, left), 64):
            if fd == orders:
                data = os.read(orders, 1 << 16)
                if not data:
                    return
                heard += data
                *lines, heard = heard.split(b"\n")
                for line in lines:
                    told = json.loads(line)
                    if relay is None:
                        relay = Relay(Plan(told))
                        continue
                    if "one_way_ms" in told:
                        relay.plan.lengthen(told["one_way_ms"])
                        os.write(answers, told["join"].encode() + b"\n")
                        continue
                    link = Link(told["site"], attach(*told["inner"]), attach(*told["outer"]))
                    outward[link.inner], inward[link.outer] = link, link.inner
                    for each in (link.inner, link.outer):
                        epoll.register(each, select.EPOLLIN)
                    os.write(answers, told["join"].encode() + b"\n")
                continue
            now = time.monotonic()
            for _ in range(PACKETS_AT_ONCE):
                try:
                    packet = os.read(fd, PACKET_MAX)
                except BlockingIOError:  # no more for now
                    break
                except OSError:  # the device is gone, with its namespace
                    epoll.unregister(fd)
                    break
                if fd in outward:
                    assert relay is not None
                    relay.send(outward[fd], packet, now)
                else:
                    _write(inward[fd], packet)
        left = relay.deliver(time.monotonic()) if relay is not None else None


if __name__ == "__main__":
    try:
        serve(0, 1)
    except KeyboardInterrupt:
        sys.exit(130)
