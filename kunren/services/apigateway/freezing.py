"""An API as it is deployed: everything that its traffic needs, as one immutable document. Pure."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.services.apigateway.errors import BadRequestException
from kunren.services.apigateway.model import (
    Authorizer,
    GatewayResponse,
    Model,
    PathResource,
    RequestValidator,
    RestApi,
    Row,
)

_API_MEMBERS = (
    "id", "name", "binaryMediaTypes", "minimumCompressionSize", "apiKeySource", "policy", "disableExecuteApiEndpoint",
    "endpointConfiguration",
)  # fmt: skip


def freeze(view: Snapshot | Tx, api: RestApi) -> dict[str, Any]:
    """`api`, `resources` (each with id, path and methods), `models`, `validators`, `authorizers` by id or name, and
    `responses` by type."""
    prefix = api.id + "/"

    def rows(kind: type[Row]) -> dict[str, Any]:
        found = (each for each in view.list(kind, api.account, api.region) if each.id.startswith(prefix))
        return {each.name: each.shape for each in found}

    resources = [
        {"id": each.name, "path": each.path, "methods": each.methods}
        for each in view.list(PathResource, api.account, api.region)
        if each.id.startswith(prefix) and each.methods
    ]
    return {
        "api": {name: api.shape[name] for name in _API_MEMBERS if name in api.shape},
        "resources": resources,
        "models": rows(Model),
        "validators": rows(RequestValidator),
        "authorizers": rows(Authorizer),
        "responses": rows(GatewayResponse),
    }


def check_deployable(frozen: dict[str, Any]) -> None:
    """Raises BadRequestException."""
    if not frozen["resources"]:
        raise BadRequestException("The REST API doesn't contain any methods")
    for resource in frozen["resources"]:
        if any("methodIntegration" not in method for method in resource["methods"].values()):
            raise BadRequestException("No integration defined for method")
