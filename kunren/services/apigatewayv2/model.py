"""The resources of HTTP APIs. `config` holds members as the wire has them, checked; times are AWS seconds.

What belongs to an API has the id `api/own`. What traffic meets is a deployment: everything as it was when it was made.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

DEFAULT = "$default"


class Api(Resource, frozen=True, kw_only=True):
    """`config`: Name, Description, Version, CorsConfiguration, DisableExecuteApiEndpoint, IpAddressType.
    `quick` where CreateApi made route, integration and stage with it."""

    kind: ClassVar[str] = "apigatewayv2.api"

    config: dict[str, Any]
    created: float
    tags: dict[str, str] = {}
    import_info: tuple[str, ...] = ()
    quick: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:apigateway:{self.region}::/apis/{self.id}"


class Part(Resource, frozen=True, kw_only=True):
    """What an API is made of."""

    config: dict[str, Any]

    @property
    def api_id(self) -> str:
        return self.id.partition("/")[0]

    @property
    def own_id(self) -> str:
        return self.id.partition("/")[2]


class Route(Part, frozen=True, kw_only=True):
    """`config`: RouteKey, Target, AuthorizationType, AuthorizerId, AuthorizationScopes, OperationName, ..."""

    kind: ClassVar[str] = "apigatewayv2.route"

    managed: bool = False


class Integration(Part, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigatewayv2.integration"

    managed: bool = False


class Authorizer(Part, frozen=True, kw_only=True):
    kind: ClassVar[str] = "apigatewayv2.authorizer"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment serves: configurations by own id, and of the API what needs a deployment to be felt."""

    routes: dict[str, dict[str, Any]] = {}
    integrations: dict[str, dict[str, Any]] = {}
    authorizers: dict[str, dict[str, Any]] = {}
    cors: dict[str, Any] | None = None
    endpoint_disabled: bool = False


class Deployment(Part, frozen=True, kw_only=True):
    """`config`: Description."""

    kind: ClassVar[str] = "apigatewayv2.deployment"

    content: Content
    created: float
    automatic: bool = False


class Stage(Part, frozen=True, kw_only=True):
    """Its own id is its name. `config`: Description, AutoDeploy, StageVariables, DefaultRouteSettings, RouteSettings,
    AccessLogSettings. `deployment` is empty while there is none."""

    kind: ClassVar[str] = "apigatewayv2.stage"

    deployment: str = ""
    created: float
    updated: float
    tags: dict[str, str] = {}
    managed: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:apigateway:{self.region}::/apis/{self.api_id}/stages/{self.own_id}"


class VpcLink(Resource, frozen=True, kw_only=True):
    """Interfaces in a VPC by which integrations reach what is private there."""

    kind: ClassVar[str] = "apigatewayv2.vpc-link"

    name: str
    vpc_id: str
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    created: float
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:apigateway:{self.region}::/vpclinks/{self.id}"


class VpcLinkNetwork(Resource, frozen=True, kw_only=True):
    """What the controller made for a link, or why it could not: interfaces by subnet. Its id is the link's."""

    kind: ClassVar[str] = "apigatewayv2.vpc-link-network"

    interfaces: dict[str, str] = {}
    failure: str = ""


RESOURCES = (Api, Route, Integration, Authorizer, Deployment, Stage, VpcLink, VpcLinkNetwork)
