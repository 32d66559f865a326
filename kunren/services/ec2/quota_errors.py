"""The errors for quotas that are used up ("Amazon VPC quotas"), with the texts that EC2 answers."""

from __future__ import annotations

from kunren.core.errors import AwsError


class NetworkAclLimitExceeded(AwsError):
    code = "NetworkAclLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of network ACLs has been reached.")


class NetworkAclEntryLimitExceeded(AwsError):
    code = "NetworkAclEntryLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of network ACL entries has been reached.")


class FlowLogLimitExceeded(AwsError):
    code = "FlowLogLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of flow logs for the resource has been reached.")


class NatGatewayLimitExceeded(AwsError):
    code = "NatGatewayLimitExceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Performing this operation would exceed the limit of {limit} NAT gateways")


class NatGatewayAddressLimitExceeded(AwsError):
    code = "AddressLimitExceeded"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Performing this operation would exceed the limit of {limit} addresses per NAT gateway")


class PublicAccessExclusionLimitExceeded(AwsError):
    code = "VpcBlockPublicAccessExclusionLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of VPC block public access exclusions has been reached.")


class AddressLimitExceeded(AwsError):
    code = "AddressLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of addresses has been reached.")


class VpcLimitExceeded(AwsError):
    code = "VpcLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of VPCs has been reached.")


class VpcCidrLimitExceeded(AwsError):
    code = "CidrLimitExceeded"

    def __init__(self, vpc_id: str) -> None:
        super().__init__(f"This network '{vpc_id}' has met its maximum number of allowed CIDRs")


class EgressOnlyInternetGatewayLimitExceeded(AwsError):
    code = "EgressOnlyInternetGatewayLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of egress-only internet gateways has been reached.")


class SubnetLimitExceeded(AwsError):
    code = "SubnetLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of subnets has been reached.")


class InternetGatewayLimitExceeded(AwsError):
    code = "InternetGatewayLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of internet gateways has been reached.")


class RouteTableLimitExceeded(AwsError):
    code = "RouteTableLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of route tables has been reached.")


class RouteLimitExceeded(AwsError):
    code = "RouteLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of routes has been reached.")


class SecurityGroupLimitExceeded(AwsError):
    code = "SecurityGroupLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of security groups for this VPC has been reached.")


class RulesPerSecurityGroupLimitExceeded(AwsError):
    code = "RulesPerSecurityGroupLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of rules per security group has been reached.")


class SecurityGroupsPerInterfaceLimitExceeded(AwsError):
    code = "SecurityGroupsPerInterfaceLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of security groups per interface has been reached.")


class NetworkInterfaceLimitExceeded(AwsError):
    code = "NetworkInterfaceLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of network interfaces has been reached.")


class PrivateAddressLimitExceeded(AwsError):
    code = "PrivateIpAddressLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of private IP addresses for this network interface has been reached.")


class OutstandingPeeringLimitExceeded(AwsError):
    code = "OutstandingVpcPeeringConnectionLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of outstanding VPC peering connection requests has been reached.")


class PeeringsPerVpcLimitExceeded(AwsError):
    code = "VpcPeeringConnectionsPerVpcLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of VPC peering connections per VPC has been reached.")


class DhcpOptionsLimitExceeded(AwsError):
    code = "DhcpOptionsLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of DHCP options has been reached.")


class VpcEndpointLimitExceeded(AwsError):
    code = "VpcEndpointLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of VPC endpoints has been reached.")
