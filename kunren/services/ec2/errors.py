"""The errors of EC2, by the codes and texts that AWS sends (EC2 API reference, "Error codes for the Amazon EC2 API").

EC2's model declares no exceptions, so the codes come from that page and the texts from what EC2 answers.
"""

from __future__ import annotations

from kunren.core.errors import AwsError


class DryRunOperation(AwsError):
    code = "DryRunOperation"
    status = 412

    def __init__(self) -> None:
        super().__init__("Request would have succeeded, but DryRun flag is set.")


class InvalidParameterValue(AwsError):
    code = "InvalidParameterValue"


class InvalidParameterCombination(AwsError):
    code = "InvalidParameterCombination"


class MissingParameter(AwsError):
    code = "MissingParameter"

    def __init__(self, name: str) -> None:
        super().__init__(f"The request must contain the parameter {name}")


class MissingParameterText(AwsError):
    """The same with a text of its own."""

    code = "MissingParameter"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's ec2 has no {what} yet.")


class InvalidParameter(AwsError):
    code = "InvalidParameter"


class FlowLogNotFound(AwsError):
    code = "InvalidFlowLogId.NotFound"

    def __init__(self, *ids: str) -> None:
        count = f"[TotalCount: {len(ids)}]"
        super().__init__(f"These flow log ids in the input list are not found: {count} {', '.join(ids)}")


class FlowLogAlreadyExists(AwsError):
    code = "FlowLogAlreadyExists"

    def __init__(self) -> None:
        super().__init__("Error. There is an existing Flow Log with the same configuration and log destination.")


class DependencyViolation(AwsError):
    code = "DependencyViolation"


class MalformedId(AwsError):
    """`code` depends on the resource: InvalidVpcId.Malformed and so on."""

    def __init__(self, code: str, prefix: str, id: str) -> None:
        super().__init__(f'Invalid id: "{id}" (expecting "{prefix}-...")')
        self.code = code  # type: ignore[misc]


class IdempotentParameterMismatch(AwsError):
    code = "IdempotentParameterMismatch"

    def __init__(self) -> None:
        super().__init__("The request uses the same client token as a previous, but non-identical request.")


class FilterLimitExceeded(AwsError):
    code = "FilterLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of filter values specified on a single call is 200")


class DifferentNetworks(AwsError):
    """A security group of another VPC."""

    code = "InvalidGroup.NotFound"

    def __init__(self) -> None:
        super().__init__("You have specified two resources that belong to different networks.")


class _NoSuchId(AwsError):
    """`The {word} ID '{id}' does not exist`; with several ids EC2 names them all."""

    word = ""

    def __init__(self, *ids: str) -> None:
        if len(ids) == 1:
            super().__init__(f"The {self.word} ID '{ids[0]}' does not exist")
        else:
            super().__init__(f"The {self.word} IDs '{', '.join(ids)}' do not exist")


class VpcNotFound(_NoSuchId):
    code = "InvalidVpcID.NotFound"
    word = "vpc"


class SubnetNotFound(_NoSuchId):
    code = "InvalidSubnetID.NotFound"
    word = "subnet"


class InternetGatewayNotFound(_NoSuchId):
    code = "InvalidInternetGatewayID.NotFound"
    word = "internetGateway"


class EgressOnlyInternetGatewayNotFound(_NoSuchId):
    code = "InvalidGatewayID.NotFound"
    word = "egressOnlyInternetGateway"


class GatewayNotFound(_NoSuchId):
    """A route's GatewayId."""

    code = "InvalidGatewayID.NotFound"
    word = "gateway"


class RouteTableNotFound(_NoSuchId):
    code = "InvalidRouteTableID.NotFound"
    word = "routeTable"


class NetworkInterfaceNotFound(_NoSuchId):
    code = "InvalidNetworkInterfaceID.NotFound"
    word = "networkInterface"


class NetworkAclNotFound(_NoSuchId):
    code = "InvalidNetworkAclID.NotFound"
    word = "networkAcl"


class NetworkAclEntryNotFound(AwsError):
    code = "InvalidNetworkAclEntry.NotFound"

    def __init__(self, number: int) -> None:
        super().__init__(f"The network acl entry identified by {number} does not exist.")


class NetworkAclEntryAlreadyExists(AwsError):
    code = "NetworkAclEntryAlreadyExists"

    def __init__(self, number: int) -> None:
        super().__init__(f"The network acl entry identified by {number} already exists.")


class NatGatewayNotFound(AwsError):
    code = "NatGatewayNotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"NatGateway {', '.join(ids)} was not found")


class RouteNatGatewayNotFound(_NoSuchId):
    """A route's NatGatewayId."""

    code = "InvalidNatGatewayID.NotFound"
    word = "natGateway"


class PeeringNotFound(_NoSuchId):
    code = "InvalidVpcPeeringConnectionID.NotFound"
    word = "vpcPeeringConnection"


class PeeringAlreadyExists(AwsError):
    code = "VpcPeeringConnectionAlreadyExists"

    def __init__(self) -> None:
        super().__init__("A VPC peering connection between the VPCs already exists.")


class InvalidPeeringTransition(AwsError):
    code = "InvalidStateTransition"

    def __init__(self, peering_id: str, before: str, after: str) -> None:
        super().__init__(f"Invalid state transition for {peering_id}, attempted to transition from {before} to {after}")


class AllocationNotFound(_NoSuchId):
    code = "InvalidAllocationID.NotFound"
    word = "allocation"


class AddressNotFound(AwsError):
    """A public address that the account has not allocated."""

    code = "InvalidAddress.NotFound"

    def __init__(self, *addresses: str) -> None:
        super().__init__(f"Address '{', '.join(addresses)}' not found.")


class DhcpOptionsNotFound(_NoSuchId):
    code = "InvalidDhcpOptionID.NotFound"
    word = "dhcpOption"


class InstanceNotFound(_NoSuchId):
    code = "InvalidInstanceID.NotFound"
    word = "instance"


class AssociationNotFound(_NoSuchId):
    code = "InvalidAssociationID.NotFound"
    word = "association"


class SubnetReservationNotFound(_NoSuchId):
    code = "InvalidSubnetCidrReservationID.NotFound"
    word = "subnet CIDR reservation"


class AddressLocked(AwsError):
    code = "InvalidAddress.Locked"

    def __init__(self, allocation_id: str) -> None:
        super().__init__(f"The address with allocation id {allocation_id} cannot be released because it is locked.")


class InterfacePermissionNotFound(_NoSuchId):
    code = "InvalidPermissionID.NotFound"
    word = "permission"


class PublicAccessExclusionNotFound(_NoSuchId):
    code = "InvalidVpcBlockPublicAccessExclusionId.NotFound"
    word = "VPC block public access exclusion"


class PublicPoolNotFound(_NoSuchId):
    code = "InvalidPublicIpv4PoolID.NotFound"
    word = "public IPv4 pool"


class PrefixListNotFound(_NoSuchId):
    code = "InvalidPrefixListID.NotFound"
    word = "prefixList"


class CidrAssociationNotFound(_NoSuchId):
    code = "InvalidVpcCidrBlockAssociationID.NotFound"
    word = "vpc CIDR block association"


class SubnetCidrAssociationNotFound(_NoSuchId):
    code = "InvalidSubnetCidrBlockAssociationID.NotFound"
    word = "subnet CIDR block association"


class InvalidId(AwsError):
    """CreateTags and DeleteTags on an id of no kind known here."""

    code = "InvalidID"

    def __init__(self, id: str) -> None:
        super().__init__(f"The ID '{id}' is not valid")


class GroupNotFound(AwsError):
    code = "InvalidGroup.NotFound"

    def __init__(self, name: str, vpc_id: str | None = None) -> None:
        where = f" in default VPC '{vpc_id}'" if vpc_id else ""
        super().__init__(f"The security group '{name}' does not exist{where}")


class SecurityGroupRuleNotFound(AwsError):
    code = "InvalidSecurityGroupRuleId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The security group rule ID '{', '.join(ids)}' does not exist")


class InvalidVpcRange(AwsError):
    code = "InvalidVpc.Range"

    def __init__(self, cidr: str, why: str = "is invalid.") -> None:
        super().__init__(f"The CIDR '{cidr}' {why}")


class InvalidSubnetRange(AwsError):
    code = "InvalidSubnet.Range"

    def __init__(self, cidr: str) -> None:
        super().__init__(f"The CIDR '{cidr}' is invalid.")


class InvalidSubnetConflict(AwsError):
    code = "InvalidSubnet.Conflict"

    def __init__(self, cidr: str) -> None:
        super().__init__(f"The CIDR '{cidr}' conflicts with another subnet")


class TagLimitExceeded(AwsError):
    code = "TagLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of Tags for a resource has been reached.")


class DefaultVpcAlreadyExists(AwsError):
    code = "DefaultVpcAlreadyExists"

    def __init__(self) -> None:
        super().__init__("A Default VPC already exists for this account in this region.")


class DefaultVpcDoesNotExist(AwsError):
    code = "DefaultVpcDoesNotExist"

    def __init__(self) -> None:
        super().__init__("No default VPC exists for this account in this region.")


class DefaultSubnetAlreadyExists(AwsError):
    code = "DefaultSubnetAlreadyExistsInAvailabilityZone"

    def __init__(self, subnet_id: str, zone: str) -> None:
        super().__init__(f"'{subnet_id}' is already the default subnet in {zone}.")


class VpcIdNotSpecified(AwsError):
    code = "VPCIdNotSpecified"

    def __init__(self) -> None:
        super().__init__("No default VPC for this user")


class InsufficientFreeAddressesInSubnet(AwsError):
    code = "InsufficientFreeAddressesInSubnet"

    def __init__(self, subnet_id: str) -> None:
        super().__init__(f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the request.")


class InsufficientAddressCapacity(AwsError):
    code = "InsufficientAddressCapacity"
    status = 503

    def __init__(self, region: str) -> None:
        super().__init__(f"There are not enough available public addresses in {region} to satisfy your request.")


class InvalidIpAddressInUse(AwsError):
    code = "InvalidIPAddress.InUse"

    def __init__(self, address: str) -> None:
        super().__init__(f"Address {address} is in use.")


class SubnetCidrInUse(AwsError):
    code = "InvalidCidrBlock.InUse"

    def __init__(self, association_id: str) -> None:
        super().__init__(
            f"The subnet CIDR block with association ID {association_id} may not be disassociated while network "
            "interfaces use it"
        )


class ResourceAlreadyAssociated(AwsError):
    code = "Resource.AlreadyAssociated"


class AlreadyAssociated(ResourceAlreadyAssociated):
    """An Elastic IP, or a private address that has one."""

    def __init__(self, id: str, association_id: str) -> None:
        super().__init__(f"resource {id} is already associated with associate-id {association_id}")


class NoGatewayAttached(AwsError):
    code = "Gateway.NotAttached"

    def __init__(self, vpc_id: str) -> None:
        super().__init__(f"Network {vpc_id} is not attached to any internet gateway")


class GatewayNotAttached(AwsError):
    code = "Gateway.NotAttached"

    def __init__(self, gateway_id: str, vpc_id: str) -> None:
        super().__init__(f"resource {gateway_id} is not attached to network {vpc_id}")


class RouteAlreadyExists(AwsError):
    code = "RouteAlreadyExists"

    def __init__(self, destination: str) -> None:
        super().__init__(f"The route identified by {destination} already exists.")


class RouteNotFound(AwsError):
    code = "InvalidRoute.NotFound"

    def __init__(self, destination: str, table_id: str) -> None:
        member = "destination-ipv6-cidr-block" if ":" in destination else "destination-cidr-block"
        super().__init__(f"no route with {member} {destination} in route table {table_id}")


class GroupDuplicate(AwsError):
    code = "InvalidGroup.Duplicate"

    def __init__(self, name: str, vpc_id: str) -> None:
        super().__init__(f"The security group '{name}' already exists for VPC '{vpc_id}'")


class CannotDelete(AwsError):
    code = "CannotDelete"


class PermissionDuplicate(AwsError):
    code = "InvalidPermission.Duplicate"

    def __init__(self, rule: str) -> None:
        super().__init__(f'the specified rule "{rule}" already exists')


class PermissionNotFound(AwsError):
    code = "InvalidPermission.NotFound"

    def __init__(self) -> None:
        super().__init__("The specified rule does not exist in this security group.")


class InvalidNextToken(AwsError):
    code = "InvalidNextToken"

    def __init__(self) -> None:
        super().__init__("The token is invalid.")


class AuthFailure(AwsError):
    code = "AuthFailure"
    status = 403


class OperationNotPermitted(AwsError):
    code = "OperationNotPermitted"


class CidrInUse(AwsError):
    code = "InvalidCidrBlock.InUse"

    def __init__(self, association_id: str) -> None:
        super().__init__(
            f"The vpc CIDR block with association ID {association_id} may not be disassociated while subnets use it"
        )


class AttachmentNotFound(AwsError):
    code = "InvalidAttachmentID.NotFound"

    def __init__(self, attachment_id: str) -> None:
        super().__init__(f"The attachment ID '{attachment_id}' does not exist")
