"""Credentials that Kunren gives out by itself: an account's root key, and sessions of roles (functions, `kunren exec`).

All of them follow from one secret of the state folder, so that none has to be kept: a key's id names its account where
AWS's own do, and a session's token says whose it is and until when, sealed by that secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

_TOKEN = "kunren-role-"
_ROLE = re.compile(r"arn:[^:]*:iam::[0-9]{12}:")
_NEW_FORM = 1 << 47
"""The bit that AWS's key ids of today have before the account's number."""
SECRET_BYTES = 32


class Keys(NamedTuple):
    """What a client is configured with; `token` is "" for a key that is good for ever."""

    access_key: str
    secret: str
    token: str = ""

    def variables(self) -> dict[str, str]:
        """As environment variables."""
        found = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**found, "AWS_SESSION_TOKEN": self.token} if self.token else found


NOBODYS = Keys("test", "test")
"""What is used where nobody checks."""


class Session(NamedTuple):
    """A role's session: until when in AWS time, seconds since 1970."""

    role: str
    name: str
    expires: float


class OwnCredentials:
    """Makes them, and knows them again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def open(cls, path: Path) -> OwnCredentials:
        """With the secret of that file, which is made where there is none. Raises OSError."""
        if not path.exists():
            new = path.with_suffix(".new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            new.rename(path)
        return cls(path.read_bytes())

    def root(self, account: str) -> Keys:
        key = self._key("AKIA", account, f"root {account}")
        return Keys(key, self._secret_of(key))

    def session(self, role: str, name: str, expires: float) -> Keys:
        """Credentials of that role (its ARN)."""
        told = base64.urlsafe_b64encode(json.dumps([name, expires]).encode()).decode()
        text = f"{session_token(role)}.{told}"
        token = f"{text}.{self._seal(f'session {text}').hex()}"
        key = self._key("ASIA", role.split(":")[4], token)
        return Keys(key, self._secret_of(key), token)

    def account_of_root(self, access_key: str) -> str | None:
        """The account whose root key that is; None for any other key."""
        account = account_in(access_key)
        if account is None or not _is_same(self.root(account).access_key, access_key):
            return None
        return account

    def session_of(self, access_key: str, token: str) -> tuple[Keys, Session] | None:
        """Whose session key and token are; None where they are none of these, or not of each other."""
        text, _, _ = token.rpartition(".")
        role, told = role_of_token(text), text.rpartition(".")[2]
        if role is None or _ROLE.match(role) is None:
            return None
        try:
            name, expires = json.loads(base64.urlsafe_b64decode(told))
        except (ValueError, TypeError, RecursionError):
            return None
        keys = self.session(role, name, expires)
        if not (_is_same(keys.token, token) and _is_same(keys.access_key, access_key)):
            return None
        return keys, Session(role, name, expires)

    def _key(self, prefix: str, account: str, of: str) -> str:
        drawn = self._seal(f"key {of}")
        head = _NEW_FORM | int(account) << 7 | drawn[0] & 0x7F
        return prefix + base64.b32encode(head.to_bytes(6, "big") + drawn[1:5]).decode()

    def _secret_of(self, key: str) -> str:
        return base64.b64encode(self._seal(f"secret {key}")[:30]).decode()

    def _seal(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)


def _is_same(right: str, given: str) -> bool:
    return hmac.compare_digest(right.encode(), given.encode("utf-8", "replace"))


def account_in(access_key: str) -> str | None:
    """The account that a key's id of AWS's form names; None where it has another form."""
    try:
        head = base64.b32decode(access_key[4:])[:6]
    except ValueError:
        return None
    number = (int.from_bytes(head, "big") & (_NEW_FORM - 1)) >> 7
    return f"{number:012d}" if len(access_key) == 20 and number < 10**12 else None


def session_token(role: str) -> str:
    """What a function with that role signs with besides its key, where nobody checks."""
    return _TOKEN + base64.urlsafe_b64encode(role.encode()).decode()


def role_of_token(token: str) -> str | None:
    """The ARN of the role whose credentials these are; None for others'."""
    if not token.startswith(_TOKEN):
        return None
    try:
        return base64.urlsafe_b64decode(token.removeprefix(_TOKEN).partition(".")[0]).decode()
    except ValueError:
        return None
