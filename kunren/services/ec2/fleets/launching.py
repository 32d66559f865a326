"""What a fleet launches for the capacity that it lacks. The decision is `instances.allocation`'s; here the pools get
their prices and room, and the decision becomes instances, members and records in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as with_values
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.fleets import configs, records
from kunren.services.ec2.fleets.configs import Candidate
from kunren.services.ec2.fleets.errors import UnfulfillableCapacity
from kunren.services.ec2.fleets.model import Fleet, Member
from kunren.services.ec2.instances import allocation, spot
from kunren.services.ec2.instances.allocation import ROUNDING, Pool
from kunren.services.ec2.instances.errors import InsufficientInstanceCapacity, PriceTooLow
from kunren.services.ec2.instances.launcher import Resolved
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.store import Reader

Refused = tuple[Candidate, bool, AwsError]
"""A candidate, whether as a Spot Instance, and why not."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate with what other services say of its launch."""

    candidate: Candidate
    image: Resolved | AwsError


async def offers(ec2: Any, reader: Reader, ctx: RequestContext, found: Sequence[Candidate]) -> list[Offer]:
    answers: dict[str, Resolved | AwsError] = {}
    result = []
    for each in found:
        parts = [each.launch.get(name) for name in ("ImageId", "IamInstanceProfile", "BlockDeviceMappings")]
        key = repr(parts)
        if key not in answers:
            try:
                answers[key] = await ec2.launcher.resolve(reader, ctx, each.launch)
            except AwsError as error:
                answers[key] = error
        result.append(Offer(each, answers[key]))
    return result


class Launching:
    """Launches for one fleet, in one transaction, at AWS time `now`. `ec2` has EC2's operations; `fleet` is the fleet
    with what was launched."""

    def __init__(self, tx: Tx, ec2: Any, entropy: Entropy, ctx: RequestContext, fleet: Fleet, now: float) -> None:
        self._tx, self._ec2, self._entropy, self._ctx, self._now = tx, ec2, entropy, ctx, now
        self.fleet = fleet

    def fill(self, found: Sequence[Offer], missing: configs.Target) -> list[Refused]:
        """Launch what is missing, as far as there is any; gives what was refused."""
        refused: list[Refused] = []
        for is_spot, units in ((False, missing.on_demand), (True, missing.spot)):
            if units > 0:
                of_market = [each for each in found if is_spot in each.candidate.markets]
                refused += self._part(of_market, units, is_spot)
        return refused

    def _part(self, found: Sequence[Offer], units: float, is_spot: bool) -> list[Refused]:
        """A launch that is refused is tried with half as many, and what is missing then is chosen anew."""
        refused: dict[int, AwsError] = {}
        most: dict[int, float] = {}
        brought = 0.0
        while units - brought > ROUNDING:
            pools = [self._pool(each.candidate, is_spot) for each in found]
            for number, (offer, pool) in enumerate(zip(found, pools, strict=True)):
                if (error := _closed(offer, pool, is_spot)) is not None:
                    refused[number], most[number] = error, 0
                pools[number] = with_values(pool, room=min(pool.room, most.get(number, pool.room)))
            counts = self._counts(found, pools, units - brought, brought, is_spot)
            if not any(counts):
                break
            before, number = self.fleet, 0
            try:
                with self._tx.attempt():
                    for number, count in enumerate(counts):
                        if count:
                            self._launch(found[number], pools[number], count, is_spot)
            except AwsError as error:
                self.fleet, refused[number], most[number] = before, error, counts[number] // 2
            else:
                brought += allocation.units(pools, counts)
        if units - brought <= ROUNDING:
            return []
        full = [refused.get(number) or _full(each.candidate, is_spot) for number, each in enumerate(found)]
        return [(each.candidate, is_spot, error) for each, error in zip(found, full, strict=True)]

    def _counts(
        self, found: Sequence[Offer], pools: Sequence[Pool], units: float, brought: float, is_spot: bool
    ) -> list[int]:
        """How many of each for so many units, after what was brought."""
        told = configs.options(self.fleet.request, "SpotOptions" if is_spot else "OnDemandOptions")
        members = [each for each in self.fleet.members.values() if each.spot == is_spot]
        money = configs.price(told.get("MaxTotalPrice"))
        if money is not None:
            money -= sum(each.cost * each.units for each in members)
        held: list[float] = []
        groups: dict[str, list[int]] = {}
        for number, offer in enumerate(found):
            each = offer.candidate
            alike = (each.instance_type, each.zone)
            held.append(sum(one.units for one in members if (one.instance_type, one.zone) == alike))
            if told.get("SingleInstanceType") and any(one.instance_type != each.instance_type for one in members):
                continue
            if told.get("SingleAvailabilityZone") and any(one.zone != each.zone for one in members):
                continue
            key = each.instance_type if told.get("SingleInstanceType") else ""
            key += f"|{each.zone}" if told.get("SingleAvailabilityZone") else ""
            groups.setdefault(key, []).append(number)
        counts = allocation.alike(
            groups, told["AllocationStrategy"], pools, units, held,
            told.get("InstancePoolsToUseCount") or 1, money,
        )  # fmt: skip
        enough = brought + allocation.units(pools, counts) >= (told.get("MinTargetCapacity") or 0)
        return counts if enough else [0] * len(pools)

    def _pool(self, each: Candidate, is_spot: bool) -> Pool:
        kind = all_types()[each.instance_type]
        room = self._ec2.launcher.room(self._tx, kind, each.zone, configs.TARGET_MAX)
        cost = kind.price
        if is_spot:
            market = spot.market(self._tx, self._ctx.region, each.zone, each.instance_type)
            cost = spot.price_now(market)
            room = min(room, spot.room(self._tx, market))
        return Pool(cost / each.weight, room, each.priority, each.weight, f"{each.instance_type}|{each.zone}")

    def _launch(self, offer: Offer, pool: Pool, count: int, is_spot: bool) -> None:
        """Raises what RunInstances would."""
        each = offer.candidate
        assert isinstance(offer.image, Resolved)
        params = {**each.launch, "MinCount": count, "MaxCount": count}
        made: list[Instance]
        if is_spot:
            told = configs.options(self.fleet.request, "SpotOptions")
            behavior = told.get("InstanceInterruptionBehavior")
            wanted: dict[str, Any] = {"InstanceInterruptionBehavior": behavior, "OfFleet": True}
            if each.max_price is not None:
                wanted["MaxPrice"] = f"{each.max_price * each.weight:.6f}"
            params["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": wanted}
            made = self._ec2.launch_spot(self._tx, self._ctx, params, offer.image, {})
        else:
            made = self._ec2.launcher.launch(self._tx, self._ctx, params, offer.image, self._now)
        members = dict(self.fleet.members)
        for instance in made:
            members[instance.id] = Member(
                id=instance.id, instance_type=instance.instance_type, zone=instance.availability_zone,
                subnet=instance.subnet_id, units=each.weight, cost=pool.cost, spot=is_spot, launched_at=self._now,
                template=each.template, override=each.override, request_state="active" if is_spot else "",
            )  # fmt: skip
            self._note(instance)
        on_demand, spots = self.fleet.placed
        units = each.weight * count
        placed = (on_demand, spots + units) if is_spot else (on_demand + units, spots)
        self.fleet = replace(self.fleet, members=members, placed=placed)

    def _note(self, instance: Instance) -> None:
        where = (self._tx, self._entropy, self.fleet)
        if (request := instance.spot_request_id) is not None:
            for state, before in (("submitted", ""), ("active", "submitted")):
                text = records.of_request(request, before)
                records.note(*where, records.REQUEST, state, self._now, text, request_id=request)
        records.note(*where, records.INSTANCE, "launched", self._now, records.launched(instance), instance.id)


def _closed(offer: Offer, pool: Pool, is_spot: bool) -> AwsError | None:
    """Why nothing comes from the pool, whatever room it has."""
    if isinstance(offer.image, AwsError):
        return offer.image
    each = offer.candidate
    if is_spot:
        most = all_types()[each.instance_type].price / each.weight if each.max_price is None else each.max_price
        if pool.cost > most:
            return PriceTooLow(most * each.weight, pool.cost * each.weight)
    return None


def _full(each: Candidate, is_spot: bool) -> AwsError:
    return UnfulfillableCapacity() if is_spot else InsufficientInstanceCapacity(each.instance_type, each.zone, ())
