"""Instances as one part: the controller that boots them, and the metadata service that they ask."""

from __future__ import annotations

import asyncio
import errno
import platform
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.guests import disk
from kunren.dataplane.guests.guests import Guests, RunningGuest, environment
from kunren.services.ec2.api import Ec2Api
from kunren.services.ec2.instances import spot
from kunren.services.ec2.instances.controller import InstanceController
from kunren.services.ec2.instances.events import InstanceEvents
from kunren.services.ec2.instances.metrics import InstanceMetrics
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ec2.instances.spot_controller import SpotController
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.metadata.service import MetadataService
from kunren.services.ec2.model import NetworkInterface
from kunren.world.interface import Process
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec
from kunren.world.world import World

if TYPE_CHECKING:
    from kunren.dataplane.images.images import Images


class NoSuchMarket(AwsError):
    code = "InvalidParameterValue"


class NotRunning(AwsError):
    code = "IncorrectInstanceState"


class InstanceService:
    """`run` lives until it is cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        world: World,
        guests: Guests,
        home: Path,
        applied: Callable[[str], Awaitable[None]],
        api: Ec2Api,
        call: CallService,
    ) -> None:
        self._store, self._clock, self._spec, self._world = store, clock, spec, world
        self._api, self._home, self._guests = api, home, guests
        self.metadata = MetadataService(store, clock, entropy, world, call)
        self.controller = InstanceController(
            store, clock, entropy, spec, guests, home, applied, self.metadata.enter, self.metadata.leave
        )
        self.controller.ended = lambda: not world.running
        api.console = self.controller.console
        self.spot = SpotController(store, clock, entropy, api.launcher)
        self.metadata.branches.append(spot.told_in_metadata)
        self.events = InstanceEvents(store, clock, entropy, call)
        self.metrics = InstanceMetrics(store, clock, call, self.controller.guest)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as parts:
                for each in (self.controller, self.spot, self.events, self.metrics):
                    parts.create_task(each.run())
        finally:
            self.metadata.stop()

    async def settled(self) -> None:
        await self.controller.settled()

    def status(self) -> dict[str, Any]:
        return {**self.controller.status(), "spot": self.spot.status()}

    def move_market(self, zone: str, instance_type: str, price: float | None, capacity: int | None) -> dict[str, Any]:
        """Another price or capacity of Spot Instances. Raises NoSuchMarket."""
        region = next(
            (each.name for each in self._spec.regions if zone in {f"{each.name}{one}" for one in each.zones}), ""
        )
        if not region or instance_type not in all_types():
            raise NoSuchMarket(f"There is no zone {zone} or no instance type {instance_type}.")
        try:
            with self._store.write() as tx:
                found = spot.moved(spot.market(tx, region, zone, instance_type), self._clock.now(), price, capacity)
                tx.put(found)
        except ValueError as error:
            raise NoSuchMarket(str(error)) from error
        return {"zone": zone, "type": instance_type, "price": spot.price_now(found), "capacity": found.capacity}

    async def import_image(self, images: Images, told: dict[str, Any]) -> dict[str, Any]:
        """A container's image as one of EC2's. Raises what `image_import` does, and ValidationError."""
        from kunren.services.ec2.image_import import Wanted, import_image

        return await import_image(self._api, self._home, images, msgspec.convert(told, Wanted))

    def _entrance(self, instance: Instance) -> tuple[RunningGuest, str]:
        """The guest that is the instance, and its namespace. Raises OSError where it does not run."""
        if (guest := self.controller.guest(instance.id)) is None:
            raise OSError(errno.ESRCH, "the instance does not run")
        return guest, workload_namespace(instance.interface_id)

    async def open_terminal(self, instance: Instance, argv: Sequence[str], terminal: int) -> Process:
        """Start a program in a running instance, with that descriptor as its terminal. Raises OSError."""
        guest, namespace = self._entrance(instance)
        return await self._guests.enter(guest, namespace, argv, {"TERM": "xterm-256color"}, terminal=terminal)

    async def run_program(
        self, instance: Instance, argv: Sequence[str], env: Mapping[str, str], output: int, errors: int
    ) -> tuple[Process, Callable[[], bool]]:
        """Start a program in a running instance that prints to these descriptors; and what says whether the instance
        has run on since. Raises OSError."""
        guest, namespace = self._entrance(instance)
        started = await self._guests.enter(guest, namespace, argv, env, output=output, errors=errors)
        return started, lambda: guest.running

    async def connect(self, instance: Instance, host: str, port: int) -> socket.socket:
        """A connection from the instance. Raises OSError."""
        from kunren.services.ec2.instances.reaching import connect

        return await connect(self._world, workload_namespace(instance.interface_id), host, port)

    def platform(self, instance: Instance) -> dict[str, str]:
        """PlatformName and PlatformVersion, where the instance's programs are the machine's."""
        if not disk.bare(self._home / instance.volume_id):
            return {}
        try:
            told = platform.freedesktop_os_release()
        except OSError:
            return {}
        return {"PlatformName": told.get("NAME", ""), "PlatformVersion": told.get("VERSION_ID", "")}

    def inside(self, named: str) -> dict[str, Any]:
        """What `kunren.world.exec.enter_guest` needs for a running instance, by its id, its Name tag or an address.
        Raises NotRunning, and InstanceNotFound where nothing is called so."""
        snapshot = self._store.snapshot()
        for instance in snapshot.every(Instance):
            interface = snapshot.get(NetworkInterface, instance.account, instance.region, instance.interface_id)
            addresses = (interface.private_ip, interface.public_ip) if interface is not None else ()
            if named not in (instance.id, instance.tags.get("Name"), *addresses) or instance.ended_at is not None:
                continue
            run = snapshot.get(InstanceRun, instance.account, instance.region, instance.id)
            if run is None:
                raise NotRunning(f"{instance.id} does not run.")
            return {
                "world": self._world.handle(),
                "pid": run.pid,
                "namespace": workload_namespace(instance.interface_id),
                "environment": environment(),
                "instance": instance.id,
            }
        raise NotRunning(f"There is no instance {named}: it is named by its id, its Name tag or an address.")
