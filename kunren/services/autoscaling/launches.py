"""How a group launches: a launch is noted before EC2 is asked for it, and has its activity as client token, so that a
crash between the two launches once.

With a mixed instances policy types are tried in the order that its allocation strategy says, until EC2 has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store
from kunren.core.clock import Clock, iso_utc
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling import activities, choices, mixed
from kunren.services.autoscaling.model import Activity, Configuration, Group, Member
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.model import Instance, LaunchTemplate
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.model import Subnet

RETRY_S = 60.0
_OF_THE_ZONE = (
    "InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "SpotMaxPriceTooLow", "Unsupported",
)  # fmt: skip
"""What EC2 refuses where another zone may have it."""


class Launches:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, ec2: Any) -> None:
        """`ec2` has EC2's operations."""
        self._store, self._clock, self._entropy, self._ec2 = store, clock, entropy, ec2

    def noted(self, group: Group) -> list[Activity]:
        """The launches that are noted and not answered: EC2 may have been asked for them before a crash."""
        listed = self._store.snapshot().list(Activity, group.account, group.region)
        return [each for each in listed if each.group == group.id and each.launches and each.status == "PreInService"]

    def note(self, group: Group, missing: int, wanted: int, *, pool: bool = False) -> None:
        """Note launches for so much capacity, in the group's zones, or in its warm pool."""
        snapshot, now = self._store.snapshot(), self._clock.now()
        placed = [snapshot.get(Subnet, group.account, group.region, id) for id in group.subnets]
        subnets = {each.id: each.availability_zone for each in placed if each is not None}
        if not subnets:
            return
        subnets = choices.open_subnets(subnets, self._refusing(snapshot, group, now))
        held = [each for each in group.members.values() if each.state.startswith("Warmed:") == pool]
        held = [each for each in held if not choices.is_going(each) and each.state != "Standby"]
        chosen: list[str] = []
        on_demand = sum(each.units for each in held if not each.spot)
        before = choices.units(held)
        with self._store.write() as tx:
            while missing > 0:
                chosen.append(choices.next_subnet(subnets, held, chosen))
                market = mixed.next_market(group.mixed, wanted, on_demand)
                first = self._overrides(snapshot, group, group.mixed, market, subnets[chosen[-1]])[0]
                activity = Activity(
                    account=group.account, region=group.region, id=self._entropy.uuid(), group=group.id, launches=True,
                    description="Launching a new EC2 instance", cause=_cause(group, before, wanted, now, pool),
                    started=now, subnet=chosen[-1], zone=subnets[chosen[-1]], status="PreInService", market=market,
                    weight=mixed.weight(first) or 1, destination="WarmPool" if pool else "AutoScalingGroup",
                )  # fmt: skip
                tx.put(activity)
                missing -= activity.weight
                on_demand += activity.weight if market == mixed.ON_DEMAND else 0
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None and not pool:
                tx.put(replace(found, cause=""))

    async def launch(self, group: Group, activity: Activity, chosen: Configuration) -> None:
        """Ask EC2 for the instance of a noted launch, unless it was asked for before a crash: then that is the one,
        whatever the group launches by now."""
        snapshot, now, refused = self._store.snapshot(), self._clock.now(), None
        overrides = self._overrides(snapshot, group, chosen.mixed, activity.market, activity.zone)
        if (made := _made(snapshot, activity)) is not None:
            override = next((each for each in overrides if each.get("InstanceType") == made.instance_type), {})
            self._launched(group, activity, made, chosen, override)
            return
        for number, override in enumerate(overrides):
            token = activity.id if number == 0 else f"{activity.id}-{number}"
            params = self._params(group, chosen, override, activity, token)
            try:
                context = RequestContext(group.account, group.region, "ec2", "autoscaling", "autoscaling")
                answer = await self._ec2.run_instances(context, params)
            except AwsError as error:
                refused = refused or error
                continue
            id = answer["Instances"][0]["InstanceId"]
            launched = self._store.snapshot().get(Instance, group.account, group.region, id)
            assert launched is not None
            self._launched(group, activity, launched, chosen, override)
            return
        assert refused is not None
        message = f"{refused.message} Launching EC2 instance failed."
        refusing = self._refusing(snapshot, group, now) | {activity.zone}
        elsewhere = not group.balanced_only and refused.code in _OF_THE_ZONE and not set(group.zones) <= refusing
        with self._store.write() as tx:
            activities.ended(tx, self._entropy, group, activity.id, "Failed", now, message)
            if (found := tx.get(Group, group.account, group.region, group.id)) is not None:
                tx.put(replace(found, retry_at=None if elsewhere else now + RETRY_S))

    def _refusing(self, snapshot: Snapshot, group: Group, now: float) -> set[str]:
        """The zones that are passed over, for they refused a launch within the last minute."""
        if group.balanced_only:
            return set()
        failed = [each for each in snapshot.list(Activity, group.account, group.region) if each.status == "Failed"]
        return {each.zone for each in failed if each.group == group.id and (each.ended or 0) > now - RETRY_S}

    def _overrides(
        self, snapshot: Snapshot, group: Group, policy: dict[str, Any] | None, market: str, zone: str
    ) -> list[dict[str, Any]]:
        def spot_market(name: str) -> tuple[float, float]:
            found = spot.market(snapshot, group.region, zone, name)
            return spot.price_now(found), spot.room(snapshot, found)

        held = [each for each in group.members.values() if each.spot and each.zone == zone]
        return mixed.in_order(policy, market, spot_market, lambda name: all_types()[name].price, held)

    def _params(
        self, group: Group, chosen: Configuration, override: dict[str, Any], activity: Activity, token: str
    ) -> dict[str, Any]:
        """RunInstances'."""
        named = {"LaunchTemplateId": chosen.template, "Version": chosen.version}
        if own := override.get("LaunchTemplateSpecification"):
            named = {key: own[key] for key in ("LaunchTemplateId", "LaunchTemplateName", "Version") if own.get(key)}
        params: dict[str, Any] = {
            "LaunchTemplate": named, "MinCount": 1, "MaxCount": 1, "SubnetId": activity.subnet, "ClientToken": token,
            "OwnTags": {key: group.tags[key] for key in group.propagated} | {"aws:autoscaling:groupName": group.id},
        }  # fmt: skip
        if override.get("InstanceType"):
            params["InstanceType"] = override["InstanceType"]
        if group.placement_group:
            params["Placement"] = {"GroupName": group.placement_group}
        if override.get("ImageId"):
            params["ImageId"] = override["ImageId"]
        if activity.market == mixed.SPOT and chosen.mixed is not None:
            told = {"SpotInstanceType": "one-time"}
            if price := chosen.mixed["InstancesDistribution"].get("SpotMaxPrice"):
                told["MaxPrice"] = price
            params["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": told}
        return params

    def _launched(
        self, group: Group, activity: Activity, launched: Instance, chosen: Configuration, override: dict[str, Any]
    ) -> None:  # fmt: skip
        now = self._clock.now()
        tags = launched.tags
        template = tags.get("aws:ec2launchtemplate:id", chosen.template)
        named = self._store.snapshot().get(LaunchTemplate, group.account, group.region, template)
        pool = activity.destination == "WarmPool"
        member = Member(
            id=launched.id, zone=launched.availability_zone, since=now, launched=now,
            state="Warmed:Pending" if pool else "Pending", instance_type=launched.instance_type,
            version=tags.get("aws:ec2launchtemplate:version", ""), template=template,
            template_name=named.name if named is not None else chosen.template_name, activity=activity.id,
            protected=group.protects_new, weight=mixed.weight(override),
            spot=launched.spot_request_id is not None,
        )  # fmt: skip
        with self._store.write() as tx:
            found = tx.get(Group, group.account, group.region, group.id)
            if found is not None:
                tx.put(replace(found, members={**found.members, member.id: member}, retry_at=None))
            noted = tx.get(Activity, group.account, group.region, activity.id)
            if noted is not None:
                text = f"Launching a new EC2 instance: {member.id}"
                if pool:
                    text = f"Launching a new EC2 instance into warm pool: {member.id}"
                tx.put(replace(noted, status="InProgress", description=text, progress=30, instance_id=member.id))


def _made(snapshot: Snapshot, activity: Activity) -> Instance | None:
    """The instance that was launched for it before a crash."""
    for each in snapshot.list(Instance, activity.account, activity.region):
        if each.client_token is not None and each.client_token.startswith(activity.id):
            return each
    return None


def _cause(group: Group, before: int, wanted: int, now: float, pool: bool) -> str:
    at = f"{iso_utc(now)[:19]}Z"
    if pool:
        return f"At {at} an instance was launched into the warm pool to keep {wanted} instances prepared."
    text = (
        f"At {at} an instance was started in response to a difference between desired and actual capacity, increasing "
        f"the capacity from {before} to {wanted}."
    )
    return f"{group.cause}  {text}" if group.cause else text


def shrinking(group: Group, before: int, members: Sequence[Member], now: float) -> str:
    """Why those members leave a group that has become smaller."""
    at = f"{iso_utc(now)[:19]}Z"
    text = (
        f"At {at} an instance was taken out of service in response to a difference between desired and actual "
        f"capacity, shrinking the capacity from {before} to {group.desired}."
    )
    chosen = [f"At {at} instance {each.id} was selected for termination." for each in members]
    return "  ".join([*([group.cause] if group.cause else []), text, *chosen])[:1023]
