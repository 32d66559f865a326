"""The ec2 service's operations: one file per kind of resource, joined here."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.ec2.api.absent import AbsentOperations
from kunren.services.ec2.api.base import Limits
from kunren.services.ec2.api.dhcp_options import DhcpOptionsOperations
from kunren.services.ec2.api.egress_gateways import EgressGatewayOperations
from kunren.services.ec2.api.elastic_ips import ElasticIpOperations
from kunren.services.ec2.api.endpoint_notifications import EndpointNotificationOperations
from kunren.services.ec2.api.fleets import FleetOperations
from kunren.services.ec2.api.flow_logs import FlowLogOperations
from kunren.services.ec2.api.image_changes import ImageChangeOperations
from kunren.services.ec2.api.instance_attributes import InstanceAttributeOperations
from kunren.services.ec2.api.instance_profiles import InstanceProfileOperations
from kunren.services.ec2.api.instances import InstanceOperations
from kunren.services.ec2.api.interface_permissions import InterfacePermissionOperations
from kunren.services.ec2.api.internet_gateways import InternetGatewayOperations
from kunren.services.ec2.api.key_pairs import KeyPairOperations
from kunren.services.ec2.api.launch_templates import LaunchTemplateOperations
from kunren.services.ec2.api.nat_gateways import NatGatewayOperations
from kunren.services.ec2.api.network_acls import NetworkAclOperations
from kunren.services.ec2.api.network_interfaces import NetworkInterfaceOperations
from kunren.services.ec2.api.placement_groups import PlacementGroupOperations
from kunren.services.ec2.api.places import PlaceOperations
from kunren.services.ec2.api.prefix_lists import PrefixListOperations
from kunren.services.ec2.api.public_access import PublicAccessOperations
from kunren.services.ec2.api.requirements import RequirementOperations
from kunren.services.ec2.api.route_tables import RouteTableOperations
from kunren.services.ec2.api.routes import RouteOperations
from kunren.services.ec2.api.security_group_rules import SecurityGroupRuleOperations
from kunren.services.ec2.api.security_group_vpcs import SecurityGroupVpcOperations
from kunren.services.ec2.api.subnet_blocks import SubnetBlockOperations
from kunren.services.ec2.api.subnet_reservations import SubnetReservationOperations
from kunren.services.ec2.api.subnets import SubnetOperations
from kunren.services.ec2.api.tags import TagOperations
from kunren.services.ec2.api.volumes import VolumeOperations
from kunren.services.ec2.api.vpc_endpoint_services import VpcEndpointServiceOperations
from kunren.services.ec2.api.vpc_endpoints import VpcEndpointOperations
from kunren.services.ec2.api.vpc_peering import VpcPeeringOperations
from kunren.services.ec2.api.vpcs import VpcOperations
from kunren.services.ec2.instances.images import Images
from kunren.services.ec2.instances.launcher import Launcher
from kunren.services.ec2.store import register
from kunren.world.spec import WorldSpec


class Ec2Api(
    VpcOperations,
    SubnetOperations,
    SubnetReservationOperations,
    SubnetBlockOperations,
    InternetGatewayOperations,
    EgressGatewayOperations,
    RouteTableOperations,
    RouteOperations,
    SecurityGroupRuleOperations,
    SecurityGroupVpcOperations,
    NetworkInterfaceOperations,
    ElasticIpOperations,
    NatGatewayOperations,
    VpcPeeringOperations,
    NetworkAclOperations,
    DhcpOptionsOperations,
    PlaceOperations,
    PrefixListOperations,
    VpcEndpointOperations,
    VpcEndpointServiceOperations,
    EndpointNotificationOperations,
    InterfacePermissionOperations,
    PublicAccessOperations,
    FlowLogOperations,
    LaunchTemplateOperations,
    FleetOperations,
    RequirementOperations,
    InstanceOperations,
    InstanceAttributeOperations,
    ImageChangeOperations,
    VolumeOperations,
    InstanceProfileOperations,
    KeyPairOperations,
    PlacementGroupOperations,
    TagOperations,
    AbsentOperations,
):
    """Everything that ec2 answers; what it has not is answered 501 by the gateway."""

    service: ClassVar[str] = "ec2"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        limits: Limits | None = None,
        call: CallService = nobody_answers,
    ) -> None:
        """Registers ec2's kinds with the store and rebuilds the address pools."""
        super().__init__(store, clock, entropy, spec, limits)
        register(store)
        self.launcher = Launcher(entropy, spec, call, Images(call))
        self.console = lambda instance: b""
