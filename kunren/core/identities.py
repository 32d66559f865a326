"""What is known of identities, as IAM and STS have it: records that go from one process to another."""

from __future__ import annotations

import msgspec


class Holder(msgspec.Struct, omit_defaults=True):
    """A user, role or group: `policies` are documents, `managed` ARNs of policies; `trust` is a role's."""

    arn: str = ""
    id: str = ""
    policies: list[str] = []
    managed: list[str] = []
    groups: list[str] = []
    boundary: str = ""
    trust: str = ""
    tags: dict[str, str] = {}


class Key(msgspec.Struct):
    """A user's access key."""

    id: str
    secret: str
    user: str
    active: bool


class TemporaryKey(msgspec.Struct, omit_defaults=True):
    """Credentials of STS: a role's (`role` is its ARN), or those of who asked (`of`), perhaps for a federated user.
    `policies` and `managed` None: no session policies were given."""

    id: str
    secret: str
    token: str
    expires: float
    name: str = ""
    role: str = ""
    of: str = ""
    federated: bool = False
    policies: list[str] | None = None
    managed: list[str] = []


class Account(msgspec.Struct):
    users: dict[str, Holder] = {}
    roles: dict[str, Holder] = {}
    groups: dict[str, Holder] = {}
    keys: list[Key] = []
    sessions: list[TemporaryKey] = []
    policies: dict[str, str] = {}
    """Documents of the managed policies that somebody has, by ARN."""
