"""VPC links: an interface on each of a link's subnets, from which integrations ask what is private in the VPC.

Developer guide, "Working with VPC links for HTTP APIs". AWS puts a link that had no traffic for 60 days to sleep; here
its interfaces stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.apis.upstream import Failed, Link
from kunren.services.apigatewayv2.model import VpcLink, VpcLinkNetwork
from kunren.services.ec2.interfaces import create_interface, delete_interface
from kunren.services.ec2.model import InterfaceStatus, NetworkInterface
from kunren.services.elbv2.arns import balancer_of
from kunren.services.elbv2.dataplane.balancer import is_live
from kunren.services.elbv2.model import Listener, LoadBalancer
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

REQUESTER = "amazon-apigateway"


class VpcLinkController:
    """`controller` makes and deletes the interfaces."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self.controller = Controller(
            "apigatewayv2-vpc-links",
            store,
            clock,
            keys=lambda snapshot, key: [_work(key)],
            every=_every,
            reconcile=self._reconcile,
            wants=lambda kind: kind == VpcLink.kind,
        )

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        with self._store.write() as tx:
            link = tx.get(VpcLink, account, region, id)
            before = tx.get(VpcLinkNetwork, account, region, id)
            if link is None:
                for interface in before.interfaces.values() if before is not None else ():
                    _delete(tx, account, region, interface)
                if before is not None:
                    tx.delete(before)
                return
            if before is not None and before.interfaces.keys() == set(link.subnets):
                return
        try:
            with self._store.write() as tx:
                made = {subnet: self._interface(tx, link, subnet) for subnet in link.subnets}
                tx.put(VpcLinkNetwork(account=account, region=region, id=id, interfaces=made))
        except AwsError as error:
            with self._store.write() as tx:
                tx.put(VpcLinkNetwork(account=account, region=region, id=id, failure=error.message))

    def _interface(self, tx: Tx, link: VpcLink, subnet_id: str) -> str:
        made = create_interface(
            tx,
            self._entropy,
            self._spec,
            account=link.account,
            region=link.region,
            subnet_id=subnet_id,
            groups=link.groups,
            description=f"VPC Link Interface {link.id}",
            attachment="function",  # it connects, and nobody connects to it
            public=False,
            requester_managed=True,
            requester_id=REQUESTER,
            attach_time=self._clock.now(),
        )
        return made.id


def status_of(view: Snapshot, link: VpcLink) -> tuple[str, str]:
    """A link's status and its message, as the kernel has the interfaces."""
    network = view.get(VpcLinkNetwork, link.account, link.region, link.id)
    if network is not None and network.failure:
        return "FAILED", network.failure
    if network is None or not all(_is_live(view, link, each) for each in network.interfaces.values()):
        return "PENDING", "VPC link is being provisioned"
    return "AVAILABLE", "VPC link is ready to route traffic"


def way_into(view: Snapshot, account: str, region: str, link_id: str, listener_arn: str) -> tuple[Link, int]:
    """By which interfaces and to which addresses a load balancer's listener is asked, and its port. Raises Failed."""
    link = view.get(VpcLink, account, region, link_id)
    network = view.get(VpcLinkNetwork, account, region, link_id)
    interfaces = [
        each
        for each in (network.interfaces.values() if network is not None else ())
        if link is not None and _is_live(view, link, each)
    ]
    if link is None or not interfaces:
        raise Failed(f"the VPC link {link_id} is not there")
    listener = view.get(Listener, account, region, listener_arn)
    balancer = view.get(LoadBalancer, account, region, balancer_of(listener_arn))
    if listener is None or balancer is None or balancer.vpc_id != link.vpc_id:
        raise Failed(f"no listener {listener_arn} in the VPC of the link {link_id}")
    nodes = [node for node in balancer.zones if is_live(view, balancer, node)]
    if not nodes:
        raise Failed(f"{balancer.name} has no node that answers")
    namespaces = tuple(workload_namespace(each) for each in interfaces)
    return Link(namespaces, tuple(each.private_ip for each in nodes)), listener.port


def _is_live(view: Snapshot, link: VpcLink, interface: str) -> bool:
    return view.get(InterfaceStatus, link.account, link.region, interface) is not None


def _delete(tx: Tx, account: str, region: str, interface_id: str) -> None:
    found = tx.get(NetworkInterface, account, region, interface_id)
    if found is not None:
        delete_interface(tx, found)


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"


def _every(snapshot: Snapshot) -> Iterable[str]:
    """With those whose link is gone."""
    ours: list[VpcLink | VpcLinkNetwork] = [*snapshot.every(VpcLink), *snapshot.every(VpcLinkNetwork)]
    return sorted({_work(each.key) for each in ours})
