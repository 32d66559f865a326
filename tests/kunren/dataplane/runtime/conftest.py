"""Real workers on the machine's loopback, without a world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.runtime.host import LocalHost
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.dataplane.runtime.version import FunctionVersion, Invocation, Outcome


class Bench:
    """One runtime and the functions made for a test."""

    def __init__(self, folder: Path, runtime: FunctionRuntime) -> None:
        self.folder = folder
        self.runtime = runtime
        self.calls = 0

    @staticmethod
    async def until(condition: Callable[[], object]) -> None:
        """Wait until the condition holds (the test's own time limit ends a wait that never does)."""
        while not condition():
            await asyncio.sleep(0.01)

    def function(self, name: str, runtime: str, handler: str, files: dict[str, str], **told: Any) -> FunctionVersion:
        code = self.folder / "code" / name
        code.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            (code / path).write_text(text)
            (code / path).chmod(0o755)
        settings: dict[str, Any] = {"memory_mb": 128, "timeout_s": 10, "revision": "1", **told}
        return FunctionVersion(
            account="000000000000",
            region="us-east-1",
            name=name,
            arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
            version="$LATEST",
            runtime=runtime,
            handler=handler,
            code_dir=str(code),
            log_group=f"/aws/lambda/{name}",
            **settings,
        )

    async def call(self, version: FunctionVersion, payload: bytes = b"{}", **told: Any) -> Outcome:
        self.calls += 1
        call = Invocation(request_id=f"request-{self.calls}", payload=payload, invoked_arn=version.arn)
        return await self.runtime.run(version, call, **told)


@pytest.fixture
def run_bench(tmp_path: Path) -> Callable[..., None]:
    """Runs an async story with a `Bench`, and ends every worker afterwards."""

    def run(story: Callable[[Bench], Awaitable[None]], **told: Any) -> None:
        async def whole() -> None:
            settings: dict[str, Any] = {"clock": SystemClock(), "host": LocalHost(), **told}
            runtime = FunctionRuntime(
                entropy=Entropy(), folder=tmp_path / "workers", log_folder=tmp_path / "logs", **settings
            )
            bench = Bench(tmp_path, runtime)
            try:
                await story(bench)
            finally:
                await runtime.stop()
            assert runtime.status()["workers"] == 0

        asyncio.run(whole())

    return run
