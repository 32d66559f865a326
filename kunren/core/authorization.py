"""Who calls, and whether the policies that concern a call let it through, weighed as AWS weighs them. Pure.

IAM user guide, "Policy evaluation logic", "Cross-account policy evaluation logic", "Troubleshoot access denied error
messages" (whose wordings the texts follow). Which policies there are is `kunren.access`'s to know; what a single one
says, `kunren.core.policies`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kunren.core.conditions import Known
from kunren.core.policies import ALLOW, DENY, UNKNOWN, Asker, decision, keys_of

Statements = tuple[Mapping[str, Any], ...]
IDENTITY, BOUNDARY, SESSION, RESOURCE = (
    "identity-based policy", "permissions boundary", "session policy", "resource-based policy",
)  # fmt: skip
EVERYTHING: Statements = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)
DECISIONS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody's policies. `boundary` and `session` None: there is none, so it takes nothing away."""

    statements: Statements
    boundary: Statements | None = None
    session: Statements | None = None

    @property
    def asks(self) -> tuple[str, ...]:
        """The condition keys, by lower-case name, on whose values depends what it says of an action and resource."""
        sets = (self.statements, self.boundary or (), self.session or ())
        return tuple(sorted({key for one in sets for each in one for key in keys_of(each)}))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request: `arn` as GetCallerIdentity gives it; `names` are further ARNs by which resource policies
    may mean the same (a session's role). `known` are the condition keys that the identity gives."""

    account: str
    arn: str
    user_id: str
    access_key: str
    identity: Identity
    names: tuple[str, ...] = ()
    root: bool = False
    known: Mapping[str, str] = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    """`identity.asks`; nothing for an account's root."""
    decided: dict[tuple[Any, ...], Verdict] = field(default_factory=dict, compare=False)
    """Verdicts in the caller's own account, where no resource policy has a say: by action, resource, and the values of
    the keys that the identity asks for."""

    def asker(self, canonical: str = "") -> Asker:
        return Asker(account=self.account, arn=self.arn, canonical=canonical, names=self.names)


class Verdict(NamedTuple):
    """`by` is the kind of policy that denies, or that lacks what would allow."""

    allowed: bool
    explicit: bool = False
    by: str = ""


_YES = Verdict(True)


def judge(
    caller: Caller,
    action: str,
    resource: str,
    known: Callable[[], Known] = dict,
    *,
    policy: Iterable[Mapping[str, Any]] | None = None,
    owner: str | None = None,
    canonical: str = "",
    policy_must_allow: bool = False,
) -> Verdict:
    """Whether the caller may do that. `policy` is the resource's, `owner` its account (None: the caller's own);
    `resource` may be `UNKNOWN`. `policy_must_allow`: no identity policy suffices by itself (a role's trust)."""
    own = policy is None and owner in (None, caller.account) and not policy_must_allow
    given = known() if caller.asks or not own else {}
    if own:
        key: tuple[Any, ...] = (action, resource)
        if caller.asks:
            key += tuple([caller.known.get(each) or given.get(each) for each in caller.asks])
        found = caller.decided.get(key)
        if found is None:
            if len(caller.decided) >= DECISIONS_MAX:
                caller.decided.clear()
            facts = {**given, **caller.known}
            found = caller.decided[key] = _weighed(caller, action, resource, facts, (), caller.account, "", False)
        return found
    facts = {**given, **caller.known}
    return _weighed(
        caller, action, resource, facts, tuple(policy or ()), owner or caller.account, canonical, policy_must_allow
    )


def _weighed(
    caller: Caller, action: str, resource: str, known: Known, policy: Statements, owner: str, canonical: str,
    policy_must_allow: bool,
) -> Verdict:  # fmt: skip
    asker = caller.asker(canonical)
    identity = caller.identity
    mine = ALLOW if caller.root else decision(identity.statements, asker, action, resource, known)
    bounds: dict[str, str | None] = {IDENTITY: mine}
    if identity.boundary is not None:
        bounds[BOUNDARY] = decision(identity.boundary, asker, action, resource, known)
    if identity.session is not None:
        bounds[SESSION] = decision(identity.session, asker, action, resource, known)
    theirs = decision(policy, asker, action, resource, known)
    for kind, decided in (*bounds.items(), (RESOURCE, theirs)):
        if decided == DENY:
            return Verdict(False, True, kind)
    lacking = next((kind for kind, decided in bounds.items() if decided is None), None)
    if owner != caller.account:
        if lacking is None and theirs == ALLOW:
            return _YES
        return Verdict(False, False, lacking or RESOURCE)
    if theirs == ALLOW:
        by_name = _named(caller, canonical)
        if decision(policy, by_name._replace(names=()), action, resource, known) == ALLOW:
            return _YES  # the very user or session is named: no implicit denial limits that
        if lacking in (None, IDENTITY) and decision(policy, by_name, action, resource, known) == ALLOW:
            others = [decided for kind, decided in bounds.items() if kind != IDENTITY]
            if all(each == ALLOW for each in others):
                return _YES
    elif policy_must_allow:
        return Verdict(False, False, RESOURCE)
    return _YES if lacking is None else Verdict(False, False, lacking)


def _named(caller: Caller, canonical: str) -> Asker:
    """The caller as an ARN alone, so that what is allowed to its account as a whole is not taken for its own."""
    return Asker(arn=caller.arn, canonical=canonical, names=caller.names)


def denial(arn: str, action: str, resource: str, verdict: Verdict, *, quoted: bool = False) -> str:
    """AWS's sentence. `quoted`: as S3 has it; a resource that is unknown is left out."""
    where = "" if resource == UNKNOWN else f' on resource: "{resource}"' if quoted else f" on resource: {resource}"
    article = "an" if verdict.by.startswith("i") else "a"
    why = (
        f"with an explicit deny in {article} {verdict.by}"
        if verdict.explicit
        else f"because no {verdict.by} allows the {action} action"
    )
    return f"User: {arn} is not authorized to perform: {action}{where} {why}"
