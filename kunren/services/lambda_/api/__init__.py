"""The lambda service's operations, one method each (see the files beside this one)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.lambda_.api.aliases import AliasOperations
from kunren.services.lambda_.api.capacity_providers import CapacityProviderOperations
from kunren.services.lambda_.api.code_signing import CodeSigningOperations
from kunren.services.lambda_.api.concurrency import ConcurrencyOperations
from kunren.services.lambda_.api.durable import DurableOperations
from kunren.services.lambda_.api.durable_executions import DurableExecutionOperations
from kunren.services.lambda_.api.event_configs import EventConfigOperations
from kunren.services.lambda_.api.event_sources import EventSourceOperations
from kunren.services.lambda_.api.functions import FunctionOperations
from kunren.services.lambda_.api.invocations import InvokeOperations
from kunren.services.lambda_.api.layers import LayerOperations
from kunren.services.lambda_.api.provisioned import ProvisionedOperations
from kunren.services.lambda_.api.resource_policies import ResourcePolicyOperations
from kunren.services.lambda_.api.settings import SettingOperations
from kunren.services.lambda_.api.tags import TagOperations
from kunren.services.lambda_.api.urls import UrlOperations
from kunren.services.lambda_.downloads import Downloads
from kunren.services.lambda_.invoker import Invoker
from kunren.services.lambda_.packages import Packages
from kunren.services.lambda_.sources.interface import EventSource


class LambdaApi(
    FunctionOperations,
    AliasOperations,
    CapacityProviderOperations,
    CodeSigningOperations,
    ConcurrencyOperations,
    DurableOperations,
    DurableExecutionOperations,
    EventConfigOperations,
    EventSourceOperations,
    LayerOperations,
    ProvisionedOperations,
    ResourcePolicyOperations,
    SettingOperations,
    InvokeOperations,
    TagOperations,
    UrlOperations,
):
    """Constructed once its resources are registered (`LambdaService` does both)."""

    service: ClassVar[str] = "lambda"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        invoker: Invoker,
        packages: Packages,
        downloads: Downloads,
        sources: Mapping[str, EventSource],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._invoker = invoker
        self._packages = packages
        self._downloads = downloads
        self._sources = sources
