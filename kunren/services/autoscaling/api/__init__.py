"""The operations of Auto Scaling: one file per kind of resource, joined here. What follows is the controllers'."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.autoscaling.api.balancers import BalancerOperations
from kunren.services.autoscaling.api.capacity import CapacityOperations
from kunren.services.autoscaling.api.groups import GroupOperations
from kunren.services.autoscaling.api.hooks import HookOperations
from kunren.services.autoscaling.api.notifications import NotificationOperations
from kunren.services.autoscaling.api.policies import PolicyOperations
from kunren.services.autoscaling.api.refreshes import RefreshOperations
from kunren.services.autoscaling.api.schedules import ScheduleOperations
from kunren.services.autoscaling.api.standby import StandbyOperations
from kunren.services.autoscaling.api.tags import TagOperations
from kunren.services.autoscaling.api.types import TypeOperations
from kunren.services.autoscaling.api.warm_pools import WarmPoolOperations
from kunren.services.autoscaling.model import KINDS


class AutoScalingApi(
    GroupOperations,
    CapacityOperations,
    StandbyOperations,
    BalancerOperations,
    HookOperations,
    PolicyOperations,
    ScheduleOperations,
    RefreshOperations,
    WarmPoolOperations,
    NotificationOperations,
    TagOperations,
    TypeOperations,
):
    service: ClassVar[str] = "autoscaling"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService = nobody_answers) -> None:
        """Registers its kinds with the store; the ec2 and elbv2 kinds are registered before."""
        store.register(*KINDS)
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call
