"""S3 behind a gateway of its own, on a thread: real clients over real sockets, without a world."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.gateway.gateway import Gateway
from kunren.services.s3.service import S3Service
from kunren.settings import Settings
from kunren.world.worldfile import load_world

SPEED = 10_000.0
"""A day of AWS time lasts 8.6 s."""


class Front:
    """S3 at a port. `calls` are the calls that it made to other services, which all take them but `missing`."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._folder = folder
        self.calls: list[tuple[str, str, Mapping[str, Any]]] = []
        self.missing = ("missing",)
        self._ahead = 0.0
        self._run(self._start())

    async def _start(self) -> None:
        settings, self.clock, entropy = (
            Settings(state_dir=self._folder, port=0),
            SystemClock(SPEED, self._ahead),
            Entropy(),
        )
        self._store = Store(self._folder / "state.db")
        self._service = S3Service(settings, self._store, self.clock, entropy, load_world(None), self._call)
        self._gateway = Gateway(settings, self._store, self.clock, entropy, {"s3": self._service.api}, None, None)
        self._gateway.fronts.append(self._service.website)
        self._gateway.take_in(self._service.receiving)
        self._running = asyncio.ensure_future(self._service.run())
        await self._gateway.serve_host()
        self.port = self._gateway.port

    async def _call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if any(each in str(params) for each in self.missing):
            raise WireError("NoSuchThing", "it is not there", 404)
        self.calls.append((service, operation, params))
        return {"QueueUrl": "queue"} if operation == "GetQueueUrl" else {}

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._gateway.stop()
        self._service.close()
        self._store.close()

    def restart(self, at: float | None = None) -> None:
        """`at`: which AWS time it is then."""
        self._ahead = 0.0 if at is None else at - time.time()
        self._run(self._stop())
        self._run(self._start())

    def stop(self) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def files(self) -> int:
        """How many contents lie in files."""
        return sum(1 for _ in (self._folder / "data" / "s3" / "bodies").glob("??/*"))

    def settles_at(self, files: int) -> None:
        """Wait until so many contents lie there: some go a moment after the answer."""
        deadline = time.monotonic() + 30
        while (lying := self.files()) != files:
            assert time.monotonic() < deadline, f"{lying} files, not {files}"
            time.sleep(0.02)

    def client(self, account: str = "111122223333", region: str = "us-east-1", **config: Any) -> Any:
        return boto3.client(
            "s3", region_name=region, endpoint_url=f"http://127.0.0.1:{self.port}", aws_access_key_id=account,
            aws_secret_access_key="secret", config=Config(retries={"max_attempts": 0}, **config),
        )  # fmt: skip


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("s3"))
    yield made
    made.stop()


@pytest.fixture
def s3(front: Front) -> Any:
    return front.client()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """A new bucket, named for the test."""
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def refused() -> Callable[..., tuple[int, str]]:
    """`refused(call, **parameters)`: status and code of the refusal."""
    from botocore.exceptions import ClientError

    def run(call: Callable[..., Any], **parameters: Any) -> tuple[int, str]:
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        answer = caught.value.response
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]

    return run
