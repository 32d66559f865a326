"""VPC links to Network Load Balancers: interfaces on the balancer's subnets, from which integrations ask it.

"Set up a private integration for REST APIs". On AWS such a link is PrivateLink; here its interfaces are in the
balancer's own VPC, with its default security group. A link is AVAILABLE while they and a node are in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.apis.upstream import Link
from kunren.services.apigateway.model import VpcLink, VpcLinkNetwork
from kunren.services.ec2.interfaces import create_interface, delete_interface
from kunren.services.ec2.model import InterfaceStatus, NetworkInterface
from kunren.services.elbv2.dataplane.balancer import is_live
from kunren.services.elbv2.model import LoadBalancer
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

REQUESTER = "amazon-apigateway"
_KINDS = (VpcLink.kind, LoadBalancer.kind)


class VpcLinkController:
    """`controller` makes and deletes the interfaces."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self.controller = Controller(
            "apigateway-vpc-links", store, clock, keys=_concerned, every=_every, reconcile=self._reconcile,
            wants=lambda kind: kind in _KINDS,
        )  # fmt: skip

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        link = snapshot.get(VpcLink, account, region, id)
        balancer = balancer_of(snapshot, link) if link is not None else None
        wanted = [zone.subnet_id for zone in balancer.zones] if balancer is not None else []
        try:
            with self._store.write() as tx:
                self._apply(tx, VpcLinkNetwork(account=account, region=region, id=id), wanted, link is not None)
        except AwsError as error:
            with self._store.write() as tx:
                tx.put(VpcLinkNetwork(account=account, region=region, id=id, failure=error.message))

    def _apply(self, tx: Tx, empty: VpcLinkNetwork, wanted: list[str], kept: bool) -> None:
        before = tx.get(VpcLinkNetwork, empty.account, empty.region, empty.id) or empty
        if kept and list(before.interfaces) == wanted and not before.failure:
            return
        for subnet, interface in before.interfaces.items():
            found = tx.get(NetworkInterface, empty.account, empty.region, interface)
            if subnet not in wanted and found is not None:
                delete_interface(tx, found)
        if not kept:
            tx.delete(before)
            return
        made = {each: before.interfaces.get(each) or self._interface(tx, empty, each) for each in wanted}
        tx.put(VpcLinkNetwork(account=empty.account, region=empty.region, id=empty.id, interfaces=made))

    def _interface(self, tx: Tx, link: VpcLinkNetwork, subnet_id: str) -> str:
        made = create_interface(
            tx, self._entropy, self._spec, account=link.account, region=link.region, subnet_id=subnet_id, groups=(),
            description=f"API Gateway VPC link {link.id}", attachment="function", public=False,
            requester_managed=True, requester_id=REQUESTER, attach_time=self._clock.now(),
        )  # fmt: skip
        return made.id


def balancer_of(view: Snapshot | Tx, link: VpcLink) -> LoadBalancer | None:
    """The Network Load Balancer that a link leads to."""
    found = view.get(LoadBalancer, link.account, link.region, link.shape["targetArns"][0])
    return found if found is not None and found.type == "network" else None


def status_of(view: Snapshot, link: VpcLink) -> tuple[str, str]:
    """A link's status and its message, as the kernel has interfaces and nodes."""
    network = view.get(VpcLinkNetwork, link.account, link.region, link.id)
    balancer = balancer_of(view, link)
    if network is not None and network.failure:
        return "FAILED", network.failure
    if balancer is None:
        return "FAILED", "The Network Load Balancer that the VPC link leads to does not exist"
    if (
        network is None
        or not network.interfaces
        or not all(_is_there(view, link, e) for e in network.interfaces.values())
    ):
        return "PENDING", "Your vpc link is being provisioned"
    if not any(is_live(view, balancer, node) for node in balancer.zones):
        return "PENDING", "Your vpc link is being provisioned"
    return "AVAILABLE", "Your vpc link is ready for use"


def way_into(view: Snapshot, account: str, region: str, id: str) -> Link | None:
    """By which interfaces, and to which address, a link's balancer is asked; None while it can't be."""
    link = view.get(VpcLink, account, region, id)
    network = view.get(VpcLinkNetwork, account, region, id)
    balancer = balancer_of(view, link) if link is not None else None
    if link is None or network is None or balancer is None:
        return None
    interfaces = [each for each in network.interfaces.values() if _is_there(view, link, each)]
    nodes = [node for node in balancer.zones if is_live(view, balancer, node)]
    if not interfaces or not nodes:
        return None
    return Link(tuple(workload_namespace(each) for each in interfaces), tuple(node.private_ip for node in nodes))


def _is_there(view: Snapshot, link: VpcLink, interface: str) -> bool:
    return view.get(InterfaceStatus, link.account, link.region, interface) is not None


def _concerned(snapshot: Snapshot, key: Key) -> Iterable[str]:
    if key.kind == VpcLink.kind:
        return [_work(key)]
    rows = snapshot.list(VpcLink, key.account, key.region)
    return [_work(each.key) for each in rows if key.id in each.shape["targetArns"]]


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"


def _every(snapshot: Snapshot) -> Iterable[str]:
    """With those whose link is gone."""
    rows: list[VpcLink | VpcLinkNetwork] = [*snapshot.every(VpcLink), *snapshot.every(VpcLinkNetwork)]
    return sorted({_work(each.key) for each in rows})
