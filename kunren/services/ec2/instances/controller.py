"""Boots, reboots, stops and ends instances as they are wanted, and reports which run.

A running instance is a guest (`kunren.dataplane.guests`) on its network interface, its root volume a folder. What this
daemon started it keeps; after a crash nothing runs, so every instance that is to run is booted again from its disk,
as after a host's failure. An instance that ends by itself is stopped or terminated by its shutdown behaviour; one whose
process 1 was killed is booted again (EC2 User Guide, "Automatic instance recovery").
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Resource, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.guests import disk
from kunren.dataplane.guests.guests import Guests, GuestSpec, RunningGuest
from kunren.dataplane.guests.room import DiskRoom
from kunren.services.ec2 import interfaces, store
from kunren.services.ec2.instances import container_agent, states, user_data
from kunren.services.ec2.instances.copies import Copies, pending
from kunren.services.ec2.instances.model import Instance, InstanceRun, KeyPair, Volume
from kunren.services.ec2.instances.model import Snapshot as VolumeSnapshot
from kunren.services.ec2.instances.states import KEPT_S
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.instances.volumes import AGAIN_S, VolumeFolders, released
from kunren.services.ec2.model import NetworkInterface
from kunren.world.agent.init import REBOOT
from kunren.world.agent.volumes import FOLDER
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
START_WITHIN_S = 30.0
CONSOLE_BYTES_MAX = 64 * 1024
_CONSOLE_FILE_MAX = 4 << 20  # of which the end is kept then
_CONSOLES_EVERY_S = 1.0
_BLOCK = 512


class Running(NamedTuple):
    """A guest and the boot that it is."""

    boots: int
    guest: RunningGuest
    watched: asyncio.Task[None]


class InstanceController:
    """`applied` waits until an interface is live; `entered` is awaited with a VPC's id before an instance boots there,
    and `left` called when it has none any more. `home` is the folder of all disks and consoles."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, guests: Guests, home: Path,
        applied: Callable[[str], Awaitable[None]], entered: Callable[[str], Awaitable[None]],
        left: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._store, self._clock, self._entropy, self._spec = store, clock, entropy, spec
        self._guests, self._home, self._applied = guests, home, applied
        self._entered, self._left = entered, left
        self._running: dict[str, Running] = {}
        self._asleep: dict[str, Running] = {}
        self._volumes = VolumeFolders(store, entropy, home)
        self._copies = Copies(store, clock, entropy, home, self._volumes)
        self._controller = Controller(
            "instances", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in (Instance.kind, Volume.kind, VolumeSnapshot.kind), parallel=16,
        )  # fmt: skip
        self.ended: Callable[[], bool] = lambda: False
        """Whether the world has ended, and with it every instance."""

    async def run(self) -> None:
        self._sweep()
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._controller.run())
            parts.create_task(self._bound_consoles())
            parts.create_task(DiskRoom(self._clock, self._home, self._writers, self._end_for_room).run())

    def _writers(self) -> dict[str, list[Path]]:
        """Whatever the instances that run may write to, by their ids."""
        found = {}
        for instance in self._store.snapshot().every(Instance):
            if instance.id in self._running:
                root = self._home / instance.volume_id
                found[instance.id] = [root, self._volumes.seen_by(instance.id), self._console(instance.id)]
        return found

    def _end_for_room(self, id: str, why: str) -> None:
        with self._store.write() as tx:
            for instance in tx.every(Instance):
                if instance.id == id and instance.wanted == "running":
                    tx.put(states.by_machine(instance, why))

    async def settled(self) -> None:
        await self._controller.settled()

    def guest(self, id: str) -> RunningGuest | None:
        """What runs as the instance of that id."""
        found = self._running.get(id)
        return found.guest if found is not None else None

    def status(self) -> dict[str, Any]:
        return {"running": len(self._running), "errors": dict(self._controller.last_errors)}

    def console(self, instance: Instance) -> bytes:
        """The end of what the instance has written to its console."""
        try:
            with self._console(instance.id).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - CONSOLE_BYTES_MAX))
                return file.read(CONSOLE_BYTES_MAX)
        except FileNotFoundError:
            return b""

    def _console(self, id: str) -> Path:
        return self._home / f"{id}.console"

    async def _bound_consoles(self) -> None:
        """Keep what instances write to their consoles from filling the machine's disk."""
        while True:
            await self._clock.wall_sleep(_CONSOLES_EVERY_S)
            for id in list(self._running):
                await asyncio.to_thread(shorten, self._console(id))

    def _sweep(self) -> None:
        """Delete the files of what is not there any more: half of a disk, or one of a volume whose end was a crash."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o700)  # what a guest's root owns there is the user's, on the machine too
        snapshot = self._store.snapshot()
        known = {each.id for kind in (Volume, VolumeSnapshot) for each in snapshot.every(kind)}
        known |= self._copies.sources(snapshot)
        alive = [each for each in snapshot.every(Instance) if each.ended_at is None]
        known |= {self._volumes.seen_by(each.id).name for each in alive}
        consoles = {self._console(each.id).name for each in alive}
        for left in self._home.iterdir():
            if left.name not in known and left.name not in consoles:
                disk.remove(left)

    # -- making it so ------------------------------------------------------------------------------------------------

    async def _reconcile(self, work: str) -> None:
        kind, account, region, id = work.split("|")
        if kind == VolumeSnapshot.kind:
            await self._take(account, region, id)
            return
        if kind == Volume.kind:
            await self._keep(account, region, id)
            return
        instance = self._store.snapshot().get(Instance, account, region, id)
        if instance is None:
            return
        if instance.ended_at is not None:
            self._forget_later(instance)
            return
        running = self._running.get(id)
        if running is not None and (instance.wanted != "running" or running.boots != instance.boots):
            hibernates = instance.wanted == "stopped" and instance.hibernated
            if not (hibernates and await self._fell_asleep(instance, running)):
                await self._end(instance, running)
            instance = self._store.snapshot().get(Instance, account, region, id)
            if instance is None:
                return
        if id not in self._running:
            if instance.wanted != "running":  # perhaps only since it began to end for a reboot
                self._forget_run(instance)
            await self._copies.take_at_rest(instance)
        if instance.wanted == "running" and id in self._asleep:
            await self._wake(instance)
        elif instance.wanted == "running" and id not in self._running:
            await self._boot(instance)
        elif instance.wanted == "stopped":
            if not instance.hibernated:
                await self._end_sleep(id)
            self._unplug(instance)
        elif instance.wanted == "terminated":
            await self._end_sleep(id)
            await self._remove(instance)

    async def _end(self, instance: Instance, running: Running) -> None:
        """Have the guest end. A reboot keeps what is reported, as the instance is `running` all the while."""
        running.watched.cancel()
        if instance.force:
            await running.guest.kill()
        else:
            await running.guest.stop()
        await running.guest.wait()
        self._running.pop(instance.id, None)

    async def _fell_asleep(self, instance: Instance, running: Running) -> bool:
        """Have the guest keep its memory while it is stopped. Where the machine can't, it is to be shut down."""
        if running.guest.running and await running.guest.freeze(self._clock):
            self._asleep[instance.id] = self._running.pop(instance.id)
            self._forget_run(instance)
            return True
        log.warning("instance %s can't hibernate here: it is shut down", instance.id)
        with self._store.write() as tx:
            found = tx.get(Instance, instance.account, instance.region, instance.id)
            if found is not None:
                tx.put(replace(found, hibernated=False))
        return False

    async def _end_sleep(self, id: str) -> None:
        """Have what sleeps as that instance lose its memory."""
        if (asleep := self._asleep.pop(id, None)) is not None:
            asleep.watched.cancel()
            await asleep.guest.kill()

    async def _wake(self, instance: Instance) -> None:
        """Have the guest go on where it was."""
        interface = self._plug_in(instance)
        async with asyncio.timeout(START_WITHIN_S):
            await self._applied(interface.id)
        asleep = self._asleep.pop(instance.id)
        asleep.watched.cancel()
        asleep.guest.thaw()
        self._runs(instance, asleep.guest)

    async def _boot(self, instance: Instance) -> None:
        interface = self._plug_in(instance)
        async with asyncio.timeout(START_WITHIN_S):
            await self._applied(interface.id)
        await self._entered(instance.vpc_id)
        root = await self._disk(instance)
        await self._volumes.boot(instance)
        snapshot = self._store.snapshot()
        self._runs(instance, await self._guests.start(self._spec_of(snapshot, instance, interface, root)))

    def _runs(self, instance: Instance, guest: RunningGuest) -> None:
        watched = asyncio.get_running_loop().create_task(self._watch(instance, guest), name=f"instance {instance.id}")
        self._running[instance.id] = Running(instance.boots, guest, watched)
        with self._store.write() as tx:
            key = {"account": instance.account, "region": instance.region, "id": instance.id}
            tx.put(InstanceRun(**key, boots=instance.boots, pid=guest.pid))
            found = tx.get(Instance, instance.account, instance.region, instance.id)
            if found is not None and found.hibernated and found.wanted == "running":
                tx.put(replace(found, hibernated=False))

    def _spec_of(self, snapshot: Snapshot, instance: Instance, interface: NetworkInterface, root: Path) -> GuestSpec:
        binds = {FOLDER: str(self._volumes.seen_by(instance.id))}
        return guest_spec(snapshot, instance, interface, root, self._console(instance.id), binds)

    async def _watch(self, instance: Instance, guest: RunningGuest) -> None:
        """What an end means that nobody asked for."""
        code = await guest.wait()
        if self.ended():
            return
        self._running.pop(instance.id, None)
        self._asleep.pop(instance.id, None)
        now = self._clock.now()
        with self._store.write() as tx:
            found = tx.get(Instance, instance.account, instance.region, instance.id)
            if found is None or found.wanted != "running" or found.boots != instance.boots:
                self._controller.enqueue(_work(instance.key))
            elif code == REBOOT or code < 0:
                log.warning("instance %s ended with %s: it boots again", instance.id, code)
                tx.put(replace(found, boots=found.boots + 1))
            else:
                tx.put(states.by_itself(found, now))
        self._forget_run(instance)

    def _forget_run(self, instance: Instance) -> None:
        with self._store.write() as tx:
            run = tx.get(InstanceRun, instance.account, instance.region, instance.id)
            if run is not None:
                tx.delete(run)

    # -- its interface -----------------------------------------------------------------------------------------------

    def _plug_in(self, instance: Instance) -> NetworkInterface:
        """Have the interface answer, with a public address where the instance is to have one."""
        with self._store.write() as tx:
            interface = _interface(tx, instance)
            assert interface is not None
            changed = replace(interface, attachment="workload")
            if instance.public and interface.public_ip is None:
                changed = replace(changed, public_ip=store.take_public(tx, self._spec, instance.region, interface.id))
            if changed != interface:
                tx.put(changed)
            return changed

    def _unplug(self, instance: Instance) -> None:
        """Nothing answers on a stopped instance's interface, and Amazon's public address is given back."""
        with self._store.write() as tx:
            interface = _interface(tx, instance)
            attachment = "hibernated" if instance.id in self._asleep else "stopped"
            found = tx.get(Instance, instance.account, instance.region, instance.id)
            if found is not None and found.hibernated and attachment == "stopped":  # its memory is lost
                tx.put(replace(found, hibernated=False))
            if interface is None or interface.attachment == attachment:
                return
            changed = replace(interface, attachment=attachment)
            if interface.public_ip is not None and interface.allocation_id is None:
                store.release_public(tx, interface.region, interface.public_ip)
                changed = replace(changed, public_ip=None)
            tx.put(changed)

    # -- its disk, and its end ---------------------------------------------------------------------------------------

    async def _disk(self, instance: Instance) -> Path:
        """The root volume's folder, made from the image where this is the first boot."""
        root = self._home / instance.volume_id
        if not root.exists():
            volume = self._store.snapshot().get(Volume, instance.account, instance.region, instance.volume_id)
            await self._copies.make(volume, root)
        return root

    async def _keep(self, account: str, region: str, id: str) -> None:
        """Have a volume where it is to be. Of one that is gone, delete the files, once no snapshot is to be taken of
        them any more."""
        snapshot = self._store.snapshot()
        volume = snapshot.get(Volume, account, region, id)
        if volume is not None:
            if await self._volumes.reconcile(volume):
                self._controller.enqueue_after(AGAIN_S, _work(volume.key))
            return
        taken = (each for each in snapshot.list(VolumeSnapshot, account, region) if each.volume_id == id)
        if not any(map(pending, taken)):
            self._volumes.forget(id)
            await asyncio.to_thread(disk.remove, self._home / id)

    async def _remove(self, instance: Instance) -> None:
        now = self._clock.now()
        await self._volumes.end(instance)
        with self._store.write() as tx:
            interface = _interface(tx, instance)
            if interface is not None and interface.delete_on_termination:
                interfaces.delete_interface(tx, interface)
            elif interface is not None:
                kept = replace(interface, attachment=None, attachment_id=None, instance_id=None, attach_time=None)
                if interface.public_ip is not None and interface.allocation_id is None:
                    store.release_public(tx, interface.region, interface.public_ip)
                    kept = replace(kept, public_ip=None)
                tx.put(kept)
            released(tx, instance)
            tx.put(replace(instance, ended_at=now))
        self._console(instance.id).unlink(missing_ok=True)
        others = self._store.snapshot().list(Instance, instance.account, instance.region)
        if not any(each.vpc_id == instance.vpc_id and each.ended_at is None for each in others):
            self._left(instance.vpc_id)

    def _forget_later(self, instance: Instance) -> None:
        assert instance.ended_at is not None
        left = instance.ended_at + KEPT_S - self._clock.now()
        if left > 0:
            self._controller.enqueue_after(left, _work(instance.key))
            return
        with self._store.write() as tx:
            if tx.get(Instance, instance.account, instance.region, instance.id) is not None:
                store.forget_token(tx, instance)
                tx.delete(instance)

    async def _take(self, account: str, region: str, id: str) -> None:
        """Copy the files for a snapshot; of one that is gone, delete them."""
        taken = self._store.snapshot().get(VolumeSnapshot, account, region, id)
        if taken is None:
            if not await self._copies.forget(id):
                self._controller.enqueue_after(AGAIN_S, f"{VolumeSnapshot.kind}|{account}|{region}|{id}")
            return
        await self._copies.take(taken)
        self._controller.enqueue(f"{Volume.kind}|{account}|{region}|{taken.volume_id}")  # which may have waited for us


def shorten(console: Path) -> None:
    """Have a console that has become long begin where its end does. Programs append to it, whatever is cut."""
    try:
        if console.stat().st_blocks * _BLOCK <= _CONSOLE_FILE_MAX:
            return
        with console.open("r+b") as file:
            file.seek(max(0, file.seek(0, 2) - CONSOLE_BYTES_MAX))
            kept = file.read(CONSOLE_BYTES_MAX)
            file.truncate(0)
        with console.open("ab") as file:
            file.write(kept)
    except FileNotFoundError:
        pass  # the instance has ended meanwhile


def _unsettled(volume: Volume) -> bool:
    return not volume.made or volume.attachment != "attached"


def guest_spec(
    snapshot: Snapshot, instance: Instance, interface: NetworkInterface, root: Path, console: Path,
    binds: Mapping[str, str],
) -> GuestSpec:  # fmt: skip
    """The instance as a guest."""
    kind = all_types()[instance.instance_type]
    hostname = f"ip-{interface.private_ip.replace('.', '-')}"
    keys = [
        each.public_key
        for each in snapshot.list(KeyPair, instance.account, instance.region)
        if each.name == instance.key_name
    ]
    data = user_data.decoded(instance.user_data) if instance.user_data else b""
    plan = user_data.plan(instance.id, user_data.parts(data), keys, hostname)
    if container_agent.has_agent(instance, root):
        plan, binds = container_agent.around(plan, kind), {**binds, **container_agent.binds()}
    return GuestSpec(
        instance.id,
        workload_namespace(interface.id),
        root,
        hostname,
        console,
        boot=plan,
        binds=binds,
        machine=disk.bare(root),
        memory_bytes=kind.memory_mb << 20,
        processors=kind.vcpus,
    )


def _interface(tx: Tx, instance: Instance) -> NetworkInterface | None:
    return tx.get(NetworkInterface, instance.account, instance.region, instance.interface_id)


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    return (_work(key),)


def _every(snapshot: Snapshot) -> Iterable[str]:
    found: list[Resource] = [
        *snapshot.every(Instance), *snapshot.every(VolumeSnapshot), *filter(_unsettled, snapshot.every(Volume)),
    ]  # fmt: skip
    return [_work(each.key) for each in found]


def _work(key: Key) -> str:
    return f"{key.kind}|{key.account}|{key.region}|{key.id}"
