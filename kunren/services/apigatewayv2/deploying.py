"""Deployments: what an API is at one moment, as its stages serve it.

Of the deployments that are made automatically, only those that a stage serves are kept.
"""

from __future__ import annotations

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.services.apigatewayv2.model import Api, Authorizer, Content, Deployment, Integration, Part, Route, Stage

View = Snapshot | Tx


def content_of(view: View, api: Api) -> Content:
    """The API as it is now."""
    return Content(
        routes=_configs(view, Route, api),
        integrations=_configs(view, Integration, api),
        authorizers=_configs(view, Authorizer, api),
        cors=api.config.get("CorsConfiguration"),
        endpoint_disabled=bool(api.config.get("DisableExecuteApiEndpoint")),
    )


def _configs(view: View, kind: type[Part], api: Api) -> dict[str, dict[str, object]]:
    prefix = f"{api.id}/"
    return {each.own_id: each.config for each in view.list(kind, api.account, api.region) if each.id.startswith(prefix)}


def deploy(tx: Tx, api: Api, own_id: str, now: float, *, description: str = "", automatic: bool = False) -> Deployment:
    """A new deployment of the API as it is now."""
    made = Deployment(
        account=api.account,
        region=api.region,
        id=f"{api.id}/{own_id}",
        config={"Description": description} if description else {},
        content=content_of(tx, api),
        created=now,
        automatic=automatic,
    )
    tx.put(made)
    return made


def deploy_automatically(tx: Tx, api: Api, own_id: str, now: float) -> None:
    """Have the stages with automatic deployment serve the API as it is now."""
    prefix = f"{api.id}/"
    stages = [each for each in tx.list(Stage, api.account, api.region) if each.id.startswith(prefix)]
    waiting = [each for each in stages if each.config.get("AutoDeploy")]
    routes = any(each.id.startswith(prefix) for each in tx.list(Route, api.account, api.region))
    if not waiting or not routes:
        return  # "At least one route is required before deploying the Api."
    made = deploy(
        tx, api, own_id, now, description="Automatic deployment triggered by changes to the Api configuration",
        automatic=True,
    )  # fmt: skip
    for stage in waiting:
        tx.put(msgspec.structs.replace(stage, deployment=made.own_id, updated=now))
    served = {made.own_id, *(each.deployment for each in stages if each not in waiting)}
    for old in tx.list(Deployment, api.account, api.region):
        if old.automatic and old.id.startswith(prefix) and old.own_id not in served:
            tx.delete(old)
