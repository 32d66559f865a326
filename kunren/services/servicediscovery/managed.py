"""Services of Cloud Map that another service of AWS keeps for its own use, as ECS does for Service Connect.

Whose they are stands in their CreatorRequestId, an ARN; they are found by API calls only, whatever their namespace.
"""

from __future__ import annotations

from collections.abc import Container

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.servicediscovery.errors import ServiceAlreadyExists
from kunren.services.servicediscovery.model import HTTP, Namespace, Service, View, instances_of, services_of, under_way

TAGS = {"AmazonECSManaged": "true"}


def namespace_named(view: View, account: str, region: str, named: str) -> Namespace | None:
    """By its name or ARN. Of several of one name the one that is found by API calls."""
    found = [each for each in view.list(Namespace, account, region) if not each.ending]
    if named.startswith("arn:"):
        return next((each for each in found if each.arn == named), None)
    called = [each for each in found if each.name == named.rstrip(".")]
    return min(called, key=lambda each: each.type != HTTP, default=None)


def keep_service(tx: Tx, entropy: Entropy, now: float, namespace: Namespace, name: str, owner: str) -> Service:
    """The owner's service of that name, made if need be. Raises ServiceAlreadyExists where it is another's."""
    for each in services_of(tx, namespace):
        if each.name == name:
            if each.request != owner:
                raise ServiceAlreadyExists("Service already exists.", ServiceId=each.id, CreatorRequestId="")
            return each
    made = Service(
        account=namespace.account, region=namespace.region, id=f"srv-{entropy.lower(16)}", name=name,
        namespace=namespace.id, by_http_only=True, request=owner, created_at=now, tags=TAGS,
    )  # fmt: skip
    tx.put(made)
    return made


def drop_services(tx: Tx, account: str, region: str, owner: str, kept: Container[str]) -> bool:
    """Delete the owner's services but those `kept` (ids); whether some could not be yet, since they have instances."""
    waits = False
    for each in tx.list(Service, account, region):
        if each.request != owner or each.id in kept:
            continue
        busy = any(one.targets.get("SERVICE") == each.id for one in under_way(tx, account, region, each.namespace))
        if busy or instances_of(tx, each):
            waits = True
        else:
            tx.delete(each)
    return waits
