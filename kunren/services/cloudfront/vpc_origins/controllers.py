"""Keeps one interface for each VPC origin on each subnet of its load balancer, all under one security group per VPC,
which customers name as the source that their load balancers let in.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudfront.vpc_origins.model import VpcOrigin, VpcOriginNetwork
from kunren.services.cloudfront.vpc_origins.rules import balancer_of
from kunren.services.ec2.creation import allow_all_egress
from kunren.services.ec2.interfaces import create_interface, delete_interface
from kunren.services.ec2.model import NetworkInterface, SecurityGroup
from kunren.services.elbv2.model import LoadBalancer
from kunren.world.spec import WorldSpec

GROUP_NAME, GROUP_TEXT = "CloudFront-VPCOrigins-Service-SG", "Managed by CloudFront for VPC origins"
REQUESTER = "amazon-cloudfront"


class VpcOriginController:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self.controller = Controller(
            "cloudfront-vpc-origins",
            store,
            clock,
            keys=_concerned,
            every=_every,
            reconcile=self._reconcile,
            wants=lambda kind: kind in (VpcOrigin.kind, LoadBalancer.kind),
        )

    async def _reconcile(self, work: str) -> None:
        account, identity = work.split("|")
        with self._store.write() as tx:
            origin = tx.get(VpcOrigin, account, "", identity)
            balancer = balancer_of(tx, origin.config["Arn"]) if origin is not None else None
            before = tx.get(VpcOriginNetwork, account, "", identity)
            wanted = {each.subnet_id for each in balancer.zones} if balancer is not None else set()
            kept = {}
            for subnet, interface in (before.interfaces if before is not None else {}).items():
                if subnet in wanted:
                    kept[subnet] = interface
                elif before is not None:
                    _delete(tx, account, before.home, interface)
            for subnet in sorted(wanted - kept.keys()):
                assert balancer is not None
                kept[subnet] = self._interface(tx, balancer, subnet)
            if origin is None:
                if before is not None:
                    tx.delete(before)
                return
            home = balancer.region if balancer is not None else before.home if before is not None else ""
            after = VpcOriginNetwork(account=account, region="", id=identity, home=home, interfaces=kept)
            if after != before:
                tx.put(after)

    def _interface(self, tx: Tx, balancer: LoadBalancer, subnet_id: str) -> str:
        made = create_interface(
            tx,
            self._entropy,
            self._spec,
            account=balancer.account,
            region=balancer.region,
            subnet_id=subnet_id,
            groups=(self._group(tx, balancer).id,),
            description="CloudFront VPC origin",
            attachment="function",  # it connects, and nobody connects to it
            public=False,
            requester_managed=True,
            requester_id=REQUESTER,
            attach_time=self._clock.now(),
        )
        return made.id

    def _group(self, tx: Tx, balancer: LoadBalancer) -> SecurityGroup:
        for each in tx.list(SecurityGroup, balancer.account, balancer.region):
            if each.vpc_id == balancer.vpc_id and each.name == GROUP_NAME:
                return each
        made = SecurityGroup(
            account=balancer.account,
            region=balancer.region,
            id=self._entropy.resource_id("sg"),
            vpc_id=balancer.vpc_id,
            name=GROUP_NAME,
            description=GROUP_TEXT,
            rules=(allow_all_egress(self._entropy),),
        )
        tx.put(made)
        return made


def _delete(tx: Tx, account: str, region: str, interface_id: str) -> None:
    found = tx.get(NetworkInterface, account, region, interface_id)
    if found is not None:
        delete_interface(tx, found)


def _concerned(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == VpcOrigin.kind:
        return [f"{key.account}|{key.id}"]
    return [f"{each.account}|{each.id}" for each in snapshot.every(VpcOrigin) if each.config["Arn"] == key.id]


def _every(snapshot: Snapshot) -> list[str]:
    """With those whose origin is gone."""
    ours = [*snapshot.every(VpcOrigin), *snapshot.every(VpcOriginNetwork)]
    return sorted({f"{each.account}|{each.id}" for each in ours})
