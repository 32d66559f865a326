"""The kinds of ids in EC2's requests: their prefixes, the errors for one that is malformed or unknown, their tag type.

The codes are AWS's own spelling, which no rule derives ("Error codes for the Amazon EC2 API").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kunren.control.store import Resource
from kunren.core.errors import AwsError
from kunren.services.ec2 import endpoint_errors, errors
from kunren.services.ec2.access_model import PublicAccessExclusion
from kunren.services.ec2.fleets import errors as fleet_errors
from kunren.services.ec2.fleets.model import Fleet, SpotFleet
from kunren.services.ec2.instances import errors as instance_errors
from kunren.services.ec2.instances.model import (
    Image,
    Instance,
    KeyPair,
    LaunchTemplate,
    PlacementGroup,
    Snapshot,
    SpotRequest,
    Volume,
)
from kunren.services.ec2.ipv6_model import EgressOnlyInternetGateway
from kunren.services.ec2.model import (
    DhcpOptions,
    ElasticIp,
    EndpointNotification,
    EndpointServiceConfiguration,
    FlowLog,
    InterfacePermission,
    InternetGateway,
    NatGateway,
    NetworkAcl,
    NetworkInterface,
    PrefixList,
    RouteTable,
    SecurityGroup,
    Subnet,
    SubnetReservation,
    Vpc,
    VpcEndpoint,
    VpcPeering,
)

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class IdForm:
    """`missing` makes the error for ids that do not exist."""

    prefix: str
    tag_type: str
    malformed: str
    missing: Callable[..., AwsError]

    def check(self, id: str) -> None:
        """Raises MalformedId where the id is not of this form."""
        if not id.startswith(self.prefix + "-"):
            raise errors.MalformedId(self.malformed, self.prefix, id)


@dataclass(frozen=True, slots=True)
class IdKind(Generic[R]):
    """An id that finds a resource."""

    resource: type[R]
    form: IdForm


VPC = IdKind(Vpc, IdForm("vpc", "vpc", "InvalidVpcID.Malformed", errors.VpcNotFound))
SUBNET = IdKind(Subnet, IdForm("subnet", "subnet", "InvalidSubnetID.Malformed", errors.SubnetNotFound))
SUBNET_RESERVATION = IdKind(
    SubnetReservation,
    IdForm(
        "scr",
        "subnet-cidr-reservation",
        "InvalidSubnetCidrReservationID.Malformed",
        errors.SubnetReservationNotFound,
    ),
)
INTERNET_GATEWAY = IdKind(
    InternetGateway,
    IdForm("igw", "internet-gateway", "InvalidInternetGatewayId.Malformed", errors.InternetGatewayNotFound),
)
EGRESS_GATEWAY = IdKind(
    EgressOnlyInternetGateway,
    IdForm(
        "eigw",
        "egress-only-internet-gateway",
        "InvalidEgressOnlyInternetGatewayId.Malformed",
        errors.EgressOnlyInternetGatewayNotFound,
    ),
)
ROUTE_TABLE = IdKind(
    RouteTable, IdForm("rtb", "route-table", "InvalidRouteTableId.Malformed", errors.RouteTableNotFound)
)
SECURITY_GROUP = IdKind(SecurityGroup, IdForm("sg", "security-group", "InvalidGroupId.Malformed", errors.GroupNotFound))
NETWORK_INTERFACE = IdKind(
    NetworkInterface,
    IdForm("eni", "network-interface", "InvalidNetworkInterfaceId.Malformed", errors.NetworkInterfaceNotFound),
)
NETWORK_ACL = IdKind(
    NetworkAcl, IdForm("acl", "network-acl", "InvalidNetworkAclId.Malformed", errors.NetworkAclNotFound)
)
DHCP_OPTIONS = IdKind(
    DhcpOptions, IdForm("dopt", "dhcp-options", "InvalidDhcpOptionsId.Malformed", errors.DhcpOptionsNotFound)
)
ELASTIC_IP = IdKind(
    ElasticIp, IdForm("eipalloc", "elastic-ip", "InvalidAllocationID.Malformed", errors.AllocationNotFound)
)
NAT_GATEWAY = IdKind(NatGateway, IdForm("nat", "natgateway", "NatGatewayMalformed", errors.NatGatewayNotFound))
VPC_PEERING = IdKind(
    VpcPeering,
    IdForm("pcx", "vpc-peering-connection", "InvalidVpcPeeringConnectionId.Malformed", errors.PeeringNotFound),
)
VPC_ENDPOINT = IdKind(
    VpcEndpoint, IdForm("vpce", "vpc-endpoint", "InvalidVpcEndpointId.Malformed", endpoint_errors.VpcEndpointNotFound)
)
ENDPOINT_SERVICE = IdKind(
    EndpointServiceConfiguration,
    IdForm(
        "vpce-svc",
        "vpc-endpoint-service",
        "InvalidVpcEndpointServiceId.Malformed",
        endpoint_errors.VpcEndpointServiceNotFound,
    ),
)
ENDPOINT_NOTIFICATION = IdKind(
    EndpointNotification,
    IdForm(
        "vpce-nfn",
        "",
        "InvalidConnectionNotification",
        endpoint_errors.ConnectionNotificationNotFound,
    ),
)
INTERFACE_PERMISSION = IdKind(
    InterfacePermission,
    IdForm("eni-perm", "", "InvalidPermissionID.Malformed", errors.InterfacePermissionNotFound),
)
PUBLIC_ACCESS_EXCLUSION = IdKind(
    PublicAccessExclusion,
    IdForm(
        "vpcbpa-exclude",
        "vpc-block-public-access-exclusion",
        "InvalidVpcBlockPublicAccessExclusionId.Malformed",
        errors.PublicAccessExclusionNotFound,
    ),
)
SECURITY_GROUP_RULE = IdForm(
    "sgr", "security-group-rule", "InvalidSecurityGroupRuleId.Malformed", errors.SecurityGroupRuleNotFound
)
PREFIX_LIST = IdKind(
    PrefixList, IdForm("pl", "prefix-list", "InvalidPrefixListId.Malformed", errors.PrefixListNotFound)
)
FLOW_LOG = IdKind(FlowLog, IdForm("fl", "vpc-flow-log", "InvalidFlowLogId.Malformed", errors.FlowLogNotFound))
INSTANCE = IdKind(Instance, IdForm("i", "instance", "InvalidInstanceID.Malformed", errors.InstanceNotFound))
IMAGE = IdKind(Image, IdForm("ami", "image", "InvalidAMIID.Malformed", instance_errors.ImageNotFound))
VOLUME = IdKind(Volume, IdForm("vol", "volume", "InvalidVolumeID.Malformed", instance_errors.VolumeNotFound))
SNAPSHOT = IdKind(Snapshot, IdForm("snap", "snapshot", "InvalidSnapshotID.Malformed", instance_errors.SnapshotNotFound))
PLACEMENT_GROUP = IdKind(
    PlacementGroup,
    IdForm("pg", "placement-group", "InvalidPlacementGroupId.Malformed", instance_errors.PlacementGroupUnknown),
)
KEY_PAIR = IdKind(KeyPair, IdForm("key", "key-pair", "InvalidKeyPair.NotFound", instance_errors.KeyPairNotFound))
LAUNCH_TEMPLATE = IdKind(
    LaunchTemplate,
    IdForm("lt", "launch-template", "InvalidLaunchTemplateId.Malformed", instance_errors.TemplateNotFound),
)
SPOT_REQUEST = IdKind(
    SpotRequest,
    IdForm(
        "sir",
        "spot-instances-request",
        "InvalidSpotInstanceRequestID.Malformed",
        instance_errors.SpotRequestNotFound,
    ),
)
SPOT_FLEET = IdKind(
    SpotFleet,
    IdForm("sfr", "spot-fleet-request", "InvalidSpotFleetRequestId.Malformed", fleet_errors.SpotFleetNotFound),
)
FLEET = IdKind(Fleet, IdForm("fleet", "fleet", "InvalidFleetId.Malformed", fleet_errors.FleetNotFound))
ACL_ASSOCIATION = IdForm("aclassoc", "", "InvalidNetworkAclAssociationId.Malformed", errors.AssociationNotFound)
EIP_ASSOCIATION = IdForm("eipassoc", "", "InvalidAssociationID.Malformed", errors.AssociationNotFound)
ASSOCIATION = IdForm("rtbassoc", "", "InvalidRouteTableAssociationId.Malformed", errors.AssociationNotFound)

TAGGABLE: tuple[IdKind[Any], ...] = (
    VPC,
    SUBNET,
    SUBNET_RESERVATION,
    INTERNET_GATEWAY,
    EGRESS_GATEWAY,
    ROUTE_TABLE,
    SECURITY_GROUP,
    NETWORK_INTERFACE,
    NETWORK_ACL,
    ELASTIC_IP,
    NAT_GATEWAY,
    VPC_PEERING,
    DHCP_OPTIONS,
    PREFIX_LIST,
    VPC_ENDPOINT,
    ENDPOINT_SERVICE,
    PUBLIC_ACCESS_EXCLUSION,
    FLOW_LOG,
    INSTANCE,
    IMAGE,
    VOLUME,
    SNAPSHOT,
    KEY_PAIR,
    PLACEMENT_GROUP,
    LAUNCH_TEMPLATE,
    SPOT_REQUEST,
    FLEET,
    SPOT_FLEET,
)
