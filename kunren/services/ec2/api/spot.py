"""Spot requests and prices. What becomes of a request is `instances.spot_controller`'s."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, digest, operation, paged, resource_id
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.launcher import Launcher, Resolved
from kunren.services.ec2.instances.model import Instance, SpotMarket, SpotRequest
from kunren.services.ec2.instances.spot import coded
from kunren.services.ec2.instances.spot_controller import launch_spot
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.zones import zones_of

_BEHAVIORS = ("terminate", "stop", "hibernate")
_PRODUCT = "Linux/UNIX"


def request_to_wire(request: SpotRequest) -> dict[str, Any]:
    launch = request.launch
    wanted = ("ImageId", "InstanceType", "KeyName", "SubnetId", "UserData", "EbsOptimized", "IamInstanceProfile")
    return {
        "SpotInstanceRequestId": request.id,
        "State": request.state,
        "Status": {"Code": request.code, "Message": request.message, "UpdateTime": request.updated_at},
        "Type": "persistent" if request.persistent else "one-time",
        "SpotPrice": f"{request.price:.6f}",
        "CreateTime": request.created_at,
        "ValidUntil": request.valid_until,
        "InstanceId": request.instance_id,
        "LaunchedAvailabilityZone": request.zone,
        "InstanceInterruptionBehavior": request.behavior,
        "ProductDescription": _PRODUCT,
        "LaunchSpecification": {
            **{name: launch[name] for name in wanted if launch.get(name) is not None},
            "SecurityGroups": [{"GroupId": each} for each in launch.get("SecurityGroupIds") or ()],
        },
        "Tags": tags_to_wire(request.tags),
    }


_FILTERS: dict[str, filters.Getter[SpotRequest]] = {
    "instance-id": lambda each: each.instance_id,
    "launch.image-id": lambda each: each.launch.get("ImageId"),
    "launch.instance-type": lambda each: each.instance_type,
    "launched-availability-zone": lambda each: each.zone,
    "product-description": lambda each: _PRODUCT,
    "spot-instance-request-id": lambda each: each.id,
    "spot-price": lambda each: f"{each.price:.6f}",
    "state": lambda each: each.state,
    "status-code": lambda each: each.code,
    "type": lambda each: "persistent" if each.persistent else "one-time",
}


class SpotOperations(Ec2Base):
    launcher: Launcher

    @operation
    def request_spot_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """RequestSpotInstances: `open` until the instance is launched."""
        for member in ("LaunchGroup", "AvailabilityZoneGroup", "BlockDurationMinutes", "ValidFrom"):
            if params.get(member):
                raise errors.NotYet(f"{member} of Spot requests")
        launch = _launch(params.get("LaunchSpecification") or {})
        options = {
            "MaxPrice": params.get("SpotPrice"),
            "SpotInstanceType": params.get("Type") or "one-time",
            "InstanceInterruptionBehavior": params.get("InstanceInterruptionBehavior"),
            "ValidUntil": params.get("ValidUntil"),
        }
        tags = tagging.at_creation(params, "spot-instances-request")
        count = params["InstanceCount"] if params.get("InstanceCount") is not None else 1
        if count < 1:
            raise errors.InvalidParameterValue(f"Value ({count}) for parameter instanceCount is invalid.")
        token = {"client_token": params.get("ClientToken"), "client_request": digest(params)}
        with self.store.write() as tx:
            if params.get("ClientToken") and (made := self.replay(tx, ctx, params, SpotRequest)) is not None:
                return {"SpotInstanceRequests": [request_to_wire(self.get(tx, ctx, ids.SPOT_REQUEST, made))]}
            held = [self.new_request(tx, ctx, launch, options, tags) for _ in range(count)]
            if params.get("ClientToken"):
                held = [replace(each, **token) for each in held]
                for each in held:
                    tx.put(each)
                    store.remember_token(tx, each)
            return {"SpotInstanceRequests": [request_to_wire(each) for each in held]}

    def new_request(
        self, tx: Tx, ctx: RequestContext, launch: dict[str, Any], options: Params, tags: dict[str, str]
    ) -> SpotRequest:
        """A request, `open`. Raises InvalidParameterValue, InvalidParameterCombination, NotYet."""
        name = launch.get("InstanceType") or "m1.small"
        if name not in all_types():
            raise errors.InvalidParameterValue(f"Invalid value '{name}' for InstanceType.")
        kind = options.get("SpotInstanceType") or "one-time"
        behavior = options.get("InstanceInterruptionBehavior") or "terminate"
        if behavior == "hibernate":
            launch = {**launch, "HibernationOptions": {"Configured": True}}
        if behavior not in _BEHAVIORS:
            raise errors.InvalidParameterValue(
                f"Value ({behavior}) for parameter instanceInterruptionBehavior is invalid."
            )
        if behavior != "terminate" and kind != "persistent" and not options.get("OfFleet"):
            raise errors.InvalidParameterCombination(
                f"The interruption behavior '{behavior}' is only supported for persistent Spot requests"
            )
        now = self.clock.now()
        until = options.get("ValidUntil")
        if until is not None and kind == "one-time" and options.get("AtRunInstances"):
            raise errors.InvalidParameterCombination("ValidUntil is only supported for persistent Spot requests")
        request = SpotRequest(
            account=ctx.account, region=ctx.region, id=f"sir-{self.entropy.lower(8)}", launch=launch,
            instance_type=name, persistent=kind == "persistent", behavior=behavior,
            price=_max_price(options.get("MaxPrice"), name), created_at=now, updated_at=now, tags=tags,
            valid_until=until.timestamp() if isinstance(until, datetime) else until,
        )  # fmt: skip
        tx.put(request)
        return request

    def launch_spot(
        self, tx: Tx, ctx: RequestContext, params: Params, resolved: Resolved, token: dict[str, Any]
    ) -> list[Instance]:
        """RunInstances' Spot Instances, each with a request of its own. Raises SpotMaxPriceTooLow,
        InsufficientInstanceCapacity."""
        if params["MinCount"] != params["MaxCount"]:
            raise errors.InvalidParameterCombination("Spot Instances are launched with the same MinCount and MaxCount")
        options = {**((params.get("InstanceMarketOptions") or {}).get("SpotOptions") or {}), "AtRunInstances": True}
        if options.get("BlockDurationMinutes"):
            raise errors.NotYet("BlockDurationMinutes of Spot requests")
        tags = next(
            (tagging.checked(each.get("Tags") or ()) for each in params.get("TagSpecifications") or ()
             if each.get("ResourceType") == "spot-instances-request"), {},
        )  # fmt: skip
        launch = {name: value for name, value in params.items() if name not in _NOT_OF_LAUNCH}
        made: list[Instance] = []
        now = self.clock.now()
        for index in range(params["MaxCount"]):
            request = self.new_request(tx, ctx, launch, options, tags)
            instance = launch_spot(tx, self.launcher, ctx, request, resolved, now, **token)
            if made:
                instance = replace(instance, reservation_id=made[0].reservation_id, launch_index=index)
                tx.put(instance)
            zone = instance.availability_zone
            tx.put(coded(request, now, "fulfilled", state="active", instance_id=instance.id, zone=zone))
            made.append(instance)
        return made

    @operation
    def describe_spot_instance_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = chosen(self.store.snapshot(), ctx, ids.SPOT_REQUEST, params, "SpotInstanceRequestIds", _FILTERS)
        page, token = paged(held, params, resource_id, "SpotInstanceRequestIds")
        return {"SpotInstanceRequests": [request_to_wire(each) for each in page], "NextToken": token}

    @operation
    def cancel_spot_instance_requests(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        now, shown = self.clock.now(), []
        with self.store.write() as tx:
            for id in params["SpotInstanceRequestIds"]:
                request = self.get(tx, ctx, ids.SPOT_REQUEST, id)
                if request.state in ("open", "active", "disabled"):
                    running = request.instance_id is not None
                    code = "request-canceled-and-instance-running" if running else "canceled-before-fulfillment"
                    request = coded(request, now, code, state="cancelled")
                    tx.put(request)
                shown.append({"SpotInstanceRequestId": id, "State": request.state})
        return {"CancelledSpotInstanceRequests": shown}

    @operation
    def describe_spot_price_history(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DescribeSpotPriceHistory: of every zone and type the price that holds, and those before it that were set."""
        types = params.get("InstanceTypes") or list(all_types())
        products = params.get("ProductDescriptions") or [_PRODUCT]
        zones = [each.name for each in zones_of(self.ensure_region(ctx))]
        if zone := params.get("AvailabilityZone"):
            zones = [each for each in zones if each == zone]
        first = _seconds(params.get("StartTime"), 0.0)
        last = _seconds(params.get("EndTime"), self.clock.now())
        snapshot = self.store.snapshot()
        found: list[dict[str, Any]] = []
        for kind in types if {_PRODUCT, "Linux/UNIX (Amazon VPC)"} & set(products) else ():
            if kind not in all_types():
                continue
            for each in zones:
                for price, since in _prices(spot.market(snapshot, ctx.region, each, kind), first, last):
                    found.append(
                        {
                            "AvailabilityZone": each,
                            "InstanceType": kind,
                            "ProductDescription": _PRODUCT,
                            "SpotPrice": f"{price:.6f}",
                            "Timestamp": since,
                        }
                    )
        table: dict[str, filters.Getter[dict[str, Any]]] = {
            "availability-zone": lambda each: each["AvailabilityZone"],
            "instance-type": lambda each: each["InstanceType"],
            "product-description": lambda each: each["ProductDescription"],
            "spot-price": lambda each: each["SpotPrice"],
            "timestamp": lambda each: None,
        }
        found = filters.select(found, params.get("Filters"), table)
        page, token = paged(found, params, _price_key, least=1)
        return {"SpotPriceHistory": page, "NextToken": token or ""}


_NOT_OF_LAUNCH = ("ClientToken", "DryRun", "InstanceMarketOptions", "MinCount", "MaxCount", "LaunchTemplate")


def _launch(spec: Params) -> dict[str, Any]:
    """A RequestSpotLaunchSpecification as RunInstances would be asked."""
    for member in ("AddressingType", "KernelId", "RamdiskId"):
        if spec.get(member):
            raise errors.NotYet(f"{member} of Spot requests")
    placement = {key: value for key, value in (spec.get("Placement") or {}).items() if value}
    return {**{name: value for name, value in spec.items() if value is not None}, "Placement": placement}


def _max_price(text: str | None, instance_type: str) -> float:
    """The most that is paid: the on-demand price where nothing is said."""
    if not text:
        return all_types()[instance_type].price
    try:
        price = float(text)
    except ValueError:
        price = 0.0
    if not 0.001 <= price < 1000:
        raise errors.InvalidParameterValue(f"Invalid spot instance price: {text}")
    return price


def _prices(found: SpotMarket, first: float, last: float) -> list[tuple[float, float]]:
    """(price, since), the newest first: those of the time asked for, and the one that held at its begin."""
    usual = spot.usual_price(found.id.partition("|")[2])
    every = [(usual, 0.0), *((each.price, each.since) for each in found.prices)]
    before = [each for each in every if each[1] <= first][-1:]
    inside = [each for each in every if first < each[1] <= last]
    return [(price, max(since, first)) for price, since in reversed([*before, *inside])]


def _price_key(shown: dict[str, Any]) -> str:
    return f"{shown['InstanceType']}|{shown['AvailabilityZone']}|{1e11 - shown['Timestamp']:020.6f}"


def _seconds(given: Any, otherwise: float) -> float:
    return given.timestamp() if isinstance(given, datetime) else otherwise if given is None else float(given)
