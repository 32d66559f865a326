"""The decision on requests to rules with a jwt-validation action, and the keys that it needs.

The keys come from the rule's JWKS endpoint, asked by a node of the load balancer, and are kept for a while. A token
with a key that is not among them has them asked for again, though not every such token.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunren.core.clock import Clock
from kunren.dataplane.envoy.authorization import Answered, Passed
from kunren.services.elbv2.arns import balancer_of
from kunren.services.elbv2.login import provider, tokens
from kunren.services.elbv2.login.answers import refusal
from kunren.services.elbv2.login.nodes import Connect
from kunren.services.elbv2.model import Rule

log = logging.getLogger(__name__)
KEPT_S, AGAIN_S, FAILED_S = 300.0, 5.0, 1.0
"""Real seconds that keys are used for, between two questions for a key that was not there, and after a failure."""
SETS_MAX = 1_000


@dataclass(slots=True)
class _KeySet:
    keys: tokens.Keys = field(default_factory=dict)
    asked_at: float = float("-inf")
    failed_at: float = float("-inf")
    failure: Exception = field(default_factory=ValueError)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class BearerTokens:
    """`decide` lets requests with good tokens pass as they are. `roots` as for `Login`."""

    def __init__(self, clock: Clock, connect: Connect, roots: Path) -> None:
        self._clock = clock
        self._connect = connect
        self._roots = roots
        self._sets: dict[tuple[str, str], _KeySet] = {}

    async def decide(self, rule: Rule, config: Mapping[str, Any], authorization: str | None) -> Passed | Answered:
        try:
            token = tokens.bearer(authorization)
            try:
                tokens.verify(token, await self._keys(rule, config, KEPT_S), config, self._clock.wall())
            except tokens.UnknownKey:
                tokens.verify(token, await self._keys(rule, config, AGAIN_S), config, self._clock.wall())
        except tokens.Refused as error:
            return refusal(401, str(error))
        except provider.Refused as error:
            log.info("no keys: %s", error)
            return refusal(500, "JWKSRequestFailed")
        except provider.TimedOut as error:
            log.info("no keys: %s", error)
            return refusal(500, "JWKSRequestTimeout")
        except (provider.Unreachable, ValueError) as error:
            log.info("no keys: %s", error)
            return refusal(500, "JWKSResponseInvalid")
        return Passed()

    async def _keys(self, rule: Rule, config: Mapping[str, Any], age_max_s: float) -> tokens.Keys:
        """The endpoint's keys, asked for at most so long ago. Raises provider.Refused, Unreachable, ValueError."""
        balancer = balancer_of(rule.listener_arn)
        kept = self._sets.setdefault((balancer, config["JwksEndpoint"]), _KeySet())
        if len(self._sets) > SETS_MAX:
            del self._sets[next(iter(self._sets))]
        async with kept.lock:  # who waited for another's question has its answer
            now = self._clock.monotonic()
            if now - kept.failed_at < FAILED_S:
                raise kept.failure.with_traceback(None)
            if now - kept.asked_at >= age_max_s:
                try:
                    kept.keys = tokens.keys_of(await self._asked(rule.account, balancer, config["JwksEndpoint"]))
                except (provider.Refused, provider.Unreachable, ValueError) as error:
                    kept.failure, kept.failed_at = error, self._clock.monotonic()
                    raise
                kept.asked_at = self._clock.monotonic()
        return kept.keys

    async def _asked(self, account: str, balancer: str, url: str) -> dict[str, Any]:
        async def connect(host: str, port: int) -> socket.socket:
            return await self._connect(account, balancer, host, port)

        return await provider.key_set(connect, self._roots, url)
