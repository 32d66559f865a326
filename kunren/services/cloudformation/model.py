"""What CloudFormation keeps. Times are AWS time; `properties` and `attributes` are plain JSON values.

A stack's row is small and changes with each step; what it is made from stands in revisions, one per operation.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.core.calling import Actor
from kunren.services.cloudformation.refactoring import Move


class Revision(Resource, frozen=True, kw_only=True):
    """A template with the values it was given. The id is `<stack's unique part>/<operation's number>`."""

    kind: ClassVar[str] = "cloudformation.revision"

    template: str  # as it was given
    processed: str  # JSON, behind its transforms
    texts: dict[str, str] = {}  # parameters as given or by default
    looked_up: dict[str, str] = {}  # those of Systems Manager
    tags: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    notification_arns: tuple[str, ...] = ()
    role_arn: str = ""
    modules: dict[str, int] = {}  # module types that it is made of, with their versions
    rollback: dict[str, Any] = {}  # its RollbackConfiguration


class Stack(Resource, frozen=True, kw_only=True):
    """The id is its unique part (a UUID). `number` counts operations; `deployed` and `target` are numbers of revisions:
    what is in force, and what the running operation makes of it."""

    kind: ClassVar[str] = "cloudformation.stack"

    name: str
    status: str
    reason: str = ""
    number: int = 0
    deployed: int = 0
    target: int = 0
    created: float = 0.0
    updated: float | None = None
    deleted: float | None = None
    deadline: float | None = None  # of the creation
    timeout_minutes: int | None = None
    on_failure: str = "ROLLBACK"  # DO_NOTHING, DELETE
    disable_rollback: bool = False
    protected: bool = False
    retain_except_on_create: bool = False
    policy: str = ""
    policy_during: str = ""  # in place of it, while this update runs
    parent: str = ""
    root: str = ""
    token: str = ""
    keep: tuple[str, ...] = ()  # RetainResources
    skip: tuple[str, ...] = ()  # ResourcesToSkip
    force: bool = False
    actor: Actor | None = None  # whose permissions its operation has, in strict mode
    change_set: str = ""
    change_set_number: int = 0  # of the operation that it was
    outputs: tuple[dict[str, Any], ...] = ()
    drift: str = "NOT_CHECKED"
    drift_checked: float | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{self.name}/{self.id}"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A resource's operation on its way. `journal` holds what its calls gave, so that a restart repeats none;
    `asked` counts calls begun whose effect can't be written together with the note of it."""

    action: str  # create, update, delete
    token: str
    properties: dict[str, Any] = {}
    journal: tuple[Any, ...] = ()
    asked: int = -1
    began: float = 0.0
    replacing: bool = False
    tags: dict[str, str] = {}
    creation_policy: dict[str, Any] = {}
    update_policy: dict[str, Any] = {}


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A physical resource that a replacement took the place of, until the cleanup. `tries` have failed so far."""

    physical: str
    type: str
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    policy: str = "Delete"
    born: int = 0
    tries: int = 0


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """A resource as it was when the operation began, for the way back."""

    number: int
    physical: str
    type: str
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    metadata: Any = None
    deletion_policy: str = ""
    replace_policy: str = ""
    depends_on: tuple[str, ...] = ()
    born: int = 0
    tags: dict[str, str] = {}
    update_policy: dict[str, Any] = {}


class StackResource(Resource, frozen=True, kw_only=True):
    """A resource of a stack. The id is `<stack's id>/<logical id>`. `done` is the operation that last saw to it, `born`
    the one that made the physical resource."""

    kind: ClassVar[str] = "cloudformation.resource"

    stack: str
    logical: str
    type: str
    physical: str = ""
    properties: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    metadata: Any = None
    status: str = ""
    reason: str = ""
    at: float = 0.0
    done: int = 0
    born: int = 0
    taken: bool = False  # it was there before the stack had it: a rollback lets it go
    deletion_policy: str = ""
    replace_policy: str = ""
    depends_on: tuple[str, ...] = ()
    attempt: Attempt | None = None
    before: Before | None = None
    old: tuple[Former, ...] = ()
    tags: dict[str, str] = {}
    update_policy: dict[str, Any] = {}
    secrets: dict[str, str] = {}  # what dynamic references gave → the reference, which is shown in place of it
    drift: str = "NOT_CHECKED"
    drift_checked: float | None = None
    drift_actual: dict[str, Any] | None = None


class Event(Resource, frozen=True, kw_only=True):
    """The id is `<stack's id>/<number>`."""

    kind: ClassVar[str] = "cloudformation.event"

    event_id: str
    stack: str
    logical: str
    physical: str
    type: str
    status: str
    reason: str = ""
    properties: str = ""
    token: str = ""
    at: float = 0.0
    operation: str = ""  # <the stack's number>/<OperationType>
    hook: dict[str, str] = {}  # HookType, HookStatus, ... where it is about a hook


class Hook(Resource, frozen=True, kw_only=True):
    """A hook. The id is its alias; `properties` are its resource's, `token` is the attempt that made it."""

    kind: ClassVar[str] = "cloudformation.hook"

    token: str
    properties: dict[str, Any]

    @property
    def original(self) -> str:
        """The type that it is an instance of."""
        return f"AWS::Hooks::{'GuardHook' if 'RuleLocation' in self.properties else 'LambdaHook'}"

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:type/hook/{self.id.replace('::', '-')}"


class HookResult(Resource, frozen=True, kw_only=True):
    """A question to a hook. `operation` is what it is about (RESOURCE, STACK, ...), `target` its id, `execution` the
    stack's ARN or Cloud Control's token; `payload` is what the function can fetch while it is asked."""

    kind: ClassVar[str] = "cloudformation.hook_result"

    stack: str  # its id
    execution: str
    name: str
    arn: str
    mode: str  # FAIL, WARN
    original: str = "AWS::Hooks::LambdaHook"
    operation: str
    target: str
    target_name: str
    action: str
    status: str
    reason: str = ""
    invocation: int = 1
    context: Any = None
    annotations: tuple[dict[str, Any], ...] = ()
    payload: str = ""
    secret: str = ""  # in the payload's URL
    at: float = 0.0


class Export(Resource, frozen=True, kw_only=True):
    """The id is the export's name."""

    kind: ClassVar[str] = "cloudformation.export"

    value: str
    stack: str  # its id
    stack_arn: str


class Import(Resource, frozen=True, kw_only=True):
    """A stack uses an export. The id is `<export>|<stack's id>`."""

    kind: ClassVar[str] = "cloudformation.import"

    export: str
    stack: str
    stack_name: str


class ChangeSet(Resource, frozen=True, kw_only=True):
    """The id is its unique part. `revision` is what it would deploy."""

    kind: ClassVar[str] = "cloudformation.change_set"

    name: str
    stack: str
    type: str  # CREATE, UPDATE, IMPORT
    status: str
    reason: str = ""
    execution: str = "UNAVAILABLE"
    description: str = ""
    revision: str = ""  # JSON of a Revision
    changes: tuple[dict[str, Any], ...] = ()
    imports: dict[str, dict[str, Any]] = {}
    created: float = 0.0
    on_failure: str = ""
    include_nested: bool = False
    parent: str = ""  # ARNs of the change sets that it is part of
    root: str = ""
    token: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:changeSet/{self.name}/{self.id}"


class Detection(Resource, frozen=True, kw_only=True):
    """A drift detection of a stack, over when it is written."""

    kind: ClassVar[str] = "cloudformation.detection"

    stack: str
    status: str
    drifted: int = 0
    at: float = 0.0


class Refactored(msgspec.Struct, frozen=True, kw_only=True):
    """A stack as a refactor found it (its number is 0 where there is none yet), and what becomes of it. `waits` are the
    resources' `depends_on`, `used` the exports that it imports."""

    stack: Stack
    revision: Revision
    outputs: tuple[dict[str, Any], ...] = ()
    used: tuple[str, ...] = ()
    waits: dict[str, tuple[str, ...]] = {}


class StackRefactor(Resource, frozen=True, kw_only=True):
    """`stacks` are ARNs; `physical` are the resources that `moves` moves."""

    kind: ClassVar[str] = "cloudformation.refactor"

    stacks: tuple[str, ...]
    status: str
    execution: str
    description: str = ""
    reason: str = ""
    execution_reason: str = ""
    moves: tuple[Move, ...] = ()
    physical: tuple[str, ...] = ()
    becomes: tuple[Refactored, ...] = ()
    created: float = 0.0


class StackSet(Resource, frozen=True, kw_only=True):
    """The id is `<name>:<UUID>`. `parameters` are those of all its stacks, `number` counts what was made of it."""

    kind: ClassVar[str] = "cloudformation.stack_set"

    name: str
    template: str
    status: str = "ACTIVE"
    description: str = ""
    parameters: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    admin_role: str = ""
    execution_role: str = ""
    token: str = ""

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudformation:{self.region}:{self.account}:stackset/{self.id}"


class StackInstance(Resource, frozen=True, kw_only=True):
    """A stack of a set. The id is `<set's id>/<account>/<region>`."""

    kind: ClassVar[str] = "cloudformation.stack_instance"

    stack_set: str
    target_account: str
    target_region: str
    stack_name: str
    stack_arn: str = ""
    overrides: dict[str, str] = {}
    status: str = "OUTDATED"  # CURRENT, INOPERABLE
    detail: str = "PENDING"
    reason: str = ""
    operation: str = ""
    drift: str = "NOT_CHECKED"
    drift_checked: float | None = None


class SetOperation(Resource, frozen=True, kw_only=True):
    """The id is `<set's id>/<operation's id>`; `results` are by `<account>/<region>`."""

    kind: ClassVar[str] = "cloudformation.set_operation"

    stack_set: str
    action: str  # CREATE, UPDATE, DELETE, DETECT_DRIFT
    targets: tuple[tuple[str, str], ...]
    status: str = "RUNNING"
    preferences: dict[str, Any] = {}
    retain: bool = False
    results: dict[str, tuple[str, str]] = {}  # status, reason
    created: float = 0.0
    ended: float | None = None


class ModuleVersion(Resource, frozen=True, kw_only=True):
    """Of a module in the registry. The id is `<name>/<number>`; `schema` and `fragment` are JSON."""

    kind: ClassVar[str] = "cloudformation.module_version"

    name: str
    number: int
    schema: str
    fragment: str
    default: bool = False
    live: bool = True
    created: float = 0.0


class Registration(Resource, frozen=True, kw_only=True):
    """The id is its token. `number` is the version that it made; where there is none, `reason` says why."""

    kind: ClassVar[str] = "cloudformation.registration"

    name: str
    number: int = 0
    reason: str = ""
    asked: str = ""  # the caller's token
    at: float = 0.0


class Response(Resource, frozen=True, kw_only=True):
    """What somebody sent to a response URL (custom resources, wait conditions). The id is the URL's token; those of one
    wait condition's handle have `/<unique id>` behind it."""

    kind: ClassVar[str] = "cloudformation.response"

    body: str
    at: float = 0.0


class Request(Resource, frozen=True, kw_only=True):
    """Of Cloud Control API. The id is its token; `row` is the resource, as if it were a stack's."""

    kind: ClassVar[str] = "cloudformation.request"

    type: str
    operation: str  # CREATE, UPDATE, DELETE
    status: str
    row: StackResource
    identifier: str = ""
    actor: Actor | None = None  # as a stack's
    client_token: str = ""
    asked: str = ""  # the request, to know it again by its client token
    asked_at: float = 0.0
    model: str = ""
    code: str = ""
    message: str = ""
    at: float = 0.0


RESOURCES = (
    Revision,
    Stack,
    StackResource,
    Event,
    Hook,
    HookResult,
    Export,
    Import,
    ChangeSet,
    Detection,
    ModuleVersion,
    Registration,
    StackRefactor,
    Response,
    StackSet,
    StackInstance,
    SetOperation,
    Request,
)

CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"
UPDATE_IN_PROGRESS = "UPDATE_IN_PROGRESS"
UPDATE_CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
UPDATE_ROLLBACK = "UPDATE_ROLLBACK_IN_PROGRESS"
UPDATE_ROLLBACK_CLEANUP = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
IMPORT_IN_PROGRESS = "IMPORT_IN_PROGRESS"
IMPORT_ROLLBACK = "IMPORT_ROLLBACK_IN_PROGRESS"
UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)


def in_update(status: str) -> bool:
    """Whether an update or import, its rollback or its cleanup is on its way: no other operation may begin."""
    return status.endswith("_IN_PROGRESS") and status.startswith(("UPDATE_", "IMPORT_"))
