"""Has what Auto Scaling groups launch get the last revision of their deployment groups before it serves.

As AWS does it: a lifecycle hook in the Auto Scaling group, a deployment to the instance that waits for it, and the
action completed by how that ended. ("Integrating CodeDeploy with Amazon EC2 Auto Scaling".)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.autoscaling.model import LAUNCHING, Member
from kunren.services.autoscaling.model import Group as AutoScalingGroup
from kunren.services.codedeploy import predefined
from kunren.services.codedeploy.managed_hooks import PREFIX, hook_name, scaling_groups
from kunren.services.codedeploy.model import SERVER, Deployment, Group
from kunren.services.codedeploy.starting import new_deployment

_TIMEOUT_S = 600


class Launches:
    """`run` lives until it is cancelled. One key is one Auto Scaling group."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
        kinds = (AutoScalingGroup.kind, Group.kind, Deployment.kind)
        self._controller = Controller(
            "codedeploy-launches", store, clock, keys=_keys, every=_every, reconcile=self._reconcile,
            wants=kinds.__contains__,
        )  # fmt: skip

    async def run(self) -> None:
        await self._controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, name = work.split("|", 2)
        snapshot = self._store.snapshot()
        found = snapshot.get(AutoScalingGroup, account, region, name)
        if found is None or found.deleting:
            return
        owners = {
            hook_name(each): each for each in snapshot.list(Group, account, region) if name in scaling_groups(each)
        }
        for hook in owners.keys() - found.hooks.keys():
            await self._ask(
                found, "PutLifecycleHook", LifecycleHookName=hook, LifecycleTransition=LAUNCHING,
                HeartbeatTimeout=_TIMEOUT_S, DefaultResult="ABANDON",
            )  # fmt: skip
        for hook in sorted(each for each in found.hooks.keys() - owners.keys() if each.startswith(PREFIX)):
            await self._ask(found, "DeleteLifecycleHook", LifecycleHookName=hook)
        for member in found.members.values():
            for hook, waiting in member.hooks.items() if member.state == "Pending:Wait" else ():
                if hook in owners and not waiting.result:
                    await self._serve(found, member, hook, owners[hook])

    async def _serve(self, found: AutoScalingGroup, member: Member, hook: str, owner: Group) -> None:
        """Bring the revision to an instance that waits for it, and let it go on when it has it."""
        result = None
        if owner.revision is None:
            result = "CONTINUE"
        else:
            run = self._run(owner, member)
            if run.ended:
                result = "CONTINUE" if run.status == "Succeeded" else "ABANDON"
        if result is not None:
            await self._ask(
                found, "CompleteLifecycleAction", LifecycleHookName=hook, InstanceId=member.id,
                LifecycleActionResult=result,
            )  # fmt: skip

    def _run(self, owner: Group, member: Member) -> Deployment:
        """The deployment to that instance, begun where there is none."""
        for each in self._store.snapshot().list(Deployment, owner.account, owner.region):
            if each.only == (member.id,) and (each.application, each.group) == (owner.application, owner.name):
                return each
        config = predefined.configs(owner.account, owner.region)[f"{predefined.PREFIX}AllAtOnce"]
        assert owner.revision is not None
        with self._store.write() as tx:
            return new_deployment(
                tx, self._entropy, owner, SERVER, config, owner.revision, self._clock.now(), settings={},
                creator="autoscaling", only=(member.id,),
            )  # fmt: skip

    async def _ask(self, found: AutoScalingGroup, operation: str, **params: Any) -> None:
        try:
            asked = {"AutoScalingGroupName": found.id, **params}
            await self._call(found.account, found.region, "autoscaling", operation, asked)
        except AwsError as error:
            if error.status >= 500:
                raise  # else the group or the instance is another by now, and its row has changed


def _keys(snapshot: Snapshot, key: Key) -> Iterable[str]:
    scope = f"{key.account}|{key.region}|"
    if key.kind == AutoScalingGroup.kind:
        return (scope + key.id,)
    if key.kind == Group.kind:
        return [scope + each.id for each in snapshot.list(AutoScalingGroup, key.account, key.region)]
    run = snapshot.by_key(key)
    if not isinstance(run, Deployment) or not run.only or not run.ended:
        return ()
    owner = snapshot.get(Group, key.account, key.region, f"{run.application}/{run.group}")
    return [scope + each for each in scaling_groups(owner)] if owner is not None else ()


def _every(snapshot: Snapshot) -> Iterable[str]:
    return [f"{each.account}|{each.region}|{each.id}" for each in snapshot.every(AutoScalingGroup)]
