"""Links, addresses, routes and rules of the network namespace that we are in, over rtnetlink.

pyroute2 has the message formats; its sockets bring asyncio and 20 MB with them, so a blocking socket of our own
carries one request and its answer. Adding what is there and removing what is not are no errors: every call converges.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import types
from typing import Any


def _skip_package_start(folder: str) -> None:
    """Let submodules of pyroute2 be imported without running the package's own start, which imports all of it."""
    package = types.ModuleType("pyroute2")
    package.__path__ = [folder]
    sys.modules["pyroute2"] = package


if "pyroute2" not in sys.modules:
    _skip_package_start(next(path for each in sys.path if os.path.isdir(path := f"{each}/pyroute2")))

from pyroute2.netlink.rtnl.fibmsg import fibmsg  # noqa: E402
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: E402
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg  # noqa: E402
from pyroute2.netlink.rtnl.rtmsg import rtmsg  # noqa: E402

_NEWLINK, _DELLINK = 16, 17
_NEWADDR, _DELADDR = 20, 21
_NEWROUTE, _DELROUTE = 24, 25
_NEWRULE, _DELRULE = 32, 33
_REQUEST_ACK = 0x1 | 0x4
_CREATE_EXCL = 0x400 | 0x200
_CREATE_REPLACE = 0x400 | 0x100
_ERROR = struct.Struct("=IHHIIi")
_MSG_ERROR = 2
_UP = 1
_PROTO_STATIC = 4
_NO_DUPLICATE_DETECTION = 0x02  # IFA_F_NODAD: an address may be used at once
_ROUTE_KINDS = {"unicast": 1, "local": 2, "blackhole": 6, "unreachable": 7, "throw": 9}
_RULE_KINDS = {"lookup": 1, "blackhole": 6}
_THERE_ALREADY = frozenset({errno.EEXIST})
_GONE_ALREADY = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.EADDRNOTAVAIL})


def index(device: str) -> int:
    return socket.if_nametoindex(device)


def set_up(device: str) -> None:
    _ask(ifinfmsg, _NEWLINK, 0, {"index": index(device), "flags": _UP, "change": _UP}, [])


def set_tunnel_up(name: str, mtu: int) -> None:
    """A device that a program carries: room for more packets on their way than the kernel's 500."""
    attributes = [("IFLA_MTU", mtu), ("IFLA_TXQLEN", 10_000)]
    _ask(ifinfmsg, _NEWLINK, 0, {"index": index(name), "flags": _UP, "change": _UP}, attributes)


def add_bridge(name: str, mac: str, mtu: int) -> None:
    """A bridge that is up; its own MAC is set, since it would else change with the links that join."""
    attributes = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu), _link_info("bridge")]
    _ask(ifinfmsg, _NEWLINK, _CREATE_EXCL, {"flags": _UP, "change": _UP}, attributes, _THERE_ALREADY)
    set_up(name)


def add_veth(name: str, master: str | None, peer: str, peer_mac: str | None, peer_namespace_fd: int, mtu: int) -> None:
    """A veth pair: this end up, on a bridge where one is named; the other in another namespace, to be put up there."""
    other: list[tuple[str, Any]] = [("IFLA_IFNAME", peer), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", peer_namespace_fd)]
    if peer_mac:
        other.append(("IFLA_ADDRESS", peer_mac))
    info = _link_info("veth", {"attrs": [("VETH_INFO_PEER", {"attrs": other})]})
    attributes: list[tuple[str, Any]] = [("IFLA_IFNAME", name), ("IFLA_MTU", mtu), info]
    if master:
        attributes.append(("IFLA_MASTER", index(master)))
    _ask(ifinfmsg, _NEWLINK, _CREATE_EXCL, {"flags": _UP, "change": _UP}, attributes, _THERE_ALREADY)


def delete_link(name: str) -> None:
    _ask(ifinfmsg, _DELLINK, 0, {}, [("IFLA_IFNAME", name)], _GONE_ALREADY)


def address(device: str, text: str, present: bool) -> None:
    """Add or remove an address, given with its prefix length ("10.0.0.1/20", "3fff::1/64")."""
    host, _, prefix = text.partition("/")
    fields = {"family": _family(host), "prefixlen": int(prefix), "scope": 0}
    if fields["family"] == socket.AF_INET6:
        fields["flags"] = _NO_DUPLICATE_DETECTION
    attributes = [("IFA_LOCAL", host), ("IFA_ADDRESS", host)]
    try:
        fields["index"] = index(device)
    except OSError:
        if present:
            raise
        return
    if present:
        _ask(ifaddrmsg, _NEWADDR, _CREATE_EXCL, fields, attributes, _THERE_ALREADY)
    else:
        _ask(ifaddrmsg, _DELADDR, 0, fields, attributes, _GONE_ALREADY)


def route(
    kind: str, destination: str, via: str | None, device: str | None, table: int, present: bool, window: int = 0
) -> None:
    """Add or remove a route: unicast, local, blackhole, unreachable or throw; only the first two need a device."""
    host, _, prefix = destination.partition("/")
    fields = {
        "family": _family(host),
        "dst_len": int(prefix),
        "table": table if table < 256 else 0,
        "proto": _PROTO_STATIC,
        "scope": _scope(kind, via),
        "type": _ROUTE_KINDS[kind],
    }
    attributes: list[tuple[str, Any]] = [("RTA_TABLE", table)]
    if int(prefix):
        attributes.append(("RTA_DST", host))
    if via:
        attributes.append(("RTA_GATEWAY", via))
    if window and present:
        attributes.append(("RTA_METRICS", {"attrs": [("RTAX_INITCWND", window), ("RTAX_INITRWND", window)]}))
    try:
        if device:
            attributes.append(("RTA_OIF", index(device)))
    except OSError:
        if present:
            raise
        return
    if present:
        _ask(rtmsg, _NEWROUTE, _CREATE_REPLACE, fields, attributes, _THERE_ALREADY)
    else:
        _ask(rtmsg, _DELROUTE, 0, fields, attributes, _GONE_ALREADY)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _scope(kind: str, via: str | None) -> int:
    """Universe, link or host: how far away the destination is, which the kernel checks."""
    if kind == "local":
        return 254
    return 253 if kind == "unicast" and not via else 0


def rule(
    kind: str,
    source: str | None,
    table: int,
    preference: int,
    present: bool,
    mark: int = 0,
    interface: str | None = None,
    *,
    ipv6: bool = False,
) -> None:
    """Add or remove a policy rule: packets from `source` (any, when None), with that mark (any, when 0), that came in
    by the interface (any, when None; it need not exist), look their route up in the table."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    fields: dict[str, Any] = {"family": family, "table": table if table < 256 else 0}
    fields["action"] = _RULE_KINDS[kind]
    attributes: list[tuple[str, Any]] = [("FRA_PRIORITY", preference)]
    if source:
        host, _, prefix = source.partition("/")
        fields["src_len"] = int(prefix)
        attributes.append(("FRA_SRC", host))
    if mark:
        attributes.append(("FRA_FWMARK", mark))
    if interface:
        attributes.append(("FRA_IIFNAME", interface))
    if kind == "lookup":
        attributes.append(("FRA_TABLE", table))
    if present:
        _ask(fibmsg, _NEWRULE, _CREATE_EXCL, fields, attributes, _THERE_ALREADY)
    else:
        _ask(fibmsg, _DELRULE, 0, fields, attributes, _GONE_ALREADY)


def _link_info(kind: str, data: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    attributes: list[tuple[str, Any]] = [("IFLA_INFO_KIND", kind)]
    if data:
        attributes.append(("IFLA_INFO_DATA", data))
    return "IFLA_LINKINFO", {"attrs": attributes}


def _ask(
    form: Any,
    kind: int,
    flags: int,
    fields: dict[str, Any],
    attributes: list[tuple[str, Any]],
    fine: frozenset[int] = frozenset(),
) -> None:
    message = form()
    message.update(fields)
    message["attrs"] = attributes
    message["header"] = {"type": kind, "flags": flags | _REQUEST_ACK, "sequence_number": 1, "pid": 0}
    message.encode()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(message.data)
        _, answer, _, _, _, negative = _ERROR.unpack_from(kernel.recv(65536))
    assert answer == _MSG_ERROR, f"netlink answered with message {answer}"
    if negative and -negative not in fine:
        raise OSError(-negative, f"{form.__name__}: {os.strerror(-negative)}")
