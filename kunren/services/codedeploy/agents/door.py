"""Where instances' agents knock: CodeDeploy's bucket with their installer, and the endpoint that they ask for commands.

It stands at the gateway from the start, so that instances may come before anybody asks CodeDeploy for anything; behind
it is the service, made when the first of them knocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from kunren.core.fronts import FrontAnswer, FrontRequest

_BUCKET = r"aws-codedeploy-([a-z0-9-]+)"
COMMANDS = re.compile(r"codedeploy-commands(?:-secure)?\.([a-z0-9-]+)\.amazonaws\.com")
BUCKET_HOST = re.compile(_BUCKET + r"\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
BUCKET_PATH = re.compile(rf"(?:/{_BUCKET})?/latest/(install|codedeploy-agent\.tar\.gz)")


class Behind(Protocol):
    async def install(self, request: FrontRequest) -> FrontAnswer: ...
    async def command(self, request: FrontRequest) -> FrontAnswer: ...


class AgentDoor:
    """A front of the gateway (`kunren.core.fronts`)."""

    def __init__(self, behind: Callable[[], Behind]) -> None:
        self._behind = behind

    def claims(self, host: str, path: str) -> bool:
        if host.startswith("codedeploy-commands"):
            return COMMANDS.fullmatch(host.partition(":")[0]) is not None
        if "/latest/" not in path or BUCKET_PATH.fullmatch(path) is None:
            return False
        return path.startswith("/aws-codedeploy-") or BUCKET_HOST.fullmatch(host.partition(":")[0].lower()) is not None

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        if COMMANDS.fullmatch(request.host) is not None:
            return await self._behind().command(request)
        return await self._behind().install(request)
