"""Images: those of AWS's that this machine can be, and the account's own.

Kunren has one image of its own, made from this machine: what its programs are, an instance can run. It stands for the
images that SSM's public parameters of Amazon Linux name, as far as they are of this machine's architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.ec2.instances import container_agent
from kunren.services.ec2.instances.model import Image, ImageDevice, Snapshot
from kunren.services.ec2.instances.sharing import may_use
from kunren.services.ec2.instances.types import MACHINE
from kunren.services.ec2.store import Reader

AMAZON = "137112412989"
ROOT_DEVICE = "/dev/xvda"
SIZE_GB = 8
AMAZON_ECS = "591542846629"
_ABOUT = "Kunren's own image, for which this public parameter stands"
_ECS_SYSTEMS = ("amazon-linux-2", "amazon-linux-2/kernel-5.10", "amazon-linux-2023")
_ECS_MACHINE = "/arm64" if MACHINE == "arm64" else ""
_PATH = "/aws/service/ami-amazon-linux-latest"
_CREATED = 1_735_689_600.0
_NAMES = (
    ("al2023-ami-kernel-default-", "al2023-ami-2023.6.20250101.0-kernel-6.1-"),
    ("al2023-ami-kernel-", "al2023-ami-2023.6.20250101.0-kernel-"),
    ("al2023-ami-minimal-kernel-default-", "al2023-ami-minimal-2023.6.20250101.0-kernel-6.1-"),
    ("al2023-ami-minimal-kernel-", "al2023-ami-minimal-2023.6.20250101.0-kernel-"),
    ("amzn2-ami-hvm-", "amzn2-ami-hvm-2.0.20250101.0-"),
    ("amzn2-ami-kernel-5.10-hvm-", "amzn2-ami-kernel-5.10-hvm-2.0.20250101.0-"),
    ("amzn2-ami-kernel-default-hvm-", "amzn2-ami-kernel-5.10-hvm-2.0.20250101.0-"),
    ("amzn2-ami-minimal-hvm-", "amzn2-ami-minimal-hvm-2.0.20250101.0-"),
)


@dataclass(frozen=True, slots=True)
class AnyImage:
    """An image of either kind. Where its root has no `snapshot_id`, that is made from the machine."""

    id: str
    name: str
    owner: str
    root: ImageDevice = ImageDevice(device=ROOT_DEVICE, size_gb=SIZE_GB)
    further: tuple[ImageDevice, ...] = ()
    architecture: str = MACHINE
    created_at: float = _CREATED
    description: str | None = None
    imds_support: str | None = None
    source_instance_id: str | None = None
    source_image_id: str | None = None
    source_image_region: str | None = None
    parameter: str | None = None
    container_agent: bool = False
    everyones: bool = False
    accounts: tuple[str, ...] = ()
    protected: bool = False
    disabled: bool = False
    deprecate_at: float | None = None
    ena_support: bool = True
    sriov_support: str | None = "simple"
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def amazons(self) -> bool:
        return self.owner in (AMAZON, AMAZON_ECS)

    @property
    def public(self) -> bool:
        return self.amazons or self.everyones

    @property
    def devices(self) -> tuple[ImageDevice, ...]:
        return (self.root, *self.further)


def built_in(region: str) -> AnyImage:
    digits = sha256(f"{region}|{MACHINE}".encode()).hexdigest()[:17]
    return AnyImage(f"ami-{digits}", f"kunren-{MACHINE}", AMAZON, description="This machine's programs")


def own(image: Image) -> AnyImage:
    return AnyImage(
        image.id, image.name, image.account, image.root, image.further, image.architecture, image.created_at,
        image.description, image.imds_support, image.source_instance_id, image.source_image_id,
        image.source_image_region, None, image.container_agent, image.everyones, image.accounts, image.protected,
        image.disabled, image.deprecate_at, image.ena_support, image.sriov_support, image.tags,
    )  # fmt: skip


def shown_snapshot(image: AnyImage, device: ImageDevice) -> str | None:
    """The snapshot behind a device, as the API names it: an image made from the machine has one by name alone."""
    return f"snap-{image.id[4:]}" if image.amazons and device is image.root else device.snapshot_id


def state_of(reader: Reader, region: str, image: AnyImage) -> tuple[str, str | None]:
    """`available` once the snapshots' files are there, and why it is `failed`."""
    if image.disabled:
        return "disabled", None
    taken = [reader.get(Snapshot, image.owner, region, each.snapshot_id) for each in image.devices if each.snapshot_id]
    if any(each is None for each in taken):
        return "failed", "The snapshot is gone"
    if failure := next((each.failure for each in taken if each is not None and each.failure), None):
        return "failed", failure
    return ("available" if all(each is not None and each.completed for each in taken) else "pending"), None


def dated(parameter: str) -> str:
    """What AWS would call the image that a public parameter of that name stands for, so that the patterns by which
    people look for images (`al2023-ami-*-x86_64`, `amzn2-ami-hvm-*-x86_64-gp2`) find it."""
    for before, after in _NAMES:
        if parameter.startswith(before):
            return after + parameter.removeprefix(before)
    return parameter


class Images:
    """Finds images. What SSM says is asked once per region."""

    def __init__(self, call: CallService) -> None:
        self._call = call
        self._public: dict[str, dict[str, AnyImage]] = {}

    async def find(self, reader: Reader, account: str, region: str, id: str) -> AnyImage | None:
        """The image, where the account may launch it."""
        for each in reader.every(Image):
            if each.id == id and each.region == region and may_use(each, account):
                return own(each)
        mine = built_in(region)
        return mine if mine.id == id else (await self.public(account, region)).get(id)

    async def usable(self, reader: Reader, account: str, region: str) -> dict[str, AnyImage]:
        """By id, all that the account may launch."""
        mine = built_in(region)
        found = {mine.id: mine, **await self.public(account, region)}
        images = (each for each in reader.every(Image) if each.region == region and may_use(each, account))
        return found | {each.id: own(each) for each in images}

    async def public(self, account: str, region: str) -> Mapping[str, AnyImage]:
        """By id, those that SSM's public parameters name."""
        if region not in self._public:
            found: dict[str, AnyImage] = {}
            token: dict[str, str] = {}
            try:
                while True:
                    wanted = {"Path": _PATH, "Recursive": True, **token}
                    page = await self._call(account, region, "ssm", "GetParametersByPath", wanted)
                    for each in page.get("Parameters") or ():
                        name = each["Name"].rpartition("/")[2]
                        if MACHINE.replace("_", "-") in name.replace("_", "-") and each["Value"].startswith("ami-"):
                            image = AnyImage(
                                each["Value"], dated(name), AMAZON, description=_ABOUT, parameter=each["Name"]
                            )
                            found.setdefault(image.id, image)
                    if not page.get("NextToken"):
                        break
                    token = {"NextToken": page["NextToken"]}
                for image in await self._optimized_for_ecs(account, region):
                    found.setdefault(image.id, image)
            except AwsError:
                return {}
            self._public[region] = found
        return self._public[region]

    async def _optimized_for_ecs(self, account: str, region: str) -> list[AnyImage]:
        named = [f"{container_agent.PARAMETERS}/{each}{_ECS_MACHINE}/recommended" for each in _ECS_SYSTEMS]
        names = [f"{each}/{member}" for each in named for member in ("image_id", "image_name")]
        page = await self._call(account, region, "ssm", "GetParameters", {"Names": names})
        values = {each["Name"]: each["Value"] for each in page.get("Parameters") or ()}
        return [
            AnyImage(values[f"{each}/image_id"], values[f"{each}/image_name"], AMAZON_ECS,
                     ImageDevice(device=ROOT_DEVICE, size_gb=30), description=_ABOUT,
                     parameter=f"{each}/image_id", container_agent=True)
            for each in named
            if f"{each}/image_id" in values
        ]  # fmt: skip
