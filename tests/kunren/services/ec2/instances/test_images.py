"""Images as desired state: what they are made of, who may launch them, what their instances get. Files are left out."""

import pytest
from msgspec.structs import replace

from kunren.services.ec2.instances import images
from kunren.services.ec2.instances.model import Image, Instance, InstanceEvent, InstanceRun, Snapshot
from kunren.services.ec2.instances.types import MACHINE

TYPE = "t3.micro" if MACHINE == "x86_64" else "t4g.micro"
OTHER = "210987654321"


def launch(ec2, image=None, **given):
    image = image or images.built_in(ec2.region).id
    asked = {"ImageId": image, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1, **given}
    return ec2.run_instances(**asked)["Instances"][0]["InstanceId"]


def runs(ec2, id):
    with ec2.store.write() as tx:
        tx.put(InstanceRun(account=ec2.account, region=ec2.region, id=id, boots=1, pid=7))


def copied(ec2, failure=None):
    """As the controller reports it, of every snapshot there is."""
    with ec2.store.write() as tx:
        for each in list(tx.every(Snapshot)):
            tx.put(replace(each, completed=failure is None, failure=failure))


@pytest.fixture
def running(ec2):
    """An instance with a data volume."""
    mapping = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Throughput": 250}}
    id = launch(ec2, BlockDeviceMappings=[mapping])
    runs(ec2, id)
    return id


def shown(ec2, id):
    return ec2.describe_images(ImageIds=[id])["Images"][0]


def devices(image):
    return {
        each["DeviceName"]: (each["Ebs"]["VolumeSize"], each["Ebs"]["VolumeType"])
        for each in image["BlockDeviceMappings"]
    }


def test_an_image_has_the_instances_volumes_as_snapshots_and_so_have_its_instances(ec2, running):
    image = ec2.create_image(
        InstanceId=running, Name="web-1", NoReboot=True,
        BlockDeviceMappings=[{"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3"}}],
        TagSpecifications=[
            {"ResourceType": each, "Tags": [{"Key": "for", "Value": each}]} for each in ("image", "snapshot")
        ],
    )["ImageId"]  # fmt: skip
    assert devices(shown(ec2, image)) == {"/dev/xvda": (8, "gp3"), "/dev/sdf": (20, "gp3"), "/dev/sdg": (3, "gp3")}
    assert shown(ec2, image)["State"] == "pending"
    assert shown(ec2, image)["Tags"] == [{"Key": "for", "Value": "image"}]
    code = ("InvalidAMIID.Unavailable", f"The image id '[{image}]' is not available")
    asked = {"ImageId": image, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1}
    assert ec2.refused("run_instances", **asked) == code
    copied(ec2)
    assert shown(ec2, image)["State"] == "available"
    snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert {each["Description"] for each in snapshots} == {f"Created by CreateImage({running}) for {image}"}
    assert ec2.refused("delete_snapshot", SnapshotId=snapshots[0]["SnapshotId"])[0] == "InvalidSnapshot.InUse"
    made = launch(ec2, image, BlockDeviceMappings=[
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 30, "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdg", "NoDevice": ""},
    ])  # fmt: skip
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [made]}])["Volumes"]
    found = {each["Attachments"][0]["Device"]: each for each in volumes}
    assert set(found) == {"/dev/xvda", "/dev/sdf"}
    of_volume = found["/dev/sdf"]
    assert (of_volume["Size"], of_volume["Throughput"]) == (30, 250)
    assert of_volume["SnapshotId"] in {each["SnapshotId"] for each in snapshots}
    assert not of_volume["Attachments"][0]["DeleteOnTermination"]
    root = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": of_volume["SnapshotId"]}}]
    assert ec2.refused("run_instances", **asked, BlockDeviceMappings=root) == (
        "InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ebs", "code"),
    [
        ({"VolumeType": "io1", "Iops": 2000}, "InvalidParameterCombination"),
        ({"VolumeType": "st1"}, "InvalidParameterValue"),
        ({"VolumeSize": 19}, "InvalidBlockDeviceMapping"),
        ({"Encrypted": True}, "InvalidBlockDeviceMapping"),
        ({"SnapshotId": "snap-0123456789abcdef0"}, "InvalidBlockDeviceMapping"),
    ],
)
def test_an_image_has_no_volume_that_could_not_be_made(ec2, running, ebs, code):
    mapping = [{"DeviceName": "/dev/sdf", "Ebs": ebs}]
    asked = {"InstanceId": running, "Name": "web-1", "BlockDeviceMappings": mapping}
    assert ec2.refused("create_image", **asked)[0] == code
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


def test_a_running_instance_is_rebooted_for_its_image_unless_that_is_refused(ec2, running):
    def boots():
        return ec2.store.snapshot().get(Instance, ec2.account, ec2.region, running).boots

    ec2.create_image(InstanceId=running, Name="web-1", NoReboot=True)
    assert boots() == 1
    ec2.create_image(InstanceId=running, Name="web-2")
    assert boots() == 2
    assert ec2.refused("create_image", InstanceId=running, Name="web-2")[0] == "InvalidAMIName.Duplicate"
    assert ec2.refused("create_image", InstanceId=running, Name="what?")[0] == "InvalidAMIName.Malformed"
    assert boots() == 2


def test_an_image_is_deregistered_with_its_snapshots_and_not_while_it_is_protected(ec2, running):
    image = ec2.create_image(InstanceId=running, Name="web-1", NoReboot=True)["ImageId"]
    copied(ec2)
    ec2.enable_image_deregistration_protection(ImageId=image)
    assert ec2.refused("deregister_image", ImageId=image)[0] == "OperationNotPermitted"
    ec2.disable_image_deregistration_protection(ImageId=image)
    gone = ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert [each["ReturnCode"] for each in gone["DeleteSnapshotResults"]] == ["success", "success"]
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert ec2.refused("deregister_image", ImageId=image)[0] == "InvalidAMIID.NotFound"
    assert ec2.refused("deregister_image", ImageId="image-1")[0] == "InvalidAMIID.Malformed"
    told = [each.detail for each in ec2.store.snapshot().every(InstanceEvent) if each.instance_id == image]
    assert [(each["ImageId"], each["State"], each["ErrorMessage"]) for each in told] == [(image, "deregistered", "")]


def test_snapshots_are_registered_as_an_image(ec2, running):
    first = ec2.create_image(InstanceId=running, Name="web-1", NoReboot=True)["ImageId"]
    copied(ec2)
    root, data = (each["Ebs"]["SnapshotId"] for each in shown(ec2, first)["BlockDeviceMappings"])
    mapping = [
        {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": root}},
        {"DeviceName": "/dev/sdh", "Ebs": {"SnapshotId": data, "VolumeType": "gp3"}},
    ]
    asked = {"Name": "again", "Architecture": MACHINE, "RootDeviceName": "/dev/sda1"}
    image = ec2.register_image(**asked, BlockDeviceMappings=mapping)["ImageId"]
    assert shown(ec2, image)["State"] == "available"
    assert not shown(ec2, image)["EnaSupport"]
    assert devices(shown(ec2, image)) == {"/dev/sda1": (8, "gp2"), "/dev/sdh": (20, "gp3")}
    mapping[0]["Ebs"]["Encrypted"] = True
    assert ec2.refused("register_image", **{**asked, "Name": "more"}, BlockDeviceMappings=mapping) == (
        "InvalidBlockDeviceMapping",
        "the encrypted flag cannot be specified since device /dev/sda1 has a snapshot specified.",
    )


def test_others_see_and_launch_an_image_as_its_launch_permissions_say(ec2, running):
    image = ec2.create_image(InstanceId=running, Name="web-1", NoReboot=True)["ImageId"]
    copied(ec2)
    other = ec2.elsewhere(account=OTHER)
    other.describe_vpcs()
    asked = {"ImageId": image, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1}
    assert other.refused("describe_images", ImageIds=[image])[0] == "InvalidAMIID.NotFound"
    assert other.refused("run_instances", **asked) == ("AuthFailure", f"Not authorized for images: [{image}]")
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": OTHER}]})
    attribute = {"ImageId": image, "Attribute": "launchPermission"}
    assert ec2.describe_image_attribute(**attribute)["LaunchPermissions"] == [{"UserId": OTHER}]
    assert other.refused("describe_image_attribute", **attribute) == (
        "AuthFailure",
        f"Not authorized for image:{image}",
    )
    for ask in ({"ImageIds": [image]}, {"ExecutableUsers": ["self"]}, {"Owners": [ec2.account]}):
        assert [each["ImageId"] for each in other.describe_images(**ask)["Images"]] == [image]
    assert other.describe_images(Owners=["self"])["Images"] == []
    launch(other, image)
    assert other.refused("copy_image", Name="mine", SourceImageId=image, SourceRegion=ec2.region) == (
        "InvalidRequest", "You do not have permission to access the storage of this ami",
    )  # fmt: skip
    assert ec2.refused("modify_image_attribute", **attribute, OperationType="add", UserIds=["1234"]) == (
        "InvalidAMIAttributeItemValue", 'Invalid attribute item value "1234" for userId item type.',
    )  # fmt: skip
    for each in shown(ec2, image)["BlockDeviceMappings"]:
        permitted = {"SnapshotId": each["Ebs"]["SnapshotId"], "Attribute": "createVolumePermission"}
        ec2.modify_snapshot_attribute(**permitted, OperationType="add", UserIds=[OTHER])
        assert ec2.describe_snapshot_attribute(**permitted)["CreateVolumePermissions"] == [{"UserId": OTHER}]
    assert other.copy_image(Name="mine", SourceImageId=image, SourceRegion=ec2.region)["ImageId"].startswith("ami-")
    ec2.reset_image_attribute(**attribute)
    assert other.refused("run_instances", **asked)[0] == "AuthFailure"
    ec2.modify_image_attribute(**attribute, OperationType="add", UserGroups=["all"])
    assert shown(other, image)["Public"]
    launch(other, image)


def test_an_image_is_copied_to_another_region_with_its_tags_where_that_is_asked(ec2, running):
    image = ec2.create_image(
        InstanceId=running, Name="web-1", NoReboot=True,
        TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "of", "Value": "web"}]}],
    )["ImageId"]  # fmt: skip
    far = ec2.elsewhere(region="ap-northeast-1")
    asked = {"Name": "web-1", "SourceImageId": image, "SourceRegion": ec2.region, "CopyImageTags": True}
    assert far.refused("copy_image", **asked)[0] == "InvalidAMIID.Unavailable"
    copied(ec2)
    made = far.copy_image(**asked, ClientToken="once")["ImageId"]
    assert far.copy_image(**asked, ClientToken="once")["ImageId"] == made
    found = shown(far, made)
    assert (found["State"], found["SourceImageId"], found["SourceImageRegion"]) == ("pending", image, ec2.region)
    assert found["Tags"] == [{"Key": "of", "Value": "web"}]
    copied(ec2, failure="no room")
    assert shown(far, made)["StateReason"] == {"Code": "Client.InternalError", "Message": "no room"}
    assert shown(far, made)["State"] == "failed"
    snapshots = far.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert [each["VolumeId"] for each in snapshots] == ["vol-ffffffff"] * 2
    amazons = images.built_in(ec2.region).id
    own = far.copy_image(Name="own", SourceImageId=amazons, SourceRegion=ec2.region)["ImageId"]
    assert shown(far, own)["OwnerId"] == far.account
    missing = {**asked, "SourceImageId": "ami-0123456789abcdef0"}
    assert far.refused("copy_image", **missing)[0] == "InvalidAMIID.NotFound"


def test_a_snapshot_is_shared_and_copied(ec2, running):
    root = [{"Name": "attachment.device", "Values": ["/dev/xvda"]}]
    volume = ec2.describe_volumes(Filters=root)["Volumes"][0]["VolumeId"]
    taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    copied(ec2)
    other, far = ec2.elsewhere(account=OTHER), ec2.elsewhere(account=OTHER, region="ap-northeast-1")
    other.describe_vpcs()
    zone = "us-east-1a"
    assert other.refused("describe_snapshots", SnapshotIds=[taken])[0] == "InvalidSnapshot.NotFound"
    assert other.refused("create_volume", SnapshotId=taken, AvailabilityZone=zone)[0] == "InvalidSnapshot.NotFound"
    assert ec2.refused("modify_snapshot_attribute", SnapshotId=taken, UserIds=[OTHER])[0] == "InvalidParameterValue"
    assert ec2.refused("modify_snapshot_attribute", SnapshotId=taken)[0] == "MissingParameter"
    ec2.modify_snapshot_attribute(SnapshotId=taken, CreateVolumePermission={"Add": [{"UserId": OTHER}]})
    assert other.describe_snapshots(RestorableByUserIds=["self"])["Snapshots"][0]["OwnerId"] == ec2.account
    assert other.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert other.create_volume(SnapshotId=taken, AvailabilityZone=zone)["SnapshotId"] == taken
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": taken}}]
    asked = {"Name": "of another", "RootDeviceName": "/dev/xvda", "Architecture": MACHINE}
    assert other.refused("register_image", **asked, BlockDeviceMappings=mapping)[0] == "InvalidSnapshot.NotFound"
    made = far.copy_snapshot(SourceRegion=ec2.region, SourceSnapshotId=taken)["SnapshotId"]
    found = far.describe_snapshots(SnapshotIds=[made])["Snapshots"][0]
    assert (found["State"], found["OwnerId"], found["VolumeId"]) == ("pending", OTHER, "vol-ffffffff")
    ec2.reset_snapshot_attribute(SnapshotId=taken, Attribute="createVolumePermission")
    assert other.refused("create_volume", SnapshotId=taken, AvailabilityZone=zone)[0] == "InvalidSnapshot.NotFound"


def test_an_image_is_disabled_and_deprecated(ec2, running):
    image = ec2.create_image(InstanceId=running, Name="web-1", NoReboot=True)["ImageId"]
    copied(ec2)
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    other = ec2.elsewhere(account=OTHER)
    other.describe_vpcs()
    at = ec2.api.clock.now()
    assert ec2.refused("enable_image_deprecation", ImageId=image, DeprecateAt=at - 60)[0] == "InvalidParameterValue"
    ec2.enable_image_deprecation(ImageId=image, DeprecateAt=at + 90)
    with ec2.store.write() as tx:
        tx.put(replace(next(tx.every(Image)), deprecate_at=at - 1))  # as time passes
    assert other.describe_images(Owners=[ec2.account])["Images"] == []
    for ask in ({"IncludeDeprecated": True, "Owners": [ec2.account]}, {"ImageIds": [image]}):
        assert [each["ImageId"] for each in other.describe_images(**ask)["Images"]] == [image]
    assert [each["ImageId"] for each in ec2.describe_images(Owners=["self"])["Images"]] == [image]
    ec2.disable_image(ImageId=image)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    (found,) = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
    assert (found["State"], found["Public"]) == ("disabled", False)
    asked = {"ImageId": image, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1}
    assert ec2.refused("run_instances", **asked)[0] == "InvalidAMIID.Unavailable"
    ec2.enable_image(ImageId=image)
    launch(ec2, image)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("al2023-ami-kernel-default-x86_64", "al2023-ami-2023.6.20250101.0-kernel-6.1-x86_64"),
        ("amzn2-ami-hvm-x86_64-gp2", "amzn2-ami-hvm-2.0.20250101.0-x86_64-gp2"),
        ("something-else", "something-else"),
    ],
)
def test_what_a_public_parameter_stands_for_is_named_as_aws_names_it(name, wanted):
    assert images.dated(name) == wanted
