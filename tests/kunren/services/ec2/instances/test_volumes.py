"""What is refused of data volumes, and where their files are."""

import asyncio
import shutil

import pytest

from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.instances.model import Instance, Snapshot, Volume
from kunren.services.ec2.instances.volumes import VolumeFolders

ACCOUNT, REGION = "123456789012", "us-east-1"
ZONE = "us-east-1a"


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ({"Size": 5, "AvailabilityZone": "us-east-1x"}, "InvalidZone.NotFound", "The zone 'us-east-1x' does not exist."),
        ({}, "MissingParameter", "The request must contain the parameter size/snapshot"),
        ({"Size": 20000}, "InvalidParameterValue", "Volume of 20000GiB is too large for volume type gp2"),
        ({"Size": 3, "VolumeType": "io1"}, "InvalidParameterValue", "Volume of 3GiB is too small for volume type io1"),
        ({"Size": 8, "VolumeType": "gp3"}, None, None),
        ({"Size": 8, "VolumeType": "st1"}, "InvalidParameterValue", "Volume of 8GiB is too small for volume type st1"),
        ({"Size": 4, "VolumeType": "io1", "Iops": 201}, "InvalidParameterCombination",
         "Iops to volume size ratio of 50.250000 is too high; maximum is 50"),
        ({"Size": 8, "KmsKeyId": "alias/mine"}, "InvalidParameterDependency",
         "The parameter KmsKeyId requires the parameter Encrypted to be set."),
        ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidSnapshot.NotFound",
         "The snapshot 'snap-0123456789abcdef0' does not exist."),
    ],
)  # fmt: skip
def test_what_a_volume_can_not_be_is_refused(ec2, asked, code, message):
    given = {"AvailabilityZone": ZONE, **asked}
    if code is None:
        assert ec2.create_volume(**given)["State"] == "creating"
        return
    with pytest.raises(AwsError) as refused:
        ec2.create_volume(**given)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_a_token_makes_one_volume_and_a_change_is_kept(ec2):
    asked = {"AvailabilityZone": ZONE, "Size": 100, "VolumeType": "gp3", "ClientToken": "one"}
    made = ec2.create_volume(**asked)
    assert ec2.create_volume(**asked)["VolumeId"] == made["VolumeId"]
    assert (made["Iops"], made["Throughput"]) == (3000, 125)
    changed = ec2.modify_volume(VolumeId=made["VolumeId"], Size=200, VolumeType="gp2")["VolumeModification"]
    assert (changed["OriginalIops"], changed["TargetIops"], changed["TargetSize"]) == (3000, 600, 200)
    assert len(ec2.describe_volumes_modifications()["VolumesModifications"]) == 1
    with pytest.raises(AwsError, match="New size cannot be smaller than existing size"):
        ec2.modify_volume(VolumeId=made["VolumeId"], Size=100)
    ec2.delete_volume(VolumeId=made["VolumeId"])
    assert ec2.create_volume(**asked)["VolumeId"] != made["VolumeId"]


def test_a_volume_of_an_encrypted_snapshot_has_its_key(ec2):
    key = "arn:aws:kms:us-east-1:123456789012:key/1"
    taken = Snapshot(
        account=ACCOUNT, region=REGION, id="snap-0123456789abcdef0", volume_id="vol-1", size_gb=8, started_at=0.0,
        encrypted=True, kms_key=key, completed=True,
    )  # fmt: skip
    with ec2.store.write() as tx:
        tx.put(taken)
    made = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=taken.id)
    assert (made["Encrypted"], made["KmsKeyId"]) == (True, key)


@pytest.fixture
def attaching(ec2):
    """An instance, and a volume that is on its way there, from a snapshot."""
    key = {"account": ACCOUNT, "region": REGION}
    instance = Instance(
        **key, id="i-1", reservation_id="r-1", launch_index=0, image_id="ami-1", instance_type="t3.micro",
        architecture="x86_64", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone=ZONE, interface_id="eni-1",
        volume_id="vol-0", root_device="/dev/xvda", launched_at=0.0,
    )  # fmt: skip
    volume = Volume(
        **key, id="vol-1", availability_zone=ZONE, size_gb=8, volume_type="gp3", created_at=0.0, made=False,
        snapshot_id="snap-1", instance_id="i-1", device="/dev/sdf", attachment="attaching",
    )  # fmt: skip
    with ec2.store.write() as tx:
        tx.put(instance)
        tx.put(volume)
    return instance, volume


def test_a_volume_of_a_root_snapshot_has_a_file_system_and_moves_by_its_device(ec2, attaching, tmp_path):
    (tmp_path / "snap-1" / "proc").mkdir(parents=True)
    _instance, volume = attaching
    folders = VolumeFolders(ec2.store, Entropy(seed=7), tmp_path)
    assert asyncio.run(folders.reconcile(volume)) is False
    seen = tmp_path / "i-1.volumes"
    assert sorted(each.name for each in seen.iterdir()) == ["nvme1n1", "xvdf"]
    assert (seen / "xvdf" / "type").read_text() == "xfs\n"
    assert (seen / "nvme1n1" / "files" / "proc").is_dir()
    assert ec2.store.snapshot().get(Volume, ACCOUNT, REGION, "vol-1").attachment == "attached"

    ec2.detach_volume(VolumeId="vol-1")
    assert asyncio.run(folders.reconcile(volume)) is False
    assert list(seen.iterdir()) == []
    assert (tmp_path / "vol-1" / "files").is_dir()
    with pytest.raises(AwsError, match="is in the 'available' state"):
        ec2.detach_volume(VolumeId="vol-1")


def test_what_a_guest_puts_where_its_volumes_are_leads_the_daemon_nowhere(ec2, attaching, tmp_path):
    instance, volume = attaching
    home, outside = tmp_path / "disks", tmp_path / "outside"
    (home / "snap-1").mkdir(parents=True)
    (outside / "xvdf").mkdir(parents=True)
    folders = VolumeFolders(ec2.store, Entropy(seed=7), home)
    seen = folders.seen_by("i-1")
    (seen / "xvdf").symlink_to("/nowhere")
    (seen / "nvme1n1").write_text("no link")
    asyncio.run(folders.reconcile(volume))
    assert not (seen / "xvdf").is_symlink()

    shutil.rmtree(seen / "xvdf")
    (seen / "xvdf").symlink_to(outside)
    (seen / ".mounted-xvdf").symlink_to(outside / "xvdf")
    attached = ec2.store.snapshot().get(Volume, ACCOUNT, REGION, "vol-1")
    assert folders.where(attached) == home / "vol-1"
    asyncio.run(folders.boot(instance))
    ec2.detach_volume(VolumeId="vol-1")
    asyncio.run(folders.reconcile(volume))
    assert ec2.store.snapshot().get(Volume, ACCOUNT, REGION, "vol-1").instance_id is None
    assert ((home / "vol-1").is_dir(), (home / "vol-1").is_symlink()) == (True, False)
    asyncio.run(folders.end(instance))
    assert (seen.exists(), (outside / "xvdf").is_dir()) == (False, True)
