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
from kunren.services.ec2.instances.model import Image
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


@dataclass(frozen=True, slots=True)
class AnyImage:
    """An image of either kind. Without `snapshot_id` its root is made from the machine."""

    id: str
    name: str
    owner: str
    architecture: str = MACHINE
    snapshot_id: str | None = None
    size_gb: int = SIZE_GB
    volume_type: str = "gp3"
    root_device: str = ROOT_DEVICE
    created_at: float = _CREATED
    description: str | None = None
    imds_support: str | None = None
    source_instance_id: str | None = None
    parameter: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def public(self) -> bool:
        return self.owner in (AMAZON, AMAZON_ECS)


def built_in(region: str) -> AnyImage:
    digits = sha256(f"{region}|{MACHINE}".encode()).hexdigest()[:17]
    return AnyImage(f"ami-{digits}", f"kunren-{MACHINE}", AMAZON, description="This machine's programs")


def own(image: Image) -> AnyImage:
    return AnyImage(
        image.id, image.name, image.account, image.architecture, image.snapshot_id, image.size_gb, image.volume_type,
        image.root_device, image.created_at, image.description, image.imds_support, image.source_instance_id,
        tags=image.tags,
    )  # fmt: skip


class Images:
    """Finds images. What SSM says is asked once per region."""

    def __init__(self, call: CallService) -> None:
        self._call = call
        self._public: dict[str, dict[str, AnyImage]] = {}

    async def find(self, reader: Reader, account: str, region: str, id: str) -> AnyImage | None:
        found = reader.get(Image, account, region, id)
        if found is not None:
            return own(found)
        mine = built_in(region)
        return mine if mine.id == id else (await self.public(account, region)).get(id)

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
                            image = AnyImage(each["Value"], name, AMAZON, description=_ABOUT, parameter=each["Name"])
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
            AnyImage(values[f"{each}/image_id"], values[f"{each}/image_name"], AMAZON_ECS, size_gb=30,
                     description=_ABOUT, parameter=f"{each}/image_id")
            for each in named
            if f"{each}/image_id" in values
        ]  # fmt: skip
