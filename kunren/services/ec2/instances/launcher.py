"""How instances come to be: what RunInstances asks is resolved and checked, and becomes desired state.

`resolve` asks other services (IAM for the profile, SSM for public images); `launch` is a plain function of a
transaction, so that Spot and Auto Scaling launch by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.calling import CallService
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import default_vpc, errors, ids, interfaces, store, tagging
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import placement
from kunren.services.ec2.instances import user_data as cloud_init
from kunren.services.ec2.instances.disks import OWNER, effective, mapped, new_volume, root_of
from kunren.services.ec2.instances.hibernation import check_hibernation
from kunren.services.ec2.instances.images import AnyImage, Images, state_of
from kunren.services.ec2.instances.model import Image, Instance, KeyPair, MetadataOptions
from kunren.services.ec2.instances.types import InstanceType, all_types
from kunren.services.ec2.model import NetworkInterface, SecurityGroup, Subnet
from kunren.world.spec import WorldSpec

Params = Mapping[str, Any]
_NOT_YET = {
    "Ipv6AddressCount": "IPv6 addresses named at launch (a subnet that assigns them does)",
    "Ipv6Addresses": "IPv6 addresses named at launch (a subnet that assigns them does)",
    "KernelId": "kernels of one's own",
    "RamdiskId": "RAM disks of one's own",
    "ElasticGpuSpecification": "Elastic GPUs",
    "ElasticInferenceAccelerators": "Elastic Inference",
    "LicenseSpecifications": "licences",
    "EnablePrimaryIpv6": "primary IPv6 addresses",
    "Operator": "managed instances",
    "SecondaryInterfaces": "secondary interfaces",
}
_OF_INTERFACE_NOT_YET = (
    "Ipv6AddressCount", "Ipv6Addresses", "SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "Ipv4Prefixes",
    "Ipv6Prefixes", "Ipv6PrefixCount", "EnaSrdSpecification", "AssociateCarrierIpAddress",
    "ConnectionTrackingSpecification",
)  # fmt: skip
_BEHAVIORS = ("stop", "terminate")
TAGGED = ("instance", "volume", "network-interface", "spot-instances-request")
Room = Callable[[Tx, InstanceType, str, int], int]
"""How many of that type the zone has room for, at most as many as are asked for."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What other services say of a launch."""

    image: AnyImage
    profile_arn: str | None = None
    profile_id: str | None = None
    mappings: tuple[Params, ...] = ()
    """The effective block device mappings, with the keys of what is encrypted."""


class Launcher:
    """Launches instances for whoever asks."""

    def __init__(self, entropy: Entropy, spec: WorldSpec, call: CallService, images: Images) -> None:
        self._entropy, self._spec, self._call, self.images = entropy, spec, call, images
        self.room: Room = self._room

    def _room(self, tx: Tx, kind: InstanceType, zone: str, count: int) -> int:
        """By what the world file says of the zone; instances of all accounts take it up."""
        capacity = self._spec.capacity.get(zone, {}).get(kind.name)
        if capacity is None:
            return count
        held = (each for each in tx.every(Instance) if each.wanted == "running" and each.availability_zone == zone)
        return min(count, max(0, capacity - sum(each.instance_type == kind.name for each in held)))

    async def resolve(self, reader: store.Reader, ctx: RequestContext, params: Params) -> Resolved:
        """Raises the errors of an image or profile that there is not."""
        if not params.get("ImageId"):
            raise errors.MissingParameter("ImageId")
        image_id = await self._image_id(ctx, params["ImageId"])
        ids.IMAGE.form.check(image_id)
        image = await self.images.find(reader, ctx.account, ctx.region, image_id)
        if image is None:
            if any(each.id == image_id and each.region == ctx.region for each in reader.every(Image)):
                raise errors.AuthFailure(f"Not authorized for images: [{image_id}]")
            raise refused.ImageNotFound(image_id)
        if state_of(reader, ctx.region, image)[0] != "available":
            raise refused.ImageUnavailable(image_id)
        asked = effective(params.get("BlockDeviceMappings") or (), image)
        mappings = tuple([{**each, "Ebs": await self.with_key(ctx, each["Ebs"])} for each in asked])
        profile = params.get("IamInstanceProfile") or {}
        if not profile.get("Name") and not profile.get("Arn"):
            return Resolved(image, mappings=mappings)
        return Resolved(image, *await self.profile(ctx, profile), mappings)

    async def _image_id(self, ctx: RequestContext, given: str) -> str:
        """`resolve:ssm:NAME` is the value of that parameter. Raises InvalidParameterValue."""
        if not given.startswith("resolve:ssm:"):
            return given
        name = given.removeprefix("resolve:ssm:")
        try:
            found = await self._call(ctx.account, ctx.region, "ssm", "GetParameter", {"Name": name})
        except AwsError as error:
            raise errors.InvalidParameterValue(
                f"The parameter {name} could not be resolved: {error.message}"
            ) from error
        return str(found["Parameter"]["Value"])

    async def profile(self, ctx: RequestContext, named: Params) -> tuple[str, str]:
        """ARN and id of an instance profile by its name or ARN. Raises InvalidParameterValue."""
        member = "name" if named.get("Name") else "arn"
        given: str = named.get("Name") or named.get("Arn") or ""
        name = given.rpartition("/")[2]
        try:
            found = await self._call(
                ctx.account, ctx.region, "iam", "GetInstanceProfile", {"InstanceProfileName": name}
            )
        except AwsError as error:
            if error.code not in ("NoSuchEntity", "ValidationError"):
                raise
            found = {}
        profile = found.get("InstanceProfile") or {}
        if not profile or (member == "arn" and profile["Arn"] != given):
            what = "name" if member == "name" else "ARN"
            raise errors.InvalidParameterValue(
                f"Value ({given}) for parameter iamInstanceProfile.{member} is invalid. "
                f"Invalid IAM Instance Profile {what}"
            )
        return profile["Arn"], profile["InstanceProfileId"]

    async def with_key(self, ctx: RequestContext, params: Params) -> Params:
        """What is asked of a volume, with the ARN of the key that it is encrypted by: the named one or AWS's own.
        Raises InvalidParameterValue."""
        if not params.get("Encrypted") or (params.get(OWNER) and params.get("KmsKeyId")):
            return params
        named = params.get("KmsKeyId") or "alias/aws/ebs"
        try:
            found = await self._call(ctx.account, ctx.region, "kms", "DescribeKey", {"KeyId": named})
        except AwsError as error:
            raise errors.InvalidParameterValue(f"Value ({named}) for parameter kmsKeyId is invalid.") from error
        return {**params, "KmsKeyId": found["KeyMetadata"]["Arn"]}

    async def key_of_copy(self, ctx: RequestContext, params: Params, encrypted: bool) -> str | None:
        """The ARN of the key that the copy of a snapshot is encrypted by, where it is: `encrypted` if that is. Raises
        InvalidParameterDependency, InvalidParameterValue."""
        named = params.get("KmsKeyId")
        if not (encrypted or params.get("Encrypted")):
            if named:
                raise refused.InvalidParameterDependency(
                    "The parameter KmsKeyId requires the parameter Encrypted to be set."
                )
            return None
        key: str = (await self.with_key(ctx, {"Encrypted": True, "KmsKeyId": named}))["KmsKeyId"]
        return key

    def launch(
        self, tx: Tx, ctx: RequestContext, params: Params, resolved: Resolved, at: float, **more: Any
    ) -> list[Instance]:
        """The instances as desired state, at least MinCount of them; `more` are further members that they have."""
        for member, what in _NOT_YET.items():
            if params.get(member):
                raise errors.NotYet(what)
        least, most = _counts(params)
        kind = _kind(params, resolved.image)
        tags = _tags(params)
        net = self._network(tx, ctx, params, most)
        subnet = net.subnet
        count = self.room(tx, kind, subnet.availability_zone, most)
        if count < least:
            zones = [
                each.availability_zone
                for each in tx.list(Subnet, ctx.account, ctx.region)
                if each.vpc_id == subnet.vpc_id
            ]
            others = sorted({each for each in zones if self.room(tx, kind, each, least) >= least})
            raise refused.InsufficientInstanceCapacity(kind.name, subnet.availability_zone, others)
        members = {**_members(tx, ctx, params, kind, resolved.image), **more}
        members["placement_group"], partitions = _placed(tx, ctx, params, kind, subnet.availability_zone, count, least)
        count = len(partitions)
        members["container_agent"] = resolved.image.container_agent
        members |= {"profile_arn": resolved.profile_arn, "profile_id": resolved.profile_id}
        named = {**tags["instance"], **(params.get("OwnTags") or {})}
        reservation = self._entropy.resource_id("r")
        root, further = mapped(resolved.mappings, resolved.image)
        if members["hibernation"]:
            check_hibernation(kind, root)
        made = []
        for index in range(count):
            id = self._entropy.resource_id("i")
            interface = self._interface(tx, ctx, net, id, at, tags["network-interface"])
            volume = root_of(
                tx, self._entropy, root, resolved.image, instance_id=id, subnet=subnet, at=at, tags=tags["volume"]
            )
            for device, ebs in further.items():
                new_volume(
                    tx, self._entropy, {"VolumeType": "gp3", **ebs}, account=ctx.account, region=ctx.region,
                    zone=subnet.availability_zone, at=at, tags=tags["volume"], instance_id=id, device=device,
                    attachment="attaching", attached_at=at,
                    delete_on_termination=ebs.get("DeleteOnTermination", True),
                )  # fmt: skip
            instance = Instance(
                account=ctx.account, region=ctx.region, id=id, reservation_id=reservation, launch_index=index,
                image_id=resolved.image.id, instance_type=kind.name, architecture=kind.architecture,
                vpc_id=subnet.vpc_id, subnet_id=subnet.id, availability_zone=subnet.availability_zone,
                interface_id=interface.id, volume_id=volume.id, root_device=resolved.image.root.device,
                launched_at=at, public=net.public, partition=partitions[index], tags=named, **members,
            )  # fmt: skip
            tx.put(instance)
            made.append(instance)
        return made

    def _network(self, tx: Tx, ctx: RequestContext, params: Params, count: int) -> _Network:
        """Where the instances' interface is. Raises what is wrong with subnet, groups or interface."""
        given = list(params.get("NetworkInterfaces") or ())
        if len(given) > 1 or (given and given[0].get("DeviceIndex")):
            raise errors.NotYet("instances with several network interfaces")
        spec = given[0] if given else {}
        if spec and params.get("SubnetId"):
            raise errors.InvalidParameterCombination(
                "Network interfaces and an instance-level subnet ID may not be specified on the same request"
            )
        if spec and (params.get("SecurityGroupIds") or params.get("SecurityGroups")):
            raise errors.InvalidParameterCombination(
                "Network interfaces and an instance-level security groups may not be specified on the same request"
            )
        for member in _OF_INTERFACE_NOT_YET:
            if spec.get(member):
                raise errors.NotYet(f"{member} at launch")
        if spec.get("NetworkInterfaceId"):
            return self._existing(tx, ctx, spec["NetworkInterfaceId"], count)
        address = params.get("PrivateIpAddress") or spec.get("PrivateIpAddress")
        listed = spec.get("PrivateIpAddresses") or ()
        if len(listed) > 1:
            raise errors.NotYet("secondary private addresses at launch")
        address = address or next((each.get("PrivateIpAddress") for each in listed), None)
        if address is not None and count > 1:
            raise errors.InvalidParameterCombination("Private IP address is not supported for multiple instances")
        subnet = self._subnet(tx, ctx, params.get("SubnetId") or spec.get("SubnetId"), params)
        groups = self._groups(tx, ctx, subnet, params.get("SecurityGroupIds") or spec.get("Groups"), params)
        public = spec.get("AssociatePublicIpAddress")
        return _Network(
            subnet, groups, subnet.map_public_ip_on_launch if public is None else bool(public), address,
            description=spec.get("Description") or "", deleted=spec.get("DeleteOnTermination", True),
        )  # fmt: skip

    def _existing(self, tx: Tx, ctx: RequestContext, id: str, count: int) -> _Network:
        found = tx.get(NetworkInterface, ctx.account, ctx.region, id)
        if found is None:
            ids.NETWORK_INTERFACE.form.check(id)
            raise errors.NetworkInterfaceNotFound(id)
        if count > 1:
            raise errors.InvalidParameterCombination("You may not specify a network interface and multiple instances")
        if found.attachment is not None:
            raise refused.NetworkInterfaceInUse(id)
        return _Network(store.find_subnet(tx, ctx.account, ctx.region, found.subnet_id), found.groups, interface=found)

    def _subnet(self, tx: Tx, ctx: RequestContext, id: str | None, params: Params) -> Subnet:
        """The named subnet, or the default one of the named zone, or of any that has room."""
        if id:
            found = tx.get(Subnet, ctx.account, ctx.region, id)
            if found is None:
                ids.SUBNET.form.check(id)
                raise errors.SubnetNotFound(id)
            return found
        vpc = default_vpc.default_vpc(tx, ctx.account, ctx.region)
        if vpc is None:
            raise refused.VpcIdNotSpecified()
        placed = params.get("Placement") or {}
        zone = placed.get("AvailabilityZone") or placed.get("AvailabilityZoneId")  # Terraform says ""
        defaults = [each for each in store.subnets_of(tx, vpc) if each.default_for_az]
        wanted = [each for each in defaults if not zone or zone in (each.availability_zone, each.availability_zone_id)]
        if not wanted:
            raise refused.NoDefaultSubnet(zone or "any")
        kind, least = all_types()[params.get("InstanceType") or "m1.small"], params["MinCount"]
        roomy = [each for each in wanted if self.room(tx, kind, each.availability_zone, least) >= least]
        return self._entropy.choice(sorted(roomy or wanted, key=lambda each: each.availability_zone))

    def _groups(
        self, tx: Tx, ctx: RequestContext, subnet: Subnet, named: list[str] | None, params: Params
    ) -> tuple[str, ...]:
        found = list(named or ())
        for each in found:
            if tx.get(SecurityGroup, ctx.account, ctx.region, each) is None:
                ids.SECURITY_GROUP.form.check(each)
                raise errors.GroupNotFound(each)
        for name in params.get("SecurityGroups") or ():
            groups = [each for each in tx.list(SecurityGroup, ctx.account, ctx.region) if each.vpc_id == subnet.vpc_id]
            match = next((each.id for each in groups if name in (each.name, each.id)), None)
            if match is None:
                raise refused.GroupNameNotFound(name)
            found.append(match)
        for each in found:
            group = tx.get(SecurityGroup, ctx.account, ctx.region, each)
            if group is not None and subnet.vpc_id not in (group.vpc_id, *group.more_vpcs):
                raise errors.InvalidParameter(
                    f"Security group {each} and subnet {subnet.id} belong to different networks."
                )
        return tuple(dict.fromkeys(found))

    def _interface(
        self, tx: Tx, ctx: RequestContext, net: _Network, id: str, at: float, tags: dict[str, str]
    ) -> NetworkInterface:
        attachment = self._entropy.resource_id("eni-attach")
        if net.interface is not None:
            changed = replace(
                net.interface, attachment="workload", attachment_id=attachment, instance_id=id, attach_time=at,
                delete_on_termination=False,
            )  # fmt: skip
            tx.put(changed)
            return changed
        made = interfaces.create_interface(
            tx, self._entropy, self._spec, account=ctx.account, region=ctx.region, subnet_id=net.subnet.id,
            groups=net.groups, description=net.description, attachment="workload", attachment_id=attachment,
            instance_id=id, address=net.address, public=net.public, attach_time=at, tags=tags,
        )  # fmt: skip
        if not net.deleted:
            made = replace(made, delete_on_termination=False)
            tx.put(made)
        return made


@dataclass(frozen=True, slots=True)
class _Network:
    subnet: Subnet
    groups: tuple[str, ...]
    public: bool = False
    address: str | None = None
    description: str = ""
    deleted: bool = True
    interface: NetworkInterface | None = None


def _counts(params: Params) -> tuple[int, int]:
    least, most = params["MinCount"], params["MaxCount"]
    if least < 1:
        raise errors.InvalidParameterValue(
            f"Value ({least}) for parameter minCount is invalid. Parameter must be greater than 0."
        )
    if most < least:
        raise errors.InvalidParameterValue(
            f"Value ({most}) for parameter maxCount is invalid. Parameter maxCount must be greater than or equal to "
            "minCount."
        )
    return least, most


def _kind(params: Params, image: AnyImage) -> InstanceType:
    name = params.get("InstanceType") or "m1.small"
    kind = all_types().get(name)
    if kind is None:
        raise errors.InvalidParameterValue(f"Invalid value '{name}' for InstanceType.")
    if kind.architecture != image.architecture:
        raise errors.InvalidParameterValue(
            f"The architecture '{kind.architecture}' of the specified instance type does not match the architecture "
            f"'{image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching "
            "architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the "
            "architecture of the instance type or AMI."
        )
    return kind


def _tags(params: Params) -> dict[str, dict[str, str]]:
    """The tags by type of resource. Raises InvalidParameterValue for a type that a launch makes none of."""
    found: dict[str, dict[str, str]] = {each: {} for each in TAGGED}
    for spec in params.get("TagSpecifications") or ():
        kind = spec.get("ResourceType")
        if kind is None:
            raise errors.MissingParameter("ResourceType")
        if kind not in found:
            raise errors.InvalidParameterValue(f"'{kind}' is not a valid taggable resource type for this operation.")
        found[kind] = tagging.merged(found[kind], tagging.checked(spec.get("Tags") or ()))
    return found


def checked_user_data(text: str | None) -> str | None:
    """Raises InvalidUserData.Malformed, InvalidParameterValue, and NotImplemented for what is not run here."""
    if not text:
        return None
    try:
        data = cloud_init.decoded(text)
    except ValueError as error:
        raise refused.UserDataMalformed() from error
    if len(data) > cloud_init.BYTES_MAX:
        raise errors.InvalidParameterValue(f"User data is limited to {cloud_init.BYTES_MAX} bytes")
    try:
        cloud_init.parts(data)
    except cloud_init.Refused as error:
        raise errors.NotYet(str(error)) from error
    return text


def metadata_options(params: Params, before: MetadataOptions, image: AnyImage | None = None) -> MetadataOptions:
    """Raises InvalidParameterValue."""
    if image is not None and image.imds_support == "v2.0":
        before = replace(before, tokens="required", hop_limit=2)
    if params.get("HttpProtocolIpv6") == "enabled":
        raise errors.NotYet("instance metadata over IPv6")
    hop_limit = params.get("HttpPutResponseHopLimit")
    if hop_limit is not None and not 1 <= hop_limit <= 64:
        raise errors.InvalidParameterValue(
            f"Value ({hop_limit}) for parameter HttpPutResponseHopLimit is invalid. Expecting a value from 1 to 64."
        )
    return MetadataOptions(
        tokens=params.get("HttpTokens") or before.tokens,
        hop_limit=hop_limit or before.hop_limit,
        endpoint=params.get("HttpEndpoint") or before.endpoint,
        tags=params.get("InstanceMetadataTags") or before.tags,
    )


def _placed(
    tx: Tx, ctx: RequestContext, params: Params, kind: InstanceType, zone: str, count: int, least: int
) -> tuple[str | None, list[int | None]]:
    """The placement group, and the partition of each instance that has room there. Raises as `placement` does, and
    InsufficientInstanceCapacity."""
    asked = params.get("Placement") or {}
    group = placement.named(tx, ctx.account, ctx.region, asked)
    if group is None:
        return None, [None] * count
    there = placement.members(tx, group)
    placement.check(group, there, kind, zone)
    count = placement.room(group, there, zone, count)
    if count < least:
        raise refused.PlacementGroupFull(group.name, zone, placement.SPREAD_MAX)
    return group.id, placement.partitions(group, there, asked.get("PartitionNumber"), count)


def _members(tx: Tx, ctx: RequestContext, params: Params, kind: InstanceType, image: AnyImage) -> dict[str, Any]:
    """The members that are an instance's own, checked."""
    key = params.get("KeyName")
    if key and not any(each.name == key for each in tx.list(KeyPair, ctx.account, ctx.region)):
        raise refused.KeyPairNotFound(key)
    placed = params.get("Placement") or {}
    for member in ("HostId", "HostResourceGroupArn", "Affinity", "SpreadDomain"):
        if placed.get(member):
            raise errors.NotYet("dedicated hosts")
    if (params.get("EnclaveOptions") or {}).get("Enabled"):
        raise errors.NotYet("enclaves")
    behavior = params.get("InstanceInitiatedShutdownBehavior") or "stop"
    if behavior not in _BEHAVIORS:
        raise errors.InvalidParameterValue(
            f"Value ({behavior}) for parameter instanceInitiatedShutdownBehavior is invalid."
        )
    credits = (params.get("CreditSpecification") or {}).get("CpuCredits")
    if credits is not None and not kind.burstable:
        raise errors.InvalidParameterCombination(
            f"The parameter CreditSpecification is not supported for instance type {kind.name}"
        )
    return {
        "key_name": key or None,
        "user_data": checked_user_data(params.get("UserData")),
        "shutdown_behavior": behavior,
        "hibernation": bool((params.get("HibernationOptions") or {}).get("Configured")),
        "disable_termination": bool(params.get("DisableApiTermination")),
        "disable_stop": bool(params.get("DisableApiStop")),
        "monitoring": bool((params.get("Monitoring") or {}).get("Enabled")),
        "ebs_optimized": bool(params.get("EbsOptimized")),
        "credits": credits,
        "tenancy": placed.get("Tenancy") or "default",
        "metadata": metadata_options(params.get("MetadataOptions") or {}, MetadataOptions(), image),
    }
