"""The engine of tasks with a network interface of their own, which all their containers are on.

A container's "/" is a folder below `home`/TASK, as are the task's volumes; all are deleted with the task. Where the
machine allows that, this folder is a file system of the size of the task's ephemeral storage (decision 31), which the
containers alone see there. The containers of one task share that and its network, and nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from kunren.control.store import Store, Tx
from kunren.core.arn import build_arn
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.containers.interface import Containers, RunningContainer
from kunren.dataplane.guests import disk
from kunren.dataplane.guests.guests import GuestSpec
from kunren.dataplane.images.images import CannotPull, Images
from kunren.dataplane.images.layers import inside
from kunren.services.ec2 import interfaces
from kunren.services.ec2.model import NetworkInterface, Vpc
from kunren.services.ecs.connect.proxies import Proxies, Where
from kunren.services.ecs.metadata.service import TaskMetadata
from kunren.services.ecs.model import Task, TaskDefinition
from kunren.services.ecs.tasks import builtin
from kunren.services.ecs.tasks.engine import STOP_TIMEOUT_S, CannotStart, Image, Launch
from kunren.services.ecs.tasks.plan import ContainerPlan, ephemeral_gib
from kunren.world.file_systems import GIB, FileSystem
from kunren.world.ids import several_users
from kunren.world.network import workload_namespace
from kunren.world.spec import WorldSpec

START_WITHIN_S = 30.0
_PROCESSES = 1024
_UNITS_PER_CPU = 1024
_FILLING = threading.Lock()  # two containers of a task may start with the same volume


class NamespacedEngine:
    """`applied` waits until an interface is live. `images` has those that are not the machine's own (`builtin.py`)."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, containers: Containers, home: Path,
        applied: Callable[[str], Awaitable[None]], metadata: TaskMetadata, images: Images, proxies: Proxies,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._entropy, self._spec = store, clock, entropy, spec
        self._containers, self._home, self._applied, self._metadata = containers, home, applied, metadata
        self._images, self._proxies, self.making = images, proxies, asyncio.Lock()
        self._storage: dict[str, asyncio.Future[FileSystem | None]] = {}

    def sweep(self) -> None:
        """Delete what a daemon before left: nothing of it runs. Blocks."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o700)
        for left in self._home.iterdir():
            disk.remove(left)

    def close(self) -> None:
        """Let go of the storage of all tasks."""
        for each in self._storage.values():
            each.add_done_callback(_closed)
        self._storage.clear()

    def stop_timeout_s(self, task: Task) -> float:
        return STOP_TIMEOUT_S

    # -- network -----------------------------------------------------------------------------------------------------

    def attach(self, tx: Tx, task: Task) -> Task:
        assert task.network is not None
        attachment = self._entropy.uuid()
        described = build_arn("ecs", task.region, task.account, f"attachment/{attachment}")
        failed: CannotStart | None = None
        for subnet_id in self._entropy.shuffled(task.network.subnets):
            try:
                made = interfaces.create_interface(
                    tx, self._entropy, self._spec, account=task.account, region=task.region, subnet_id=subnet_id,
                    groups=task.network.groups, description=described, attachment="workload",
                    attach_time=self._clock.now(), public=task.network.public, requester_managed=True,
                )  # fmt: skip
            except AwsError as error:
                public = "enabled" if task.network.public else "disabled"
                failed = CannotStart(
                    "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment "
                    f"{public} in subnet '{subnet_id}': {error.code}"
                )
                continue
            task = replace(
                task, interface_id=made.id, subnet_id=subnet_id, private_ip=made.private_ip, mac=made.mac,
                attachment_id=attachment, availability_zone=made.availability_zone,
            )  # fmt: skip
            tx.put(task)
            return task
        assert failed is not None
        raise failed

    async def ready(self, task: Task) -> None:
        interface = self._interface(task)
        if interface is None:
            raise CannotStart("Timeout waiting for network interface provisioning to complete.")
        made = asyncio.to_thread(self._make_storage, task)
        self._storage[task.id] = asyncio.ensure_future(made)
        try:
            async with asyncio.timeout(START_WITHIN_S):
                await self._applied(interface.id)
                await self._metadata.enter(interface.vpc_id, task, interface.private_ip)
        except TimeoutError as error:
            raise CannotStart("Timeout waiting for network interface provisioning to complete.") from error
        await self._proxies.start(task, await self._places(task, interface))

    async def _places(self, task: Task, interface: NetworkInterface) -> list[Where]:
        """Where its containers are on the network, which is there then."""
        return [Where(workload_namespace(interface.id), interface.private_ip)]

    def _make_storage(self, task: Task) -> FileSystem | None:
        (self._home / task.id).mkdir(exist_ok=True)
        return self._containers.storage(self._home / f"{task.id}.image", self._storage_bytes(task))

    def _storage_bytes(self, task: Task) -> int:
        """The ephemeral storage that its containers and volumes share."""
        definition = self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)
        assert definition is not None
        return ephemeral_gib(task, definition) * GIB

    def _interface(self, task: Task) -> NetworkInterface | None:
        """The one that the task's containers are on."""
        if task.interface_id is None:
            return None
        return self._store.snapshot().get(NetworkInterface, task.account, task.region, task.interface_id)

    async def deprovision(self, task: Task) -> None:
        self._metadata.forget(task)
        await self._proxies.stop(task)
        with self._store.write() as tx:
            if task.interface_id is not None:
                found = tx.get(NetworkInterface, task.account, task.region, task.interface_id)
                if found is not None:
                    interfaces.delete_interface(tx, found)
        if (storage := self._storage.pop(task.id, None)) is not None:
            await asyncio.wait([storage])
            _closed(storage)
        await asyncio.to_thread(disk.remove, self._home / task.id)

    # -- containers --------------------------------------------------------------------------------------------------

    async def pull(self, task: Task, plan: ContainerPlan) -> Image:
        try:
            if (command := builtin.command(plan.image)) is not None:
                return Image(await self._machine(), builtin=True, command=command)
            found = await self._images.rootfs(plan.image)
        except (CannotPull, OSError) as error:
            raise CannotStart(f"CannotPullContainerError: {error}") from error
        return Image(
            Path(found.root),
            digest=found.manifest_digest or found.digest,
            entry_point=found.entry_point,
            command=found.command,
            environment=found.environment,
            working_directory=found.working_directory or "/",
            user=found.user if several_users() else "",
            volumes=found.volumes,
            stop_signal=builtin.signal_number(found.stop_signal),
        )

    async def _machine(self) -> Path:
        """The file system that is this machine's, made at its first use: containers share it."""
        root = self._home / "machine"
        async with self.making:
            if not root.exists():
                await asyncio.to_thread(disk.make, root)
        return root

    def environment(self, task: Task, name: str) -> Mapping[str, str]:
        return {"HOSTNAME": self._hostname(task), **self._metadata.variables(task, name)}

    def runtime_id(self, task: Task, name: str) -> str:
        return self._metadata.runtime_id(task, name)

    def _hostname(self, task: Task) -> str:
        """As the VPC's names are: "ip-10-0-0-5.ec2.internal" where it has such names."""
        interface = self._interface(task)
        address = interface.private_ip if interface is not None else ""
        return f"ip-{address.replace('.', '-')}{self._domain(task, interface)}"

    def _domain(self, task: Task, interface: NetworkInterface | None) -> str:
        vpc = interface and self._store.snapshot().get(Vpc, task.account, task.region, interface.vpc_id)
        if vpc is None:
            return ""
        return ".ec2.internal" if task.region == "us-east-1" else f".{task.region}.compute.internal"

    def _place(self, task: Task, plan: ContainerPlan, interface: NetworkInterface) -> tuple[str, dict[str, str]]:
        """The network namespace of a container, and what else is laid into its file system."""
        return workload_namespace(interface.id), {}

    async def start(self, task: Task, launch: Launch) -> RunningContainer:
        interface = self._interface(task)
        if interface is None:
            raise CannotStart("The network interface is gone.")
        plan, folder = launch.plan, self._home / task.id
        root = folder / "containers" / plan.name
        hostname = self._hostname(task)
        namespace, more = self._place(task, plan, interface)
        try:
            hosts = f"127.0.0.1 localhost\n{interface.private_ip} {hostname}\n{self._proxies.hosts(task)}"
            storage = await asyncio.shield(self._storage[task.id])
            seen = storage.path if storage is not None else folder
            await asyncio.to_thread(prepare, seen, plan, launch.image, hosts)
            return await self._containers.start(
                GuestSpec(
                    f"{task.id}-{plan.name}", namespace, root, hostname[:64], output=launch.output, argv=launch.argv,
                    env=launch.environment, cwd=launch.working_directory,
                    binds={
                        **more,
                        "/etc/hosts": str(folder / "hosts"),
                        **{mount.path: str(folder / "volumes" / mount.volume) for mount in plan.mounts},
                    },
                    readonly=[mount.path for mount in plan.mounts if mount.readonly],
                    limits=plan.limits, readonly_root=plan.readonly_root, init=plan.init, dropped=plan.dropped,
                    user=launch.user, lower=launch.image.root, machine=launch.image.builtin,
                    memory_bytes=plan.memory_bytes,
                    processors=max(plan.cpu, 2) / _UNITS_PER_CPU, processes=_PROCESSES,
                    disk=storage, disk_at=folder,
                )
            )  # fmt: skip
        except OSError as error:
            raise CannotStart(_refusal(launch, error)) from error


def _closed(storage: asyncio.Future[FileSystem | None]) -> None:
    if not storage.cancelled() and storage.exception() is None and (made := storage.result()) is not None:
        made.close()


def prepare(folder: Path, plan: ContainerPlan, image: Image, hosts: str) -> None:
    """Make the volumes that the container mounts, and the task's /etc/hosts. An empty volume at a folder that the image
    names as one gets what that has, with its owner ("Use bind mounts"). Raises OSError. Blocks."""
    own = {each.rstrip("/") for each in image.volumes}
    for mount in plan.mounts:
        volume = folder / "volumes" / mount.volume
        volume.mkdir(parents=True, exist_ok=True)
        if mount.path.rstrip("/") in own:
            with _FILLING:
                source = inside(image.root, mount.path.split("/"))
                if source.is_dir() and not any(volume.iterdir()):
                    disk.fill(source, volume)
    if not (folder / "hosts").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts").write_text(hosts)


def _refusal(launch: Launch, error: OSError) -> str:
    """As runc says it through ECS ("CannotStartContainerError")."""
    program = launch.argv[0]
    if isinstance(error, FileNotFoundError):
        what = "executable file not found in $PATH" if "/" not in program else "no such file or directory"
        what = f'exec: "{program}": {what}' if "/" not in program else f'exec: "{program}": stat {program}: {what}'
    elif isinstance(error, PermissionError):
        what = f'exec: "{program}": permission denied'
    elif error.errno == 0:
        what = error.strerror or ""
    else:
        what = f"{error.strerror or error}"
    return (
        "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed "
        "to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
        f"{what}: unknown"
    )
