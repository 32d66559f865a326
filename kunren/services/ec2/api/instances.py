"""RunInstances, the descriptions of instances, and what starts, stops, reboots and terminates them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids, store
from kunren.services.ec2.api.base import Params, chosen, digest, operation, paged, resource_id, token_of
from kunren.services.ec2.api.network_interfaces import is_live
from kunren.services.ec2.api.spot import SpotOperations
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import placement, spot, states, templates
from kunren.services.ec2.instances.hibernation import can_hibernate
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state, state_to_wire
from kunren.services.ec2.instances.types import InstanceType, all_types
from kunren.services.ec2.instances.wire import filters_for, instance_to_wire, interface_of
from kunren.services.ec2.model import Subnet
from kunren.services.ec2.zones import zones_of

Change = Callable[[Instance, str, float], Instance]


def reservation(reader: store.Reader, instances: list[Instance]) -> dict[str, Any]:
    """One reservation with these of its instances."""
    return {
        "ReservationId": instances[0].reservation_id,
        "OwnerId": instances[0].account,
        "Groups": [],
        "Instances": [instance_to_wire(reader, each) for each in instances],
    }


class InstanceOperations(SpotOperations):
    console: Callable[[Instance], bytes]

    async def run_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """RunInstances. The instances are `pending` until their process 1 runs."""
        self.ensure_region(ctx)
        asked = params
        if params.get("ClientToken"):
            with self.store.write() as tx:
                if (made := self.replay(tx, ctx, asked, Instance)) is not None:
                    return self._reservation_of(tx, ctx, made)
        params = templates.merged(self.store.snapshot(), ctx, params)
        market = (params.get("InstanceMarketOptions") or {}).get("MarketType")
        if market not in (None, "spot"):
            raise errors.NotYet(f"the market type {market}")
        resolved = await self.launcher.resolve(self.store.snapshot(), ctx, params)
        with self.store.write() as tx:
            if params.get("ClientToken") and (made := self.replay(tx, ctx, asked, Instance)) is not None:
                return self._reservation_of(tx, ctx, made)
            token = (
                {"client_token": params.get("ClientToken"), "client_request": digest(asked)} if token_of(asked) else {}
            )
            if market == "spot":
                launched = self.launch_spot(tx, ctx, params, resolved, token)
            else:
                launched = self.launcher.launch(tx, ctx, params, resolved, self.clock.now(), **token)
            for each in launched:
                store.remember_token(tx, each)
            if params.get("DryRun"):
                raise errors.DryRunOperation()
            return reservation(tx, launched)

    def _reservation_of(self, tx: Tx, ctx: RequestContext, id: str) -> dict[str, Any]:
        instances = tx.list(Instance, ctx.account, ctx.region)
        wanted = next(each.reservation_id for each in instances if each.id == id)
        of_it = [each for each in instances if each.reservation_id == wanted]
        return reservation(tx, sorted(of_it, key=lambda each: each.launch_index))

    @operation
    def describe_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = chosen(snapshot, ctx, ids.INSTANCE, params, "InstanceIds", filters_for(snapshot))
        page, token = paged(held, params, resource_id, "InstanceIds")
        by_reservation: dict[str, list[Instance]] = {}
        for each in sorted(page, key=lambda each: each.launch_index):
            by_reservation.setdefault(each.reservation_id, []).append(each)
        return {
            "Reservations": [reservation(snapshot, each) for each in by_reservation.values()],
            "NextToken": token,
        }

    @operation
    def describe_instance_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        table: dict[str, filters.Getter[Instance]] = {
            "availability-zone": lambda each: each.availability_zone,
            "instance-state-code": lambda each: states.CODES[state(snapshot, each)],
            "instance-state-name": lambda each: state(snapshot, each),
            "instance-status.status": lambda each: self._status(snapshot, each)[0],
            "instance-status.reachability": lambda each: self._status(snapshot, each)[1],
            "system-status.status": lambda each: self._status(snapshot, each)[0],
            "system-status.reachability": lambda each: self._status(snapshot, each)[1],
        }
        held = chosen(snapshot, ctx, ids.INSTANCE, params, "InstanceIds", table)
        if not params.get("IncludeAllInstances"):
            held = [each for each in held if state(snapshot, each) == "running"]
        page, token = paged(held, params, resource_id, "InstanceIds")
        return {"InstanceStatuses": [self._status_to_wire(snapshot, each) for each in page], "NextToken": token}

    def _status(self, reader: store.Reader, instance: Instance) -> tuple[str, str | None]:
        """Status and reachability, by whether process 1 runs and the kernel has the address."""
        if state(reader, instance) != "running":
            return "not-applicable", None
        interface = interface_of(reader, instance)
        return (
            ("ok", "passed")
            if interface is not None and is_live(reader, interface)
            else ("initializing", "initializing")
        )

    def _status_to_wire(self, reader: store.Reader, instance: Instance) -> dict[str, Any]:
        status, reachability = self._status(reader, instance)
        details = [{"Name": "reachability", "Status": reachability}] if reachability else None
        subnet = reader.get(Subnet, instance.account, instance.region, instance.subnet_id)
        return {
            "InstanceId": instance.id,
            "AvailabilityZone": instance.availability_zone,
            "AvailabilityZoneId": subnet.availability_zone_id if subnet else None,
            "InstanceState": state_to_wire(state(reader, instance)),
            "InstanceStatus": {"Status": status, "Details": details},
            "SystemStatus": {"Status": status, "Details": details},
            "Operator": {"Managed": False},
        }

    # -- changes of state --------------------------------------------------------------------------------------------

    @operation
    def start_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"StartingInstances": self._changed(ctx, params, self._started)}

    def _started(self, instance: Instance, now: str, at: float) -> Instance:
        """Raises IncorrectInstanceState, IncorrectSpotRequestState, InsufficientInstanceCapacity."""
        after = states.started(instance, now, at)
        if after is instance:
            return instance
        with self.store.write() as tx:  # the one that all of them are started in
            request = spot.request_of(tx, instance)
            if request is not None and request.state == "open":
                raise refused.IncorrectSpotRequestState(
                    f"You can't start the Spot Instance '{instance.id}' because the associated Spot Instance request "
                    "is not in an appropriate state to support start."
                )
            zone = instance.availability_zone
            if self.launcher.room(tx, all_types()[instance.instance_type], zone, 1) < 1:
                raise refused.InsufficientInstanceCapacity(instance.instance_type, zone, ())
            group = placement.group_of(tx, instance)
            if group is not None and not placement.room(group, placement.members(tx, group), zone, 1):
                raise refused.PlacementGroupFull(group.name, zone, placement.SPREAD_MAX)
        return after

    @operation
    def stop_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """StopInstances. One that hibernates keeps its memory, where the machine can; else it is shut down."""
        force, hibernate = bool(params.get("Force")), bool(params.get("Hibernate"))

        def stop(instance: Instance, now: str, at: float) -> Instance:
            if instance.lifecycle == "spot":
                self._check_spot_stop(instance)
            return states.stopped(instance, now, at, force=force, hibernate=hibernate)

        return {"StoppingInstances": self._changed(ctx, params, stop)}

    def _check_spot_stop(self, instance: Instance) -> None:
        """Raises UnsupportedOperation for a Spot Instance of a one-time request."""
        request = spot.request_of(self.store.snapshot(), instance)
        if request is None or not request.persistent:
            raise refused.UnsupportedOperation(
                f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot "
                "Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests."
            )

    @operation
    def terminate_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        skip = bool(params.get("SkipOsShutdown"))
        terminate: Change = lambda instance, now, at: states.terminated(instance, at, skip_shutdown=skip)  # noqa: E731
        return {"TerminatingInstances": self._changed(ctx, params, terminate)}

    @operation
    def reboot_instances(self, ctx: RequestContext, params: Params) -> None:
        def reboot(instance: Instance, now: str, at: float) -> Instance:
            if now not in ("pending", "running"):
                raise refused.IncorrectInstanceState(
                    f"The instance '{instance.id}' is not in a state from which it can be rebooted."
                )
            return replace(instance, boots=instance.boots + 1, force=False)

        self._changed(ctx, params, reboot)

    def _changed(self, ctx: RequestContext, params: Params, change: Change) -> list[dict[str, Any]]:
        """All or none of the named instances."""
        at = self.clock.now()
        shown = []
        with self.store.write() as tx:
            for id in dict.fromkeys(params["InstanceIds"]):
                before = self.get(tx, ctx, ids.INSTANCE, id)
                was = state(tx, before)
                after = change(before, was, at)
                if after != before:
                    tx.put(after)
                shown.append(
                    {
                        "InstanceId": id,
                        "PreviousState": state_to_wire(was),
                        "CurrentState": state_to_wire(state(tx, after)),
                    }
                )
        return shown

    @operation
    def get_console_output(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        instance = self.get(self.store.snapshot(), ctx, ids.INSTANCE, params["InstanceId"])
        output = self.console(instance)
        answer: dict[str, Any] = {"InstanceId": instance.id, "Timestamp": self.clock.now()}
        return {**answer, "Output": base64.b64encode(output).decode()} if output else answer

    # -- types -------------------------------------------------------------------------------------------------------

    @operation
    def describe_instance_types(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        found = list(all_types().values())
        wanted = params.get("InstanceTypes") or ()
        if wanted:
            missing = [each for each in wanted if each not in all_types()]
            if missing:
                names = ", ".join(missing)
                raise refused.InvalidInstanceType(f"The following supplied instance types do not exist: [{names}]")
            found = [all_types()[each] for each in sorted(set(wanted))]
        found = filters.select(found, params.get("Filters"), _TYPE_FILTERS)
        page, token = paged(found, params, lambda each: each.name, "InstanceTypes")
        return {"InstanceTypes": [type_to_wire(each) for each in page], "NextToken": token}

    @operation
    def describe_instance_type_offerings(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        kind = params.get("LocationType") or "region"
        zones = zones_of(self.ensure_region(ctx))
        places = {"region": [ctx.region], "availability-zone": [each.name for each in zones],
                  "availability-zone-id": [each.id for each in zones]}  # fmt: skip
        if kind not in places:
            raise errors.NotYet("Outposts")
        offered = [(each, place) for each in all_types() for place in places[kind]]
        table: dict[str, filters.Getter[tuple[str, str]]] = {
            "instance-type": lambda each: each[0],
            "location": lambda each: each[1],
        }
        offered = filters.select(offered, params.get("Filters"), table)
        page, token = paged(offered, params, lambda each: "|".join(each))
        return {
            "InstanceTypeOfferings": [
                {"InstanceType": name, "LocationType": kind, "Location": place} for name, place in page
            ],
            "NextToken": token,
        }


def type_to_wire(kind: InstanceType) -> dict[str, Any]:
    threads = 1 if kind.architecture == "arm64" or kind.vcpus == 1 else 2
    return {
        "InstanceType": kind.name,
        "CurrentGeneration": kind.family != "t2",
        "FreeTierEligible": kind.name in ("t2.micro", "t3.micro"),
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "xen" if kind.family == "t2" else "nitro",
        "ProcessorInfo": {"SupportedArchitectures": [kind.architecture]},
        "VCpuInfo": {
            "DefaultVCpus": kind.vcpus,
            "DefaultCores": kind.vcpus // threads,
            "DefaultThreadsPerCore": threads,
        },
        "MemoryInfo": {"SizeInMiB": kind.memory_mb},
        "InstanceStorageSupported": False,
        "EbsInfo": {"EbsOptimizedSupport": "default", "EncryptionSupport": "supported", "NvmeSupport": "unsupported"},
        "NetworkInfo": {"MaximumNetworkInterfaces": 1, "Ipv4AddressesPerInterface": 50, "Ipv6Supported": True},
        "PlacementGroupInfo": {
            "SupportedStrategies": ["partition", "spread"] if kind.burstable else ["cluster", "partition", "spread"]
        },
        "HibernationSupported": can_hibernate(kind),
        "BurstablePerformanceSupported": kind.burstable,
        "DedicatedHostsSupported": False,
        "AutoRecoverySupported": True,
        "SupportedBootModes": ["legacy-bios"],
    }


_TYPE_FILTERS: dict[str, filters.Getter[InstanceType]] = {
    "bare-metal": lambda each: False,
    "burstable-performance-supported": lambda each: each.burstable,
    "current-generation": lambda each: each.family != "t2",
    "free-tier-eligible": lambda each: each.name in ("t2.micro", "t3.micro"),
    "hypervisor": lambda each: "xen" if each.family == "t2" else "nitro",
    "instance-type": lambda each: each.name,
    "memory-info.size-in-mib": lambda each: each.memory_mb,
    "processor-info.supported-architecture": lambda each: each.architecture,
    "supported-root-device-type": lambda each: "ebs",
    "supported-usage-class": lambda each: ("on-demand", "spot"),
    "supported-virtualization-type": lambda each: "hvm",
    "vcpu-info.default-vcpus": lambda each: each.vcpus,
}
