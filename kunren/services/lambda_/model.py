"""The lambda service's resources. A function's id is its name; durations are seconds, sizes bytes or MB as on AWS."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.dataplane.apis.cors import Cors
from kunren.dataplane.runtime.version import FunctionVersion
from kunren.services.lambda_.capacity.model import Capacity

LATEST = "$LATEST"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment package: `sha256` (hexadecimal) is also where it lies on disk."""

    sha256: str
    size: int
    unpacked: int = 0


class LayerReference(msgspec.Struct, frozen=True, kw_only=True):
    """A layer version as a function has it: it keeps the code when the version is deleted."""

    arn: str
    code: Code


class Durability(msgspec.Struct, frozen=True, kw_only=True):
    """How long a durable function's executions may take, and how long they are remembered afterwards."""

    timeout_s: int
    retention_days: int = 14
    kms_key_arn: str = ""


class VpcPlacement(msgspec.Struct, frozen=True, kw_only=True):
    """Where a function in a VPC has its interfaces: one for each subnet, with all the security groups."""

    vpc_id: str
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    ipv6: bool = False


class ImageReference(msgspec.Struct, frozen=True, kw_only=True):
    """A function's container image, by the URI it was given and the digest that this meant, and what its ImageConfig
    says instead of the image (None: nothing). `config` is the digest of the image's configuration, by which it is
    found unpacked ("": as `digest`). Both are hexadecimal."""

    uri: str
    digest: str
    config: str = ""
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None


class Configured(Resource, frozen=True, kw_only=True):
    """What a function's $LATEST and its published versions have in common: all that decides how it runs.

    `update_id` changes with each change of code or configuration and is what the controller deploys; `revision_id`
    changes with each change that callers may guard by RevisionId. `deployed_update_id` is the last update that the
    runtime has had (empty: none yet), kept so that a restart does not turn an active function into a pending one.
    `arn` is the function's, without qualifier.
    """

    arn: str
    role: str
    runtime: str
    handler: str
    code: Code
    description: str = ""
    timeout: int = 3
    memory_size: int = 128
    environment: dict[str, str] | None = None
    architecture: str = "x86_64"
    ephemeral_storage: int = 512
    log_group: str = ""
    dead_letter_arn: str = ""
    kms_key_arn: str = ""
    layers: tuple[LayerReference, ...] = ()
    durability: Durability | None = None
    capacity: Capacity | None = None
    vpc: VpcPlacement | None = None
    image: ImageReference | None = None
    last_modified: float
    revision_id: str
    update_id: str
    deployed_update_id: str = ""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.id.partition(":")[0]

    @property
    def version(self) -> str:
        return self.id.partition(":")[2] or LATEST


SETTINGS = (
    "role", "runtime", "handler", "code", "timeout", "memory_size", "environment", "architecture", "ephemeral_storage",
    "log_group", "dead_letter_arn", "kms_key_arn", "layers", "vpc", "image", "durability", "capacity",
)  # fmt: skip
"""The fields of `Configured` that a published version takes over from $LATEST, besides its description."""


class Function(Configured, frozen=True, kw_only=True):
    """Desired: one function and its $LATEST configuration.

    `policies` are the statements of each resource policy, by qualifier ("" for the function itself, else a version or
    alias), and `policy_heads` the Version and Id of those that were put as whole documents; `last_version` is the
    number that was published last, which is never used again; `code_signing_config` is an ARN.
    """

    kind: ClassVar[str] = "lambda.function"

    last_version: int = 0
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"
    policies: dict[str, tuple[dict[str, Any], ...]] = {}
    policy_heads: dict[str, dict[str, str]] = {}
    code_signing_config: str = ""
    tags: dict[str, str] = {}


class PublishedVersion(Configured, frozen=True, kw_only=True):
    """Desired: an immutable version. Its id is `name:number`. `description_before` is what $LATEST said when it was
    published, where PublishVersion gave another: that alone is no change worth a new version."""

    kind: ClassVar[str] = "lambda.version"

    description_before: str = ""


class Alias(Resource, frozen=True, kw_only=True):
    """Desired: a name for one version, or for two, `weights` being the share of the second. Its id is `name:alias`."""

    kind: ClassVar[str] = "lambda.alias"

    arn: str
    function: str
    name: str
    version: str
    description: str = ""
    weights: dict[str, float] = {}
    revision_id: str


class EventInvokeConfig(Resource, frozen=True, kw_only=True):
    """Desired: what becomes of asynchronous invocations. Its id is `name:qualifier`; None and "" are AWS's defaults."""

    kind: ClassVar[str] = "lambda.event-invoke-config"

    arn: str
    function: str
    last_modified: float
    retries_max: int | None = None
    age_max_s: int | None = None
    on_success: str = ""
    on_failure: str = ""


class FunctionUrl(Resource, frozen=True, kw_only=True):
    """Desired: an HTTPS endpoint of a function or alias (`qualifier`). Its id is `name:qualifier`; `label` is the first
    part of its host name."""

    kind: ClassVar[str] = "lambda.function-url"

    label: str
    function: str
    qualifier: str = ""
    auth: str
    mode: str = "BUFFERED"
    cors: Cors | None = None
    created: float
    modified: float

    @property
    def host(self) -> str:
        return f"{self.label}.lambda-url.{self.region}.on.aws"


class Layer(Resource, frozen=True, kw_only=True):
    """A layer's name, and the number of its version that was published last."""

    kind: ClassVar[str] = "lambda.layer"

    last_version: int = 0

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:layer:{self.id}"


class LayerVersion(Resource, frozen=True, kw_only=True):
    """Desired: an immutable package. Its id is `layer:number`."""

    kind: ClassVar[str] = "lambda.layer-version"

    layer_arn: str
    code: Code
    description: str = ""
    license: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    created: float
    policy: tuple[dict[str, Any], ...] = ()
    policy_revision: str = ""

    @property
    def name(self) -> str:
        return self.id.partition(":")[0]

    @property
    def number(self) -> int:
        return int(self.id.partition(":")[2])

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.number}"


class ProvisionedConcurrency(Resource, frozen=True, kw_only=True):
    """Desired: workers kept initialised for a version or alias. Its id is `name:qualifier`."""

    kind: ClassVar[str] = "lambda.provisioned-concurrency"

    function: str
    qualifier: str
    requested: int
    modified: float


class CodeSigningConfig(Resource, frozen=True, kw_only=True):
    """Desired: whose signatures on code are trusted, and whether other code is refused (`policy` Enforce) or let pass
    (Warn). `publishers` are ARNs of signing profile versions."""

    kind: ClassVar[str] = "lambda.code-signing-config"

    publishers: tuple[str, ...]
    policy: str = "Warn"
    description: str = ""
    modified: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:code-signing-config:{self.id}"


class EventSourceMapping(Resource, frozen=True, kw_only=True):
    """Desired: a function invoked with what a source has. Its id is the UUID; `state` is what the poller has come to.

    `function_arn` carries a qualifier where one was given; `concurrency` None is AWS's default.
    """

    kind: ClassVar[str] = "lambda.event-source-mapping"

    source_arn: str
    function: str
    function_arn: str
    enabled: bool = True
    deleting: bool = False
    state: str
    batch_size: int = 10
    window_s: int = 0
    filters: tuple[str, ...] = ()
    concurrency: int | None = None
    partial: bool = False
    modified: float
    last_result: str = ""
    tags: dict[str, str] = {}

    @property
    def wanted(self) -> bool:
        """Whether its source is to be polled."""
        return self.enabled and not self.deleting

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{self.id}"


class FunctionStatus(Resource, frozen=True, kw_only=True):
    """Observed, kept in memory: what the runtime has deployed. Id is that of the function or version.

    `update_id` is the last update that was tried; `reason` and `reason_code` are set when it failed. `deployed` is what
    invocations run, and stays the version before while an update is in progress or has failed.
    """

    kind: ClassVar[str] = "lambda.function-status"
    durable: ClassVar[bool] = False

    update_id: str
    deployed: FunctionVersion | None = None
    reason: str = ""
    reason_code: str = ""


class AsyncEvent(Resource, frozen=True, kw_only=True):
    """An accepted `Event` invocation that has not ended yet. Id is its request id; times are AWS time."""

    kind: ClassVar[str] = "lambda.async-event"

    function: str
    qualifier: str = ""
    payload: bytes
    client_context: str = ""
    accepted_at: float
    not_before: float
    errors: int = 0
    """How often the function itself failed."""
    refusals: int = 0
    """How often it could not be tried (throttled, or nothing to run it on)."""
    refused: str = ""
    """Why, the last time."""


RESOURCES = (
    Function,
    PublishedVersion,
    Alias,
    EventInvokeConfig,
    FunctionUrl,
    Layer,
    LayerVersion,
    ProvisionedConcurrency,
    CodeSigningConfig,
    EventSourceMapping,
    FunctionStatus,
    AsyncEvent,
)
"""All that the service keeps in the store."""
