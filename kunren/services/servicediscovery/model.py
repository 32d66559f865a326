"""Namespaces, services, instances, and the operations that bring them about ("What is AWS Cloud Map?")."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, ClassVar

from kunren.control.store import Resource, Snapshot, Tx

View = Snapshot | Tx
HTTP, DNS_PRIVATE, DNS_PUBLIC = "HTTP", "DNS_PRIVATE", "DNS_PUBLIC"
SUBMITTED, PENDING, SUCCESS, FAIL = "SUBMITTED", "PENDING", "SUCCESS", "FAIL"
HEALTHY, UNHEALTHY, UNKNOWN = "HEALTHY", "UNHEALTHY", "UNKNOWN"


class Namespace(Resource, frozen=True, kw_only=True):
    """`id` is "ns-…". `ready` once what carries it is there, `ending` while that is taken away; `zone` is the bare id
    of the hosted zone behind it ("": none)."""

    kind: ClassVar[str] = "servicediscovery.namespace"

    name: str
    type: str
    description: str | None = None
    vpc: str = ""
    zone: str = ""
    soa_ttl: int = 15
    ready: bool = False
    ending: bool = False
    request: str | None = None
    created_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:namespace/{self.id}"


class Service(Resource, frozen=True, kw_only=True):
    """`id` is "srv-…". `records` are (type, TTL); `health_check` is what Route 53 is to check, `custom_health` that
    somebody tells it. `revision` rises with every change of its instances."""

    kind: ClassVar[str] = "servicediscovery.service"

    name: str
    namespace: str
    description: str | None = None
    records: tuple[tuple[str, int], ...] = ()
    routing: str = "MULTIVALUE"
    by_http_only: bool = False
    health_check: dict[str, Any] | None = None
    custom_health: bool = False
    revision: int = 1
    request: str | None = None
    attributes: dict[str, str] = {}
    created_at: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:servicediscovery:{self.region}:{self.account}:service/{self.id}"


class Instance(Resource, frozen=True, kw_only=True):
    """`id` is SERVICE/INSTANCE. `custom_health` is what was told of it; `health_check` the id of Route 53's."""

    kind: ClassVar[str] = "servicediscovery.instance"

    service: str
    name: str
    attributes: dict[str, str]
    custom_health: str = HEALTHY
    health_check: str = ""
    request: str | None = None
    registered_at: float


class Operation(Resource, frozen=True, kw_only=True):
    """Work under way. `namespace` is the one whose reconciliation ends it; `targets` as GetOperation shows them;
    `leftover` are health checks that nobody needs when it is done, with spaces between."""

    kind: ClassVar[str] = "servicediscovery.operation"

    type: str
    namespace: str
    targets: dict[str, str]
    leftover: str = ""
    status: str = SUBMITTED
    request: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: float
    updated_at: float


ENDED = (SUCCESS, FAIL)
_ENDED_KEPT = 1000


def outlived(operations: Iterable[Operation], namespaces: Container[str]) -> list[Operation]:
    """Of an account's operations in a region those that are forgotten: the latest thousand that have ended are kept,
    and what made a namespace that is there, which a repeated call is answered with."""
    ended = [
        each
        for each in operations
        if each.status in ENDED and not (each.type == "CREATE_NAMESPACE" and each.namespace in namespaces)
    ]
    return sorted(ended, key=lambda each: (each.updated_at, each.id))[:-_ENDED_KEPT]


KINDS = (Namespace, Service, Instance, Operation)


def instance_id(service: str, name: str) -> str:
    return f"{service}/{name}"


def services_of(view: View, namespace: Namespace) -> list[Service]:
    found = view.list(Service, namespace.account, namespace.region)
    return [each for each in found if each.namespace == namespace.id]


def instances_of(view: View, service: Service) -> list[Instance]:
    found = view.list(Instance, service.account, service.region)
    return [each for each in found if each.service == service.id]


def under_way(view: View, account: str, region: str, namespace: str) -> list[Operation]:
    """The operations that a namespace's reconciliation is to end."""
    found = view.list(Operation, account, region)
    return [each for each in found if each.namespace == namespace and each.status not in ENDED]
