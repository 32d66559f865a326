"""The world that is real: its agent process, its namespaces, and what the rest of Kunren may ask of them.

`start` launches the agent (`launcher.py`) as a child process with one end of a socketpair. What exists is kept as
facts per part (core, each place, edge, region and VPC); making a part exactly so is making the difference
(`facts.py`), one fact at a time, so that after an error what is there is still known. Nothing is read back: the
world is made anew by each daemon and nobody else changes its network.

The daemon itself never enters a namespace. When it dies its end of the socketpair closes and the world ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from kunren.core.clock import Clock
from kunren.settings import Settings
from kunren.world import addresses, backbone, bridge, dualstack, edges, facts, layout, trust
from kunren.world.agent.filesystem import NETNS_DIR, RESOLV_CONF, RESOLV_DIR
from kunren.world.broken_links import BrokenLink, broken_links, dark_edges
from kunren.world.channel import Answer, Channel, RulesetRefused
from kunren.world.distance import DistanceRelay, check_tunnels, stretched
from kunren.world.flow_counts import Counts, counted, observers
from kunren.world.geography import nearest_place
from kunren.world.interface import (
    NoSuchNamespace,
    ProcessSpec,
    UnknownPlace,
    WorldEnded,
    WorldUnavailable,
    checkers_namespace,
    edge_namespace,
    place_namespace,
    region_namespace,
)
from kunren.world.launcher import Launched, launch
from kunren.world.network import VpcNetwork
from kunren.world.process import KILLED_WITH_WORLD, WorldProcess, standard_streams
from kunren.world.programs import find_nft
from kunren.world.shared import Shared, shared_parts
from kunren.world.spec import Place, Region, WorldSpec

log = logging.getLogger(__name__)

START_WITHIN_S = 15.0
STOP_WITHIN_S = 10.0
_AT_A_TIME = 16


class UnknownRegion(Exception):
    """No region of that name in the world."""


class World:
    """Implements `interface.WorldControl`. `on_end` is called when the world ends without having been stopped.
    `launched` is a launcher started beforehand; `start` starts one itself where there is none."""

    def __init__(
        self,
        settings: Settings,
        spec: WorldSpec,
        clock: Clock,
        on_end: Callable[[], None] | None = None,
        launched: Launched | None = None,
    ) -> None:
        self.spec = spec
        self._settings = settings
        self._clock = clock
        self._on_end = on_end
        self._trust: Path | None = None
        self._launched = launched
        self._launcher: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._ready: asyncio.Future[int] | None = None
        self._stopping = False
        self._agent_pid = 0
        self._processes: dict[int, WorldProcess] = {}
        self._early_ends: dict[int, int] = {}
        self._there: dict[str, dict[tuple[str, ...], facts.Fact]] = {}
        self._locks = WeakValueDictionary[str, asyncio.Lock]()  # parts come and go with tasks
        self._links: dict[str, int] = {}
        self._linked: dict[str, dict[str, Shared]] = {}  # VPC → what it has links to
        self._unwanted: set[asyncio.Future[int]] = set()
        self._dark_edges: frozenset[str] = frozenset()
        distance, logged = spec.distance, settings.log_dir / "world.log"
        self._relay = DistanceRelay(spec, distance, self, logged) if distance is not None else None
        self.on_source: list[Callable[[], Awaitable[None]]] = []
        """Awaited when a place or a region has come, before anything runs there."""

    @property
    def running(self) -> bool:
        return self._agent_pid != 0

    def set_trust(self, bundle: Path) -> None:
        """The bundle of certificates that programs in the world trust; to be told before `start`."""
        self._trust = bundle

    def netns_path(self, namespace: str) -> str:
        return f"{NETNS_DIR}/{namespace}"

    # --- life ---

    async def start(self) -> None:
        """Make the world: agent, internet and transit. Raises WorldUnavailable."""
        nft = find_nft()
        if self._relay is not None:
            check_tunnels()
        folder = self._folder()
        self._ready = asyncio.get_running_loop().create_future()
        self._stopping = False
        launched, self._launched = self._launched or launch(self._settings.log_dir / "world.log"), None
        self._launcher = launched.process
        self._channel = Channel(launched.connection, self._event, self._ended)
        stage, binds = str(folder / "stage"), self._write_files(folder)
        self._channel.tell({"stage": stage, "binds": binds, "nft": nft.path, "nft_env": nft.env})
        try:
            self._agent_pid = await asyncio.wait_for(self._ready, START_WITHIN_S)
            await self._apply("core", dualstack.core())
        except TimeoutError:
            await self.stop()
            raise WorldUnavailable(f"The world did not start within {START_WITHIN_S:.0f} seconds.") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the world and everything in it; returns when the kernel has done so."""
        self._stopping = True
        if self._relay is not None:
            self._relay.stop()
        if self._channel is not None:
            self._channel.close()
        if self._launcher is not None:
            launcher, self._launcher = self._launcher, None
            try:
                await asyncio.to_thread(launcher.wait, STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                log.error("the world's agent did not end by itself")
                launcher.kill()
                await asyncio.to_thread(launcher.wait)
        shutil.rmtree(self._settings.run_dir / "world", ignore_errors=True)
        with contextlib.suppress(OSError):  # what others keep there stays
            self._settings.run_dir.rmdir()

    def handle(self) -> dict[str, Any]:
        """What `kunren.world.exec.enter` needs to know, as JSON."""
        if not self.running:
            raise WorldEnded("the world is not running")
        return {
            "agent_pid": self._agent_pid,
            "netns_dir": NETNS_DIR,
            "resolv_dir": RESOLV_DIR,
            "bundle": str(self._trust) if self._trust else None,
        }

    def status(self) -> dict[str, Any]:
        """For `kunren status`."""
        namespaces = sum(isinstance(fact, facts.Namespace) for part in self._there.values() for fact in part.values())
        return {
            "running": self.running,
            "agent_pid": self._agent_pid,
            "ipv6": self.spec.ipv6,
            "namespaces": namespaces,
            "parts": sorted(each for each in self._there if not each.startswith("table ")),
            "processes": {process.name: pid for pid, process in self._processes.items()},
        }

    # --- sockets and programs ---

    async def open_socket(
        self,
        namespace: str,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        *,
        bind: tuple[str, int] | None = None,
        listen: int | None = None,
        reuse_port: bool = False,
        transparent: bool = False,
    ) -> socket.socket:
        _, fds = await self._agent().ask(
            "socket",
            namespace=namespace,
            family=int(family),
            type=int(type),
            bind=bind,
            listen=listen,
            reuse_port=reuse_port,
            transparent=transparent,
        )
        if not fds:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened = socket.socket(fileno=fds[0])
        opened.setblocking(False)
        return opened

    async def spawn(self, spec: ProcessSpec) -> WorldProcess:
        """Start a program. Raises OSError as exec did (FileNotFoundError, PermissionError), and NoSuchNamespace."""
        opened: list[int] = []
        try:
            streams = standard_streams(spec, opened)
            asked = asyncio.ensure_future(
                self._agent().ask(
                    "spawn",
                    [*streams, *spec.handed()],
                    namespace=spec.namespace,
                    argv=list(spec.argv),
                    env=dict(spec.env),
                    cwd=spec.cwd,
                    binds=dict(spec.binds),
                    confined=msgspec.to_builtins(spec.confined),
                    guest=msgspec.to_builtins(spec.guest),
                    inside=msgspec.to_builtins(spec.inside),
                )
            )
            try:
                pid, _ = await asyncio.shield(asked)
            except asyncio.CancelledError:
                asked.add_done_callback(lambda done: self._end_unwanted(spec.name, done))
                raise
        finally:
            for fd in opened:
                os.close(fd)
        return self._started(spec.name, pid)

    async def drop_scratch(self, name: str) -> None:
        """Forget the scratch space of confined programs that have ended."""
        await self._agent().ask("drop", scratch=name)

    def _started(self, name: str, pid: int) -> WorldProcess:
        process = WorldProcess(name, pid, self._agent(), self._clock)
        if (code := self._early_ends.pop(pid, None)) is not None:
            process.ended(code)
        else:
            self._processes[pid] = process
        return process

    def _end_unwanted(self, name: str, asked: asyncio.Future[Answer]) -> None:
        """End a program whose starter was cancelled while it started."""
        if not asked.cancelled() and asked.exception() is None:
            process = self._started(name, asked.result()[0])
            self._unwanted.add(task := asyncio.ensure_future(process.stop(0.0)))
            task.add_done_callback(self._unwanted.discard)

    # --- network ---

    async def ensure_place(self, place: str) -> str:
        found = self.spec.place(place)
        if found is None:
            known = ", ".join(each.name for each in self.spec.places)
            raise UnknownPlace(f"there is no place {place!r} in this world; there are {known}")
        async with self._lock(f"arrival at {place}"):  # who comes meanwhile waits for the edge location to serve, too
            new = f"place {place}" not in self._there
            await self._ensure_site(f"place {place}", place, dualstack.place(place, self.spec.places.index(found)))
            if new:
                await self._source_came()
        return place_namespace(place)

    async def ensure_edge(self, place: str) -> str:
        """The edge location of a place, started if it was not; the name of its namespace. Raises UnknownPlace."""
        found = self.spec.place(place)
        if found is None:
            raise UnknownPlace(f"there is no place {place!r} in this world")
        await self._ensure("edges", edges.remembering)
        await self._ensure_site(f"edge {place}", place, edges.edge(self.spec, found, self._clock.wall_seconds))
        return edge_namespace(place)

    async def _ensure_site(self, part: str, site: str, made: list[facts.Fact]) -> None:
        """A part that hangs on the internet by a link, which may be long."""
        if self._relay is None:
            await self._ensure(part, lambda: made)
        else:
            await self._ensure(part, lambda: stretched(made))
            await self._relay.join(site, made)

    async def _source_came(self) -> None:
        for each in self.on_source:
            await each()

    def edges_in_use(self) -> list[str]:
        """The places whose edge locations are next to something that runs (a client place or a region) and there."""
        sources: list[Place | Region] = [each for each in self.spec.places if f"place {each.name}" in self._there]
        sources += [each for each in self.spec.regions if f"region {each.name}" in self._there]
        return list(dict.fromkeys(nearest_place(self.spec, each, self._dark_edges).name for each in sources))

    async def apply_broken(self, broken: Sequence[BrokenLink]) -> None:
        """Have exactly these of the world's links broken. Raises ValueError for a site that the world has not."""
        await self._apply("broken", broken_links(self.spec, broken))
        if self._relay is not None:
            await self._relay.lengthen(broken)
        before, self._dark_edges = self._dark_edges, dark_edges(broken)
        if before != self._dark_edges:
            await self._source_came()

    async def apply_anycast(self, owner: str, own: Sequence[str], tables: Mapping[str, Mapping[str, str]]) -> None:
        """Have the owner's anycast addresses in exactly these edge locations (by place), with nft tables by name."""
        for place in tables:
            await self.ensure_edge(place)
        await self._apply(f"anycast {owner}", edges.anycast(self.spec, own, tables))

    async def counts(self, namespace: str, table: str, family: str = "ip") -> dict[str, str]:
        """The sets of an nft table, as nft lists them. Raises NoSuchNamespace, RulesetRefused."""
        return dict((await self._agent().ask("counts", namespace=namespace, family=family, table=table))[0])

    async def ensure_checkers(self, region: str) -> str:
        """A region's Route 53 health checkers, started if they were not; the name of their namespace. Raises ValueError
        for a region without."""
        await self._ensure_site(f"checkers {region}", region, dualstack.checkers(region))
        return checkers_namespace(region)

    async def ensure_region(self, region: str) -> str:
        found = self.spec.region(region)
        if found is None:
            raise UnknownRegion(f"there is no region {region!r} in this world")
        new = f"region {region}" not in self._there
        made = dualstack.region(region, index := self.spec.regions.index(found))
        end = backbone.region_end(region, index) if self._relay is not None else []
        await self._ensure_site(f"region {region}", region, [*made, *end])
        if new:
            await self._source_came()
        return region_namespace(region)

    async def ensure_functions(self, region: str) -> str:
        """Where functions without a VPC run: a namespace with the region's function egress address."""
        await self.ensure_region(region)
        return layout.functions_namespace(region)

    async def apply_vpc(self, network: VpcNetwork) -> None:
        await self.ensure_region(network.region)
        shared = shared_parts(network)
        before = self._linked.get(network.id, {})
        self._linked[network.id] = {**before, **shared}
        for part, make in {each.part: each.make for each in shared.values()}.items():
            await self._ensure(part, make)
        links = {each: self._link(f"{network.id}|{each}") for each in shared}
        link = self._link(network.id)
        await self._apply(network.id, [*layout.vpc(network, link, links), *dualstack.vpc(network, link, links)])
        self._linked[network.id] = shared
        await self._unlinked(network.id, {name: each for name, each in before.items() if name not in shared})

    async def remove_vpc(self, vpc_id: str) -> None:
        await self._apply(vpc_id, [])
        self._links.pop(vpc_id, None)
        await self._unlinked(vpc_id, self._linked.pop(vpc_id, {}))

    def _link(self, name: str) -> int:
        """The number of the address pair of that link; taken now if it is new."""
        if name not in self._links:
            taken = set(self._links.values())
            self._links[name] = next(each for each in range(layout.vpc_link_count + 1) if each not in taken)
        return self._links[name]

    async def _unlinked(self, vpc_id: str, gone: Mapping[str, Shared]) -> None:
        """Give the links' addresses back, and end what links nothing any more."""
        for name, shared in gone.items():
            self._links.pop(f"{vpc_id}|{name}", None)
            if not any(each.part == shared.part for linked in self._linked.values() for each in linked.values()):
                await self._apply(shared.part, [])

    async def flow_counts(self, network: VpcNetwork) -> dict[str, Counts]:
        """What has been counted until now, by interface, of the network that was applied. Of an interface that is only
        coming or going there is nothing."""
        private = network.arriving
        found = {}
        for observer in observers(network):
            listed: dict[str, str] = {}
            try:
                for table in observer.tables:
                    for name, text in (await self.counts(table.namespace, observer.table, table.family.name)).items():
                        listed[name] = listed.get(name, "") + text
            except (NoSuchNamespace, RulesetRefused):
                continue
            found[observer.id] = counted(observer, listed, private)
        return found

    async def apply_table(self, owner: str, namespace: str, table: str, text: str) -> None:
        """Have the namespace hold that nft table, named `table`, for the owner; no text: hold none."""
        ruleset = facts.Ruleset(namespace, text, table)
        await self._apply(f"table {owner}", [ruleset] if text else [])

    async def apply_bridge(self, interface_id: str, containers: Sequence[bridge.Bridged]) -> None:
        """Have exactly these containers on the bridge of the instance that has the interface."""
        await self._apply(f"bridge {interface_id}", bridge.bridge(interface_id, containers, layout.HOST_SYSCTLS))

    async def _ensure(self, part: str, make: Callable[[], list[facts.Fact]]) -> None:
        if part not in self._there or self._lock(part).locked():
            await self._apply(part, make())

    async def _apply(self, part: str, wanted: Iterable[facts.Fact]) -> None:
        """Make a part of the world exactly so."""
        if not self.spec.ipv6:
            wanted = (each for each in wanted if not facts.is_ipv6(each))
        async with self._lock(part):
            there = dict(self._there.get(part, {}))
            change = facts.difference(there, wanted)
            try:
                for fact in change.undo:
                    await self._agent().ask("undo", fact=msgspec.to_builtins(fact))
                    there.pop(fact.key, None)
                for fact in change.vanish:
                    there.pop(fact.key, None)
                await self._make(change.make, there)
            finally:
                if there:
                    self._there[part] = there
                else:
                    self._there.pop(part, None)

    async def _make(self, made: Sequence[facts.Fact], there: dict[tuple[str, ...], facts.Fact]) -> None:
        """Make facts in order, a few on their way at a time, so that others' requests come between.

        Those that succeed are noted, also behind one that fails; the first failure is raised.
        """
        for start in range(0, len(made), _AT_A_TIME):
            batch = made[start : start + _AT_A_TIME]
            asked = (self._agent().ask("make", fact=msgspec.to_builtins(fact)) for fact in batch)
            results = await asyncio.gather(*asked, return_exceptions=True)
            there.update({fact.key: fact for fact, got in zip(batch, results, strict=True) if isinstance(got, tuple)})
            for got in results:
                if isinstance(got, BaseException):
                    raise got

    def _lock(self, part: str) -> asyncio.Lock:
        return self._locks.setdefault(part, asyncio.Lock())

    # --- the agent ---

    def _agent(self) -> Channel:
        if self._channel is None:
            raise WorldEnded("the world has not been started")
        return self._channel

    def _event(self, message: dict[str, Any]) -> None:
        assert self._ready is not None
        match message["event"]:
            case "exit":
                process = self._processes.pop(message["pid"], None)
                if process is None:
                    self._early_ends[message["pid"]] = message["code"]
                else:
                    process.ended(message["code"])
            case "ready" if not self._ready.done():
                if message["proc"]:
                    log.warning("the world sees the host's /proc, since its own was refused: %s", message["proc"])
                self._ready.set_result(message["pid"])
            case "failed" if not self._ready.done():
                from kunren.world.doctor import explain

                self._ready.set_exception(WorldUnavailable(explain(message["step"], message["errno"], message["text"])))

    def _ended(self) -> None:
        was_running, self._agent_pid = self.running, 0
        self._there.clear()
        self._links.clear()
        self._linked.clear()
        processes, self._processes = self._processes, {}
        for process in processes.values():
            process.ended(KILLED_WITH_WORLD)
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(WorldUnavailable("The world's agent ended before the world was there."))
        if was_running and not self._stopping:
            log.error("the world ended by itself")
            if self._on_end:
                self._on_end()

    def _folder(self) -> Path:
        folder = self._settings.run_dir / "world"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "stage").mkdir(parents=True, mode=0o700)
        self._settings.log_dir.mkdir(parents=True, exist_ok=True)
        return folder

    def _write_files(self, folder: Path) -> list[tuple[str, str]]:
        """The files that are laid over the host's: (where, the file), in order."""
        switch = Path(trust.NSSWITCH)
        texts = {
            RESOLV_CONF: layout.resolv_conf(addresses.PUBLIC_RESOLVER),
            trust.HOSTS: trust.hosts_file(socket.gethostname()),
            trust.NSSWITCH: trust.nsswitch_file(switch.read_text() if switch.is_file() else None),
        }
        binds = []
        for target, text in texts.items():
            source = folder / Path(target).name
            source.write_text(text)
            binds.append((target, str(source)))
        if self._trust is not None:
            binds += [(bundle, str(self._trust)) for bundle in trust.present_bundles()]
        return binds
