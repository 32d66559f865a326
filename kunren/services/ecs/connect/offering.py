"""What a service offers in its namespace: from its configuration, checked, to names and ports that others know.

"ServiceConnectConfiguration", "ServiceConnectService" and "ServiceConnectClientAlias" in the API reference. Of these
errors' texts AWS publishes but the one about the number of aliases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.ecs import errors
from kunren.services.ecs.connect.model import TCP, Connect, Offer
from kunren.services.ecs.definitions.checks import PORT_NAME
from kunren.services.ecs.model import Cluster, Deployment, Service, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.services.ecs.services.progress import strategy_of
from kunren.services.ecs.services.stages import SHIFTING
from kunren.services.servicediscovery.errors import ServiceAlreadyExists
from kunren.services.servicediscovery.managed import drop_services, keep_service, namespace_named
from kunren.services.servicediscovery.model import Namespace

CONFIGURATION = "serviceConnectConfiguration"
TEST_HEADER = "x-amzn-ecs-blue-green-test"
IDLE_S, TCP_IDLE_S, REQUEST_S = 300.0, 3600.0, 15.0
_DNS_NAME = re.compile(r"[a-z0-9_.][a-z0-9_.-]{0,126}")
Told = Mapping[str, Any]


def enabled(document: Told) -> bool:
    return bool((document.get(CONFIGURATION) or {}).get("enabled"))


def checked(tx: Tx, cluster: Cluster, definition: TaskDefinition, told: Told) -> dict[str, Any]:
    """The configuration as the revision has it: with the cluster's namespace where it names none. Raises
    InvalidParameterException, NamespaceNotFoundException, NotYet."""
    if not told.get("enabled"):
        return dict(told)
    _supported(definition, told)
    found = dict(told)
    if not found.get("namespace"):
        found["namespace"] = (cluster.document.get("serviceConnectDefaults") or {}).get("namespace")
    if not found["namespace"]:
        raise errors.InvalidParameterException(
            "A namespace must be specified in the Service Connect configuration, or as the cluster's default."
        )
    namespace_of(tx, cluster, found["namespace"])
    for each in told.get("services") or ():
        _offer_checked(definition, each)
    return found


def _supported(definition: TaskDefinition, told: Told) -> None:
    mode = definition.document.get("networkMode") or "bridge"
    if mode not in ("awsvpc", "bridge"):
        raise errors.InvalidParameterException(f"Service Connect doesn't support the network mode {mode}.")
    if told.get("containerConfigurations"):
        raise errors.NotYet("settings of the Service Connect proxy's container")
    driver = (told.get("logConfiguration") or {}).get("logDriver")
    if told.get("accessLogConfiguration"):
        if driver is None:
            raise errors.InvalidParameterException("Access logs of Service Connect need a logConfiguration.")
        raise errors.NotYet("access logs of Service Connect")
    if driver not in (None, "awslogs"):
        raise errors.NotYet(f"log driver {driver} for Service Connect")


def _offer_checked(definition: TaskDefinition, told: Told) -> None:
    mapping = _mapping(definition, told["portName"])
    if mapping is None:
        raise errors.InvalidParameterException(
            f"The portName {told['portName']} is not the name of a port mapping of the task definition."
        )
    if (mapping.get("protocol") or "tcp") != "tcp":
        raise errors.InvalidParameterException(f"The port mapping {told['portName']} is not of the protocol tcp.")
    if not PORT_NAME.fullmatch(discovery_name(told)):
        raise errors.InvalidParameterException(f"The discoveryName {discovery_name(told)} is invalid.")
    aliases: list[Told] = list(told.get("clientAliases") or ())
    if len(aliases) != 1:
        raise errors.InvalidParameterException("clientAliases must have 1 element.")
    if (name := aliases[0].get("dnsName")) is not None and not _DNS_NAME.fullmatch(name):
        raise errors.InvalidParameterException(f"The dnsName {name} is invalid.")
    for port in (aliases[0]["port"], told.get("ingressPortOverride", 1)):
        if not 1 <= port <= 65535:
            raise errors.InvalidParameterException(f"The port {port} is not between 1 and 65535.")
    timeout = told.get("timeout") or {}
    if timeout.get("perRequestTimeoutSeconds") is not None and (mapping.get("appProtocol") or TCP) == TCP:
        raise errors.InvalidParameterException("perRequestTimeoutSeconds can't be set for the appProtocol TCP.")
    if any(value is not None and value < 0 for value in timeout.values()):
        raise errors.InvalidParameterException("Timeouts must not be negative.")
    if told.get("tls"):
        raise errors.NotYet("TLS of Service Connect")


def namespace_of(reader: Snapshot | Tx, near: Cluster | Service | RequestContext, named: str) -> Namespace:
    """Raises NamespaceNotFoundException."""
    found = namespace_named(reader, near.account, near.region, named)
    if found is None:
        raise errors.NamespaceNotFoundException()
    return found


def discovery_name(told: Told) -> str:
    return str(told.get("discoveryName") or told["portName"])


def _mapping(definition: TaskDefinition, name: str) -> Told | None:
    """The port mapping of that name, with its `container`."""
    mappings = (
        {**each, "container": one["name"]} for one in definition.containers for each in one.get("portMappings") or ()
    )
    return next((each for each in mappings if each.get("name") == name), None)


def connect(
    tx: Tx, entropy: Entropy, now: float, service: Service, definition: TaskDefinition, document: Told
) -> Connect | None:
    """What a deployment of that revision offers and knows, with Cloud Map's services for it; None without Service
    Connect. The configuration is `checked`. Raises InvalidParameterException where others have its names."""
    if not enabled(document):
        return None
    told, in_vpc = document[CONFIGURATION], definition.document.get("networkMode") == "awsvpc"
    namespace = namespace_of(tx, service, told["namespace"])
    others = _offers_of_others(tx, service, namespace)
    before = {each.discovery_name: each for each in _offers(service.primary)}
    offers: list[Offer] = []
    for each in told.get("services") or ():
        mapping = _mapping(definition, each["portName"])
        assert mapping is not None
        try:
            registry = keep_service(
                tx, entropy, now, namespace, discovery_name(each), arn(service, "service", service.id)
            )
        except ServiceAlreadyExists:
            raise errors.InvalidParameterException(
                f"The discoveryName {discovery_name(each)} is in use in the namespace {namespace.name}."
            ) from None
        made = offer(each, mapping, namespace.name, registry.id, strategy_of(service) in SHIFTING, in_vpc)
        _unique(made, [*offers, *others], offers)
        old = before.get(made.discovery_name)
        if old is not None and old.protocol != made.protocol:
            raise errors.InvalidParameterException("appProtocol can't be changed in a Service Connect service.")
        offers.append(made)
    known = sorted([*offers, *others], key=lambda each: (each.dns_name, each.port))
    return Connect(namespace=namespace.id, offers=tuple(offers), known=tuple(known))


def offer(told: Told, mapping: Told, namespace: str, registry: str, shifts: bool, in_vpc: bool) -> Offer:
    """`mapping` is the port mapping that it names, `namespace` the namespace's name; `shifts` is whether deployments
    shift traffic, `in_vpc` whether tasks have interfaces of their own."""
    rule = (told["clientAliases"][0].get("testTrafficRules") or {}).get("header") or {}
    protocol, alias, timeout = mapping.get("appProtocol") or TCP, told["clientAliases"][0], told.get("timeout") or {}
    idle, request = timeout.get("idleTimeoutSeconds"), timeout.get("perRequestTimeoutSeconds")
    return Offer(
        port_name=told["portName"], discovery_name=discovery_name(told), registry=registry,
        dns_name=alias.get("dnsName") or f"{discovery_name(told)}.{namespace}", port=alias["port"], protocol=protocol,
        container=mapping["container"], container_port=mapping["containerPort"],
        ingress_port=told.get("ingressPortOverride") or (mapping["containerPort"] if in_vpc else 0),
        idle_s=float(idle if idle is not None else TCP_IDLE_S if protocol == TCP else IDLE_S),
        request_s=float(request if request is not None else REQUEST_S),
        test_header=rule.get("name", TEST_HEADER).lower() if shifts else "",
        test_value=(rule.get("value") or {}).get("exact"),
    )  # fmt: skip


def _unique(made: Offer, others: Iterable[Offer], own: Iterable[Offer]) -> None:
    if any((each.dns_name, each.port) == (made.dns_name, made.port) for each in others):
        raise errors.InvalidParameterException(
            f"The client alias {made.dns_name}:{made.port} is in use in the namespace."
        )
    if any(each.discovery_name == made.discovery_name for each in own):
        raise errors.InvalidParameterException(f"The discoveryName {made.discovery_name} is used twice.")
    if made.ingress_port and any(each.ingress_port == made.ingress_port for each in own):
        raise errors.InvalidParameterException(f"The ingress port {made.ingress_port} is used twice.")


def _offers_of_others(tx: Tx, service: Service, namespace: Namespace) -> list[Offer]:
    return [
        offer
        for each in tx.list(Service, service.account, service.region)
        if each.id != service.id and each.status == "ACTIVE" and in_namespace(each, namespace.id)
        for offer in _offers(each.primary)
    ]


def _offers(deployment: Deployment | None) -> tuple[Offer, ...]:
    return deployment.connect.offers if deployment is not None and deployment.connect is not None else ()


def in_namespace(service: Service, namespace: str) -> bool:
    """Whether the service is in it by its newest deployment; `namespace` is an id."""
    primary = service.primary
    return primary is not None and primary.connect is not None and primary.connect.namespace == namespace


def forget(tx: Tx, service: Service) -> bool:
    """Delete Cloud Map's services that no deployment offers any more; whether some still have instances."""
    kept = {each.registry for deployment in service.deployments for each in _offers(deployment)}
    return drop_services(tx, service.account, service.region, arn(service, "service", service.id), kept)
