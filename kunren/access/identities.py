"""Whose a key is, and what policies its holder has: the one owner of what is known of identities.

Asked of moto when a key that is not Kunren's own is first met, and again after each change of IAM or STS that went
through the gateway (`changed`); what is kept here is never older than the last answered change. Root keys need nobody
asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from kunren.core.authorization import EVERYTHING, Caller, Identity, Statements
from kunren.core.conditions import many
from kunren.core.identities import Account, Holder, TemporaryKey
from kunren.core.own_credentials import OwnCredentials
from kunren.core.policies import LITERAL

_NOT_CHANGING = ("Get", "List", "Simulate", "Decode")
_GIVING_KEYS = frozenset({"GetSessionToken", "GetFederationToken"})
TRIES_MAX = 8
KNOWN_MAX = 10_000


class KnownKey(NamedTuple):
    """An access key: `token` "" for one that is good for ever, else until when (`expires`, AWS time)."""

    secret: str
    caller: Caller
    token: str = ""
    expires: float | None = None


class Identities:
    """Who there is."""

    def __init__(self, ask: Callable[[], Awaitable[bytes]], own: OwnCredentials) -> None:
        self._ask = ask
        self._own = own
        self._generation = 0
        self._loaded = -1
        self._loading: asyncio.Task[None] | None = None
        self._accounts: dict[str, Account] = {}
        self._users: dict[str, tuple[str, str, str]] = {}  # key → account, user's name, secret
        self._sessions: dict[str, tuple[str, TemporaryKey]] = {}
        self._known: dict[tuple[str, str], KnownKey] = {}
        self._roots: dict[str, KnownKey] = {}

    def changed(self, operation: str) -> None:
        """An operation of IAM or STS is over: what is kept may be old."""
        if operation in _GIVING_KEYS or not operation.startswith(_NOT_CHANGING):
            self._generation += 1

    @property
    def fresh(self) -> bool:
        return self._loaded == self._generation

    def root(self, access_key: str) -> KnownKey | None:
        """An account's root key; for that nobody has to be asked."""
        found = self._roots.get(access_key)
        if found is None:
            account = self._own.account_of_root(access_key)
            if account is None:
                return None
            keys = self._own.root(account)
            found = self._roots[access_key] = KnownKey(keys.secret, root_caller(account, access_key))
        return found

    async def load(self) -> None:
        """Have what is kept be as new as the last change. Raises AwsError where moto does not answer."""
        for _ in range(TRIES_MAX):
            if self.fresh:
                return
            if self._loading is None or self._loading.done():
                self._loading = asyncio.get_running_loop().create_task(self._load())
            await asyncio.shield(self._loading)

    async def _load(self) -> None:
        generation = self._generation
        accounts = msgspec.msgpack.decode(await self._ask(), type=dict[str, Account])
        self._accounts = accounts
        self._users = {
            key.id: (account, key.user, key.secret)
            for account, each in accounts.items()
            for key in each.keys
            if key.active
        }
        self._sessions = {key.id: (account, key) for account, each in accounts.items() for key in each.sessions}
        self._known = {}
        self._loaded = generation

    def key(self, access_key: str, token: str) -> KnownKey | None:
        """A key that somebody has, by what was loaded last. The token is only looked at where it says whose it is."""
        found = self._known.get((access_key, token))
        if found is None:
            found = self._find(access_key, token)
            if found is not None:
                if len(self._known) >= KNOWN_MAX:
                    self._known.clear()
                self._known[access_key, token] = found
        return found

    def _find(self, access_key: str, token: str) -> KnownKey | None:
        if access_key in self._users:
            account, name, secret = self._users[access_key]
            return KnownKey(secret, self._user(account, name, access_key))
        if access_key in self._sessions:
            account, session = self._sessions[access_key]
            caller = self._session(account, session)
            return KnownKey(session.secret, caller, session.token, session.expires) if caller is not None else None
        own = self._own.session_of(access_key, token) if token else None
        if own is None:
            return None
        keys, told = own
        return KnownKey(keys.secret, self._role(told.role, told.name, access_key), keys.token, told.expires)

    # --- callers --------------------------------------------------------------------------------------------------

    def role(self, arn: str) -> Holder | None:
        """The role of that ARN."""
        account = self._accounts.get(arn.split(":")[4] if arn.count(":") >= 5 else "")
        found = account.roles.get(arn.rpartition("/")[2]) if account is not None else None
        return found if found is not None and found.arn == arn else None

    def assumed(self, role: str, session: str, access_key: str) -> Caller:
        """A session of a role, by its name."""
        return self._role(role, session, access_key)

    def _user(self, account: str, name: str, access_key: str) -> Caller:
        holder = self._accounts[account].users[name]
        known = {"aws:username": name, "aws:principaltype": "User"}
        return _caller(account, holder.arn, holder.id, access_key, self._identity(account, holder), known, holder.tags)

    def _identity(self, account: str, holder: Holder, session: Statements | None = None) -> Identity:
        groups = self._accounts[account].groups
        holders = [holder, *(groups[each] for each in holder.groups if each in groups)]
        held = [one for each in holders for one in self._statements(account, each.policies, each.managed)]
        boundary = self._statements(account, [], [holder.boundary]) if holder.boundary else None
        return Identity(tuple(held), boundary, session)

    def _statements(self, account: str, documents: list[str], managed: list[str]) -> Statements:
        policies = self._accounts[account].policies
        texts = [*documents, *(policies[each] for each in managed if each in policies)]
        return tuple(one for each in texts for one in statements_of(each))

    def _role(self, arn: str, name: str, access_key: str, session: Statements | None = None) -> Caller:
        """A session of a role; of one that is gone, it may do nothing."""
        account = arn.split(":")[4]
        short = arn.rpartition("/")[2]
        holder = self.role(arn) or Holder(arn, "AROAUNKNOWN")
        identity = self._identity(account, holder, session) if account in self._accounts else Identity(())
        return _caller(
            account,
            f"arn:aws:sts::{account}:assumed-role/{short}/{name}",
            f"{holder.id}:{name}",
            access_key,
            identity,
            {"aws:principaltype": "AssumedRole", "aws:principalarn": arn, "aws:multifactorauthpresent": "false"},
            holder.tags,
            (arn,),
        )

    def _session(self, account: str, session: TemporaryKey) -> Caller | None:
        """None where who asked for it is no more."""
        given: Statements | None = None
        if session.policies is not None:
            given = self._statements(account, session.policies, session.managed)
        if session.role:
            return self._role(session.role, session.name, session.id, given)
        if session.of.endswith(":root"):
            if not session.federated:
                return root_caller(account, session.id)
            identity = Identity(EVERYTHING, None, given or ())
        else:
            name = session.of.rpartition("/")[2]
            holder = self._accounts[account].users.get(name)
            if holder is None or holder.arn != session.of:
                return None
            if not session.federated:
                return self._user(account, name, session.id)
            identity = self._identity(account, holder, given or ())
        return _caller(
            account,
            f"arn:aws:sts::{account}:federated-user/{session.name}",
            f"{account}:{session.name}",
            session.id,
            identity,
            {"aws:principaltype": "FederatedUser"},
            {},
        )


def root_caller(account: str, access_key: str) -> Caller:
    arn = f"arn:aws:iam::{account}:root"
    return _caller(account, arn, account, access_key, Identity(EVERYTHING), {"aws:principaltype": "Account"}, {},
                   root=True)  # fmt: skip


def _caller(
    account: str, arn: str, user_id: str, access_key: str, identity: Identity, known: dict[str, str],
    tags: dict[str, str], names: tuple[str, ...] = (), root: bool = False,
) -> Caller:  # fmt: skip
    facts = {
        "aws:userid": user_id,
        "aws:principalarn": arn,
        "aws:principalaccount": account,
        "aws:principalisawsservice": "false",
        "aws:viaawsservice": "false",
        **known,
        **{f"aws:principaltag/{name.lower()}": value for name, value in tags.items()},
    }
    return Caller(account, arn, user_id, access_key, identity, names, root, facts, () if root else identity.asks)


@lru_cache(maxsize=4096)
def statements_of(document: str) -> Statements:
    """A document's statements; of one that can't be read, none. Older documents know no variables."""
    try:
        read: dict[str, Any] = json.loads(document)
    except ValueError:
        return ()
    literal = {} if read.get("Version") == "2012-10-17" else {LITERAL: True}
    return tuple({**each, **literal} for each in many(read.get("Statement")) if each.get("Effect"))
