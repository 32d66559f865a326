"""Load balancers of Spot Fleets: the members that run are targets of the target groups that the request names.

"Automatically register Spot Instances with load balancers" in the EC2 user guide. Whoever has its notice is taken out,
so that connections drain within it.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.fleets import records
from kunren.services.ec2.fleets.model import Fleet, Member, SpotFleet
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.store import Reader

_FAILED = "registerWithLoadBalancersFailed"


def groups_of(fleet: Fleet) -> list[str]:
    """The ARNs of its target groups."""
    config = ((fleet.asked or {}).get("LoadBalancersConfig") or {}).get("TargetGroupsConfig") or {}
    return [each["Arn"] for each in config.get("TargetGroups") or ()]


def changes(reader: Reader, fleet: Fleet) -> tuple[list[Member], list[Member]]:
    """Whom to register, and whom to take out. Pure on a snapshot."""
    new, gone = [], []
    for each in fleet.members.values():
        instance = reader.get(Instance, fleet.account, fleet.region, each.id)
        stays = instance is not None and instance.wanted == "running" and not each.noticed
        if each.registered and not stays:
            gone.append(each)
        elif instance is not None and stays and not each.registered and state(reader, instance) == "running":
            new.append(each)
    return new, gone


class Balancing:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call

    async def keep(self, fleet: Fleet) -> None:
        """Have the groups know the members that serve. What is refused is noted once a member, and left."""
        groups = groups_of(fleet)
        if not groups:
            return
        new, gone = changes(self._store.snapshot(), fleet)
        for operation, members in (("RegisterTargets", new), ("DeregisterTargets", gone)):
            if members:
                refused = await self._ask(fleet, operation, groups, members)
                with self._store.write() as tx:
                    self._note(tx, fleet, members, operation == "RegisterTargets", refused)

    async def _ask(self, fleet: Fleet, operation: str, groups: list[str], members: list[Member]) -> str:
        """Why one of the groups refused; "" where none did."""
        refused = ""
        for group in groups:
            params: dict[str, Any] = {"TargetGroupArn": group, "Targets": [{"Id": each.id} for each in members]}
            try:
                await self._call(fleet.account, fleet.region, "elbv2", operation, params)
            except AwsError as error:
                refused = f"{group}: {error.message}"
        return refused

    def _note(self, tx: Tx, fleet: Fleet, changed: list[Member], registered: bool, refused: str) -> None:
        found = tx.get(SpotFleet, fleet.account, fleet.region, fleet.id)
        if found is None:
            return
        members = dict(found.members)
        for each in changed:
            if each.id in members:
                members[each.id] = replace(members[each.id], registered=registered)
        tx.put(replace(found, members=members))
        if refused and registered:
            records.note(tx, self._entropy, found, records.INFORMATION, _FAILED, self._clock.now(), refused)
