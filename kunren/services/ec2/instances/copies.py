"""Copies of volumes' files: what makes snapshots complete, and with them images available.

A snapshot of a volume whose instance reboots for it (CreateImage) is taken while that does not run; who boots it asks
for that (`take_at_rest`). Files of a snapshot that is deleted stay as long as something is still to be copied of them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from kunren.control.store import Snapshot as Reader
from kunren.control.store import Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.guests import disk
from kunren.services.ec2.instances.image_events import note_image
from kunren.services.ec2.instances.images import own, state_of
from kunren.services.ec2.instances.model import Image, Instance, Snapshot, Volume
from kunren.services.ec2.instances.volumes import VolumeFolders


def pending(taken: Snapshot) -> bool:
    return not taken.completed and not taken.failure


class Copies:
    """`home` is the folder of all disks, `volumes` knows where in it a volume is."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, home: Path, volumes: VolumeFolders) -> None:
        self._store, self._clock, self._entropy, self._home, self._volumes = store, clock, entropy, home, volumes

    def sources(self, reader: Reader) -> set[str]:
        """What files are still to be copied of, by the ids of volumes and snapshots."""
        taken = [each for each in reader.every(Snapshot) if pending(each)]
        made = (each.snapshot_id for each in reader.every(Volume) if not self._volumes.where(each).exists())
        return {each.copied_from or each.volume_id for each in taken} | {each for each in made if each}

    async def forget(self, id: str) -> bool:
        """Delete the files of a snapshot that is gone; False where they are still needed."""
        if id in self.sources(self._store.snapshot()):
            return False
        await asyncio.to_thread(disk.remove, self._home / id)
        return True

    async def take(self, taken: Snapshot) -> None:
        """Copy the files for a snapshot, if that is still to be done and need not wait for its instance to end."""
        if pending(taken) and not (taken.at_rest and self._booted_for_it(taken)):
            await self._copy(taken)

    async def take_at_rest(self, instance: Instance) -> None:
        """Take what waited for the instance not to run, which it does not now."""
        reader = self._store.snapshot()
        for taken in reader.list(Snapshot, instance.account, instance.region):
            volume = reader.get(Volume, instance.account, instance.region, taken.volume_id)
            if taken.at_rest and pending(taken) and volume is not None and volume.instance_id == instance.id:
                await self._copy(taken)

    def _booted_for_it(self, taken: Snapshot) -> bool:
        reader = self._store.snapshot()
        volume = reader.get(Volume, taken.account, taken.region, taken.volume_id)
        if volume is None:
            return False
        instance = reader.get(Instance, taken.account, taken.region, volume.instance_id or "")
        return instance is not None and instance.ended_at is None

    async def _copy(self, taken: Snapshot) -> None:
        target = self._home / taken.id
        failure = None
        if not target.exists():
            try:
                await self._files(taken, target)
            except OSError as error:
                failure = str(error)
        with self._store.write() as tx:
            found = tx.get(Snapshot, taken.account, taken.region, taken.id)
            if found is not None:
                self._finished(tx, replace(found, completed=failure is None, failure=failure))

    async def _files(self, taken: Snapshot, target: Path) -> None:
        """Raises OSError, also where there is nothing to copy."""
        volume = self._store.snapshot().get(Volume, taken.account, taken.region, taken.volume_id)
        if taken.of_machine:
            await asyncio.to_thread(disk.make, target)
            return
        source = self._home / (taken.copied_from or taken.volume_id)
        if taken.copied_from is None and volume is not None:
            source = self._volumes.where(volume)
        if source.exists():
            await asyncio.to_thread(disk.copy, source, target)
        elif volume is not None and taken.copied_from is None:  # of an instance that has not booted yet
            await self.make(volume, target)
        else:
            raise OSError(f"The files of {taken.copied_from or taken.volume_id} are gone")

    async def make(self, volume: Volume | None, root: Path) -> None:
        """The files that are on a root volume before the first boot."""
        source = volume.snapshot_id if volume is not None else None
        if source is None:
            await asyncio.to_thread(disk.make, root)
        else:
            await asyncio.to_thread(disk.copy, self._home / source, root)

    def _finished(self, tx: Tx, taken: Snapshot) -> None:
        """Say so, and of an image that has become available or failed by it."""
        images = [each for each in tx.list(Image, taken.account, taken.region) if taken.id in each.snapshots]
        before = {each.id: state_of(tx, each.region, own(each))[0] for each in images}
        tx.put(taken)
        for image in images:
            now, why = state_of(tx, image.region, own(image))
            if now != before[image.id]:
                note_image(tx, self._entropy, image, now, self._clock.now(), image.request_id, why or "")
