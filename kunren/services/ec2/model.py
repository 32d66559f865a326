"""The ec2 service's resources."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource


class Vpc(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.vpc"

    cidr: str
    secondary_cidrs: tuple[str, ...] = ()
    is_default: bool = False
    instance_tenancy: str = "default"
    dhcp_options_id: str = "default"
    enable_dns_support: bool = True
    enable_dns_hostnames: bool = False
    tags: dict[str, str] = {}


class Subnet(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.subnet"

    vpc_id: str
    cidr: str
    availability_zone: str
    availability_zone_id: str
    default_for_az: bool = False
    map_public_ip_on_launch: bool = False
    tags: dict[str, str] = {}


class InternetGateway(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.internet-gateway"

    vpc_id: str | None = None
    tags: dict[str, str] = {}


class RouteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`target` is "local", or the id of a gateway or network interface; `origin` as DescribeRouteTables has it."""

    destination: str
    target: str
    origin: str = "CreateRoute"


class RouteTable(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.route-table"

    vpc_id: str
    main: bool = False
    main_association_id: str | None = None
    routes: tuple[RouteEntry, ...] = ()
    associations: dict[str, str] = {}  # association id → subnet id
    tags: dict[str, str] = {}


class SecurityGroupRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, one peer: exactly one of the peer fields is set. Ports are -1 where they mean nothing or any."""

    id: str
    egress: bool
    protocol: str  # "tcp", "udp", "icmp", "icmpv6", a number as text, "-1"
    from_port: int = -1
    to_port: int = -1
    cidr_v4: str | None = None
    cidr_v6: str | None = None
    group_id: str | None = None
    prefix_list_id: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}


class SecurityGroup(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.security-group"

    vpc_id: str
    name: str
    description: str
    rules: tuple[SecurityGroupRule, ...] = ()
    tags: dict[str, str] = {}


class NetworkInterface(Resource, frozen=True, kw_only=True):
    """`attachment` says what answers on the address: "node" (a load balancer node, in the VPC's namespace), "workload"
    (a namespace of its own), or None (nothing yet)."""

    kind: ClassVar[str] = "ec2.network-interface"

    vpc_id: str
    subnet_id: str
    availability_zone: str
    private_ip: str
    mac: str
    public_ip: str | None = None
    groups: tuple[str, ...] = ()
    description: str = ""
    interface_type: str = "interface"
    attachment: str | None = None
    attachment_id: str | None = None
    requester_id: str | None = None
    requester_managed: bool = False
    source_dest_check: bool = True
    tags: dict[str, str] = {}
