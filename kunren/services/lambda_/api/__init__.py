"""The lambda service's operations, one method each (see the files beside this one)."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.lambda_.api.aliases import AliasOperations
from kunren.services.lambda_.api.base import CodeUrl, FetchS3
from kunren.services.lambda_.api.concurrency import ConcurrencyOperations
from kunren.services.lambda_.api.event_configs import EventConfigOperations
from kunren.services.lambda_.api.functions import FunctionOperations
from kunren.services.lambda_.api.invocations import InvokeOperations
from kunren.services.lambda_.api.permissions import PermissionOperations
from kunren.services.lambda_.api.tags import TagOperations
from kunren.services.lambda_.api.urls import UrlOperations
from kunren.services.lambda_.code import CodeStore
from kunren.services.lambda_.invoker import Invoker
from kunren.settings import Settings


class LambdaApi(
    FunctionOperations,
    AliasOperations,
    ConcurrencyOperations,
    EventConfigOperations,
    PermissionOperations,
    InvokeOperations,
    TagOperations,
    UrlOperations,
):
    """Constructed once its resources are registered (`LambdaService` does both)."""

    service: ClassVar[str] = "lambda"

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        invoker: Invoker,
        *,
        fetch_s3: FetchS3 | None = None,
        code_url: CodeUrl | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._invoker = invoker
        self._code = CodeStore(settings.data_dir / "lambda")
        self._fetch_s3 = fetch_s3
        self._code_url = code_url
