"""The elbv2 service's resources. Ids are ARNs; durations are seconds, as AWS's attributes have them."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource


class AvailabilityZone(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a load balancer: the interface whose address Envoy listens on."""

    zone_name: str
    subnet_id: str
    interface_id: str
    private_ip: str
    public_ip: str | None = None
    allocation_id: str | None = None  # of the customer's Elastic IP, where one was given
    chosen: bool = False  # the customer chose the private address
    secondary: tuple[str, ...] = ()  # more private addresses that connections to targets come from
    ipv6: str | None = None


class LoadBalancer(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "elbv2.load-balancer"

    name: str
    type: str  # "application" | "network" | "gateway"
    scheme: str  # "internet-facing" | "internal"
    ip_address_type: str
    vpc_id: str
    dns_name: str
    canonical_hosted_zone_id: str
    created_time: float
    zones: tuple[AvailabilityZone, ...]
    security_groups: tuple[str, ...] = ()
    guards_private_link: bool = True  # whether they are asked about what comes by VPC endpoints
    attributes: dict[str, str] = {}
    tags: dict[str, str] = {}


class LoadBalancerStatus(Resource, frozen=True, kw_only=True):
    """Observed: the data plane has this load balancer's nodes and listeners. Id is the load balancer's ARN."""

    kind: ClassVar[str] = "elbv2.load-balancer-status"
    durable: ClassVar[bool] = False

    state: str  # "provisioning" | "active" | "failed"
    reason: str = ""


class Listener(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "elbv2.listener"

    load_balancer_arn: str
    port: int
    protocol: str
    default_actions: tuple[dict[str, Any], ...]  # in the wire's own shape (Action), defaults filled in
    certificates: tuple[str, ...] = ()  # certificate ARNs, the default first
    ssl_policy: str | None = None
    alpn_policy: str | None = None
    mutual_authentication: dict[str, Any] | None = None
    attributes: dict[str, str] = {}
    created_time: float = 0.0
    tags: dict[str, str] = {}


class Rule(Resource, frozen=True, kw_only=True):
    """A listener's rule; the default rule is the listener's `default_actions` and has a row too, with `priority` 0."""

    kind: ClassVar[str] = "elbv2.rule"

    listener_arn: str
    priority: int  # 0 for the default rule
    conditions: tuple[dict[str, Any], ...] = ()  # in the wire's own shape (RuleCondition), always with the *Config form
    actions: tuple[dict[str, Any], ...] = ()
    transforms: tuple[dict[str, Any], ...] = ()  # RuleTransform
    tags: dict[str, str] = {}


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    http_code: str | None = None
    grpc_code: str | None = None


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    protocol: str
    port: str  # "traffic-port" or a number
    path: str | None
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int
    matcher: Matcher


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A registered target. `draining_since` is AWS time (seconds since 1970) once it was deregistered; the row stays
    until the deregistration delay is over."""

    id: str
    port: int | None = None
    availability_zone: str | None = None
    registered_at: float = 0.0
    draining_since: float | None = None
    quic_server_id: str | None = None  # "0x" and 16 hexadecimal digits
    register_again: bool = False  # registered anew while draining: becomes a new target when the delay is over


class TargetGroup(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "elbv2.target-group"

    name: str
    target_type: str
    protocol: str | None = None
    protocol_version: str | None = None
    port: int | None = None
    vpc_id: str | None = None
    ip_address_type: str = "ipv4"
    health_check: HealthCheck
    targets: tuple[Target, ...] = ()
    attributes: dict[str, str] = {}
    created_time: float = 0.0
    tags: dict[str, str] = {}


class TargetHealth(Resource, frozen=True, kw_only=True):
    """Observed by probes, kept in memory. Id is `{target group ARN}|{target id}|{port}`."""

    kind: ClassVar[str] = "elbv2.target-health"
    durable: ClassVar[bool] = False

    state: str  # initial | healthy | unhealthy | unavailable
    reason: str | None = None
    description: str | None = None
    slow_since: float | None = None  # AWS time at which the target's slow start began
    since: float = 0.0  # AWS time at which the state became what it is


class NodeCutOff(Resource, frozen=True, kw_only=True):
    """Observed by probes, kept in memory: nothing that this node (by its interface) probes answers, and others' probes
    of the same targets get through. No row: the node is well, or nobody can tell."""

    kind: ClassVar[str] = "elbv2.node-cut-off"
    durable: ClassVar[bool] = False

    since: float  # AWS time


class TargetAnomaly(Resource, frozen=True, kw_only=True):
    """Observed by what Envoy counted, kept in memory; the id is as TargetHealth's. No row: nothing unusual was seen."""

    kind: ClassVar[str] = "elbv2.target-anomaly"
    durable: ClassVar[bool] = False

    anomalous: bool
    weight: int  # of a hundred


def target_health_id(group_arn: str, target: Target) -> str:
    return f"{group_arn}|{target.id}|{target.port}"


class TrustStore(Resource, frozen=True, kw_only=True):
    """Certificate authorities that listeners may trust client certificates of."""

    kind: ClassVar[str] = "elbv2.trust-store"

    name: str
    bundle: str  # PEM, as it was in S3
    certificates: int
    last_revocation: int = 0  # the highest revocation id given out
    created_time: float = 0.0
    tags: dict[str, str] = {}


class TrustStoreRevocation(Resource, frozen=True, kw_only=True):
    """A revocation list of a trust store. Id is `{trust store ARN}|{revocation id}`."""

    kind: ClassVar[str] = "elbv2.trust-store-revocation"

    trust_store_arn: str
    number: int
    entries: int
    content: bytes  # as it was in S3
    pem: str


class CapacityReservation(Resource, frozen=True, kw_only=True):
    """What was last asked to be reserved for a load balancer, whose ARN is the id. One that was reset stays, with no
    units: the decreases of its day count on."""

    kind: ClassVar[str] = "elbv2.capacity-reservation"

    units: int
    zones: tuple[str, ...]  # names of the zones that the load balancer had then
    modified_time: float
    decreases: tuple[float, ...] = ()  # AWS times


class LoginKey(Resource, frozen=True, kw_only=True):
    """What a region's load balancers seal sessions with, and sign users' identities. The id is the public key's."""

    kind: ClassVar[str] = "elbv2.login-key"

    secret: str
    pem: str


KINDS: tuple[type[Resource], ...] = (
    LoadBalancer,
    LoadBalancerStatus,
    Listener,
    Rule,
    TargetGroup,
    TargetHealth,
    NodeCutOff,
    TrustStore,
    TrustStoreRevocation,
    TargetAnomaly,
    CapacityReservation,
    LoginKey,
)
