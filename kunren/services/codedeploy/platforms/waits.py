"""The two waits of a blue/green deployment: until traffic may be rerouted, and until what was there before is ended."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.codedeploy.model import Deployment
from kunren.services.codedeploy.starting import note

READY, TERMINATION = "READY_WAIT", "TERMINATION_WAIT"
TIMED_OUT = "timeout"
_MINUTE_S = 60.0


class Waits:
    """Each gives how many seconds (AWS time) it still lasts, None when it is over; ContinueDeployment ends it."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy

    def ready(self, deployment: Deployment) -> float | None:
        """Where the traffic is rerouted by hand; who waits longer than he said stops the deployment."""
        option = _config(deployment).get("deploymentReadyOption") or {}
        if option.get("actionOnTimeout") != "STOP_DEPLOYMENT":
            return None
        left = self._left(deployment, READY, option.get("waitTimeInMinutes") or 0, status="Ready")
        if left is not None and left <= 0:
            self._change(deployment, stopping=TIMED_OUT)
            return 0.0
        if left is None and deployment.status == "Ready":
            self._change(deployment, status="InProgress")
        return left

    def termination(self, deployment: Deployment) -> float | None:
        option = _config(deployment).get("terminateBlueInstancesOnDeploymentSuccess") or {}
        left = self._left(deployment, TERMINATION, option.get("terminationWaitTimeInMinutes") or 0)
        return left if left is not None and left > 0 else None

    def baking(self, deployment: Deployment, is_so: bool) -> None:
        """A zone is done, and the next one waits."""
        status = "Baking" if is_so else "InProgress"
        if deployment.status != status:
            self._change(deployment, status=status)

    def _left(self, deployment: Deployment, wait: str, minutes: int, **begun: Any) -> float | None:
        """None where somebody has ended it."""
        now, since = self._clock.now(), deployment.waits.get(wait)
        if since is None:
            since = now
            self._change(deployment, waits={**deployment.waits, wait: now}, **begun)
        return None if since == 0.0 else since + minutes * _MINUTE_S - now

    def _change(self, deployment: Deployment, **changed: Any) -> None:
        with self._store.write() as tx:
            found = tx.get(Deployment, deployment.account, deployment.region, deployment.id)
            if found is None or found.ended:
                return
            tx.put(replace(found, **changed))
            if changed.get("status") == "Ready":
                note(tx, self._entropy, found, "READY", self._clock.now())


def _config(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = deployment.settings.get("blueGreenDeploymentConfiguration") or {}
    return found
