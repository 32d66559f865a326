"""A container's image becomes one of EC2's: its files are the root volume, and its instances boot them instead of the
machine's programs.

AWS has no call for this (ImportImage takes disks of virtual machines), so it is the command line's. What an import was
interrupted in is swept away at the next start: the rows come last.
"""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import DEFAULT_ACCOUNT, DEFAULT_REGION, RequestContext
from kunren.core.errors import AwsError
from kunren.dataplane.guests import disk
from kunren.dataplane.images.images import CannotPull
from kunren.dataplane.images.store import Image as ContainerImage
from kunren.services.ec2.api.images import check_name
from kunren.services.ec2.instances.image_events import note_image
from kunren.services.ec2.instances.images import ROOT_DEVICE, SIZE_GB
from kunren.services.ec2.instances.model import NO_VOLUME, ImageDevice, Snapshot
from kunren.services.ec2.instances.types import MACHINE

if TYPE_CHECKING:
    from kunren.dataplane.images.images import Images
    from kunren.services.ec2.api import Ec2Api

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_SCRIPT = "var/lib/cloud/scripts/per-boot/image-command"


class CannotImport(AwsError):
    code = "InvalidParameterValue"


class Wanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`image` is the digest of the configuration of an unpacked image ("sha256:..."), or an image's name. With `start`
    its command runs at each boot."""

    image: str
    name: str
    description: str | None = None
    account: str = DEFAULT_ACCOUNT
    region: str = DEFAULT_REGION
    start: bool = False


async def import_image(api: Ec2Api, home: Path, images: Images, wanted: Wanted) -> dict[str, Any]:
    """The image, which is available. Raises CannotImport, and what is wrong with its name."""
    ctx = RequestContext(wanted.account, wanted.region, "ec2", "ImportImage", api.entropy.uuid())
    api.ensure_region(ctx)
    check_name(api.store.snapshot(), ctx, wanted.name)
    source = await _found(images, wanted.image)
    architecture = _ARCHITECTURES.get(source.architecture, source.architecture) or MACHINE
    if architecture != MACHINE:
        raise CannotImport(f"The image is of another architecture ({architecture}) than this machine ({MACHINE}).")
    snapshot_id, image_id = api.entropy.resource_id("snap"), api.entropy.resource_id("ami")
    script = _script(source) if wanted.start else ""
    await asyncio.to_thread(_make, Path(source.root), home / snapshot_id, script)
    device = ImageDevice(
        device=ROOT_DEVICE, size_gb=max(SIZE_GB, -(-source.size // (1 << 30))), snapshot_id=snapshot_id
    )
    with api.store.write() as tx:
        taken = Snapshot(
            account=ctx.account, region=ctx.region, id=snapshot_id, volume_id=NO_VOLUME, size_gb=device.size_gb,
            started_at=api.clock.now(), description=f"Imported from {wanted.image}", completed=True,
        )  # fmt: skip
        tx.put(taken)
        _made(api, tx, ctx, wanted, image_id, device)
    return {"image": image_id, "name": wanted.name, "snapshot": snapshot_id, "region": ctx.region}


def _made(api: Ec2Api, tx: Tx, ctx: RequestContext, wanted: Wanted, id: str, device: ImageDevice) -> None:
    params = {"Name": wanted.name, "Description": wanted.description}
    image = api.new_image(tx, ctx, params, id, [device], MACHINE, {})
    note_image(tx, api.entropy, image, "available", api.clock.now(), ctx.request_id)


async def _found(images: Images, named: str) -> ContainerImage:
    if not named.startswith("sha256:"):
        try:
            return await images.rootfs(named)
        except CannotPull as error:
            raise CannotImport(str(error)) from error
    found = await asyncio.to_thread(images.store.get, named.removeprefix("sha256:"))
    if found is None:
        raise CannotImport(f"There is no unpacked image {named}.")
    return found


def _make(root: Path, target: Path, script: str) -> None:
    """The root volume's files: the image's, and what instances need besides."""
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.copy(root, target)
    disk.complete(target)
    if script:
        file = target / _SCRIPT
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script)
        file.chmod(0o755)


def _script(image: ContainerImage) -> str:
    """What starts the image's command, its environment and folder as it says."""
    command = [*image.entry_point, *image.command]
    if not command:
        raise CannotImport("The image has no command that could be started.")
    lines = [f"export {shlex.quote(name)}={shlex.quote(value)}" for name, value in image.environment.items()]
    return "\n".join(
        ["#!/bin/sh", *lines, f"cd {shlex.quote(image.working_directory or '/')}", f"{shlex.join(command)} &", ""]
    )
