"""Instances and what they are made of."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource


class MetadataOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the instance metadata service answers an instance, in the API's words."""

    tokens: str = "optional"
    hop_limit: int = 1
    endpoint: str = "enabled"
    tags: str = "disabled"


class Instance(Resource, frozen=True, kw_only=True):
    """`wanted` is "running", "stopped" or "terminated"; what it is, its `InstanceRun` says. Each number of `boots` is
    one boot that is asked for. `ended_at` (AWS time, as the others) is set once a terminated one is gone."""

    kind: ClassVar[str] = "ec2.instance"

    reservation_id: str
    launch_index: int
    image_id: str
    instance_type: str
    architecture: str
    vpc_id: str
    subnet_id: str
    availability_zone: str
    interface_id: str
    volume_id: str
    root_device: str
    launched_at: float
    wanted: str = "running"
    boots: int = 1
    force: bool = False
    hibernation: bool = False
    """Whether it may hibernate."""
    hibernated: bool = False
    """Whether a stopped one is to keep its memory, and one that starts to go on with it."""
    public: bool = False
    """Whether it gets a public address of Amazon's at each start."""
    key_name: str | None = None
    user_data: str | None = None  # base64
    profile_arn: str | None = None
    profile_id: str | None = None
    profile_association: str | None = None
    """The id of the association with the profile, where it was not made at launch."""
    placement_group: str | None = None
    partition: int | None = None
    shutdown_behavior: str = "stop"
    disable_termination: bool = False
    disable_stop: bool = False
    monitoring: bool = False
    ebs_optimized: bool = False
    credits: str | None = None
    container_agent: bool = False
    """Whether its image has the ECS agent."""
    metadata: MetadataOptions = MetadataOptions()
    tenancy: str = "default"
    lifecycle: str = ""
    spot_request_id: str | None = None
    transition: str = ""
    reason_code: str | None = None
    reason: str | None = None
    ended_at: float | None = None
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


class InstanceRun(Resource, frozen=True, kw_only=True):
    """Observed: the instance's process 1 runs, as number `pid` in the world, since `boots` was so."""

    kind: ClassVar[str] = "ec2.instance-run"
    durable: ClassVar[bool] = False

    boots: int
    pid: int


class Modification(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a volume's size, type or performance: (size, type, IOPS, throughput) before and after."""

    before: tuple[int, str, int | None, int | None]
    after: tuple[int, str, int | None, int | None]
    at: float


class Volume(Resource, frozen=True, kw_only=True):
    """An EBS volume: a folder of files. `size_gb` is kept and not enforced. `made` once the folder is there;
    `attachment` is attaching, attached, detaching or busy, where there is an instance. `forced` detaches it even
    while it is mounted."""

    kind: ClassVar[str] = "ec2.volume"

    availability_zone: str
    size_gb: int
    volume_type: str
    created_at: float
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    snapshot_id: str | None = None
    made: bool = True
    instance_id: str | None = None
    device: str | None = None
    attachment: str = "attached"
    forced: bool = False
    attached_at: float | None = None
    delete_on_termination: bool = True
    modification: Modification | None = None
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


NO_VOLUME = "vol-ffffffff"
"""The volume of a snapshot that was taken of none, such as a copy's, as AWS names it."""


class Snapshot(Resource, frozen=True, kw_only=True):
    """A copy of a volume's files. `completed` once it is there; `failure` says why it never will be. `copied_from` is
    the snapshot, of any account and region, that this one copies instead; with `of_machine` it is what a new disk is.
    `at_rest` waits until the volume's instance does not run, which boots after that. `accounts` may use it too, and
    everybody where it is `everyones`.
    """

    kind: ClassVar[str] = "ec2.snapshot"

    volume_id: str
    size_gb: int
    started_at: float
    description: str = ""
    encrypted: bool = False
    kms_key: str | None = None
    copied_from: str | None = None
    of_machine: bool = False
    at_rest: bool = False
    accounts: tuple[str, ...] = ()
    everyones: bool = False
    completed: bool = False
    failure: str | None = None
    tags: dict[str, str] = {}


class ImageDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A volume that an image's instances have. Without `snapshot_id` it is empty, or the root made from the machine."""

    device: str
    size_gb: int
    volume_type: str = "gp3"
    snapshot_id: str | None = None
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    delete_on_termination: bool = True


class Image(Resource, frozen=True, kw_only=True):
    """An image of the account's, whose root is a snapshot. `accounts` may launch it too, and everybody where it is
    `everyones`. `request_id` is that of the request that made it."""

    kind: ClassVar[str] = "ec2.image"

    name: str
    snapshot_id: str
    size_gb: int
    volume_type: str
    architecture: str
    created_at: float
    root_device: str
    description: str | None = None
    source_instance_id: str | None = None
    source_image_id: str | None = None
    source_image_region: str | None = None
    imds_support: str | None = None
    ena_support: bool = True
    sriov_support: str | None = "simple"
    container_agent: bool = False
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    delete_on_termination: bool = True
    further: tuple[ImageDevice, ...] = ()
    accounts: tuple[str, ...] = ()
    everyones: bool = False
    protected: bool = False
    disabled: bool = False
    deprecate_at: float | None = None
    request_id: str = ""
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}

    @property
    def root(self) -> ImageDevice:
        return ImageDevice(
            device=self.root_device, size_gb=self.size_gb, volume_type=self.volume_type, snapshot_id=self.snapshot_id,
            iops=self.iops, throughput=self.throughput, encrypted=self.encrypted, kms_key=self.kms_key,
            delete_on_termination=self.delete_on_termination,
        )  # fmt: skip

    @property
    def snapshots(self) -> list[str]:
        return [each.snapshot_id for each in (self.root, *self.further) if each.snapshot_id]


class KeyPair(Resource, frozen=True, kw_only=True):
    """`public_key` is a line as in authorized_keys; the private one is nobody's but the user's."""

    kind: ClassVar[str] = "ec2.key-pair"

    name: str
    key_type: str
    fingerprint: str
    public_key: str
    created_at: float
    tags: dict[str, str] = {}


class InstanceEvent(Resource, frozen=True, kw_only=True):
    """Something that EventBridge is to be told, at AWS time `at`. `instance_id` may be an image's."""

    kind: ClassVar[str] = "ec2.instance-event"

    instance_id: str
    detail_type: str
    detail: dict[str, str]
    at: float


class InstanceTold(Resource, frozen=True, kw_only=True):
    """The state of an instance that EventBridge was told last."""

    kind: ClassVar[str] = "ec2.instance-told"

    state: str


class Price(msgspec.Struct, frozen=True, kw_only=True):
    price: float
    since: float


class SpotMarket(Resource, frozen=True, kw_only=True):
    """Where capacity and price of a type in a zone are not what they are by themselves. The id is "ZONE|TYPE"; it is
    nobody's, so the account is "". `capacity` None is all there is need of."""

    kind: ClassVar[str] = "ec2.spot-market"

    prices: tuple[Price, ...] = ()
    capacity: int | None = None


class SpotRequest(Resource, frozen=True, kw_only=True):
    """`launch` is what RunInstances would be asked. `notice_at` and `interrupt_at` are set once an interruption is
    decided, `cause` says by what; `noticed` once the notice is given."""

    kind: ClassVar[str] = "ec2.spot-request"

    launch: dict[str, Any]
    instance_type: str
    persistent: bool
    behavior: str
    price: float
    created_at: float
    state: str = "open"
    code: str = "pending-evaluation"
    message: str = ""
    updated_at: float = 0.0
    instance_id: str | None = None
    zone: str | None = None
    valid_until: float | None = None
    cause: str = ""
    notice_at: float | None = None
    interrupt_at: float | None = None
    noticed: bool = False
    rebalance_at: float | None = None
    rebalance_told: bool = False
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}


class TemplateVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`data` is LaunchTemplateData as the API has it."""

    number: int
    data: dict[str, Any]
    created_at: float
    description: str | None = None


def version_number(text: str) -> int | None:
    """A version as it is counted; None where the text is no such number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class LaunchTemplate(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ec2.launch-template"

    name: str
    versions: tuple[TemplateVersion, ...]
    default_version: int = 1
    latest_version: int = 1
    created_at: float
    client_token: str | None = None
    client_request: str | None = None
    tags: dict[str, str] = {}

    @property
    def latest(self) -> int:
        """The highest version that there is still; `latest_version` is the highest that there ever was."""
        return max(each.number for each in self.versions)

    def version(self, named: str | None) -> TemplateVersion | None:
        """The version of that number, `$Default` (also None) or `$Latest`: the last of those that there are still."""
        wanted = {None: self.default_version, "": self.default_version, "$Default": self.default_version,
                  "$Latest": self.latest}.get(named)  # fmt: skip
        if wanted is None and named is not None and (number := version_number(named)) is not None:
            wanted = number
        return next((each for each in self.versions if each.number == wanted), None)


class PlacementGroup(Resource, frozen=True, kw_only=True):
    """Instances that are near each other, or apart: `strategy` is cluster, spread or partition."""

    kind: ClassVar[str] = "ec2.placement-group"

    name: str
    strategy: str
    partitions: int | None = None
    spread_level: str | None = None
    tags: dict[str, str] = {}


KINDS: tuple[type[Resource], ...] = (
    Instance,
    InstanceRun,
    InstanceEvent,
    InstanceTold,
    Volume,
    Snapshot,
    Image,
    KeyPair,
    LaunchTemplate,
    PlacementGroup,
    SpotMarket,
    SpotRequest,
)
