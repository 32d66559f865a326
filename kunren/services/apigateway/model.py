"""What is stored of REST APIs. A `shape` is the resource as the API shows it, times as seconds since 1970.

Rows of an API have the id `API/own id`, so that everything of an API is found by its prefix and an API of hundreds of
resources is not written anew for each change. Source: the data types of the API Gateway REST API Reference.
"""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "ANY")


class Row(Resource, frozen=True, kw_only=True):
    """Base of what has a `shape`."""

    shape: dict[str, Any]

    @property
    def name(self) -> str:
        """The own id, without the API's."""
        return self.id.partition("/")[2] or self.id


class RestApi(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.restapi"


class PathResource(Resource, frozen=True, kw_only=True):
    """A resource of an API's tree. `methods` by HTTP method, each with `methodResponses` and `methodIntegration`."""

    kind: ClassVar[str] = "apigateway.resource"

    parent: str = ""
    part: str = ""
    path: str
    methods: dict[str, dict[str, Any]] = {}

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]


class Model(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.model"


class RequestValidator(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.validator"


class Authorizer(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.authorizer"


class GatewayResponse(Row, frozen=True, kw_only=True):
    """One that the owner has put; the defaults are no rows."""

    kind: ClassVar[str] = "apigateway.gatewayresponse"


class DocumentationPart(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.documentationpart"


class DocumentationVersion(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.documentationversion"


class Deployment(Row, frozen=True, kw_only=True):
    """An immutable copy of an API: `frozen` is what serves (`freezing.freeze`)."""

    kind: ClassVar[str] = "apigateway.deployment"

    frozen: dict[str, Any]


class Stage(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.stage"


class UsagePlan(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.usageplan"


class UsagePlanKey(Resource, frozen=True, kw_only=True):
    """That a key belongs to a plan; the id is `PLAN/KEY`."""

    kind: ClassVar[str] = "apigateway.usageplankey"

    @property
    def plan(self) -> str:
        return self.id.partition("/")[0]

    @property
    def key_id(self) -> str:
        return self.id.partition("/")[2]


class Usage(Resource, frozen=True, kw_only=True):
    """What a key has used of a plan: `days` by date, requests used and what remained. The id is `PLAN/KEY`."""

    kind: ClassVar[str] = "apigateway.usage"

    days: dict[str, tuple[int, int]] = {}


class ApiKey(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.apikey"


class VpcLink(Row, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigateway.vpclink"


class VpcLinkNetwork(Resource, frozen=True, kw_only=True):
    """What the controller made for a link, or why it could not: interfaces by subnet. Its id is the link's."""

    kind: ClassVar[str] = "apigateway.vpclinknetwork"

    interfaces: dict[str, str] = {}
    failure: str = ""


class Account(Row, frozen=True, kw_only=True):
    """Settings of an account in a region; the id is "account"."""

    kind: ClassVar[str] = "apigateway.account"


PARTS = (
    PathResource, Model, RequestValidator, Authorizer, GatewayResponse, DocumentationPart, DocumentationVersion,
    Deployment, Stage,
)  # fmt: skip
"""What goes with an API."""
KINDS = (RestApi, *PARTS, UsagePlan, UsagePlanKey, Usage, ApiKey, VpcLink, VpcLinkNetwork, Account)
