"""apigatewayv2's operations, one method each (see the files beside this one)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.apigatewayv2.api.domain_names import DomainNameOperations
from kunren.services.apigatewayv2.api.openapi import OpenApiOperations
from kunren.services.apigatewayv2.api.stages import StageOperations
from kunren.services.apigatewayv2.api.tagging import TagOperations
from kunren.services.apigatewayv2.api.vpc_links import VpcLinkOperations
from kunren.services.apigatewayv2.domains.state import DomainState


class ApiGatewayV2Api(OpenApiOperations, StageOperations, DomainNameOperations, VpcLinkOperations, TagOperations):
    """Constructed once its resources are registered (`ApiGatewayV2Service` does both)."""

    service: ClassVar[str] = "apigatewayv2"

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, domains: DomainState,
        forget_authorizations: Callable[[str, str, str, str], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._call = call
        self._domains = domains
        self.forget_authorizations = forget_authorizations
