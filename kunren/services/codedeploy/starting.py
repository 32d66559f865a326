"""How deployments begin and end as rows: asked for by users or as the rollback of another. Within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.codedeploy import predefined
from kunren.services.codedeploy.model import Config, Deployment, Group, Notice, Revision

_FROM_GROUP = (
    "deploymentStyle", "blueGreenDeploymentConfiguration", "loadBalancerInfo", "autoRollbackConfiguration",
)  # fmt: skip
FAILURE, ON_ALARM, ON_REQUEST = "DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"


def new_deployment(
    tx: Tx, entropy: Entropy, group: Group, platform: str, config: Config, location: dict[str, Any], now: float,
    *, settings: Mapping[str, Any], **more: Any,
) -> Deployment:  # fmt: skip
    """A deployment to that group, written; what `settings` does not say is the group's."""
    of_group = {member: group.settings[member] for member in _FROM_GROUP if member in group.settings}
    made = Deployment(
        account=group.account, region=group.region, id=f"d-{entropy.upper(9)}", application=group.application,
        group=group.name, platform=platform, config=config.id, created_at=now, revision=location,
        previous=group.revision, settings={**of_group, **settings}, minimum=config.minimum, routing=config.routing,
        zonal=config.zonal, **more,
    )  # fmt: skip
    tx.put(made)
    if not made.only:
        tx.put(replace(group, attempted=made.id))
    return made


def note(tx: Tx, entropy: Entropy, deployment: Deployment, state: str, at: float, target: str = "") -> None:
    """EventBridge and triggers are to be told."""
    tx.put(
        Notice(
            account=deployment.account,
            region=deployment.region,
            id=f"{at:020.6f}-{entropy.hex(8)}",
            deployment=deployment.id,
            target=target,
            state=state,
            at=at,
        )
    )


def succeeded(tx: Tx, entropy: Entropy, deployment: Deployment, now: float) -> None:
    tx.put(replace(deployment, status="Succeeded", completed_at=now))
    note(tx, entropy, deployment, "SUCCESS", now)
    group = group_of(tx, deployment)
    if group is None or deployment.only:
        return
    tx.put(replace(group, revision=deployment.revision, succeeded=deployment.id))
    for each in tx.list(Revision, deployment.account, deployment.region):
        if each.application != deployment.application:
            continue
        groups = [name for name in each.groups if name != group.name]
        if each.location == deployment.revision:
            groups.append(group.name)
        if tuple(groups) != each.groups:
            tx.put(replace(each, groups=tuple(groups)))


def broken_off(
    tx: Tx, entropy: Entropy, deployment: Deployment, status: str, cause: str, error: dict[str, str], now: float
) -> Deployment | None:
    """The deployment has ended as Failed or Stopped for `cause`, an AutoRollbackEvent: gives its rollback, if any."""
    note(tx, entropy, deployment, {"Failed": "FAILURE", "Stopped": "STOP"}[status], now)
    ended = replace(deployment, status=status, error=error, completed_at=now)
    tx.put(ended)
    group = group_of(tx, deployment)
    no_way_back = deployment.started_at is None or deployment.undoes or deployment.only
    if group is None or no_way_back or not _rolls_back(deployment, cause):
        return None
    if group.revision is None and deployment.platform == "Server" and not deployment.blue_green:
        told = f"There is no revision that was deployed to {group.name} with success, so nothing is rolled back to."
        tx.put(replace(ended, rollback={"rollbackMessage": told}))
        return None
    name = deployment.config if deployment.platform == "Server" else predefined.DEFAULTS[deployment.platform]
    provided = predefined.configs(deployment.account, deployment.region)
    config = provided.get(name) or tx.get(Config, deployment.account, deployment.region, name) or Config(
        account=deployment.account, region=deployment.region, id=name, config_id="", platform=deployment.platform,
        created_at=now, minimum=deployment.minimum, routing=deployment.routing,
    )  # fmt: skip
    carried = ("ignoreApplicationStopFailures", "fileExistsBehavior")
    kept: dict[str, Any] = {each: deployment.settings[each] for each in carried if each in deployment.settings}
    made = new_deployment(
        tx, entropy, group, deployment.platform, config, group.revision or deployment.revision, now, settings=kept,
        creator="codeDeployRollback", undoes=deployment.id,
        rollback={
            "rollbackTriggeringDeploymentId": deployment.id,
            "rollbackMessage": f"Deployment {deployment.id} {status.lower()}, so its changes are rolled back.",
        },
    )  # fmt: skip
    back = {"rollbackDeploymentId": made.id, "rollbackMessage": f"Deployment {made.id} rolls this one back."}
    tx.put(replace(ended, rollback=back))
    note(tx, entropy, ended, "ROLLBACK", now)
    return made


def _rolls_back(deployment: Deployment, cause: str) -> bool:
    if cause == ON_REQUEST and deployment.rolls_back_when_stopped is not None:
        return deployment.rolls_back_when_stopped
    config = deployment.settings.get("autoRollbackConfiguration") or {}
    return bool(config.get("enabled")) and cause in (config.get("events") or ())


def group_of(tx: Tx, deployment: Deployment) -> Group | None:
    return tx.get(Group, deployment.account, deployment.region, f"{deployment.application}/{deployment.group}")
