"""RunInstances and what follows, as desired state: the world that would boot them is left out."""

import base64

import pytest
from msgspec.structs import replace

from kunren.services.ec2.instances import images
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ec2.instances.types import MACHINE, all_types

IMAGE = images.built_in("us-east-1").id
TYPE = "t3.micro" if MACHINE == "x86_64" else "t4g.micro"
OTHER = "t4g.micro" if MACHINE == "x86_64" else "t3.micro"


@pytest.fixture
def launch(ec2):
    def run(count=1, **given):
        asked = {"ImageId": IMAGE, "InstanceType": TYPE, "MinCount": count, "MaxCount": count, **given}
        return ec2.run_instances(**asked)["Instances"]

    return run


def refused(ec2, **given):
    asked = {"ImageId": IMAGE, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1, **given}
    return ec2.refused("run_instances", **asked)


def ran(ec2, id, runs=True):
    """As the controller reports it."""
    with ec2.store.write() as tx:
        run = InstanceRun(account=ec2.account, region=ec2.region, id=id, boots=1, pid=7)
        if runs:
            tx.put(run)
        else:
            tx.delete(run)


def test_an_instance_is_pending_until_it_runs_and_has_what_the_default_subnet_gives(ec2, launch):
    made = launch(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}])[0]
    assert made["State"] == {"Code": 0, "Name": "pending"}
    assert made["PublicIpAddress"].startswith("198.19.")
    assert made["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert made["NetworkInterfaces"][0]["Attachment"]["DeviceIndex"] == 0
    ran(ec2, made["InstanceId"])
    shown = ec2.describe_instances()["Reservations"][0]["Instances"][0]
    assert shown["State"] == {"Code": 16, "Name": "running"}
    interface = ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    assert interface["Attachment"]["InstanceId"] == made["InstanceId"]
    volume = ec2.describe_volumes()["Volumes"][0]
    assert (volume["State"], volume["Size"], volume["VolumeType"], volume["Iops"]) == ("in-use", 8, "gp3", 3000)


def test_a_placement_names_a_zone_by_name_or_id_or_not_at_all(ec2, launch):
    """Terraform says "" where it names none."""
    there = ec2.default_subnets()[1]
    [one] = launch(Placement={"AvailabilityZoneId": there["AvailabilityZoneId"]})
    [other] = launch(Placement={"AvailabilityZone": there["AvailabilityZone"]})
    assert one["SubnetId"] == other["SubnetId"] == there["SubnetId"]
    [anywhere] = launch(Placement={"AvailabilityZone": "", "Tenancy": "default"})
    assert anywhere["Placement"]["AvailabilityZone"].startswith("us-east-1")


def test_stop_start_and_terminate_follow_what_was_observed(ec2, launch):
    id = launch()[0]["InstanceId"]
    ran(ec2, id)
    change = ec2.stop_instances(InstanceIds=[id])["StoppingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
    ran(ec2, id, runs=False)
    assert ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["stopped"]}])["Reservations"]
    change = ec2.start_instances(InstanceIds=[id])["StartingInstances"][0]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
    change = ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]
    assert change["CurrentState"] == {"Code": 32, "Name": "shutting-down"}
    assert ec2.refused("start_instances", InstanceIds=[id]) == (
        "IncorrectInstanceState",
        f"The instance '{id}' is not in a state from which it can be started.",
    )


def test_protection_and_behaviour_are_attributes(ec2, launch):
    id = launch(DisableApiTermination=True, DisableApiStop=True)[0]["InstanceId"]
    ran(ec2, id)
    assert ec2.refused("terminate_instances", InstanceIds=[id]) == (
        "OperationNotPermitted",
        f"The instance '{id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
    )
    assert ec2.refused("stop_instances", InstanceIds=[id])[0] == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=id, DisableApiTermination={"Value": False})
    ec2.modify_instance_attribute(InstanceId=id, Attribute="disableApiStop", Value="false")
    assert ec2.refused("modify_instance_attribute", InstanceId=id, InstanceType={"Value": TYPE}) == (
        "IncorrectInstanceState",
        f"The instance '{id}' is not in the 'stopped' state.",
    )
    found = ec2.describe_instance_attribute(InstanceId=id, Attribute="disableApiTermination")
    assert found == {"InstanceId": id, "DisableApiTermination": {"Value": False}}
    ec2.terminate_instances(InstanceIds=[id])


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, ("InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist")),
        ({"ImageId": "nginx"}, ("InvalidAMIID.Malformed", 'Invalid id: "nginx" (expecting "ami-...")')),
        ({"InstanceType": "t9.huge"}, ("InvalidParameterValue", "Invalid value 't9.huge' for InstanceType.")),
        ({"KeyName": "none"}, ("InvalidKeyPair.NotFound", "The key pair 'none' does not exist")),
        ({"SubnetId": "subnet-0123456789abcdef0"}, ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0123456789abcdef0' does not exist")),
        ({"UserData": "#!/bin/sh"}, ("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")),
        ({"UserData": base64.b64encode(b"#" * 16385).decode()}, ("InvalidParameterValue", "User data is limited to 16384 bytes")),
        ({"MinCount": 2}, ("InvalidParameterValue", "Value (1) for parameter maxCount is invalid. Parameter maxCount must be greater than or equal to minCount.")),
    ],
)  # fmt: skip
def test_bad_input_has_awss_error_and_changes_nothing(ec2, given, error):
    assert refused(ec2, **given) == error


def test_what_is_not_there_yet_is_refused_by_name(ec2):
    config = base64.b64encode(b"#cloud-config\npackages: [nginx]\n").decode()
    assert "packages" in refused(ec2, UserData=config)[1]
    assert refused(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/fd0", "Ebs": {"VolumeSize": 1}}]) == (
        "InvalidParameterValue",
        "Value (/dev/fd0) for parameter device is invalid. /dev/fd0 is not a valid EBS device name.",
    )
    assert refused(ec2, InstanceType=OTHER)[0] == "InvalidParameterValue"


def test_a_client_token_launches_once(ec2, launch):
    first = launch(2, ClientToken="one")
    again = launch(2, ClientToken="one")
    assert [each["InstanceId"] for each in again] == [each["InstanceId"] for each in first]
    assert refused(ec2, ClientToken="one")[0] == "IdempotentParameterMismatch"
    assert refused(ec2, DryRun=True)[0] == "DryRunOperation"
    assert len(ec2.describe_instances()["Reservations"][0]["Instances"]) == 2


def test_a_zone_without_room_refuses_and_names_others(ec2, launch):
    ec2.api.launcher.room = lambda tx, kind, zone, count: 1 if zone == "us-east-1a" else min(count, 2)
    subnet = ec2.default_subnets()[0]["SubnetId"]
    code, text = refused(ec2, MinCount=2, MaxCount=2, SubnetId=subnet)
    assert code == "InsufficientInstanceCapacity"
    assert text == (
        f"We currently do not have sufficient {TYPE} capacity in the Availability Zone you requested (us-east-1a). Our "
        f"system will be working on provisioning additional capacity. You can currently get {TYPE} capacity by not "
        "specifying an Availability Zone in your request or choosing us-east-1b, us-east-1c."
    )
    assert len(launch(1, MaxCount=5, SubnetId=subnet)) == 1


def test_a_stopped_instance_starts_where_its_zone_has_room(ec2, launch):
    made = [each["InstanceId"] for each in launch(2)]
    ec2.stop_instances(InstanceIds=made)
    room = {"left": 1}
    ec2.api.launcher.room = lambda tx, kind, zone, count: max(
        0, min(count, room["left"] - sum(each.wanted == "running" for each in tx.every(Instance)))
    )
    assert ec2.refused("start_instances", InstanceIds=made)[0] == "InsufficientInstanceCapacity"
    started = ec2.start_instances(InstanceIds=made[:1])["StartingInstances"][0]
    assert (started["PreviousState"]["Name"], started["CurrentState"]["Name"]) == ("stopped", "pending")
    assert ec2.start_instances(InstanceIds=made[:1])["StartingInstances"][0]["PreviousState"]["Name"] == "pending"
    room["left"] = 2
    ec2.start_instances(InstanceIds=made)


def test_an_elastic_ip_takes_the_place_of_an_instances_public_address(ec2, launch):
    id = launch()[0]["InstanceId"]
    address = ec2.allocate_address()
    ec2.associate_address(InstanceId=id, AllocationId=address["AllocationId"])
    shown = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    assert shown["PublicIpAddress"] == address["PublicIp"]
    assert ec2.describe_addresses()["Addresses"][0]["InstanceId"] == id


def test_key_pairs_are_made_imported_and_deleted(ec2):
    made = ec2.create_key_pair(KeyName="one", KeyType="ed25519")
    assert made["KeyMaterial"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert ec2.refused("create_key_pair", KeyName="one")[0] == "InvalidKeyPair.Duplicate"
    line = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2pkJlU2a8cIJFYKoWcG5ygLCd1IPAcUoVJxE9QFs8A me"
    assert ec2.import_key_pair(KeyName="two", PublicKeyMaterial=line)["KeyPairId"].startswith("key-")
    assert ec2.refused("import_key_pair", KeyName="three", PublicKeyMaterial=b"none")[0] == "InvalidKey.Format"
    assert [each["KeyType"] for each in ec2.describe_key_pairs()["KeyPairs"]] == ["ed25519", "ed25519"]
    ec2.delete_key_pair(KeyName="one")
    assert ec2.refused("describe_key_pairs", KeyNames=["one"])[0] == "InvalidKeyPair.NotFound"


def test_an_image_is_available_once_the_disk_is_copied(ec2, launch):
    id = launch()[0]["InstanceId"]
    assert ec2.refused("create_image", InstanceId=id, Name="web-1")[0] == "IncorrectInstanceState"
    ran(ec2, id)
    image = ec2.create_image(InstanceId=id, Name="web-1")["ImageId"]
    assert ec2.describe_images(Owners=["self"])["Images"][0]["State"] == "pending"
    from kunren.services.ec2.instances.model import Snapshot

    with ec2.store.write() as tx:
        tx.put(replace(next(tx.every(Snapshot)), completed=True))
    assert ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "available"
    assert launch(ImageId=image)[0]["ImageId"] == image
    assert ec2.refused("create_image", InstanceId=id, Name="web-1")[0] == "InvalidAMIName.Duplicate"
    ec2.deregister_image(ImageId=image)
    assert ec2.refused("describe_images", ImageIds=[image])[0] == "InvalidAMIID.NotFound"


def test_types_say_their_processors_and_memory(ec2):
    shown = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"][0]
    assert shown["VCpuInfo"] == {"DefaultVCpus": 2, "DefaultCores": 1, "DefaultThreadsPerCore": 2}
    assert shown["MemoryInfo"] == {"SizeInMiB": 8192}
    offered = ec2.describe_instance_type_offerings(LocationType="availability-zone")["InstanceTypeOfferings"]
    assert len(offered) == 3 * len(all_types())


def test_an_instance_that_ends_itself_does_as_its_shutdown_behaviour_says(ec2, launch):
    from kunren.services.ec2.instances.states import by_itself

    id = launch()[0]["InstanceId"]
    instance = ec2.store.snapshot().get(Instance, ec2.account, ec2.region, id)
    assert by_itself(instance, 0.0).wanted == "stopped"
    assert by_itself(replace(instance, shutdown_behavior="terminate"), 0.0).wanted == "terminated"
