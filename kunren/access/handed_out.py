"""The credentials that Kunren hands to programs: an account's root key, sessions of roles. Outside strict mode, where
nobody checks, everybody gets the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.access.identities import Identities
from kunren.core.clock import Clock
from kunren.core.errors import Unusable
from kunren.core.own_credentials import NOBODYS, Keys, OwnCredentials, role_of_token

SESSION_S = 12 * 3600.0
"""How long a session's credentials are good, in real time however fast the clock: nobody renews them."""


class HandedOut:
    """`own` is None outside strict mode."""

    def __init__(self, own: OwnCredentials | None, clock: Clock) -> None:
        self._own = own
        self._clock = clock
        self.identities: Identities | None = None

    def root(self, account: str) -> Keys:
        return self._own.root(account) if self._own is not None else NOBODYS

    def role(self, arn: str, name: str) -> Keys:
        """A session of that role under that name."""
        if self._own is None:
            return NOBODYS
        return self._own.session(arn, name, self._clock.now() + SESSION_S * max(1.0, self._clock.speed))

    async def variables(self, account: str, role: str | None) -> dict[str, Any]:
        """Variables for programs that call the API: the account's, or those of a role by its ARN or name, where there
        is one. Raises Unusable."""
        if role is None or self.identities is None:
            return {"strict": self._own is not None, "variables": self.root(account).variables()}
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
        await self.identities.load()
        if self.identities.role(arn) is None:
            raise Unusable(f"there is no role {arn}; `aws iam list-roles` shows those that there are.")
        return {"strict": True, "variables": self.role(arn, "kunren-exec").variables()}

    def of_function(self, name: str, token: str) -> Mapping[str, str]:
        """The variables of a function that has the role which `token` names, for its process to begin with."""
        role = role_of_token(token)
        if self._own is None or role is None:
            return {}
        return self.role(role, name).variables()
