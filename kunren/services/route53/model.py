"""The route53 service's resources. The service is global: hosted zones live in the region "".

Records are kept by owner name, one resource for all record sets of a name, scoped by account and hosted zone (which
takes the region's place in the key): what a change must look at is what has that name, and nothing grows with the zone.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource


class AssociatedVpc(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC whose resolver answers from a private hosted zone; `account` is the VPC's owner."""

    id: str
    region: str
    account: str


class HostedZone(Resource, frozen=True, kw_only=True):
    """`id` is bare ("Z…"). `version` rises with every change of the records or the VPCs; DNS reports which one it
    serves. A zone with VPCs is private, and was from the start. Change History is on since `history_since`;
    `features_version` is the version at which a feature last changed that the resolvers must know of."""

    kind: ClassVar[str] = "route53.hosted-zone"

    name: str  # with trailing dot, lower case, unusual bytes as \ooo
    caller_reference: str
    name_servers: tuple[str, ...]
    created: float
    comment: str | None = None
    delegation_set_id: str | None = None
    version: int = 1
    record_set_count: int = 2
    tags: dict[str, str] = {}
    vpcs: tuple[AssociatedVpc, ...] = ()
    tier: str = "STANDARD"
    history_since: float | None = None
    public_dns_fallback: bool = False
    features_version: int = 0

    @property
    def private(self) -> bool:
        return bool(self.vpcs)


class VpcAuthorization(Resource, frozen=True, kw_only=True):
    """The zone's owner lets another account associate one of its VPCs. `region` is the hosted zone's id, `id` the
    VPC's."""

    kind: ClassVar[str] = "route53.vpc-authorization"

    vpc_region: str


class AliasTarget(msgspec.Struct, frozen=True, kw_only=True):
    hosted_zone_id: str
    dns_name: str
    evaluate_target_health: bool


class GeoLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Codes as given: a continent, or a country ("*": the default), or a country and a subdivision of it."""

    continent: str | None = None
    country: str | None = None
    subdivision: str | None = None


class GeoProximity(msgspec.Struct, frozen=True, kw_only=True):
    """Where a resource is: an AWS region, a Local Zone group or coordinates (degrees as they were given)."""

    region: str | None = None
    local_zone_group: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    bias: int | None = None


class CidrRouting(msgspec.Struct, frozen=True, kw_only=True):
    """A location of a CIDR collection, or "*" for all addresses in none of its blocks."""

    collection_id: str
    location: str


class AzAffinity(msgspec.Struct, frozen=True, kw_only=True):
    """AvailabilityZone, AvailabilityZoneGroup, Region, Partition or Global, and which one."""

    type: str
    id: str


class RecordSet(msgspec.Struct, frozen=True, kw_only=True):
    """Values as they were given; `ttl` and `values` are empty on an alias. At most one of the members of a routing
    policy (`weight` to `az_affinity`) is there; without one the policy is simple."""

    type: str
    set_identifier: str | None = None
    weight: int | None = None
    region: str | None = None
    failover: str | None = None
    geolocation: GeoLocation | None = None
    geoproximity: GeoProximity | None = None
    multivalue: bool | None = None
    cidr: CidrRouting | None = None
    az_affinity: AzAffinity | None = None
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: AliasTarget | None = None
    health_check_id: str | None = None
    traffic_policy_instance_id: str | None = None


class OwnerName(Resource, frozen=True, kw_only=True):
    """All record sets of one name, sorted by type and set identifier. `region` is the hosted zone's id, `id` the
    name's sort key (`kunren.dataplane.dns.names.sort_key`), so that ids in order are names in Route 53's order."""

    kind: ClassVar[str] = "route53.owner-name"

    record_sets: tuple[RecordSet, ...]


class Change(Resource, frozen=True, kw_only=True):
    """A change is INSYNC when the served version of the zone (or of the CIDR collection, whose id `zone_id` is then)
    has reached `version`, or it is served no more. It belongs to who asked for it; `zone_account` is the zone's owner
    where that is another."""

    kind: ClassVar[str] = "route53.change"

    zone_id: str
    version: int
    submitted_at: float
    comment: str | None = None
    zone_account: str | None = None


class CallerReference(Resource, frozen=True, kw_only=True):
    """A reference that was used; it stays used when what it made is deleted."""

    kind: ClassVar[str] = "route53.caller-reference"

    made: str  # the id it was used for


class DelegationSet(Resource, frozen=True, kw_only=True):
    """A reusable delegation set."""

    kind: ClassVar[str] = "route53.delegation-set"

    caller_reference: str
    name_servers: tuple[str, ...]


class CidrCollection(Resource, frozen=True, kw_only=True):
    """Blocks that IP-based routing knows clients by: block → location name. `id` is a UUID."""

    kind: ClassVar[str] = "route53.cidr-collection"

    name: str
    caller_reference: str
    version: int = 1
    blocks: dict[str, str] = {}


class TrafficPolicy(Resource, frozen=True, kw_only=True):
    """One version of a traffic policy; `id` is the policy's id and the version, four digits wide, with a dot between. A
    deleted one can still be looked at by its id."""

    kind: ClassVar[str] = "route53.traffic-policy"

    policy_id: str
    version: int
    name: str
    type: str
    document: str
    created: float
    comment: str | None = None
    deleted: bool = False


class TrafficPolicyInstance(Resource, frozen=True, kw_only=True):
    """Record sets of a zone by a traffic policy's version. `zone_version` is the zone's version that has them;
    `generation` rises with every update, which gives the records behind the name new names. `failure`: why the zone has
    them not."""

    kind: ClassVar[str] = "route53.traffic-policy-instance"

    zone_id: str
    name: str  # with trailing dot
    ttl: int
    policy_id: str
    policy_version: int
    type: str
    zone_version: int = 0
    generation: int = 1
    failure: str | None = None


class QueryLoggingConfig(Resource, frozen=True, kw_only=True):
    """The questions for a public zone go to a log group of CloudWatch Logs in us-east-1. `id` is a UUID."""

    kind: ClassVar[str] = "route53.query-logging-config"

    zone_id: str
    log_group_arn: str


class HistoricChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a batch: the record set as it was written or deleted."""

    action: str
    name: str  # with trailing dot
    record_set: RecordSet


class HistoricBatch(Resource, frozen=True, kw_only=True):
    """A batch in the Change History of a zone. `region` is the zone's id, `id` the zone's version with the batch, ten
    digits wide, so that ids are in the order of time."""

    kind: ClassVar[str] = "route53.historic-batch"

    change_id: str
    operation: str
    submitted_at: float
    submitted_by: str
    request_id: str
    comment: str | None = None
    changes: tuple[HistoricChange, ...] = ()


class Protection(Resource, frozen=True, kw_only=True):
    """Record sets of this name and type can't be changed. `region` is the zone's id, `id` the name's sort key and the
    type with a space between."""

    kind: ClassVar[str] = "route53.protection"

    comment: str | None = None


class KeySigningKey(Resource, frozen=True, kw_only=True):
    """A key of KMS that signs the DNSKEY records of a zone. `region` is the zone's id, `id` the name. `public_key` is
    the curve point that the DNSKEY record has; `status` ACTIVE, INACTIVE or, where KMS signs with it no more,
    ACTION_NEEDED."""

    kind: ClassVar[str] = "route53.key-signing-key"

    caller_reference: str
    kms_arn: str
    public_key: bytes
    status: str
    created: float
    modified: float
    status_message: str | None = None


class ZoneSigning(Resource, frozen=True, kw_only=True):
    """A zone is signed while this is there. `id` is the zone's. `dnskeys` are the data of its DNSKEY records,
    `signatures` those of the RRSIG records over them, by key-signing key. `signed_at` is AWS time."""

    kind: ClassVar[str] = "route53.zone-signing"

    private_key_pem: str
    dnskeys: tuple[bytes, ...] = ()
    signatures: dict[str, bytes] = {}
    signed_at: float = 0.0


class ServedZone(Resource, frozen=True, kw_only=True):
    """Observed: the version of a hosted zone, or of a CIDR collection, that the name servers answer from."""

    kind: ClassVar[str] = "route53.served-zone"
    durable: ClassVar[bool] = False

    version: int


class AlarmIdentifier(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudWatch alarm of the health check's account."""

    region: str
    name: str


class AlarmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an alarm watches: CloudWatchAlarmConfiguration, and how it treats missing data."""

    namespace: str
    metric_name: str
    statistic: str
    period_s: int
    evaluation_periods: int
    threshold: float
    comparison: str
    dimensions: dict[str, str] = {}
    treat_missing: str = "missing"


class HealthCheckConfig(msgspec.Struct, frozen=True, kw_only=True):
    """HealthCheckConfig of the API. What AWS fills in when it is not given (port, interval, threshold, SNI) is filled
    in; no regions means all that AWS checks from. The endpoint is a private one where there is a health check source
    (`source_id`)."""

    type: str
    ip_address: str | None = None
    port: int | None = None
    resource_path: str | None = None
    domain_name: str | None = None
    search_string: str | None = None
    request_interval_s: int | None = None
    failure_threshold: int | None = None
    measure_latency: bool | None = None
    inverted: bool = False
    disabled: bool = False
    health_threshold: int | None = None
    children: tuple[str, ...] | None = None
    enable_sni: bool | None = None
    regions: tuple[str, ...] = ()
    alarm: AlarmIdentifier | None = None
    insufficient_data_status: str | None = None
    source_id: str | None = None
    routing_control: str | None = None


class SourceSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """Where a health check source has an interface, and with which security groups. `zone_id` as in "use1-az1"."""

    subnet_id: str
    zone_id: str
    groups: tuple[str, ...]


class HealthCheckSource(Resource, frozen=True, kw_only=True):
    """Interfaces on subnets of a VPC that private endpoints are probed from. `interfaces` are there from
    CREATE_IN_PROGRESS on, one for each subnet."""

    kind: ClassVar[str] = "route53.health-check-source"

    vpc_id: str
    vpc_region: str
    subnets: tuple[SourceSubnet, ...]
    status: str
    interfaces: tuple[str, ...] = ()
    reason_code: str | None = None
    reason: str | None = None
    tags: dict[str, str] = {}


class HealthCheck(Resource, frozen=True, kw_only=True):
    """`version` begins at 1 and rises with every update; `id` is a UUID."""

    kind: ClassVar[str] = "route53.health-check"

    caller_reference: str
    config: HealthCheckConfig
    version: int = 1
    tags: dict[str, str] = {}
    alarm_settings: AlarmSettings | None = None


class CheckerView(msgspec.Struct, frozen=True, kw_only=True):
    """What one checker has come to think: `status` and `failure` are AWS's texts ("Success: …", "Failure: …")."""

    region: str
    address: str
    healthy: bool
    status: str
    checked_at: float
    failure: str | None = None
    failed_at: float | None = None


class HealthCheckStatus(Resource, frozen=True, kw_only=True):
    """Observed: `healthy` is what DNS goes by, with Inverted and Disabled applied. Written when a verdict or a text
    changes, not with every probe, and kept: a restart is no reason to take a dead endpoint for a new one."""

    kind: ClassVar[str] = "route53.health-check-status"

    healthy: bool
    checkers: tuple[CheckerView, ...] = ()
