"""The errors of instances, images, key pairs and volumes ("Error codes for the Amazon EC2 API")."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.core.errors import AwsError


class ImageNotFound(AwsError):
    code = "InvalidAMIID.NotFound"

    def __init__(self, *ids: str) -> None:
        plural = len(ids) > 1
        super().__init__(
            f"The image id{'s' if plural else ''} '[{', '.join(ids)}]' do{'' if plural else 'es'} not exist"
        )


class ImageUnavailable(AwsError):
    code = "InvalidAMIID.Unavailable"

    def __init__(self, id: str) -> None:
        super().__init__(f"The image id '[{id}]' is not available")


class ImageAttributeItem(AwsError):
    code = "InvalidAMIAttributeItemValue"

    def __init__(self, value: str, kind: str) -> None:
        super().__init__(f'Invalid attribute item value "{value}" for {kind} item type.')


class InvalidRequest(AwsError):
    code = "InvalidRequest"


class ImageNameInUse(AwsError):
    code = "InvalidAMIName.Duplicate"

    def __init__(self, name: str, id: str) -> None:
        super().__init__(f"AMI name {name} is already in use by AMI {id}")


class ImageNameMalformed(AwsError):
    code = "InvalidAMIName.Malformed"

    def __init__(self) -> None:
        super().__init__(
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', "
            "'-', '/' and '_'"
        )


class SnapshotNotFound(AwsError):
    code = "InvalidSnapshot.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The snapshot '{', '.join(ids)}' does not exist.")


class SnapshotInUse(AwsError):
    code = "InvalidSnapshot.InUse"

    def __init__(self, id: str, image: str) -> None:
        super().__init__(f"The snapshot {id} is currently in use by {image}")


class VolumeNotFound(AwsError):
    code = "InvalidVolume.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The volume '{', '.join(ids)}' does not exist.")


class VolumeInUse(AwsError):
    code = "VolumeInUse"

    def __init__(self, id: str, instance: str) -> None:
        super().__init__(f"Volume {id} is currently attached to {instance}")


class VolumeAttached(AwsError):
    code = "VolumeInUse"

    def __init__(self, id: str) -> None:
        super().__init__(f"{id} is already attached to an instance")


class IncorrectState(AwsError):
    code = "IncorrectState"


class InvalidBlockDeviceMapping(AwsError):
    code = "InvalidBlockDeviceMapping"


class InvalidParameterDependency(AwsError):
    code = "InvalidParameterDependency"


class ZoneMismatch(AwsError):
    code = "InvalidVolume.ZoneMismatch"

    def __init__(self, id: str, instance: str) -> None:
        super().__init__(f"The volume '{id}' is not in the same availability zone as instance '{instance}'")


class VolumeNotAttached(AwsError):
    code = "InvalidAttachment.NotFound"

    def __init__(self, id: str, instance: str) -> None:
        super().__init__(f"The volume '{id}' is not attached to instance '{instance}'.")


class NoModification(AwsError):
    code = "InvalidVolumeModification.NotFound"

    def __init__(self, id: str) -> None:
        super().__init__(f"The volume modification for volume '{id}' does not exist.")


class InvalidZone(AwsError):
    code = "InvalidZone.NotFound"

    def __init__(self, zone: str) -> None:
        super().__init__(f"The zone '{zone}' does not exist.")


class PlacementGroupUnknown(AwsError):
    code = "InvalidPlacementGroup.Unknown"

    def __init__(self, *names: str) -> None:
        super().__init__(f"The Placement Group '{', '.join(names)}' is unknown.")


class PlacementGroupDuplicate(AwsError):
    code = "InvalidPlacementGroup.Duplicate"

    def __init__(self, name: str) -> None:
        super().__init__(f"The Placement Group '{name}' already exists.")


class PlacementGroupInUse(AwsError):
    code = "InvalidPlacementGroup.InUse"

    def __init__(self, name: str) -> None:
        super().__init__(f"The placement group '{name}' is in use and may not be deleted.")


class PlacementGroupLimitExceeded(AwsError):
    code = "PlacementGroupLimitExceeded"

    def __init__(self, most: int) -> None:
        super().__init__(f"The maximum number of placement groups ({most}) has been reached.")


class PlacementGroupFull(AwsError):
    code = "InsufficientInstanceCapacity"
    status = 500

    def __init__(self, name: str, zone: str, most: int) -> None:
        super().__init__(
            f"The spread placement group '{name}' has no room for more instances in {zone}: at most {most} run there."
        )


class AssociationExists(AwsError):
    code = "IncorrectState"

    def __init__(self, instance: str) -> None:
        super().__init__(f"There is an existing association for instance {instance}")


class ProfileAssociationNotFound(AwsError):
    code = "InvalidAssociationID.NotFound"

    def __init__(self, id: str) -> None:
        super().__init__(f"An invalid association-id of '{id}' was given")


class KeyPairNotFound(AwsError):
    code = "InvalidKeyPair.NotFound"

    def __init__(self, *names: str) -> None:
        several = len(names) > 1
        quoted = ", ".join(f"'{each}'" for each in names)
        super().__init__(f"The key pair{'s' if several else ''} {quoted} do{'' if several else 'es'} not exist")


class KeyPairIdNotFound(KeyPairNotFound):
    code = "InvalidKeyPair.NotFound"


class KeyPairDuplicate(AwsError):
    code = "InvalidKeyPair.Duplicate"

    def __init__(self, name: str) -> None:
        super().__init__(f"The keypair already exists: {name}")


class KeyFormat(AwsError):
    code = "InvalidKey.Format"

    def __init__(self) -> None:
        super().__init__("Key is not in valid OpenSSH public key format")


class IncorrectInstanceState(AwsError):
    code = "IncorrectInstanceState"


class InvalidInstanceType(AwsError):
    code = "InvalidInstanceType"


class SpotRequestNotFound(AwsError):
    code = "InvalidSpotInstanceRequestID.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The spot instance request ID '{', '.join(ids)}' does not exist")


class OperationNotPermitted(AwsError):
    code = "OperationNotPermitted"


class UnsupportedHibernationConfiguration(AwsError):
    code = "UnsupportedHibernationConfiguration"


class UnsupportedOperation(AwsError):
    code = "UnsupportedOperation"


class UserDataMalformed(AwsError):
    code = "InvalidUserData.Malformed"

    def __init__(self) -> None:
        super().__init__("Invalid BASE64 encoding of user data.")


class VpcIdNotSpecified(AwsError):
    code = "VPCIdNotSpecified"

    def __init__(self) -> None:
        super().__init__("No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")


class GroupNameNotFound(AwsError):
    code = "InvalidGroup.NotFound"

    def __init__(self, name: str) -> None:
        super().__init__(f"The security group '{name}' does not exist in default VPC")


class NetworkInterfaceInUse(AwsError):
    code = "InvalidNetworkInterface.InUse"

    def __init__(self, id: str) -> None:
        super().__init__(f"Interface: [{id}] in use.")


class NoDefaultSubnet(AwsError):
    code = "MissingInput"

    def __init__(self, zone: str) -> None:
        super().__init__(f"No default subnet for availability zone: '{zone}'.")


class InsufficientInstanceCapacity(AwsError):
    code = "InsufficientInstanceCapacity"
    status = 500

    def __init__(self, instance_type: str, zone: str, others: Sequence[str]) -> None:
        instead = (
            f" You can currently get {instance_type} capacity by not specifying an Availability Zone in your request "
            f"or choosing {', '.join(others)}."
            if others
            else ""
        )
        super().__init__(
            f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested "
            f"({zone}). Our system will be working on provisioning additional capacity.{instead}"
        )


class IncorrectSpotRequestState(AwsError):
    code = "IncorrectSpotRequestState"


class TemplateNotFound(AwsError):
    code = "InvalidLaunchTemplateId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The specified launch template, with template ID {', '.join(ids)}, does not exist.")


class TemplateNameNotFound(AwsError):
    code = "InvalidLaunchTemplateName.NotFoundException"

    def __init__(self, *names: str) -> None:
        super().__init__(f"The specified launch template, with template name {', '.join(names)}, does not exist.")


class TemplateNameInUse(AwsError):
    code = "InvalidLaunchTemplateName.AlreadyExistsException"

    def __init__(self) -> None:
        super().__init__("Launch template name already in use.")


class VersionNotFound(AwsError):
    code = "InvalidLaunchTemplateId.VersionNotFound"

    def __init__(self, id: str, version: str) -> None:
        super().__init__(f"Could not find the specified version {version} for the launch template with ID {id}.")


class PriceTooLow(AwsError):
    code = "SpotMaxPriceTooLow"

    def __init__(self, asked: float, least: float) -> None:
        super().__init__(
            f"Your Spot request price of {asked:g} is lower than the minimum required Spot request fulfillment price "
            f"of {least:g}."
        )
