"""The globalaccelerator service's resources. The service is global: they live in the region "". Times are AWS's,
seconds since 1970."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource


class Accelerator(Resource, frozen=True, kw_only=True):
    """Id is the ARN. `number` tells its pair of anycast addresses (kunren/world/addresses.py); `revision` rises with
    each change to it or to anything below it. `custom`: it is a custom routing accelerator."""

    kind: ClassVar[str] = "globalaccelerator.accelerator"

    name: str
    enabled: bool
    number: int
    addresses: tuple[str, str]
    addresses6: tuple[str, ...] = ()  # of dual-stack ones
    dns_name: str
    created_time: float
    modified_time: float
    custom: bool = False
    revision: int = 1
    idempotency_token: str = ""
    flow_logs: bool = False
    flow_logs_bucket: str = ""
    flow_logs_prefix: str = ""
    tags: dict[str, str] = {}


class AcceleratorStatus(Resource, frozen=True, kw_only=True):
    """Observed: the revision that every edge location has. Id is the accelerator's ARN."""

    kind: ClassVar[str] = "globalaccelerator.accelerator-status"
    durable: ClassVar[bool] = False

    revision: int


class PortRange(msgspec.Struct, frozen=True, kw_only=True):
    first: int
    last: int


class Listener(Resource, frozen=True, kw_only=True):
    """Id is the ARN. A custom routing accelerator's takes both protocols ("")."""

    kind: ClassVar[str] = "globalaccelerator.listener"

    accelerator_arn: str
    port_ranges: tuple[PortRange, ...]
    protocol: str = ""  # TCP | UDP
    client_affinity: str = "NONE"  # NONE | SOURCE_IP
    idempotency_token: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A load balancer's ARN, an instance's id or an Elastic IP address's allocation id. `owner` is the account that has
    it, "" the accelerator's own."""

    id: str
    owner: str = ""
    weight: int = 128
    preserve_client_ip: bool = False


class PortOverride(msgspec.Struct, frozen=True, kw_only=True):
    listener_port: int
    endpoint_port: int


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How endpoints that are no load balancers are probed. `port` None is the listener's first."""

    protocol: str = "TCP"  # TCP | HTTP | HTTPS
    port: int | None = None
    path: str = "/"
    interval_s: int = 30
    threshold: int = 3


class EndpointGroup(Resource, frozen=True, kw_only=True):
    """Id is the ARN."""

    kind: ClassVar[str] = "globalaccelerator.endpoint-group"

    listener_arn: str
    accelerator_arn: str
    group_region: str
    endpoints: tuple[Endpoint, ...] = ()
    traffic_dial: float = 100.0
    health_check: HealthCheck = HealthCheck()
    port_overrides: tuple[PortOverride, ...] = ()
    idempotency_token: str = ""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Ports at which every instance of a custom routing endpoint group may listen."""

    first: int
    last: int
    protocols: tuple[str, ...]  # TCP, UDP


class SubnetEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC's subnet as an endpoint, and which listener ports stand for its addresses and ports, in order
    (`port_mapping.py`). Traffic is allowed to all (`open`) or to none, but for the `exceptions`, which are listener
    ports."""

    id: str
    cidr: str
    ports: tuple[PortRange, ...]
    open: bool = False
    exceptions: tuple[int, ...] = ()
    owner: str = ""


class CustomGroup(Resource, frozen=True, kw_only=True):
    """A custom routing accelerator's endpoint group. Id is the ARN."""

    kind: ClassVar[str] = "globalaccelerator.custom-endpoint-group"

    listener_arn: str
    accelerator_arn: str
    group_region: str
    destinations: tuple[Destination, ...]
    endpoints: tuple[SubnetEndpoint, ...] = ()
    idempotency_token: str = ""


class SharedResource(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that other accounts may use; `region` is given where its id says none."""

    endpoint_id: str
    region: str | None = None


class Attachment(Resource, frozen=True, kw_only=True):
    """A cross-account attachment. Id is the ARN. `principals` are account ids and accelerators' ARNs."""

    kind: ClassVar[str] = "globalaccelerator.attachment"

    name: str
    principals: tuple[str, ...]
    resources: tuple[SharedResource, ...]
    created_time: float
    modified_time: float
    idempotency_token: str = ""
    tags: dict[str, str] = {}


class EndpointHealth(Resource, frozen=True, kw_only=True):
    """Observed. Id is `{endpoint group's ARN}|{endpoint's id}`. `streak` counts probes in a row that say other than the
    state does."""

    kind: ClassVar[str] = "globalaccelerator.endpoint-health"
    durable: ClassVar[bool] = False

    state: str  # INITIAL | HEALTHY | UNHEALTHY
    streak: int = 0


def health_id(group_arn: str, endpoint_id: str) -> str:
    return f"{group_arn}|{endpoint_id}"
