"""How much of its capacity a fleet has, what it lacks, and whom it ends where it has too much. Pure on a snapshot.

"Modify an EC2 Fleet" in the EC2 user guide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kunren.control.store import Tx
from kunren.services.ec2.fleets import configs
from kunren.services.ec2.fleets.configs import Target
from kunren.services.ec2.fleets.model import Fleet, Member
from kunren.services.ec2.instances import spot, states
from kunren.services.ec2.instances.allocation import ROUNDING
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.store import Reader


def counting(reader: Reader, fleet: Fleet) -> list[Member]:
    """The members that count for the capacity: those that run and need no replacement."""
    found = []
    for each in fleet.members.values():
        instance = reader.get(Instance, fleet.account, fleet.region, each.id)
        if instance is not None and instance.wanted == "running" and each.risky_at is None:
            found.append(each)
    return found


def fulfilled(reader: Reader, fleet: Fleet) -> Target:
    """The capacity that there is."""
    held = counting(reader, fleet)
    units = [sum(each.units for each in held if each.spot == is_spot) for is_spot in (False, True)]
    return Target(*units)


def missing_of(reader: Reader, fleet: Fleet) -> Target:
    """What is to be launched: one of type `request` replaces nobody."""
    wanted = configs.target(fleet.request["TargetCapacitySpecification"])
    have = fulfilled(reader, fleet) if fleet.type == "maintain" else Target(*fleet.placed)
    return Target(max(0.0, wanted.on_demand - have.on_demand), max(0.0, wanted.spot - have.spot))


def lacks(reader: Reader, fleet: Fleet) -> bool:
    missing = missing_of(reader, fleet)
    return max(missing.on_demand, missing.spot) > ROUNDING


def rebalance(fleet: Fleet) -> dict[str, Any]:
    """The CapacityRebalance of its Spot Instances."""
    told = configs.options(fleet.request, "SpotOptions").get("MaintenanceStrategies") or {}
    return dict(told.get("CapacityRebalance") or {})


def ending(reader: Reader, fleet: Fleet, now: float) -> list[Member]:
    """Whom to end: what is too much, and those that were replaced for a recommendation, after its delay."""
    found: list[Member] = []
    told = rebalance(fleet)
    if told.get("ReplacementStrategy") == "launch-before-terminate" and not lacks(reader, fleet):
        delay = told["TerminationDelay"]
        found += [each for each in fleet.members.values() if each.risky_at is not None and now >= each.risky_at + delay]
    if fleet.type != "maintain" or fleet.request.get("ExcessCapacityTerminationPolicy") != "termination":
        return found
    wanted, held = configs.target(fleet.request["TargetCapacitySpecification"]), counting(reader, fleet)

    def room(each: Member) -> float:
        return spot.room(reader, spot.market(reader, fleet.region, each.zone, each.instance_type))

    for is_spot, units in ((False, wanted.on_demand), (True, wanted.spot)):
        strategy = configs.options(fleet.request, "SpotOptions")["AllocationStrategy"] if is_spot else "lowest-price"
        found += surplus([each for each in held if each.spot == is_spot], units, strategy, room)
    return found


def surplus(
    held: Sequence[Member], wanted: float, strategy: str = "lowest-price", room: Callable[[Member], float] = lambda _: 0
) -> list[Member]:
    """Whom to end of those that there are: of the fullest pool with diversified, of that with the least room with one
    that is about capacity, else the dearest; the youngest first. Nobody goes who counts more than what is too much."""
    left, found, stay = sum(each.units for each in held) - wanted, [], list(held)
    while fitting := [each for each in stay if each.units <= left + ROUNDING]:
        pools: dict[tuple[str, str], float] = {}
        for each in stay:
            pool = (each.instance_type, each.zone)
            pools[pool] = pools.get(pool, 0.0) + each.units

        def rank(each: Member, pools: dict[tuple[str, str], float] = pools) -> tuple[float, float, float, str]:
            first = pools[each.instance_type, each.zone] if strategy == "diversified" else 0.0
            if strategy.startswith("capacity-optimized"):
                first = -room(each)
            return (first, each.cost, each.launched_at, each.id)

        chosen = max(fitting, key=rank)
        found.append(chosen)
        stay.remove(chosen)
        left -= chosen.units
    return found


def end_instance(tx: Tx, instance: Instance, now: float) -> None:
    """Terminate it, unless it is protected."""
    if instance.wanted != "terminated" and not instance.disable_termination:
        tx.put(states.terminated(instance, now))
