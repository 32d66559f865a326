"""Volumes: AWS::EC2::Volume, AWS::EC2::VolumeAttachment."""

from __future__ import annotations

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.ec2_parts import tags
from kunren.services.cloudformation.resources.kind import Declared, Kind, change
from kunren.services.cloudformation.work import Failed, Work, is_missing


class Volume(Declared):
    can_be_snapshot = True

    async def snapshot(self, work: Work) -> None:
        params = {"VolumeId": work.physical, "Description": f"{work.stack.name}-snapshot-{work.logical}"}
        id = await work.write("ec2", "CreateSnapshot", params, "SnapshotId")

        async def complete() -> bool | None:
            shown = await work.read("ec2", "DescribeSnapshots", {"SnapshotIds": [id]})
            state = shown["Snapshots"][0]["State"]
            if state == "error":
                raise Failed(f"Snapshot {id} of volume {work.physical} failed")
            return True if state == "completed" else None

        await work.until(complete)


class VolumeAttachment(Kind):
    """Its id names both ends."""

    type = "AWS::EC2::VolumeAttachment"
    properties = frozenset({"Device", "InstanceId", "VolumeId"})

    async def create(self, work: Work) -> None:
        params = work.pick("Device", "InstanceId", "VolumeId")
        await work.write("ec2", "AttachVolume", params)
        work.known(f"{params['VolumeId']}|{params['InstanceId']}")
        await self._until(work, "in-use")

    async def update(self, work: Work) -> None:
        raise Failed("Update to resource type AWS::EC2::VolumeAttachment is not supported.")

    async def delete(self, work: Work) -> None:
        volume, _, instance = work.physical.partition("|")
        try:
            await work.write("ec2", "DetachVolume", {"VolumeId": volume, "InstanceId": instance}, missing_ok=True)
        except AwsError as error:
            if error.code != "IncorrectState":  # it is detached already
                raise
        await self._until(work, "available")

    async def _until(self, work: Work, wanted: str) -> None:
        volume = work.physical.partition("|")[0]

        async def there() -> bool | None:
            try:
                shown = (await work.read("ec2", "DescribeVolumes", {"VolumeIds": [volume]}))["Volumes"][0]
            except AwsError as error:
                if wanted == "available" and is_missing(error):
                    return True
                raise
            states = [each["State"] for each in shown["Attachments"]]
            return True if states == (["attached"] if wanted == "in-use" else []) else None

        await work.until(there)


KINDS: tuple[Kind, ...] = (
    Volume(
        "AWS::EC2::Volume",
        "ec2",
        create="CreateVolume",
        takes="AvailabilityZone Encrypted Iops KmsKeyId MultiAttachEnabled OutpostArn Size SnapshotId Throughput "
        "VolumeType",
        extra=lambda work: {"ClientToken": work.token},
        made="VolumeId",
        key="VolumeId",
        describe="DescribeVolumes",
        by="VolumeIds[]",
        item="Volumes[0]",
        ready="State == 'available' || State == 'in-use'",
        broken="State == 'error' && 'the volume is in error'",
        gives={"VolumeId": "VolumeId"},
        settings=[change("ModifyVolume", "VolumeId", "Size Iops Throughput VolumeType")],
        tags=tags("volume"),
        delete="DeleteVolume",
    ),
    VolumeAttachment(),
)
