"""Which decision a request is for: a login's or a bearer token's, by the action of the rule that it matched."""

from __future__ import annotations

from kunren.control.store import Store
from kunren.dataplane.envoy.authorization import Answered, Passed, Question
from kunren.services.elbv2 import jwt_validation
from kunren.services.elbv2.login.bearer import BearerTokens
from kunren.services.elbv2.login.login import Login
from kunren.services.elbv2.model import Rule


class Decisions:
    """`decide` answers Envoy's questions."""

    def __init__(self, store: Store, login: Login, tokens: BearerTokens) -> None:
        self._store = store
        self._login = login
        self._tokens = tokens

    async def decide(self, asked: Question) -> Passed | Answered:
        arn = asked.context["rule"]
        region, account = arn.split(":")[3:5]
        rule = self._store.snapshot().get(Rule, account, region, arn)
        config = jwt_validation.config_of(rule.actions) if rule is not None else None
        if rule is None or config is None:
            return await self._login.decide(asked)
        return await self._tokens.decide(rule, config, asked.headers.get("authorization"))
