"""The keys of identity providers, found as OpenID Connect Discovery 1.0 says and kept for a while.

A token with a key that is not among them has them asked for again, though not every such token.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kunren.core.clock import Clock
from kunren.dataplane.apis import jwt
from kunren.dataplane.apis.upstream import Failed, Upstream

KEPT_S, AGAIN_S, FAILED_S = 7200.0, 5.0, 1.0
"""Real seconds that keys are used for (the developer guide: two hours), between two questions for a key that was not
there, and after a failure."""
WITHIN_S = 10.0
ISSUERS_MAX = 1_000
_DISCOVERY = "/.well-known/openid-configuration"


@dataclass(slots=True)
class _KeySet:
    keys: jwt.Keys = field(default_factory=dict)
    asked_at: float = float("-inf")
    failed_at: float = float("-inf")
    failure: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """`verified` for a token's claims."""

    def __init__(self, upstream: Upstream, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._sets: OrderedDict[tuple[str, str], _KeySet] = OrderedDict()

    async def verified(self, region: str, token: str, issuer: str, audiences: Sequence[str]) -> dict[str, Any]:
        """The claims of a good token. Raises jwt.Refused, and Failed where the issuer's keys can't be had."""
        try:
            return jwt.verify(token, await self.keys(region, issuer, KEPT_S), issuer, audiences, self._clock.wall())
        except jwt.UnknownKey:
            keys = await self.keys(region, issuer, AGAIN_S)
            return jwt.verify(token, keys, issuer, audiences, self._clock.wall())

    async def keys(self, region: str, issuer: str, age_max_s: float) -> jwt.Keys:
        """The issuer's keys, asked for at most so long ago. Raises Failed."""
        kept = self._sets.setdefault((region, issuer), _KeySet())
        if len(self._sets) > ISSUERS_MAX:
            self._sets.popitem(last=False)
        async with kept.lock:  # who waited for another's question has its answer
            now = self._clock.monotonic()
            if now - kept.failed_at < FAILED_S:
                raise Failed(kept.failure)
            if now - kept.asked_at >= age_max_s:
                try:
                    kept.keys = await self._asked(region, issuer)
                except (Failed, ValueError) as error:
                    kept.failure, kept.failed_at = str(error), self._clock.monotonic()
                    raise Failed(kept.failure) from error
                kept.asked_at = self._clock.monotonic()
        return kept.keys

    async def _asked(self, region: str, issuer: str) -> jwt.Keys:
        told = await self._document(region, issuer.rstrip("/") + _DISCOVERY)
        where = told.get("jwks_uri")
        if not isinstance(where, str):
            raise ValueError(f"{issuer} names no jwks_uri")
        return jwt.keys_of(await self._document(region, where))

    async def _document(self, region: str, url: str) -> dict[str, Any]:
        if not url.startswith("https://"):
            raise ValueError(f"{url} is not an https URL")
        answer = await self._upstream.ask(region, "GET", url, [("Accept", "application/json")], b"", WITHIN_S)
        if answer.status != 200:
            raise ValueError(f"{url} answered {answer.status}")
        try:
            told = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise ValueError(f"{url} answered no JSON") from None
        if not isinstance(told, dict):
            raise ValueError(f"{url} answered no object")
        return told
