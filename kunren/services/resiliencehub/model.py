"""The resources of Resilience Hub. Ids are ARNs; times are AWS time; recovery times and points are seconds."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from kunren.control.store import Resource

Disruption = Literal["Software", "Hardware", "AZ", "Region"]
DISRUPTIONS: tuple[Disruption, ...] = ("Software", "Hardware", "AZ", "Region")
NEVER_S = 2_592_001
"""What AWS shows for what cannot be recovered: one second more than thirty days."""
DRAFT, RELEASE = "draft", "release"


class Policy(Resource, frozen=True, kw_only=True):
    """`targets` are RTO and RPO by disruption."""

    kind: ClassVar[str] = "resiliencehub.policy"

    name: str
    tier: str
    targets: dict[str, tuple[int, int]]
    description: str = ""
    data_location: str = "AnyLocation"
    tags: dict[str, str] = {}
    client_token: str = ""
    created: float = 0.0


class AppResource(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that an app consists of: what it is called where it was found, its type as CloudFormation names it,
    its ARN or name, and where it is."""

    logical: str
    type: str
    identifier: str
    account: str
    region: str
    source: str  # the name of the input it came from


class AppVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`mappings` are in the wire's own shape; `resources` are what they were resolved to."""

    version: str  # "draft", or a number
    name: str = ""
    identifier: int = 0
    mappings: tuple[dict[str, Any], ...] = ()
    resources: tuple[AppResource, ...] = ()
    unsupported: tuple[AppResource, ...] = ()
    template: str = "{}"
    created: float = 0.0
    resolution_id: str = ""
    failure: str = ""  # why the last resolution failed


class App(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "resiliencehub.app"

    name: str
    versions: tuple[AppVersion, ...]
    policy: str | None = None
    description: str = ""
    schedule: str = "Disabled"
    subscriptions: tuple[dict[str, Any], ...] = ()
    permission_model: dict[str, Any] | None = None
    tags: dict[str, str] = {}
    client_token: str = ""
    created: float = 0.0


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a disruption costs: seconds, in words how one knows, and what is missing (a code of `advice.py`). A `drill`
    has measured the time and another (`rpo_drill`) the loss, or they are estimated."""

    rto_s: int
    rpo_s: int
    rto_words: str = ""
    rpo_words: str = ""
    missing: tuple[str, ...] = ()
    drill: str = ""
    rpo_drill: str = ""


class ComponentFound(msgspec.Struct, frozen=True, kw_only=True):
    """An app component as an assessment found it."""

    name: str
    type: str
    resources: tuple[str, ...]
    recoveries: dict[str, Recovery]


class Assessment(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "resiliencehub.assessment"

    name: str
    app: str
    version: str
    version_name: str = ""
    status: str = "Pending"
    message: str = ""
    policy: Policy | None = None
    components: tuple[ComponentFound, ...] = ()
    drifts: tuple[dict[str, Any], ...] = ()
    drift_status: str = "NotChecked"
    invoker: str = "User"
    tags: dict[str, str] = {}
    client_token: str = ""
    started: float = 0.0
    ended: float | None = None


class DrillResult(Resource, frozen=True, kw_only=True):
    """What a drill measured, in AWS seconds: `resources` are what it drilled (ARNs, names, DNS names). Of several about
    the same the last counts. Ids are numbered."""

    kind: ClassVar[str] = "resiliencehub.drill-result"

    drill: str
    disruption: Disruption
    resources: tuple[str, ...]
    verdict: bool | None
    rto_s: float | None
    rpo_s: float | None
    at: float


RESOURCES: tuple[type[Resource], ...] = (Policy, App, Assessment, DrillResult)
