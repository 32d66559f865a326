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
    enable_network_address_usage_metrics: bool = False
    cidr_association_ids: dict[str, str] = {}  # CIDR → association id, the primary one included
    blocks_v6: dict[str, str] = {}  # IPv6 CIDR → association id
    tags: dict[str, str] = {}


class Subnet(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.subnet"

    vpc_id: str
    cidr: str
    availability_zone: str
    availability_zone_id: str
    default_for_az: bool = False
    map_public_ip_on_launch: bool = False
    hostname_type: str = "ip-name"
    resource_name_dns_a_record: bool = False
    cidr_v6: str | None = None
    cidr_v6_association_id: str | None = None
    assign_ipv6: bool = False
    tags: dict[str, str] = {}


class SubnetReservation(Resource, frozen=True, kw_only=True):
    """A block of a subnet from which no address is given out by itself."""

    kind: ClassVar[str] = "ec2.subnet-reservation"

    subnet_id: str
    cidr: str
    type: str  # "prefix" or "explicit"
    description: str | None = None
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
    client_token: str | None = None
    client_request: str | None = None  # what was asked with the token, in short
    routes: tuple[RouteEntry, ...] = ()
    associations: dict[str, str] = {}  # association id → subnet id
    tags: dict[str, str] = {}


class PeerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule's group is, when it is a peer VPC's."""

    account: str
    vpc_id: str
    peering_id: str


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
    peer: PeerGroup | None = None
    prefix_list_id: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}


class SecurityGroup(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.security-group"

    vpc_id: str
    name: str
    description: str
    rules: tuple[SecurityGroupRule, ...] = ()
    more_vpcs: tuple[str, ...] = ()  # where it may be used besides its own
    tags: dict[str, str] = {}


class SecondaryAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One more private address of an interface, perhaps with an Elastic IP."""

    private_ip: str
    public_ip: str | None = None
    allocation_id: str | None = None


class NetworkInterface(Resource, frozen=True, kw_only=True):
    """`attachment` says what answers: "node" (of a load balancer, in the VPC's namespace), "workload", "function",
    "nat", "link" (in their own), "managed" (nothing: it stands for a service), "stopped", "hibernated" (nothing: its
    instance is; a namespace stays), or None (nothing yet). `public_ip` is `allocation_id`'s, or else Amazon's own."""

    kind: ClassVar[str] = "ec2.network-interface"

    vpc_id: str
    subnet_id: str
    availability_zone: str
    private_ip: str
    mac: str
    public_ip: str | None = None
    allocation_id: str | None = None
    secondary: tuple[SecondaryAddress, ...] = ()
    ipv6: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    description: str = ""
    interface_type: str = "interface"
    attachment: str | None = None
    attachment_id: str | None = None
    instance_id: str | None = None
    requester_id: str | None = None
    requester_managed: bool = False
    source_dest_check: bool = True
    bridged: bool = False  # containers are behind it
    delete_on_termination: bool = True
    attach_time: float | None = None  # AWS time
    client_token: str | None = None
    client_request: str | None = None  # what was asked with the token, in short
    tags: dict[str, str] = {}


class Entrance(Resource, frozen=True, kw_only=True):
    """A way for accelerators' flows to a private address of the VPC, or to whomever the accelerator `holder` says. The
    id is the address that edge locations alone can send to, `interface_id` the managed interface on the subnet."""

    kind: ClassVar[str] = "ec2.entrance"

    vpc_id: str
    subnet_id: str
    interface_id: str
    private_ip: str = ""
    holder: str = ""


class InterfacePermission(Resource, frozen=True, kw_only=True):
    """What another account may do with an interface of this one."""

    kind: ClassVar[str] = "ec2.interface-permission"

    interface_id: str
    grantee: str
    permission: str  # "INSTANCE-ATTACH" or "EIP-ASSOCIATE"


class ElasticIp(Resource, frozen=True, kw_only=True):
    """A public address of the account. The id is the allocation's; the association is kept on the interface too."""

    kind: ClassVar[str] = "ec2.elastic-ip"

    public_ip: str
    association_id: str | None = None
    interface_id: str | None = None
    private_ip: str | None = None
    reverse_name: str | None = None
    asked_name: str | None = None  # the reverse name that it is to have, once that leads here
    asked_at: float | None = None  # AWS time, while that is looked at
    tags: dict[str, str] = {}


class NatAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One more address of a NAT gateway. Once `leaves_at` (AWS time) is set it gets no new connections."""

    private_ip: str
    public_ip: str | None = None
    allocation_id: str | None = None
    association_id: str | None = None
    leaves_at: float | None = None


class NatGateway(Resource, frozen=True, kw_only=True):
    """Its addresses are kept for as long as it is shown; the interface is gone once it is deleted. Times are AWS's."""

    kind: ClassVar[str] = "ec2.nat-gateway"

    vpc_id: str
    subnet_id: str
    availability_zone: str
    connectivity: str  # "public" or "private"
    created_at: float
    deleted_at: float | None = None
    interface_id: str | None = None
    private_ip: str | None = None
    public_ip: str | None = None
    allocation_id: str | None = None
    association_id: str | None = None
    secondary: tuple[NatAddress, ...] = ()
    failure_code: str | None = None
    failure_message: str | None = None
    client_token: str | None = None
    client_request: str | None = None  # what was asked with the token, in short
    tags: dict[str, str] = {}


class PeeringSide(msgspec.Struct, frozen=True, kw_only=True):
    """`allows_dns`: the other side resolves this VPC's public names to private addresses."""

    account: str
    region: str
    vpc_id: str
    allows_dns: bool = False


class VpcPeering(Resource, frozen=True, kw_only=True):
    """A peering connection as one side sees it. `decision` is "pending-acceptance", "accepted", "rejected", "deleted"
    or "failed". Times are AWS's."""

    kind: ClassVar[str] = "ec2.vpc-peering"

    requester: PeeringSide
    accepter: PeeringSide
    decision: str
    expires_at: float
    ended_at: float | None = None
    ended_by: str | None = None  # an account
    tags: dict[str, str] = {}


class PeeringStatus(Resource, frozen=True, kw_only=True):
    """Observed: the kernel has the VPC's link to the peering connection. Id is `{peering id}|{vpc id}`."""

    kind: ClassVar[str] = "ec2.peering-status"
    durable: ClassVar[bool] = False


class InterfaceStatus(Resource, frozen=True, kw_only=True):
    """Observed: the kernel has this interface's address, in the VPC network that was last applied."""

    kind: ClassVar[str] = "ec2.interface-status"
    durable: ClassVar[bool] = False

    vpc_id: str
    private_ip: str
    secondary: tuple[str, ...] = ()  # of NAT gateways
    public_ip: str | None = None  # None too where no internet gateway translates it
    ipv6: tuple[str, ...] = ()


class AclEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered rule of a network ACL. `protocol` is a number as text, or "-1"; ports are those of tcp and udp, type
    and code those of icmp (-1: any), None where they mean nothing. Exactly one of the blocks is set."""

    number: int
    egress: bool
    allow: bool
    protocol: str
    cidr_v4: str | None = None
    cidr_v6: str | None = None
    from_port: int | None = None
    to_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


class NetworkAcl(Resource, frozen=True, kw_only=True):
    """`entries` are in the order in which they are looked at, without the last that denies everything."""

    kind: ClassVar[str] = "ec2.network-acl"

    vpc_id: str
    is_default: bool = False
    entries: tuple[AclEntry, ...] = ()
    associations: dict[str, str] = {}  # association id → subnet id
    client_token: str | None = None
    client_request: str | None = None  # what was asked with the token, in short
    tags: dict[str, str] = {}


class DhcpOptions(Resource, frozen=True, kw_only=True):
    """`values` by key; None in the account's default set, which has its region's."""

    kind: ClassVar[str] = "ec2.dhcp-options"

    values: dict[str, tuple[str, ...]] | None = None
    tags: dict[str, str] = {}


class AccountRegion(Resource, frozen=True, kw_only=True):
    """An account has used a region: the default VPC was made, and once deleted is not made again by itself. The id is
    always "default"."""

    kind: ClassVar[str] = "ec2.account-region"

    dhcp_options_id: str
    default_vpc_id: str | None = None


class AddressPool(Resource, frozen=True, kw_only=True):
    """How full a subnet or a region's public range is, and where the search for a free address goes on. Id is the
    subnet's, or "public" with the account "". Derived from the interfaces at start."""

    kind: ClassVar[str] = "ec2.address-pool"
    durable: ClassVar[bool] = False

    next: int  # an IPv4 address as a number
    used: int


class AddressUse(Resource, frozen=True, kw_only=True):
    """An address is taken. Id is `{pool id}|{address}`. Derived from the interfaces at start."""

    kind: ClassVar[str] = "ec2.address-use"
    durable: ClassVar[bool] = False

    interface_id: str


class ClientToken(Resource, frozen=True, kw_only=True):
    """An idempotency token that was used. Id is `{kind}|{token}`. Derived from the resources at start."""

    kind: ClassVar[str] = "ec2.client-token"
    durable: ClassVar[bool] = False

    resource_id: str
    request: str


class PrefixListEntry(msgspec.Struct, frozen=True, kw_only=True):
    cidr: str
    description: str | None = None


class PrefixList(Resource, frozen=True, kw_only=True):
    """A managed prefix list. `versions` are the entries by version number, as text; those of AWS's own lists have the
    account "AWS" and no maximum, and are not stored."""

    kind: ClassVar[str] = "ec2.prefix-list"

    name: str
    family: str  # "IPv4" or "IPv6"
    max_entries: int | None
    version: int = 1
    versions: dict[str, tuple[PrefixListEntry, ...]]
    last_change: str = "create"  # "create", "modify" or "restore"
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}

    @property
    def entries(self) -> tuple[PrefixListEntry, ...]:
        return self.versions[str(self.version)]


class AppliedPrefixLists(Resource, frozen=True, kw_only=True):
    """Observed: the versions of prefix lists that a running VPC's routes and firewalls hold, and the rules of VPC Block
    Public Access that its network was made of. The id is the VPC's."""

    kind: ClassVar[str] = "ec2.applied-prefix-lists"
    durable: ClassVar[bool] = False

    versions: dict[str, int]
    public_access: tuple[str, ...] = ()


class VpcEndpoint(Resource, frozen=True, kw_only=True):
    """A VPC endpoint to a service. A gateway endpoint is what the route tables that lead to it say; an interface
    endpoint has an interface on each of its subnets, and goes (`deleting`) when nothing answers on them any more."""

    kind: ClassVar[str] = "ec2.vpc-endpoint"

    vpc_id: str
    service: str  # "sqs" of com.amazonaws.us-east-1.sqs, or the id of a customer's own
    provider: str | None = None  # the account whose own service it is
    decision: str = "accepted"  # by the provider; or "pendingAcceptance", "rejected"
    type: str  # "Gateway" or "Interface"
    policy: str
    label: str  # what tells its DNS names from those of an earlier endpoint
    private_zone_id: str
    created: float  # AWS time
    interfaces: dict[str, str] = {}  # subnet id → interface id
    groups: tuple[str, ...] = ()
    private_dns: bool = False
    deleting: bool = False
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


class EndpointServiceConfiguration(Resource, frozen=True, kw_only=True):
    """A service of an account's own, behind Network Load Balancers, for others' interface endpoints. `principals` are
    those who may connect: ARN → permission id. The private name counts once it is "verified", by the TXT record
    `proof_name` with the value `proof`."""

    kind: ClassVar[str] = "ec2.endpoint-service"

    balancers: tuple[str, ...]  # ARNs
    acceptance_required: bool
    created: float  # AWS time
    principals: dict[str, str] = {}
    private_name: str | None = None
    name_state: str | None = None  # "pendingVerification", "verified", "failed"
    name_asked: float | None = None  # AWS time at which verification was last asked for, while it goes on
    proof_name: str = ""
    proof: str = ""
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


class EndpointNotification(Resource, frozen=True, kw_only=True):
    """An SNS topic that is told what happens to the endpoints of a service, or to one endpoint."""

    kind: ClassVar[str] = "ec2.endpoint-notification"

    topic: str
    events: tuple[str, ...]
    service_id: str | None = None
    endpoint_id: str | None = None
    client_token: str | None = None
    client_request: str | None = None


class EndpointEvent(Resource, frozen=True, kw_only=True):
    """A message for a topic of this account that SNS has not taken yet."""

    kind: ClassVar[str] = "ec2.endpoint-event"

    topic: str
    message: str


class FlowLog(Resource, frozen=True, kw_only=True):
    """A flow log of a VPC, a subnet or a network interface, which all lie in `vpc_id`."""

    kind: ClassVar[str] = "ec2.flow-log"

    resource_id: str
    vpc_id: str
    traffic_type: str  # "ACCEPT", "REJECT" or "ALL"
    interval_s: int
    format: str
    created_at: float  # AWS time
    destination_type: str  # "cloud-watch-logs" or "s3"
    destination: str | None = None  # an ARN
    log_group: str | None = None
    role: str | None = None
    hive_partitions: bool = False
    hour_partitions: bool = False
    has_options: bool = False
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


class FlowLogStatus(Resource, frozen=True, kw_only=True):
    """Observed: the last delivery; `error` is None where it went well."""

    kind: ClassVar[str] = "ec2.flow-log-status"
    durable: ClassVar[bool] = False

    error: str | None


class VpcEndpointStatus(Resource, frozen=True, kw_only=True):
    """Observed: the addresses at which an interface endpoint answers, and whether under the private name."""

    kind: ClassVar[str] = "ec2.vpc-endpoint-status"
    durable: ClassVar[bool] = False

    addresses: tuple[str, ...]
    private_dns: bool
