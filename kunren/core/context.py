"""Who is asking: the account, region and operation of one API request."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kunren.core.authorization import Caller
from kunren.core.policies import Acting

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TEMPORARY = re.compile(r"ASIA[A-Z2-7]{16}")
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

    Twelve digits are the account itself; temporary keys hold the account that they were given out in, as AWS's do;
    `test`, no key at all and other keys that look like AWS's own belong to the default account; any other key has an
    account of its own, always the same one.
    """
    if len(access_key) == 12 and access_key.isascii() and access_key.isdigit():
        return access_key
    if (held := _held_account(access_key)) is not None:
        return held
    if access_key in ("", "test") or _KEY_LIKE.fullmatch(access_key):
        return DEFAULT_ACCOUNT
    return f"{int.from_bytes(hashlib.sha256(access_key.encode()).digest()[:8], 'big') % 10**12:012d}"


def _held_account(access_key: str) -> str | None:
    """The account that a temporary key holds: half of it as 40 bits in base 32 with the first one set, and the bit that
    is missing in whether the letter behind is of the alphabet's upper half."""
    if _TEMPORARY.fullmatch(access_key) is None:
        return None
    half = sum(_BASE32.index(each) << 5 * place for place, each in enumerate(reversed(access_key[4:12]))) - (1 << 39)
    number = 2 * half + _BASE32.index(access_key[12]) // 16
    return f"{number:012d}" if 0 <= number < 10**12 else None
