"""What the controller of instances does with files: disks of volumes, copies for snapshots, consoles. Without guests."""

import asyncio
import contextlib

import pytest
from msgspec.structs import replace

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.services.ec2.instances.controller import CONSOLE_BYTES_MAX, InstanceController, shorten
from kunren.services.ec2.instances.copies import Copies
from kunren.services.ec2.instances.images import built_in
from kunren.services.ec2.instances.model import Instance, InstanceRun, Snapshot, Volume
from kunren.services.ec2.instances.types import MACHINE
from kunren.services.ec2.instances.volumes import VolumeFolders

ACCOUNT, REGION = "123456789012", "us-east-1"
TYPE = "t3.micro" if MACHINE == "x86_64" else "t4g.micro"


def volume(id, **more):
    return Volume(
        account=ACCOUNT, region=REGION, id=id, availability_zone="us-east-1a", size_gb=8, volume_type="gp3",
        created_at=0.0, **more,
    )  # fmt: skip


def snapshot(id, volume_id, **more):
    return Snapshot(account=ACCOUNT, region=REGION, id=id, volume_id=volume_id, size_gb=8, started_at=0.0, **more)


@pytest.fixture
def settled(ec2, tmp_path):
    """Runs the controller over these rows until nothing is left to do, and again after something else."""

    def run(*rows, then=lambda: None):
        async def main():
            controller = InstanceController(
                ec2.store, SystemClock(), Entropy(seed=7), None, None, tmp_path, None, None, None
            )
            with ec2.store.write() as tx:
                for each in rows:
                    tx.put(each)
            task = asyncio.create_task(controller.run())
            await controller.settled()
            then()
            await controller.settled()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        asyncio.run(main())
        return lambda id: ec2.store.snapshot().get(Snapshot, ACCOUNT, REGION, id)

    return run


def launched(ec2):
    asked = {"ImageId": built_in(REGION).id, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1}
    id = ec2.run_instances(**asked)["Instances"][0]["InstanceId"]
    return ec2.store.snapshot().get(Instance, ACCOUNT, REGION, id)


def files(folder, text):
    folder.mkdir()
    (folder / "file").write_text(text)


def test_a_snapshot_that_is_not_taken_yet_outlives_its_volume(tmp_path, settled):
    """As after CreateImage and TerminateInstances at once, or a crash between the two."""
    files(tmp_path / "vol-1", "mine")
    found = settled(snapshot("snap-1", "vol-1"))
    assert found("snap-1").completed
    assert (tmp_path / "snap-1" / "file").read_text() == "mine"
    assert not (tmp_path / "vol-1").exists()


def test_a_snapshot_of_what_is_gone_fails(tmp_path, settled):
    found = settled(snapshot("snap-1", "vol-1"))
    assert not found("snap-1").completed
    assert found("snap-1").failure == "The files of vol-1 are gone"
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_of_a_volume_that_never_booted_has_what_its_image_has(tmp_path, settled):
    files(tmp_path / "snap-1", "the image's")
    source = snapshot("snap-1", "vol-0", completed=True)
    settled(source, volume("vol-1", snapshot_id="snap-1"), snapshot("snap-2", "vol-1"))
    assert (tmp_path / "snap-2" / "file").read_text() == "the image's"


def test_a_copy_of_a_snapshot_is_made_in_any_region_though_that_is_deleted_meanwhile(ec2, tmp_path, settled):
    files(tmp_path / "snap-1", "the image's")
    copy = Snapshot(
        account=ACCOUNT, region="ap-northeast-1", id="snap-2", volume_id="vol-ffffffff", size_gb=8, started_at=0.0,
        copied_from="snap-1",
    )  # fmt: skip
    settled(copy)
    assert (tmp_path / "snap-2" / "file").read_text() == "the image's"
    assert ec2.store.snapshot().get(Snapshot, ACCOUNT, "ap-northeast-1", "snap-2").completed


def test_a_snapshot_of_an_instance_that_reboots_for_it_waits_for_the_end_of_that(ec2, tmp_path):
    instance = launched(ec2)
    files(tmp_path / instance.volume_id, "mine")
    taken = snapshot("snap-1", instance.volume_id, at_rest=True)
    with ec2.store.write() as tx:
        tx.put(taken)
    entropy = Entropy(seed=7)
    copies = Copies(ec2.store, SystemClock(), entropy, tmp_path, VolumeFolders(ec2.store, entropy, tmp_path))
    asyncio.run(copies.take(taken))
    assert not (tmp_path / "snap-1").exists()
    asyncio.run(copies.take_at_rest(instance))
    assert (tmp_path / "snap-1" / "file").read_text() == "mine"
    assert ec2.store.snapshot().get(Snapshot, ACCOUNT, REGION, "snap-1").completed


def test_a_snapshot_at_rest_of_a_volume_that_nothing_has_waits_for_nobody(tmp_path, settled):
    files(tmp_path / "vol-1", "mine")
    found = settled(volume("vol-1"), snapshot("snap-1", "vol-1", at_rest=True))
    assert found("snap-1").completed


def test_an_instance_that_is_stopped_while_it_ends_for_a_reboot_is_stopped(ec2, settled):
    """Its end was begun as a reboot's, which keeps what is reported."""
    instance = replace(launched(ec2), wanted="stopped", boots=2)
    settled(instance, InstanceRun(account=ACCOUNT, region=REGION, id=instance.id, boots=1, pid=7))
    (found,) = ec2.describe_instances(InstanceIds=[instance.id])["Reservations"]
    assert found["Instances"][0]["State"]["Name"] == "stopped"


def test_a_deleted_volume_leaves_no_files(ec2, tmp_path, settled):
    files(tmp_path / "vol-1", "mine")
    settled(volume("vol-1"), then=lambda: ec2.delete_volume(VolumeId="vol-1"))
    assert list(tmp_path.iterdir()) == []


def test_a_long_console_is_shortened_to_its_end(tmp_path):
    console = tmp_path / "i-1.console"
    console.write_bytes(b"begin\n" + b"x" * (1 << 20))
    shorten(console)
    assert console.read_bytes().startswith(b"begin")
    with console.open("ab", buffering=0) as guest:
        guest.write(b"x" * (5 << 20) + b"end\n")
        shorten(console)
        guest.write(b"more\n")
    kept = console.read_bytes()
    assert kept.endswith(b"xend\nmore\n")
    assert len(kept) == CONSOLE_BYTES_MAX + len(b"more\n")
    shorten(tmp_path / "none")
