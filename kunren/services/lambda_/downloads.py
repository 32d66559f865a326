"""Packages to download: the `Location` of a function's code or of a layer is a URL that really gives the archive.

A link names the package by its SHA-256 and is good for ten minutes, which a keyed hash of both proves. It leads to the
gateway, by the name of AWS's own bucket in the world, or by its path where the caller came in over another address.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs

from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.lambda_.code import CodeStore

VALID_S = 600
_HOST = re.compile(r"awslambda-([a-z0-9-]+)-tasks\.s3\.[a-z0-9-]+\.amazonaws\.com(:\d+)?")
_PATH = re.compile(r"(?:/awslambda-[a-z0-9-]+-tasks)?/snapshots/\d{12}/([0-9a-f]{64})")
_STAMP = "%Y%m%dT%H%M%SZ"


class Downloads:
    """Makes links, and answers them as a front of the gateway (`kunren.core.fronts`)."""

    def __init__(self, code: CodeStore, clock: Clock, entropy: Entropy) -> None:
        self._code = code
        self._clock = clock
        self._secret = entropy.hex(64).encode()

    def link(self, ctx: RequestContext, sha256: str) -> str:
        """A URL for whoever asked, over the way by which they came."""
        bucket, path = f"awslambda-{ctx.region}-tasks", f"/snapshots/{ctx.account}/{sha256}"
        host = ctx.host.partition(":")[0]
        if not host or host.endswith(".amazonaws.com"):
            place = f"https://{bucket}.s3.{ctx.region}.amazonaws.com"
        else:
            place = f"{'https' if ctx.secure else 'http'}://{ctx.host}/{bucket}"
        stamp = datetime.fromtimestamp(self._clock.wall(), UTC).strftime(_STAMP)
        return f"{place}{path}?X-Amz-Date={stamp}&X-Amz-Expires={VALID_S}&X-Amz-Signature={self._sign(sha256, stamp)}"

    def _sign(self, sha256: str, stamp: str) -> str:
        return hmac.new(self._secret, f"{sha256}/{stamp}".encode(), hashlib.sha256).hexdigest()

    def claims(self, host: str, path: str) -> bool:
        if path.startswith("/awslambda-"):
            return _PATH.fullmatch(path) is not None
        return host.startswith("awslambda-") and _HOST.fullmatch(host) is not None

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        found = _PATH.fullmatch(request.path)
        told = {name: values[0] for name, values in parse_qs(request.query).items()}
        stamp = told.get("X-Amz-Date", "")
        if found is None or not hmac.compare_digest(self._sign(found[1], stamp), told.get("X-Amz-Signature", "")):
            return _refusal(403, "AccessDenied", "Access Denied")
        made = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
        if self._clock.wall() - made > VALID_S:
            return _refusal(403, "AccessDenied", "Request has expired")
        try:
            package = await asyncio.to_thread(self._code.package(found[1]).read_bytes)
        except FileNotFoundError:
            return _refusal(404, "NoSuchKey", "The specified key does not exist.")
        return FrontAnswer(200, [("Content-Type", "application/zip")], package if request.method == "GET" else b"")


def _refusal(status: int, code: str, message: str) -> FrontAnswer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return FrontAnswer(status, [("Content-Type", "application/xml")], text.encode())
