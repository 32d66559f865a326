"""The elbv2 API: one file per resource, put together here.

Handlers are synchronous: read, decide, commit. They change desired state only; what is shown as observed (a load
balancer's state, a target's health) was written by the data plane's observers.
"""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.elbv2.api.capacity import CapacityApi
from kunren.services.elbv2.api.ip_pools import IpPoolsApi
from kunren.services.elbv2.api.listeners import ListenersApi
from kunren.services.elbv2.api.load_balancers import LoadBalancersApi
from kunren.services.elbv2.api.policies import PoliciesApi
from kunren.services.elbv2.api.rules import RulesApi
from kunren.services.elbv2.api.tags import TagsApi
from kunren.services.elbv2.api.target_groups import TargetGroupsApi
from kunren.services.elbv2.api.targets import TargetsApi
from kunren.services.elbv2.api.trust_stores import TrustStoresApi
from kunren.services.elbv2.limits import Limits
from kunren.services.elbv2.model import KINDS
from kunren.services.elbv2.parts import CertificateState, MayInvoke, Parts, no_certificates, nothing_invocable
from kunren.world.spec import WorldSpec


class Elbv2Api(
    LoadBalancersApi,
    ListenersApi,
    RulesApi,
    TargetGroupsApi,
    TargetsApi,
    TagsApi,
    PoliciesApi,
    TrustStoresApi,
    CapacityApi,
    IpPoolsApi,
):
    """One method per operation, by botocore's name for it. EC2's kinds must be registered too."""

    service: ClassVar[str] = "elbv2"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        may_invoke: MayInvoke = nothing_invocable,
        certificate_state: CertificateState = no_certificates,
        limits: Limits | None = None,
        call: CallService = nobody_answers,
    ) -> None:
        super().__init__(
            Parts(
                store=store,
                clock=clock,
                entropy=entropy,
                spec=spec,
                may_invoke=may_invoke,
                certificate_state=certificate_state,
                limits=limits or Limits(),
                call=call,
            )
        )
        store.register(*KINDS)
