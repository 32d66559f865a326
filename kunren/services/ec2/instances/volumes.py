"""The folders of volumes: made, put where an instance sees them, taken back, deleted.

A volume's folder is HOME/VOLUME. While it is attached it is HOME/INSTANCE.volumes/xvdX instead, in the one folder that
the instance's guest sees as `kunren.world.agent.volumes.FOLDER` from its boot on; so attaching is a rename, and
what the row says can be made so again after a crash. A root volume's folder is the guest's "/" and stays where it is.

The guest's root may do to what it sees what it likes, so nothing of it is taken for what it was: a link where a volume
was leads the daemon nowhere.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.entropy import Entropy
from kunren.dataplane.guests import disk
from kunren.services.ec2.instances.model import Instance, InstanceRun, Volume
from kunren.world.agent.volumes import MARK, folder_of

AGAIN_S = 1.0
"""How often (real time) a volume is looked at that is to be detached and still mounted."""
_SUFFIX = ".volumes"


class VolumeFolders:
    """`home` is the folder of all disks. What takes time here runs in a thread."""

    def __init__(self, store: Store, entropy: Entropy, home: Path) -> None:
        self._store, self._entropy, self._home = store, entropy, home
        self._busy: dict[str, asyncio.Lock] = {}

    def seen_by(self, instance_id: str) -> Path:
        """The folder in which an instance sees its volumes, made if need be."""
        found = self._home / f"{instance_id}{_SUFFIX}"
        found.mkdir(parents=True, exist_ok=True)
        return found

    def where(self, volume: Volume) -> Path:
        """Where the volume's files are now."""
        place = self._place(volume)
        return place if place is not None and _is_folder(place) else self._home / volume.id

    def _place(self, volume: Volume) -> Path | None:
        """Where they are while it is attached."""
        name = folder_of(volume.device) if volume.device else None
        return self._home / f"{volume.instance_id}{_SUFFIX}" / name if volume.instance_id and name else None

    async def reconcile(self, volume: Volume) -> bool:
        """Make it so; whether to look again in a while."""
        async with self._busy.setdefault(volume.id, asyncio.Lock()):
            found = self._store.snapshot().get(Volume, volume.account, volume.region, volume.id)
            return found is not None and await self._settle(found)

    def forget(self, id: str) -> None:
        self._busy.pop(id, None)

    async def _settle(self, volume: Volume) -> bool:
        if not volume.made:
            await self.make(volume)
            volume = self._changed(volume, made=True) or volume
        snapshot = self._store.snapshot()
        instance = snapshot.get(Instance, volume.account, volume.region, volume.instance_id or "")
        if instance is None or instance.volume_id == volume.id:
            return False
        if volume.attachment in ("attaching", "attached"):
            await self._plug_in(volume)
            return False
        if not volume.forced and self._mounted(snapshot, instance, volume):
            self._changed(volume, attachment="busy")
            return True
        self._take_back(volume)
        self._changed(volume, **FREE)
        return False

    async def boot(self, instance: Instance) -> None:
        """Have all of the instance's volumes where it sees them, and nothing mounted."""
        for each in self.seen_by(instance.id).glob(f"{MARK}*"):
            await asyncio.to_thread(disk.remove, each)
        for volume in self._of(instance):
            await self.reconcile(volume)

    async def end(self, instance: Instance) -> None:
        """Take back all that the instance sees."""
        for volume in self._of(instance):
            self._take_back(volume)
        await asyncio.to_thread(disk.remove, self._home / f"{instance.id}{_SUFFIX}")

    def _of(self, instance: Instance) -> list[Volume]:
        rows = self._store.snapshot().list(Volume, instance.account, instance.region)
        return [each for each in rows if each.instance_id == instance.id and each.id != instance.volume_id]

    async def make(self, volume: Volume) -> None:
        """The files that are on a new volume: none, or its snapshot's. A root volume's are its file system's."""
        target = self.where(volume)
        if target.exists():
            return
        source = self._home / volume.snapshot_id if volume.snapshot_id else None
        if source is None:
            target.mkdir(parents=True)
        elif (source / "proc").is_dir():  # "/" of an instance
            new = target.with_name(f"{volume.id}.made")
            await asyncio.to_thread(disk.remove, new)
            await asyncio.to_thread(disk.copy, source, new / "files")
            (new / "type").write_text("xfs\n")
            (new / "uuid").write_text(f"{self._entropy.uuid()}\n")
            new.rename(target)
        else:
            await asyncio.to_thread(disk.copy, source, target)

    async def _plug_in(self, volume: Volume) -> None:
        place, files = self._place(volume), self._home / volume.id
        if place is not None and _is_folder(files):
            self.seen_by(volume.instance_id or "")
            await asyncio.to_thread(disk.remove, place)  # what the guest has put there
            files.rename(place)
            _number(place.parent)
        self._changed(volume, attachment="attached")

    def _take_back(self, volume: Volume) -> None:
        place, files = self._place(volume), self._home / volume.id
        if place is None:
            return
        if _is_folder(place) and not files.exists():
            place.rename(files)
            _mark(place).unlink(missing_ok=True)
            _number(place.parent)
        if volume.made:
            files.mkdir(exist_ok=True)  # the guest may have taken the volume's away

    def _mounted(self, snapshot: Snapshot, instance: Instance, volume: Volume) -> bool:
        run = snapshot.get(InstanceRun, instance.account, instance.region, instance.id)
        place = self._place(volume)
        return (run is not None or instance.hibernated) and place is not None and os.path.lexists(_mark(place))

    def _changed(self, volume: Volume, **change: object) -> Volume | None:
        with self._store.write() as tx:
            found = tx.get(Volume, volume.account, volume.region, volume.id)
            if found is None or (found.instance_id, found.attachment) != (volume.instance_id, volume.attachment):
                return None
            changed = replace(found, **change)
            if changed != found:
                tx.put(changed)
            return changed


FREE = {
    "instance_id": None, "device": None, "attached_at": None, "attachment": "attached", "forced": False,
    "delete_on_termination": False,
}  # fmt: skip
"""What a volume is that no instance has."""


def released(tx: Tx, instance: Instance) -> None:
    """The volumes of an instance that is terminated: deleted, or free."""
    for volume in tx.list(Volume, instance.account, instance.region):
        if volume.instance_id == instance.id and volume.delete_on_termination:
            tx.delete(volume)
        elif volume.instance_id == instance.id:
            tx.put(replace(volume, **FREE))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _mark(place: Path) -> Path:
    """What is there while the guest has the volume mounted."""
    return place.with_name(f"{MARK}{place.name}")


def _number(folder: Path) -> None:
    """The names that the volumes have as NVMe devices, in the order of their letters."""
    for each in folder.iterdir():
        if each.is_symlink() or each.name.startswith("nvme"):
            disk.remove(each)
    names = sorted(each.name for each in folder.iterdir() if each.name.startswith("xvd"))
    for number, name in enumerate(names, 1):
        (folder / f"nvme{number}n1").symlink_to(name)
