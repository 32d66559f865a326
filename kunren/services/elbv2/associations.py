"""Who points at whom: the listeners of a load balancer, the rules of a listener, the target groups that they reach.

Pure reads over a snapshot or an open transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.memo import by_identity
from kunren.services.elbv2.actions import target_groups
from kunren.services.elbv2.model import Listener, LoadBalancer, Rule, TargetGroup, TrustStore, TrustStoreRevocation

View: TypeAlias = Snapshot | Tx


def listeners_of(view: View, balancer: LoadBalancer) -> list[Listener]:
    return [
        each for each in view.list(Listener, balancer.account, balancer.region) if each.load_balancer_arn == balancer.id
    ]


def rules_of(view: View, listener: Listener) -> list[Rule]:
    """All rules of the listener in the order they are tried; the default rule last."""
    found = [each for each in view.list(Rule, listener.account, listener.region) if each.listener_arn == listener.id]
    return sorted(found, key=lambda rule: rule.priority or 1 << 30)


@by_identity(4)
def rules_by_listener(snapshot: Snapshot, balancer: LoadBalancer) -> dict[str, list[Rule]]:
    """The rules of all listeners of the load balancer, each listener's as `rules_of` has them; found in one go."""
    found: dict[str, list[Rule]] = {each.id: [] for each in listeners_of(snapshot, balancer)}
    for rule in snapshot.list(Rule, balancer.account, balancer.region):
        if rule.listener_arn in found:
            found[rule.listener_arn].append(rule)
    for rules in found.values():
        rules.sort(key=lambda rule: rule.priority or 1 << 30)
    return found


def rules_of_balancer(view: View, balancer: LoadBalancer) -> list[Rule]:
    owned = {each.id for each in listeners_of(view, balancer)}
    return [each for each in view.list(Rule, balancer.account, balancer.region) if each.listener_arn in owned]


def groups_with_balancer(view: View, balancer: LoadBalancer) -> list[str]:
    """The ARNs of the target groups of which an Application Load Balancer is a target."""
    return [
        each.id
        for each in view.list(TargetGroup, balancer.account, balancer.region)
        if each.target_type == "alb" and any(target.id == balancer.id for target in each.targets)
    ]


def group_users(view: View, account: str, region: str) -> dict[str, tuple[str, ...]]:
    """For every target group that some rule reaches: the ARNs of the load balancers that do (AWS allows one)."""
    owners = {each.id: each.load_balancer_arn for each in view.list(Listener, account, region)}
    users: dict[str, dict[str, None]] = {}
    for rule in view.list(Rule, account, region):
        owner = owners.get(rule.listener_arn)
        if owner is not None:
            for group in target_groups(rule.actions):
                users.setdefault(group, {})[owner] = None
    return {group: tuple(balancers) for group, balancers in users.items()}


def groups_of(rules: Iterable[Rule]) -> set[str]:
    return {group for rule in rules for group in target_groups(rule.actions)}


def certificates_in_use(snapshot: View, certificate_arn: str) -> list[str]:
    """ARNs of the load balancers, in all accounts and regions, with a listener that serves the certificate (ACM's
    `InUseBy`)."""
    return sorted({each.load_balancer_arn for each in snapshot.every(Listener) if certificate_arn in each.certificates})


def revocations_of(view: View, store: TrustStore) -> list[TrustStoreRevocation]:
    """The revocation lists of a trust store, by their number."""
    found = view.list(TrustStoreRevocation, store.account, store.region)
    return sorted((each for each in found if each.trust_store_arn == store.id), key=lambda each: each.number)


def trust_store_users(view: View, trust_store_arn: str) -> list[str]:
    """ARNs of the load balancers with a listener that verifies clients against the trust store."""
    return sorted(
        {
            each.load_balancer_arn
            for each in view.every(Listener)
            if (each.mutual_authentication or {}).get("TrustStoreArn") == trust_store_arn
        }
    )
