"""AWS's signature version 4: making one over a request, and checking it. Pure.

IAM user guide, "Create a signed AWS API request". What a request says of itself is read in `wire/sigv4.py`; whose
signatures of users are checked, and how they are refused, is for `kunren.access`. `Credential` is for AWS's own
services, which act for others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
ALGORITHM = "AWS4-HMAC-SHA256"
KEYS_MAX = 2048
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)

_UNCHANGED = re.compile(r"/[A-Za-z0-9/_.~-]*")
"""Paths that are signed as they stand, where they have neither double slashes nor dots between two."""


class BadSignature(Exception):
    """A request says that a credential signed it, and that is not so, or it was changed."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a service of AWS signs with. `token` comes along in X-Amz-Security-Token."""

    access_key: str
    secret: str
    token: str

    def authorization(
        self, method: str, path: str, query: str, headers: Mapping[str, str], *, region: str, service: str, now: float
    ) -> str:
        """The Authorization header over all of `headers` (names in lower case); X-Amz-Date (of `now`) and
        X-Amz-Content-SHA256 are among them."""
        names = ";".join(sorted(headers))
        canonical = canonical_request(method, path, query, headers, names, service=service)
        scope = f"{amz_date(now)[:8]}/{region}/{service}/aws4_request"
        signature = self._signature(canonical, headers["x-amz-date"], scope)
        return f"{ALGORITHM} Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"

    def signed(self, headers: Mapping[str, str]) -> bool:
        """Whether a request says that it is signed with this credential."""
        return f"Credential={self.access_key}/" in headers.get("authorization", "")

    def verifies(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> bool:
        """Whether the request is signed with this credential as it says, the names of AWS's own headers included."""
        found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if found is None or found["key"] != self.access_key or headers.get("x-amz-security-token") != self.token:
            return False
        names = found["names"].split(";")
        if {"host", "x-amz-date", *(each for each in headers if each.startswith("x-amz-"))} - set(names):
            return False
        if not set(names) <= set(headers):
            return False
        canonical = canonical_request(method, path, query, headers, found["names"], service=found["service"])
        scope = f"{found['date']}/{found['region']}/{found['service']}/aws4_request"
        return hmac.compare_digest(self._signature(canonical, headers["x-amz-date"], scope), found["signature"])

    def _signature(self, canonical: str, date: str, scope: str) -> str:
        return signature(self.secret, string_to_sign(canonical, date, scope), scope)


@lru_cache(maxsize=KEYS_MAX)
def signing_key(secret: str, scope: str) -> bytes:
    """The key of a scope, `DATE/REGION/SERVICE/aws4_request`: clients sign thousands of requests with one."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(secret: str, text: str, scope: str) -> str:
    """The signature of a string to sign, in hexadecimal."""
    keyed = _keyed(secret, scope)
    inner, outer = keyed[0].copy(), keyed[1].copy()
    inner.update(text.encode())
    outer.update(inner.digest())
    return outer.hexdigest()


@lru_cache(maxsize=KEYS_MAX)
def _keyed(secret: str, scope: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """HMAC's two hashes (RFC 2104) that have taken in the key: a quarter of the time that making them anew takes."""
    block = signing_key(secret, scope).ljust(64, b"\0")
    return hashlib.sha256(bytes(each ^ 0x36 for each in block)), hashlib.sha256(bytes(each ^ 0x5C for each in block))


def string_to_sign(canonical: str, date: str, scope: str, algorithm: str = ALGORITHM) -> str:
    return f"{algorithm}\n{date}\n{scope}\n{hashlib.sha256(canonical.encode('utf-8', 'surrogateescape')).hexdigest()}"


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], names: str, *, service: str, payload: str = ""
) -> str:
    """`names` are those of the signed headers, joined by semicolons. All services but S3 tidy the path and encode it
    twice. `payload` is the body's hash; "" takes what the header says."""
    if _UNCHANGED.fullmatch(path) and "//" not in path and "/." not in path:
        uri = path
    else:
        uri = s3_path(path) if service == "s3" else quote(_tidy(path), safe="/-_.~")
    listed = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";")])
    told = payload or headers.get("x-amz-content-sha256", EMPTY_SHA256)
    return f"{method}\n{uri}\n{_canonical_query(query) if query else ''}\n{listed}\n{names}\n{told}"


def s3_path(path: str) -> str:
    """A path as S3 signs it: encoded once, whatever of it the client had encoded; dots and double slashes stay."""
    return quote_from_bytes(unquote_to_bytes(path), safe="/-_.~")


def _tidy(path: str) -> str:
    """RFC 3986, section 5.2.4, and no empty segments."""
    if "//" not in path and "/." not in path:
        return path or "/"
    kept: list[str] = []
    for each in path.split("/"):
        if each == "..":
            del kept[-1:]
        elif each not in ("", "."):
            kept.append(each)
    tail = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + tail


def amz_date(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _canonical_query(query: str) -> str:
    pairs = (each.partition("=") for each in query.split("&") if each)
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")
