"""What moto knows of identities, for strict mode: users, groups, roles, policies, keys and sessions. In the child.

AWS's API never gives out a secret twice, so this is no operation of IAM but a question of Kunren's own. It is asked
after each change of IAM or STS that came through the gateway, and changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kunren.core.identities import Account, Holder, Key, TemporaryKey

QUESTION = "kunren-identities"
"""The "service" of a `Call` that asks for them."""
SESSIONS = "kunren_sessions"
"""Where hooks note sessions that moto itself does not keep: on STS's backend."""
TOLD_AFTER_EXPIRY_S = 24 * 3600.0
"""So long a token is known as expired, rather than not at all."""


def told(now: float) -> bytes:
    """All accounts by id, as MessagePack."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    accounts: dict[str, Account] = {}
    for account, backend in _backends(sts_backends):
        found = accounts.setdefault(account, Account())
        found.sessions = [
            each
            for each in (*map(_assumed, backend.assumed_roles), *getattr(backend, SESSIONS, ()))
            if each.expires > now - TOLD_AFTER_EXPIRY_S
        ]
    for account, backend in _backends(iam_backends):
        _add_identities(accounts.setdefault(account, Account()), backend)
    return msgspec.msgpack.encode(accounts)


def _backends(services: Any) -> Iterator[tuple[str, Any]]:
    """Those that there are; to look at others would make them."""
    for account in list(services.keys()):
        regions = dict.__getitem__(services, account)
        for region in list(regions.keys()):
            yield account, dict.__getitem__(regions, region)


def _add_identities(account: Account, backend: Any) -> None:
    for name, user in backend.users.items():
        holder = _holder(user, user.arn, user.id)
        holder.groups = [each.name for each in backend.get_groups_for_user(name)]
        holder.tags = {each["Key"]: each["Value"] for each in backend.tagger.list_tags_for_resource(user.arn)["Tags"]}
        account.users[name] = holder
        account.keys += [
            Key(each.access_key_id, each.secret_access_key, name, each.status == "Active") for each in user.access_keys
        ]
    for role in backend.roles.values():
        holder = _holder(role, role.arn, role.id)
        holder.trust = role.assume_role_policy_document or ""
        holder.tags = _tags(role.tags)
        account.roles[role.name] = holder
    for name, group in backend.groups.items():
        account.groups[name] = _holder(group, group.arn, group.id)
    wanted = {arn for each in (account.users, account.roles, account.groups) for one in each.values()
              for arn in (*one.managed, one.boundary) if arn}  # fmt: skip
    for session in account.sessions:
        wanted.update(session.managed)
    account.policies.update({arn: _document(backend.managed_policies[arn]) for arn in wanted
                             if arn in backend.managed_policies})  # fmt: skip


def _holder(found: Any, arn: str, id: str) -> Holder:
    return Holder(
        arn=arn,
        id=id,
        policies=list(found.policies.values()),
        managed=list(found.managed_policies),
        boundary=getattr(found, "permissions_boundary_arn", None) or "",
    )


def _tags(tags: Any) -> dict[str, str]:
    """moto keeps a role's as a list, or by key."""
    listed = tags.values() if isinstance(tags, dict) else tags or ()
    return {each["Key"]: each["Value"] for each in listed if isinstance(each, dict) and "Key" in each}


def _document(policy: Any) -> str:
    return next((str(each.document) for each in policy.versions if each.version_id == policy.default_version_id), "")


def _assumed(role: Any) -> TemporaryKey:
    managed = list(getattr(role, "kunren_policies", ()))
    return TemporaryKey(
        role.access_key_id,
        role.secret_access_key,
        role.session_token,
        role.expiration.timestamp(),
        role.session_name or "",
        role.role_arn,
        policies=None if not role.policy and not managed else [role.policy] if role.policy else [],
        managed=managed,
    )
