"""A lambda service with real workers on the machine's loopback, called as the gateway calls it."""

from __future__ import annotations

import asyncio
import inspect
import io
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.dataplane.runtime.host import LocalHost
from kunren.services.ec2.model import NetworkInterface
from kunren.services.elbv2.model import TargetGroup
from kunren.services.lambda_.service import LambdaService
from kunren.settings import Settings


async def _never(interface: str) -> None:
    raise NotImplementedError(interface)


ROLE = "arn:aws:iam::000000000000:role/function"


def make_package(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


class Caller:
    """Calls operations and waits for durability, as the gateway does."""

    def __init__(self, service: LambdaService, store: Store) -> None:
        self.service = service
        self.store = store
        self.calls = 0

    @staticmethod
    async def until(condition: Callable[[], object]) -> None:
        """Wait until the condition holds (the test's own time limit ends a wait that never does)."""
        while not condition():
            await asyncio.sleep(0.01)

    async def __call__(self, operation: str, **params: Any) -> Any:
        self.calls += 1
        context = RequestContext("000000000000", "us-east-1", "lambda", operation, f"request-{self.calls}")
        answer = getattr(self.service.api, operation)(context, params)
        if inspect.isawaitable(answer):
            answer = await answer
        await self.store.durable()
        return {key: value for key, value in answer.items() if value is not None} if answer is not None else None

    async def create(self, name: str = "f", source: str = "def handler(e, c):\n    return e\n", **params: Any) -> Any:
        settings = {
            "FunctionName": name,
            "Runtime": "python3.11",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": make_package({"app.py": source})},
            **params,
        }
        return await self("create_function", **settings)

    async def active(self, name: str = "f", **params: Any) -> Any:
        made = await self.create(name, **params)
        await self.service.settled()
        return made


@pytest.fixture
def package() -> Callable[[dict[str, str]], bytes]:
    return make_package


@pytest.fixture
def with_lambda(tmp_path: Path) -> Callable[..., None]:
    """Runs a story with a service; several calls in one test use the same state folder, as restarts do."""

    def run(story: Callable[[Caller], Awaitable[None]], **told: Any) -> None:
        async def whole() -> None:
            settings = Settings(state_dir=tmp_path)
            clock = told.pop("clock", None) or SystemClock()
            store = Store(settings.database)
            store.register(TargetGroup, NetworkInterface)
            service = LambdaService(settings, store, clock, Entropy(), LocalHost(), applied=_never, **told)
            await service.start()
            running = asyncio.ensure_future(service.run())
            try:
                await story(Caller(service, store))
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await service.stop()
                store.close()

        asyncio.run(whole())

    return run
