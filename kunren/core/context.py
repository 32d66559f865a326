"""Who is asking: the account, region and operation of one API request."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kunren.core.authorization import Caller
from kunren.core.policies import Acting

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_KEY_LIKE = re.compile(r"(?:AKIA|ASIA|LKIA|LSIA)[A-Z0-9]{4,124}")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Handed to every handler. `region` is the signing region, also for global services."""

    account: str
    region: str
    service: str
    operation: str
    request_id: str
    access_key: str = ""
    host: str = ""
    secure: bool = False
    source_ip: str = ""
    acting: Acting | None = None
    """Set where a service of AWS asks, for a resource."""
    caller: Caller | None = None
    """Who signed, in strict mode; None for nobody, and for calls from inside."""


def account_of(access_key: str) -> str:
    """The account that an access key belongs to.

    Twelve digits are the account itself; `test`, no key at all and keys that look like AWS's own belong to the default
    account; any other key has an account of its own, always the same one.
    """
    if len(access_key) == 12 and access_key.isascii() and access_key.isdigit():
        return access_key
    if access_key in ("", "test") or _KEY_LIKE.fullmatch(access_key):
        return DEFAULT_ACCOUNT
    return f"{int.from_bytes(hashlib.sha256(access_key.encode()).digest()[:8], 'big') % 10**12:012d}"
