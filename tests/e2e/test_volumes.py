"""Data volumes as user data and administrators have them: made, attached, formatted, mounted, copied, moved, lost."""

import pytest

from .test_instances import Machines

FORMATS = """#!/bin/bash
while [ ! -e /dev/xvdf ]; do sleep 0.1; done
if ! blkid /dev/xvdf; then mkfs -t xfs /dev/xvdf; fi
mkdir -p /data
echo "UUID=$(blkid -s UUID -o value /dev/xvdf) /data xfs defaults,nofail 0 2" >> /etc/fstab
mount -a
echo kept > /data/file
sync
echo formatted
"""


@pytest.fixture
def machines(kunren, account, until):
    return Machines(kunren, account, until)


def mapping(device, **ebs):
    return {"DeviceName": device, "Ebs": {"VolumeSize": 5, **ebs}}


def test_a_volume_of_the_launch_is_formatted_mounted_at_each_boot_and_part_of_the_instances_image(machines, until):
    id = machines.launch(UserData=FORMATS, BlockDeviceMappings=[mapping("/dev/sdf", Encrypted=True)])
    machines.wait(id, "running")
    until(lambda: "formatted" in machines.console(id), "the volume mounted")
    ec2 = machines.ec2
    _root, data = machines.show(id)["BlockDeviceMappings"]
    assert (data["DeviceName"], data["Ebs"]["Status"], data["Ebs"]["DeleteOnTermination"]) == (
        "/dev/sdf",
        "attached",
        True,
    )
    volume = ec2.describe_volumes(VolumeIds=[data["Ebs"]["VolumeId"]])["Volumes"][0]
    assert (volume["State"], volume["Size"], volume["VolumeType"], volume["Encrypted"]) == ("in-use", 5, "gp3", True)
    assert volume["KmsKeyId"].startswith("arn:aws:kms:us-east-1:")
    assert machines.ssh(id, "mountpoint", "-q", "/data").returncode == 0

    machines.ssh(id, "sh", "-c", "echo here > /run/boot; echo root > /etc/made")
    image = ec2.create_image(InstanceId=id, Name="formatted")["ImageId"]  # which reboots it
    again = "test ! -e /run/boot && test $(ls /data) = file && mountpoint -q /data"
    until(lambda: machines.ssh(id, "sh", "-c", again).returncode == 0, "mounted by fstab")
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    copy = machines.launch(ImageId=image)
    machines.wait(copy, "running")
    until(lambda: machines.ssh(copy, "cat", "/data/file", "/etc/made").stdout == "kept\nroot\n", "the image's files")
    machines.end(id, copy)
    ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    left = ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume["VolumeId"]]}])["Volumes"]
    assert left == []


def test_a_volume_moves_between_instances_and_comes_back_from_a_snapshot(machines, until):
    ec2 = machines.ec2
    first, second = machines.launch(), machines.launch()
    zone = machines.wait(first, "running")["Placement"]["AvailabilityZone"]
    machines.wait(second, "running")
    made = ec2.create_volume(AvailabilityZone=zone, Size=8, VolumeType="gp3", Iops=4000)
    volume = made["VolumeId"]
    assert (made["Iops"], made["Throughput"]) == (4000, 125)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume])

    def state():
        shown = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
        return shown["State"], *[each["State"] for each in shown["Attachments"]]

    assert ec2.attach_volume(VolumeId=volume, InstanceId=first, Device="/dev/sdg")["State"] == "attaching"
    until(lambda: state() == ("in-use", "attached"), "attached")
    unformatted = machines.ssh(first, "sh", "-c", "mkdir /d; mount /dev/sdg /d")
    assert unformatted.returncode == 32 and "wrong fs type" in unformatted.stderr
    assert machines.ssh(first, "blkid", "/dev/nvme1n1").returncode == 2
    done = machines.ssh(
        first, "sh", "-c", "mkfs.ext4 -q /dev/xvdg && mount /dev/xvdg /d && echo mine > /d/file; ls -la /"
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert 'TYPE="ext4"' in machines.ssh(first, "blkid", "/dev/nvme1n1").stdout

    assert ec2.detach_volume(VolumeId=volume)["State"] == "detaching"
    until(lambda: state() == ("in-use", "busy"), "busy while it is mounted")
    assert machines.ssh(first, "umount", "/d").returncode == 0
    until(lambda: state() == ("available",), "detached")
    assert machines.ssh(first, "test", "-e", "/dev/xvdg").returncode == 1

    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot])
    copy = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy])
    for id, device in ((volume, "/dev/sdf"), (copy, "/dev/sdg")):
        ec2.attach_volume(VolumeId=id, InstanceId=second, Device=device)
        ec2.get_waiter("volume_in_use").wait(VolumeIds=[id])
    until(lambda: machines.ssh(second, "test", "-e", "/dev/nvme2n1").returncode == 0, "two devices")
    look = "for each in xvdf sdg; do mkdir /$each && mount /dev/$each /$each && cat /$each/file; done"
    assert machines.ssh(second, "sh", "-c", look).stdout == "mine\nmine\n"
    machines.end(second)
    until(lambda: state() == ("available",), "kept when its instance ends")
    ec2.delete_volume(VolumeId=volume)
    machines.end(first)
