"""Network namespaces and what is in them: makes and undoes single facts (see `kunren/world/facts.py`).

A fact comes as the dict that its JSON is. Every call may be repeated. The process is single-threaded and moves
between namespaces as it needs; nothing relies on the one it happens to be in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kunren.world.agent import kernel, netlink
from kunren.world.agent.filesystem import NETNS_DIR, RESOLV_DIR


class NoNamespace(Exception):
    """The namespace named does not exist."""


class RulesetRefused(Exception):
    """nft's own words on a ruleset that it did not take."""


class Network:
    """The namespaces of one world. `nft` is the program and `nft_env` its environment."""

    def __init__(self, nft: str, nft_env: Mapping[str, str]) -> None:
        self._nft = nft
        self._nft_env = dict(nft_env)
        self._inside: str | None = None
        self._missing: dict[str, list[tuple[str, str]]] = {}  # settings that the kernel had no place for, by namespace
        self._with_rules: set[tuple[str, str, str]] = set()  # namespace, family and table
        self._makers: dict[str, Callable[[dict[str, Any]], None]] = {
            "namespace": self._make_namespace,
            "setting": self._make_setting,
            "resolver": self._make_resolver,
            "ruleset": self._make_ruleset,
            "bridge": self._make_bridge,
            "veth": self._make_veth,
            "tunnel": self._make_tunnel,
            "address": lambda fact: self._address(fact, True),
            "route": lambda fact: self._route(fact, True),
            "rule": lambda fact: self._rule(fact, True),
        }
        self._undoers: dict[str, Callable[[dict[str, Any]], None]] = {
            "namespace": self._undo_namespace,
            "setting": lambda fact: None,
            "resolver": self._undo_resolver,
            "ruleset": self._undo_ruleset,
            "bridge": self._undo_link,
            "veth": self._undo_link,
            "tunnel": self._undo_link,
            "address": lambda fact: self._address(fact, False),
            "route": lambda fact: self._route(fact, False),
            "rule": lambda fact: self._rule(fact, False),
        }

    def make(self, fact: dict[str, Any]) -> None:
        self._makers[fact["kind"]](fact)

    def undo(self, fact: dict[str, Any]) -> None:
        try:
            self._undoers[fact["kind"]](fact)
        except NoNamespace:
            pass

    def enter(self, namespace: str) -> None:
        """Move into the namespace. Raises NoNamespace."""
        if self._inside == namespace:
            return
        fd = self._open(namespace)
        try:
            kernel.setns(fd, kernel.CLONE_NEWNET)
        finally:
            os.close(fd)
        self._inside = namespace

    def names(self) -> list[str]:
        return sorted(os.listdir(NETNS_DIR))

    def _open(self, namespace: str) -> int:
        try:
            return os.open(f"{NETNS_DIR}/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NoNamespace(namespace) from error

    def _make_namespace(self, fact: dict[str, Any]) -> None:
        name = fact["name"]
        path = f"{NETNS_DIR}/{name}"
        if not os.path.exists(path):
            self._inside = None
            kernel.unshare(kernel.CLONE_NEWNET)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o444))
            try:
                kernel.mount("/proc/self/ns/net", path, None, kernel.MS_BIND)
            except OSError:
                os.unlink(path)
                raise
            self._inside = name
        self.enter(name)
        self._set(name, fact["sysctls"])
        netlink.set_up("lo")

    def _set(self, namespace: str, sysctls: Iterable[tuple[str, str]]) -> None:
        """Write settings of the namespace. What this kernel has no place for is tried again whenever rules have been
        loaded: they bring the module of connection tracking, with its settings."""
        self._missing[namespace] = [(key, value) for key, value in sysctls if not _write_sysctl(key, value)]

    def _undo_namespace(self, fact: dict[str, Any]) -> None:
        path = f"{NETNS_DIR}/{fact['name']}"
        if not os.path.exists(path):
            return
        if self._inside == fact["name"]:
            self.enter(next(each for each in self.names() if each != fact["name"]))
        kernel.unmount(path)
        os.unlink(path)
        self._missing.pop(fact["name"], None)
        self._with_rules = {each for each in self._with_rules if each[0] != fact["name"]}

    def _make_setting(self, fact: dict[str, Any]) -> None:
        self.enter(fact["namespace"])
        _write_sysctl(fact["name"], fact["value"])

    def _make_resolver(self, fact: dict[str, Any]) -> None:
        # Written in place: programs that run have the file laid over theirs and would keep an old inode.
        with open(f"{RESOLV_DIR}/{fact['namespace']}", "w") as file:
            file.write(fact["text"])

    def _undo_resolver(self, fact: dict[str, Any]) -> None:
        try:
            os.unlink(f"{RESOLV_DIR}/{fact['namespace']}")
        except FileNotFoundError:
            pass

    def _make_ruleset(self, fact: dict[str, Any]) -> None:
        # A deletion in the transaction makes the kernel wait for its readers (10 ms): not where there is nothing.
        which = (fact["namespace"], fact["family"], fact["table"])
        replaces = f"delete table {fact['family']} {fact['table']}\n" if which in self._with_rules else ""
        self._run_nft(fact["namespace"], replaces + fact["text"])
        if self._missing.get(fact["namespace"]):
            self._set(fact["namespace"], self._missing[fact["namespace"]])
        self._with_rules.add(which)

    def _undo_ruleset(self, fact: dict[str, Any]) -> None:
        which = (fact["namespace"], fact["family"], fact["table"])
        if which in self._with_rules:
            self._run_nft(fact["namespace"], f"delete table {fact['family']} {fact['table']}\n")
            self._with_rules.discard(which)

    def counts(self, namespace: str, family: str, table: str) -> dict[str, str]:
        """The elements of a table's sets in nft's words, by set; nft reads the sets in the order of the table."""
        listed = self._run_nft(namespace, f"list table {family} {table}\n", "-nn")
        return {each.split(" ", 1)[0]: each for each in listed.partition("\n\tchain ")[0].split("\n\tset ")[1:]}

    def _run_nft(self, namespace: str, text: str, *options: str) -> str:
        """What nft printed. Raises RulesetRefused."""
        self.enter(namespace)
        script, said = os.memfd_create("ruleset"), os.memfd_create("said")
        try:
            _write_all(script, text.encode())
            os.lseek(script, 0, os.SEEK_SET)
            actions = [(os.POSIX_SPAWN_DUP2, script, 0), (os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
            pid = os.posix_spawn(self._nft, [self._nft, *options, "-f", "-"], self._nft_env, file_actions=actions)
            _, status = os.waitpid(pid, 0)
            os.lseek(said, 0, os.SEEK_SET)
            if status != 0:
                words = os.read(said, 4096).decode(errors="replace").strip()
                raise RulesetRefused(f"nft refused the rules of {namespace}: {words or f'status {status}'}")
            with open(said, "rb", closefd=False) as file:
                return file.read().decode(errors="replace")
        finally:
            os.close(script)
            os.close(said)

    def _make_bridge(self, fact: dict[str, Any]) -> None:
        self.enter(fact["namespace"])
        netlink.add_bridge(fact["name"], fact["mac"], fact["mtu"])

    def _make_veth(self, fact: dict[str, Any]) -> None:
        peer_fd = self._open(fact["peer_namespace"])
        try:
            self.enter(fact["namespace"])
            netlink.add_veth(fact["name"], fact["master"], fact["peer"], fact["peer_mac"], peer_fd, fact["mtu"])
        finally:
            os.close(peer_fd)
        self.enter(fact["peer_namespace"])
        netlink.set_up(fact["peer"])

    def _make_tunnel(self, fact: dict[str, Any]) -> None:
        self.enter(fact["namespace"])
        kernel.make_tunnel(fact["name"])
        netlink.set_tunnel_up(fact["name"], fact["mtu"])

    def _undo_link(self, fact: dict[str, Any]) -> None:
        self.enter(fact["namespace"])
        netlink.delete_link(fact["name"])

    def _address(self, fact: dict[str, Any], present: bool) -> None:
        """IPv6 is off on every device (but loopback) until it has an address, so that no link-local one ever passes a
        firewall that does not know of it."""
        self.enter(fact["namespace"])
        device, six = fact["device"], ":" in fact["address"] and fact["device"] != "lo"
        if six and present:
            _write_sysctl(f"net/ipv6/conf/{device}/disable_ipv6", "0")
        netlink.address(device, fact["address"], present)
        if six and not present and not _has_ipv6(device):
            _write_sysctl(f"net/ipv6/conf/{device}/disable_ipv6", "1")

    def _route(self, fact: dict[str, Any], present: bool) -> None:
        self.enter(fact["namespace"])
        netlink.route(
            fact["action"], fact["destination"], fact["via"], fact["device"], fact["table"], present, fact["window"]
        )

    def _rule(self, fact: dict[str, Any], present: bool) -> None:
        self.enter(fact["namespace"])
        netlink.rule(
            fact["action"],
            fact["source"],
            fact["table"],
            fact["preference"],
            present,
            fact["mark"],
            fact["interface"],
            ipv6=fact["ipv6"],
        )


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _has_ipv6(device: str) -> bool:
    """Has the device an IPv6 address of more than its link."""
    with open("/proc/self/net/if_inet6") as file:
        return any(words[5] == device and words[3] == "00" for words in map(str.split, file))


def _write_sysctl(key: str, value: str) -> bool:
    """Write a setting of the namespace; False where the kernel has no such setting (a module that is not loaded)."""
    try:
        with open(f"/proc/sys/{key}", "w") as file:
            file.write(value)
    except FileNotFoundError:
        return False
    return True
