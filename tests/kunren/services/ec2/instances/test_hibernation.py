"""Which instances may hibernate, and what stopping one so makes of it. The world is left out."""

import pytest
from msgspec.structs import replace

from kunren.services.ec2.instances import images, spot
from kunren.services.ec2.instances.model import Instance, InstanceRun, SpotRequest
from kunren.services.ec2.instances.types import MACHINE

IMAGE = images.built_in("us-east-1").id
SMALL, LARGE = ("t3.micro", "m5.12xlarge") if MACHINE == "x86_64" else ("t4g.micro", "m6g.12xlarge")
MIDDLE = "m5.large" if MACHINE == "x86_64" else "m6g.large"


def asked(kind=SMALL, **ebs):
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": ebs}] if ebs else []
    return {
        "ImageId": IMAGE, "InstanceType": kind, "MinCount": 1, "MaxCount": 1, "BlockDeviceMappings": mapping,
        "HibernationOptions": {"Configured": True},
    }  # fmt: skip


@pytest.fixture
def ec2_with_keys(ec2):
    """KMS is another service, which is not there."""

    async def with_key(ctx, params):
        return params

    ec2.api.launcher.with_key = with_key
    return ec2


@pytest.mark.parametrize(
    ("kind", "ebs", "why"),
    [
        (SMALL, {}, "to be encrypted"),
        (LARGE, {"Encrypted": True, "VolumeSize": 500}, "more than 150 GB"),
        (MIDDLE, {"Encrypted": True, "VolumeSize": 8}, "larger than the memory"),
        (SMALL, {"Encrypted": True, "VolumeSize": 500, "VolumeType": "st1"}, "type st1"),
    ],
)
def test_what_does_not_meet_the_prerequisites_is_not_launched(ec2_with_keys, kind, ebs, why):
    code, text = ec2_with_keys.refused("run_instances", **asked(kind, **ebs))
    assert code == "UnsupportedHibernationConfiguration"
    assert why in text
    assert ec2_with_keys.describe_instances()["Reservations"] == []


def running(ec2, **given):
    id = ec2.run_instances(**given)["Instances"][0]["InstanceId"]
    with ec2.store.write() as tx:
        tx.put(InstanceRun(account=ec2.account, region=ec2.region, id=id, boots=1, pid=7))
    return id


def row(ec2, id):
    return ec2.store.snapshot().get(Instance, ec2.account, ec2.region, id)


def test_only_who_was_launched_for_it_hibernates(ec2_with_keys):
    ec2 = ec2_with_keys
    plain = running(ec2, **{**asked(), "HibernationOptions": {"Configured": False}})
    assert ec2.refused("stop_instances", InstanceIds=[plain], Hibernate=True) == (
        "UnsupportedHibernationConfiguration",
        f"The instance can't be hibernated because it was not configured at launch for hibernation: {plain}",
    )
    id = running(ec2, **asked(Encrypted=True))
    ec2.stop_instances(InstanceIds=[id], Hibernate=True)
    assert row(ec2, id).hibernated
    assert row(ec2, id).reason_code == "Client.UserInitiatedHibernate"
    other = running(ec2, **asked(Encrypted=True))
    ec2.stop_instances(InstanceIds=[other])
    assert not row(ec2, other).hibernated
    assert row(ec2, other).reason_code == "Client.UserInitiatedShutdown"


def test_a_spot_instance_hibernates_without_two_minutes_of_notice(ec2_with_keys):
    ec2 = ec2_with_keys
    request = SpotRequest(
        account="1", region="us-east-1", id="sir-1", launch={}, instance_type=SMALL, persistent=True,
        behavior="hibernate", price=1.0, created_at=0.0,
    )  # fmt: skip
    found = spot.interrupted(request, 1000.0, "no-capacity")
    assert (found.notice_at, found.interrupt_at) == (1000.0, 1000.0)
    stopping = spot.interrupted(replace(request, behavior="stop"), 1000.0, "no-capacity")
    assert (stopping.notice_at, stopping.interrupt_at) == (1000.0, 1120.0)
    id = running(ec2, **asked(Encrypted=True))
    taken = spot.taken(row(ec2, id), "hibernate")
    assert (taken.wanted, taken.hibernated) == ("stopped", True)
