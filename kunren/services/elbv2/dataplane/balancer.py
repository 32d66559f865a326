"""One load balancer, whole: a snapshot of the store in, Envoy's resources out.

Names: `NAME/ID` of the load balancer, then the node's zone and the port. Route configurations and clusters exist once
per node, since they say from which address the node connects; endpoints and certificates are shared.

What is made of a record is remembered while the record is the same object: after a change of one rule the routes of all
others, and the clusters, are those of before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from kunren.control.store import Snapshot
from kunren.core.memo import by_identity, kept
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, Fragment, certificate_secret, pipe_cluster
from kunren.services.ec2.model import InterfaceStatus
from kunren.services.elbv2.associations import groups_of, listeners_of, rules_by_listener
from kunren.services.elbv2.attributes import LOAD_BALANCER, value
from kunren.services.elbv2.dataplane import targets
from kunren.services.elbv2.dataplane.answers import header, literal
from kunren.services.elbv2.dataplane.client_certificates import Trust, trusted
from kunren.services.elbv2.dataplane.listening import Needs, Place, hides_server, listener_fragment, request_headers
from kunren.services.elbv2.dataplane.routing import Behind, Forwarding, is_decided, keeps_group, route_configuration
from kunren.services.elbv2.dataplane.security import server_names
from kunren.services.elbv2.dataplane.stickiness import target_stickiness
from kunren.services.elbv2.model import (
    AvailabilityZone,
    HealthCheck,
    Listener,
    LoadBalancer,
    Matcher,
    Rule,
    TargetGroup,
)
from kunren.world.network import vpc_namespace

_SNAPSHOTS = 4
"""Of so many snapshots is remembered what was found in them."""


class Material(Protocol):
    """A certificate's files, as PEM text."""

    @property
    def certificate_pem(self) -> str: ...
    @property
    def chain_pem(self) -> str: ...
    @property
    def private_key_pem(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Environment:
    """What the translation needs to know of the rest: namespaces' files, certificates, the functions' bridge, time."""

    netns_path: Callable[[str], str | None]
    certificate: Callable[[Snapshot, str], Material | None]
    bridge_socket: str
    wall_seconds: Callable[[float], float]
    wall: Callable[[], float] = lambda: 0.0
    now: Callable[[], float] = float


@dataclass(frozen=True, slots=True)
class Translation:
    """`problems` are what could not be rendered (a listener whose certificate is gone), for the status."""

    resources: EnvoyResources
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    listeners: dict[str, Fragment] = field(default_factory=dict)
    routes: dict[str, Fragment] = field(default_factory=dict)
    clusters: dict[str, Fragment] = field(default_factory=dict)
    endpoints: dict[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    secrets: dict[str, Fragment] = field(default_factory=dict)

    def finished(self) -> EnvoyResources:
        return EnvoyResources(self.listeners, self.routes, self.clusters, self.endpoints, self.secrets)


def short_name(balancer: LoadBalancer) -> str:
    """`NAME/ID` of `…:loadbalancer/app/NAME/ID`."""
    return balancer.id.partition(":loadbalancer/")[2].partition("/")[2] or balancer.id


def node_place(balancer: LoadBalancer, node: AvailabilityZone, env: Environment) -> Place:
    return Place(node.private_ip, env.netns_path(vpc_namespace(balancer.vpc_id)), node.ipv6)


def is_live(snapshot: Snapshot, balancer: LoadBalancer, node: AvailabilityZone) -> bool:
    """Whether the kernel has the node's addresses."""
    status = snapshot.get(InterfaceStatus, balancer.account, balancer.region, node.interface_id)
    return status is not None and (node.ipv6 is None or node.ipv6 in status.ipv6)


@by_identity(_SNAPSHOTS)
def reached_groups(snapshot: Snapshot, balancer: LoadBalancer) -> dict[str, TargetGroup]:
    """The target groups that some rule of the load balancer forwards to, by ARN."""
    arns = {arn for rules in rules_by_listener(snapshot, balancer).values() for arn in groups_of(rules)}
    found = ((arn, snapshot.get(TargetGroup, balancer.account, balancer.region, arn)) for arn in sorted(arns))
    return {arn: group for arn, group in found if group is not None}


def resources(snapshot: Snapshot, balancer: LoadBalancer, env: Environment) -> Translation:
    """Everything that Envoy needs for this load balancer."""
    groups = reached_groups(snapshot, balancer)
    short = short_name(balancer)
    made = _Draft()
    problems: list[str] = []
    rules = rules_by_listener(snapshot, balancer)
    serving: list[tuple[Listener, list[str]]] = []
    for listener in listeners_of(snapshot, balancer):
        certificates = listener_secrets(snapshot, listener, short, env)
        made.secrets.update(certificates)
        secrets = list(certificates)
        if listener.protocol == "HTTPS" and not secrets:
            problems.append(f"listener {listener.port}: its default certificate has no material")
        else:
            serving.append((listener, secrets))
    if not serving or not balancer.zones:
        # Envoy never asks for what no listener names, so it would never acknowledge a secret that stands alone
        return Translation(EnvoyResources(), tuple(problems))
    used = {
        arn: groups[arn] for arn in sorted({*chain(*(groups_of(rules[each.id]) for each, _ in serving))} & set(groups))
    }
    behind = {
        node.zone_name: _clusters(used, short, node, node_place(balancer, node, env), env, made)
        for node in balancer.zones
    }
    for listener, secrets in serving:
        trust = _trust(snapshot, listener, short, env, made)
        _add_listener(balancer, listener, rules[listener.id], behind, secrets, trust, env, made)
    zones = [node.zone_name for node in balancer.zones]
    for group in used.values():
        if not _by_bridge(group):
            made.endpoints.update(targets.endpoint_resources(snapshot, group, zones, env.now()))
    return Translation(made.finished(), tuple(problems))


def _by_bridge(group: TargetGroup) -> bool:
    return group.target_type == "lambda" and bool(group.targets)


def _add_listener(
    balancer: LoadBalancer,
    listener: Listener,
    rules: Sequence[Rule],
    behind: Mapping[str, Mapping[str, Behind]],
    secrets: Sequence[str],
    trust: Trust | None,
    env: Environment,
    made: _Draft,
) -> None:
    """The listener and its routes at every node; `behind` are the target groups as each zone's node reaches them."""
    reached = [group for groups in behind.values() for group in groups.values()]
    needs = Needs(
        stickiness=any(each.stickiness is not None for each in reached) or any(map(keeps_group, rules)),
        decisions=any(map(is_decided, rules)),
        functions=any(each.group_header is not None for each in reached),
        transforms=any(rule.transforms for rule in rules),
        versions=any(each.http2 for each in reached),
    )
    names = server_names([_chain(made.secrets[each]) for each in secrets])
    headers = kept(listener.id, forwarding(balancer, listener, env, speaks_http2=needs.versions))
    for node in balancer.zones:
        name = f"{short_name(balancer)}/{node.zone_name}/{listener.port}"
        made.listeners[name] = listener_fragment(
            name,
            balancer,
            listener,
            node_place(balancer, node, env),
            routes=name,
            secrets=secrets,
            needs=needs,
            wall_seconds=env.wall_seconds,
            trust=trust,
            server_names=names,
        )
        made.routes[name] = route_configuration(name, rules, behind[node.zone_name], headers)


def forwarding(
    balancer: LoadBalancer, listener: Listener, env: Environment, *, speaks_http2: bool = False
) -> Forwarding:
    """The headers by which this listener's requests and answers are marked."""
    attributes = balancer.attributes
    return Forwarding(
        listener=listener.id,
        protocol=listener.protocol,
        port=listener.port,
        xff_mode=value(LOAD_BALANCER, attributes, "routing.http.xff_header_processing.mode"),
        speaks_http2=speaks_http2,
        xff_client_port=value(LOAD_BALANCER, attributes, "routing.http.xff_client_port.enabled") == "true",
        request_headers=request_headers(balancer, listener),
        response_headers=_response_headers(listener),
        wall_seconds=env.wall_seconds,
        hides_server=hides_server(listener),
    )


def _response_headers(listener: Listener) -> tuple[Fragment, ...]:
    """Headers that listener attributes add to every answer: `routing.http.response.NAME.header_value`."""
    made = []
    for key, text in sorted(listener.attributes.items()):
        if key.startswith("routing.http.response.") and key.endswith(".header_value") and text:
            name = key.removeprefix("routing.http.response.").removesuffix(".header_value").replace("_", "-")
            made.append(header(name, literal(text)))
    return tuple(made)


def _clusters(
    groups: Mapping[str, TargetGroup], short: str, node: AvailabilityZone, place: Place, env: Environment, made: _Draft
) -> dict[str, Behind]:
    """The groups' clusters as one node reaches them, and what they are to its routes."""
    return {
        arn: kept(f"{node.interface_id} {arn}", _behind(group, short, node, place, env, made))
        for arn, group in groups.items()
    }


def _behind(
    group: TargetGroup, short: str, node: AvailabilityZone, place: Place, env: Environment, made: _Draft
) -> Behind:
    if _by_bridge(group):
        name = f"{short}/functions"
        made.clusters.setdefault(name, pipe_cluster(name, env.bridge_socket))
        return Behind(name, group_header=group.id)
    name = f"{short}/{node.zone_name}/{targets.resource_name(group.id)}"
    made.clusters[name] = targets.cluster(name, group, node.zone_name, place)
    return Behind(
        name, version=group.protocol_version or "HTTP1", stickiness=target_stickiness(group, env.wall_seconds)
    )


def listener_secrets(snapshot: Snapshot, listener: Listener, short: str, env: Environment) -> dict[str, Fragment]:
    """The listener's certificates by name, the default first; none when the default has no material."""
    made: dict[str, Fragment] = {}
    for number, arn in enumerate(listener.certificates):
        material = env.certificate(snapshot, arn)
        if material is None:
            if number == 0:
                return {}
            continue
        name = f"{short}/{arn.rpartition('/')[2]}"
        chain = material.certificate_pem.rstrip() + "\n" + (material.chain_pem or "")
        made[name] = certificate_secret(name, chain, material.private_key_pem)
    return made


def _chain(secret: Fragment) -> str:
    return str(secret["tls_certificate"]["certificate_chain"]["inline_string"])


def _trust(snapshot: Snapshot, listener: Listener, short: str, env: Environment, made: _Draft) -> Trust | None:
    trust = trusted(snapshot, listener, f"{short}/{listener.port}/clients", env.wall())
    if trust is not None:
        made.secrets[trust.name] = trust.secret
    return trust


def typical(env: Environment) -> EnvoyResources:
    """Listeners of both protocols and clusters, as most load balancers have them: for checking their shapes early.
    (A listener on an unusual port has another script.)"""
    scope: dict[str, Any] = {"account": "", "region": ""}
    node = AvailabilityZone(zone_name="z", subnet_id="s", interface_id="i", private_ip="192.0.2.1")
    balancer = LoadBalancer(
        **scope, id="typical", name="typical", type="application", scheme="internal", ip_address_type="ipv4",
        vpc_id="vpc", dns_name="typical", canonical_hosted_zone_id="", created_time=0.0, zones=(node,),
    )  # fmt: skip
    check = HealthCheck(
        enabled=True, protocol="HTTP", port="traffic-port", path="/", interval=30, timeout=5, healthy_threshold=5,
        unhealthy_threshold=2, matcher=Matcher(),
    )  # fmt: skip
    group = TargetGroup(**scope, id="typical", name="typical", target_type="ip", protocol="HTTP", health_check=check)
    place = node_place(balancer, node, env)
    made = _Draft()
    for protocol, port, secrets in (("HTTP", 80, ()), ("HTTP", 8080, ()), ("HTTPS", 443, ("typical",))):
        name = f"{protocol}-{port}"
        listener = Listener(
            **scope, id=name, load_balancer_arn="typical", port=port, protocol=protocol, default_actions=()
        )
        made.listeners[name] = listener_fragment(
            name, balancer, listener, place, routes="typical", secrets=secrets, needs=Needs(),
            wall_seconds=env.wall_seconds,
        )  # fmt: skip
    made.clusters["typical"] = targets.cluster("typical", group, "z", place)
    made.clusters["functions"] = pipe_cluster("functions", env.bridge_socket)
    return made.finished()
