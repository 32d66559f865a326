"""Load balancers from their nodes to their targets: listeners, certificates, rules, target groups."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kunren.graph import certificates
from kunren.graph.draft import Draft, grouped, interface_index
from kunren.graph.model import Node
from kunren.graph.network import interface_state, workload_name
from kunren.services.ec2.model import NetworkInterface, Subnet
from kunren.services.elbv2 import words
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.dataplane.targets import is_serving
from kunren.services.elbv2.model import (
    Listener,
    LoadBalancer,
    LoadBalancerStatus,
    Rule,
    Target,
    TargetGroup,
    TargetHealth,
    target_health_id,
)
from kunren.services.elbv2.network_attributes import crosses_zones, is_network, of_group
from kunren.services.elbv2.targets import health


@dataclass(frozen=True, slots=True)
class _Index:
    """What is looked up for each group and target, gathered once."""

    balancers: dict[str, LoadBalancer]
    users: dict[str, list[LoadBalancer]]  # target group ARN → the load balancers that reach it
    interfaces: dict[tuple[str, str], NetworkInterface]
    subnets: dict[str, list[Subnet]]
    nodes: frozenset[tuple[str, str]]  # VPC and private address of every load balancer node


def add(draft: Draft) -> None:
    balancers = {each.id: each for each in draft.every(LoadBalancer)}
    listeners = [each for each in draft.every(Listener) if each.load_balancer_arn in balancers]
    listeners.sort(key=lambda each: (each.load_balancer_arn, each.port))
    rules = grouped(draft.every(Rule), lambda each: each.listener_arn)
    interfaces = draft.every(NetworkInterface)
    by_id = {each.id: each for each in interfaces}
    users: dict[str, dict[str, LoadBalancer]] = {}
    for balancer in balancers.values():
        _add_balancer(draft, balancer, by_id)
    for listener in listeners:
        ordered = sorted(rules.get(listener.id, ()), key=lambda each: each.priority or 1 << 30)
        _add_listener(draft, listener)
        for rule in ordered:
            _add_rule(draft, rule)
            for arn, _ in words.shares(rule.actions[-1]) if rule.actions else ():
                owner = balancers[listener.load_balancer_arn]
                users.setdefault(arn, {})[owner.id] = owner
    index = _Index(
        balancers,
        {arn: list(each.values()) for arn, each in users.items()},
        interface_index(interfaces),
        grouped(draft.every(Subnet), lambda each: each.vpc_id),
        frozenset((each.vpc_id, node.private_ip) for each in balancers.values() for node in each.zones),
    )
    for group in draft.every(TargetGroup):
        _add_group(draft, group, index)


def _add_balancer(draft: Draft, balancer: LoadBalancer, interfaces: dict[str, NetworkInterface]) -> None:
    status = draft.snapshot.get(LoadBalancerStatus, balancer.account, balancer.region, balancer.id)
    details = {"type": balancer.type, "scheme": balancer.scheme, "dns name": balancer.dns_name}
    if status is not None and status.reason:
        details["reason"] = status.reason
    draft.names[balancer.dns_name.lower()] = balancer.id
    draft.add(
        Node(
            id=balancer.id, kind="load-balancer", name=balancer.name, arn=balancer.id, account=balancer.account,
            region=balancer.region, within=balancer.vpc_id, details=details,
            state=status.state if status is not None else "provisioning",
        )
    )  # fmt: skip
    for node in balancer.zones:
        interface = interfaces.get(node.interface_id)
        details = {"zone": node.zone_name, "address": node.private_ip}
        if node.public_ip:
            details["public address"] = node.public_ip
            draft.addresses[node.public_ip] = balancer.id
        draft.add(
            Node(
                id=node.interface_id, kind="load-balancer-node", name=node.public_ip or node.private_ip,
                account=balancer.account, region=balancer.region, within=node.subnet_id, details=details,
                state=interface_state(draft, interface) if interface is not None else "pending",
            )
        )  # fmt: skip
        draft.join(balancer.id, node.interface_id, node.zone_name)


def _add_listener(draft: Draft, listener: Listener) -> None:
    details = {"protocol": listener.protocol, "port": str(listener.port)}
    if listener.ssl_policy:
        details["security policy"] = listener.ssl_policy
    draft.add(
        Node(
            id=listener.id, kind="listener", name=f"{listener.protocol} :{listener.port}", arn=listener.id,
            account=listener.account, region=listener.region, within=listener.load_balancer_arn, details=details,
        )
    )  # fmt: skip
    draft.join(listener.load_balancer_arn, listener.id, f":{listener.port}")
    for number, arn in enumerate(dict.fromkeys(listener.certificates)):
        certificates.join(draft, listener.id, arn, "certificate by SNI" if number else "default certificate")


def _add_rule(draft: Draft, rule: Rule) -> None:
    details = {
        "priority": str(rule.priority) if rule.priority else "default",
        "conditions": words.conditions(rule.conditions) if rule.priority else "whatever no other rule takes",
        "action": ", then ".join(words.action(each) for each in rule.actions),
    }
    name = f"rule {rule.priority}" if rule.priority else "default rule"
    draft.add(
        Node(
            id=rule.id, kind="rule", name=name, arn=rule.id, account=rule.account, region=rule.region,
            within=rule.listener_arn, details=details,
        )
    )  # fmt: skip
    draft.join(rule.listener_arn, rule.id, details["priority"])
    shares = words.shares(rule.actions[-1]) if rule.actions else []
    total = sum(weight for _, weight in shares)
    for arn, weight in shares:
        label = f"forward {words.percent(weight, total)}" if len(shares) > 1 else "forward"
        draft.join(rule.id, arn, label, weight)


def _add_group(draft: Draft, group: TargetGroup, index: _Index) -> None:
    users = index.users.get(group.id, [])
    states = []
    for target in group.targets:
        shown = _health(draft, group, target, users, index)
        states.append(shown["State"])
        if group.target_type == "lambda":
            draft.join(group.id, target.id.removesuffix(":$LATEST"), shown["State"])
        else:
            _add_target(draft, group, target, shown, index)
    checked = group.health_check.enabled
    healthy = f"{states.count('healthy')} of {len(states)} healthy" if checked else "health is not checked"
    details = {"type": group.target_type, "healthy": healthy}
    if group.protocol:
        details["protocol"] = f"{group.protocol}:{group.port}"
    if is_network(group):
        details |= _flow_details(group, users)
    elif group.target_type != "lambda":
        details["algorithm"] = value(TARGET_GROUP, group.attributes, "load_balancing.algorithm.type")
    state = _group_state(draft, group, states, in_use=bool(users))
    draft.add(
        Node(
            id=group.id, kind="target-group", name=group.name, arn=group.id, account=group.account,
            region=group.region, within=group.vpc_id, details=details, state=state,
        )
    )  # fmt: skip


def _flow_details(group: TargetGroup, users: list[LoadBalancer]) -> dict[str, str]:
    """How a Network Load Balancer gives flows to the group's targets."""
    on = {True: "on", False: "off"}
    told = {"client addresses": "the node's", "stickiness": "by client address"}
    if of_group(group, "preserve_client_ip.enabled") == "true":
        told["client addresses"] = "preserved"
    if of_group(group, "stickiness.enabled") != "true":
        told["stickiness"] = "by flow"
    if of_group(group, "proxy_protocol_v2.enabled") == "true":
        told["proxy protocol"] = "version 2"
    if users:
        crossing = {on[crosses_zones(balancer, group)] for balancer in users}
        told["cross-zone"] = " and ".join(sorted(crossing))
    return told


def _health(
    draft: Draft, group: TargetGroup, target: Target, users: list[LoadBalancer], index: _Index
) -> dict[str, str]:
    """What DescribeTargetHealth shows."""
    zone = target.availability_zone
    enabled = {node.zone_name for balancer in users for node in balancer.zones}
    return health(
        group,
        target,
        known=True,
        in_use=bool(users),
        zone_enabled=zone in (None, "all") or zone in enabled,
        of_balancer=(group.vpc_id or "", target.id) in index.nodes,
        observed=draft.snapshot.get(
            TargetHealth, group.account, group.region, target_health_id(group.id, target)
        ),
    )  # fmt: skip


def _add_target(draft: Draft, group: TargetGroup, target: Target, shown: dict[str, str], index: _Index) -> None:
    id = target_health_id(group.id, target)
    interface = index.interfaces.get((group.vpc_id or "", target.id))
    details = {"address": f"{target.id}:{target.port}"}
    if target.availability_zone:
        details["zone"] = target.availability_zone
    if interface is not None and (name := workload_name(draft, interface)):
        details["workload"] = name
    if "Reason" in shown:
        details["reason"] = f"{shown['Reason']}: {shown.get('Description', '')}".rstrip(": ")
    within = (
        interface.subnet_id if interface is not None else _subnet_of(target, index.subnets.get(group.vpc_id or "", []))
    )
    draft.add(
        Node(
            id=id, kind="target", name=f"{target.id}:{target.port}", account=group.account, region=group.region,
            state=shown["State"], details=details, within=within or group.vpc_id,
        )
    )  # fmt: skip
    draft.join(group.id, id, shown["State"])
    if interface is not None and interface.id in draft.nodes:
        draft.join(id, interface.id, "")


def _subnet_of(target: Target, subnets: list[Subnet]) -> str | None:
    try:
        address = ip_address(target.id)
    except ValueError:
        return None
    return next((each.id for each in subnets if address in ip_network(each.cidr)), None)


def _group_state(draft: Draft, group: TargetGroup, states: list[str], *, in_use: bool) -> str:
    """One word for all targets: healthy, degraded (some), "no healthy target" (and so failing open), draining…"""
    if not states:
        return "empty"
    if not in_use:
        return "unused"
    active = [each for each in group.targets if each.draining_since is None]
    serving = sum(is_serving(draft.snapshot, group, each) for each in active)
    if not active:
        return "draining"
    if serving == len(active):
        return "healthy"
    if all(state in ("initial", "unavailable") for state in states):
        return states[0]
    return "degraded" if serving else "no healthy target"
