"""What a signed request says of its signature, and whether that is true for a secret. Pure.

IAM user guide, "Create a signed AWS API request", "Troubleshoot Signature Version 4 signing for AWS API requests"; S3
API reference, "Authenticating Requests (AWS Signature Version 4)". Refusals name what is wrong (`Refused.kind`); in
whose words a caller hears it is said in `kunren.access.refusals`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

from kunren.core import sigv2, sigv4a
from kunren.core.sigv4 import ALGORITHM, EMPTY_SHA256, amz_date, canonical_request, signature, string_to_sign

(MISSING, INCOMPLETE, QUERY, UNSUPPORTED, UNKNOWN_KEY, BAD_TOKEN, EXPIRED_TOKEN, MISMATCH, WRONG_SCOPE, SKEWED, EXPIRED,
 UNSIGNED_HEADERS, NO_DATE, PAYLOAD, BODY) = (
    "missing", "incomplete", "query", "unsupported", "unknown-key", "bad-token", "expired-token", "mismatch",
    "wrong-scope", "skewed", "expired", "unsigned-headers", "no-date", "payload", "body",
)  # fmt: skip
SKEW_S = 15 * 60
WEEK_S = 7 * 24 * 3600
_BEFORE = re.compile(
    r"(?P<algorithm>AWS4-HMAC-SHA256|AWS4-ECDSA-P256-SHA256)\s+Credential=(?P<credential>[^,\s]+)\s*,\s*"
    r"SignedHeaders=(?P<names>[^,\s]+)\s*,\s*"
)
_DIGITS = re.compile(r"[0-9a-fA-F]+")
_PARAMETERS = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders")
_STREAMING = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
_UNSIGNED = ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
_STREAMING_A = tuple(each.replace("HMAC-SHA256", "ECDSA-P256-SHA256") for each in _STREAMING)
_OLD_SCOPE = "s3/aws4_request"
_SECONDS = re.compile(r"[0-9]{1,10}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class Refused(Exception):
    """A signature is not accepted: why, in AWS's words where they are the same for all services, and what S3 says
    besides."""

    def __init__(self, kind: str, text: str = "", **members: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.text = text
        self.members = members


VERSION_2 = "AWS"


class Presented(msgspec.Struct, frozen=True):
    """A signature: `scope` is DATE/REGION/SERVICE/aws4_request (no region with version 4a); `date` the request's, as
    in X-Amz-Date; `expires` in seconds, of a presigned URL that says so. Version 2 has no scope but S3's service, and
    expires at a moment."""

    algorithm: str
    access_key: str
    scope: str
    names: str
    signature: str
    date: str
    token: str
    service: str = ""
    region: str = ""
    presigned: bool = False
    expires: int | None = None

    @property
    def asymmetric(self) -> bool:
        return self.algorithm == sigv4a.ALGORITHM


class Message(msgspec.Struct, frozen=True):
    """The request as it arrived; `body` None where it was taken in on the way and digested there."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | None
    bucket: str = ""
    """The one that the host names."""


def presented(headers: Mapping[str, str], query: str) -> Presented | None:
    """The signature of a request; None where it has none. Raises Refused."""
    text = headers.get("authorization")
    if text is not None and text.startswith("AWS"):
        return _of_header(text, headers)
    if query and ("X-Amz-Credential=" in query or "X-Amz-Signature=" in query):
        return _of_query(query, headers)
    return _of_old_query(query) if "AWSAccessKeyId=" in query else None


def _of_header(text: str, headers: Mapping[str, str]) -> Presented:
    before, _, signature = text.partition("Signature=")
    head = _head(before)
    signature = signature.rstrip()
    if head is None or not _DIGITS.fullmatch(signature):
        if text.startswith("AWS "):
            return _of_old_header(text, headers)
        if not text.startswith("AWS4-"):
            raise Refused(UNSUPPORTED)
        raise Refused(INCOMPLETE, f"Authorization header is not well formed. Authorization={text.partition(' ')[0]}")
    algorithm, key, scope, names, service, region = head
    date = headers.get("x-amz-date") or _iso(headers.get("date", ""))
    if not date:
        raise Refused(
            NO_DATE,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization="
            + algorithm,
        )
    token = headers.get("x-amz-security-token", "")
    return Presented(algorithm, key, scope, names, signature.lower(), date, token, service, region)


@lru_cache(maxsize=4096)
def _head(text: str) -> tuple[str, str, str, str, str, str] | None:
    """What an Authorization header says before the signature itself, which a client says of all it signs in a day:
    algorithm, key, scope, signed headers, service, region. None where it is not well formed. Raises Refused."""
    found = _BEFORE.fullmatch(text)
    if found is None:
        return None
    key, scope, service, region = _split(found["credential"])
    return found["algorithm"], key, scope, found["names"], service, region


def _of_old_header(text: str, headers: Mapping[str, str]) -> Presented:
    key, _, given = text.removeprefix("AWS ").strip().rpartition(":")
    date = _iso(headers.get("x-amz-date") or headers.get("date", ""))
    if not key or not date:
        raise Refused(NO_DATE if key else UNSUPPORTED)
    return Presented(VERSION_2, key, _OLD_SCOPE, "", given, date, headers.get("x-amz-security-token", ""), "s3")


def _of_old_query(query: str) -> Presented:
    fields = {name: unquote(value) for name, _, value in (each.partition("=") for each in query.split("&"))}
    key, given, expires = (fields.get(each, "") for each in ("AWSAccessKeyId", "Signature", "Expires"))
    if not (key and given and _SECONDS.fullmatch(expires)):
        raise Refused(MISSING)
    token = fields.get("x-amz-security-token", "")
    return Presented(VERSION_2, key, _OLD_SCOPE, "", given, "", token, "s3", "", True, int(expires))


def _of_query(query: str, headers: Mapping[str, str]) -> Presented:
    fields: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name.lower().startswith("x-amz-"):
            fields.setdefault(name[6:], unquote(value))
    missing = [each for each in _PARAMETERS if not fields.get(each)]
    if missing:
        raise Refused(
            QUERY,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature,"
            " X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        )
    key, scope, service, region = _split(fields["Credential"])
    token = fields.get("Security-Token") or headers.get("x-amz-security-token", "")
    expires = _expires(fields.get("Expires"), service)
    return Presented(fields["Algorithm"], key, scope, fields["SignedHeaders"], fields["Signature"].lower(),
                     fields["Date"], token, service, region, True, expires)  # fmt: skip


def _expires(text: str | None, service: str) -> int | None:
    if text is None:
        if service == "s3":
            raise Refused(
                QUERY,
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential,"
                " X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            )
        return None
    try:
        seconds = int(text)
    except ValueError:
        raise Refused(QUERY, "X-Amz-Expires should be a number") from None
    if seconds < 0:
        raise Refused(QUERY, "X-Amz-Expires must be non-negative")
    if seconds > WEEK_S:
        raise Refused(
            QUERY,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than"
            f" {WEEK_S} seconds",
        )
    return seconds


@lru_cache(maxsize=1024)
def _split(credential: str) -> tuple[str, str, str, str]:
    """The key, the scope, and the service and region in it ("" with version 4a). Raises Refused."""
    parts = credential.split("/")
    scope_parts = 4 if len(parts) >= 5 and re.fullmatch(r"\d{8}", parts[-4]) else 3
    if len(parts) <= scope_parts or parts[-1] != "aws4_request":
        raise Refused(
            INCOMPLETE,
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got"
            f" '{credential[:256]}'",
        )
    region = parts[-3] if scope_parts == 4 else ""
    return "/".join(parts[:-scope_parts]), "/".join(parts[-scope_parts:]), parts[-2], region


def of_form(fields: Mapping[str, str]) -> Presented:
    """The signature of a form's policy, of version 4 or 2. Raises Refused."""
    token = fields.get("x-amz-security-token", "")
    if "x-amz-credential" in fields:
        key, scope, service, region = _split(fields["x-amz-credential"])
        given = fields.get("x-amz-signature", "").lower()
        return Presented(ALGORITHM, key, scope, "", given, fields.get("x-amz-date", ""), token, service, region)
    if not fields.get("awsaccesskeyid"):
        raise Refused(MISSING)
    return Presented(VERSION_2, fields["awsaccesskeyid"], _OLD_SCOPE, "", fields.get("signature", ""), "", token, "s3")


def check_form(told: Presented, secret: str, policy: str) -> None:
    """Whether a form's policy (as it stands there, in base64) is what was signed. Raises Refused."""
    right = sigv2.signature(secret, policy) if told.algorithm == VERSION_2 else signature(secret, policy, told.scope)
    if not is_same(right, told.signature):
        raise Refused(MISMATCH, AWSAccessKeyId=told.access_key, StringToSign=policy, SignatureProvided=told.signature)


def check_time(told: Presented, wall: float) -> None:
    """Whether the request is of now, by real time, as signatures are. Raises Refused."""
    if told.algorithm == VERSION_2 and told.presigned and told.expires is not None:
        if wall > told.expires:
            raise Refused(EXPIRED, Expires=_z(told.expires), ServerTime=_z(wall))
        return
    moment = seconds_of(told.date)
    if moment is None:
        raise Refused(NO_DATE, f"Date must be in ISO-8601 'basic format'. Got '{told.date[:64]}'."
                      " See http://en.wikipedia.org/wiki/ISO_8601")  # fmt: skip
    day = told.scope.split("/")[0]
    if told.date[:8] != day and told.algorithm != VERSION_2:
        raise Refused(
            WRONG_SCOPE,
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" '{day}' != '{told.date[:8]}', from '{told.date}'.",
        )
    lasts = told.expires if told.presigned and told.expires is not None else SKEW_S
    if moment - SKEW_S <= wall <= moment + lasts:
        return
    now = amz_date(wall)
    if moment > wall + SKEW_S:
        text = f"Signature not yet current: {told.date} is still later than {amz_date(wall + SKEW_S)} ({now} + 15 min.)"
        raise Refused(SKEWED, text, **_clock(told, wall))
    ended = f"Signature expired: {told.date} is now earlier than {amz_date(wall - lasts)} ({now} - "
    if told.presigned and told.expires is not None:
        raise Refused(EXPIRED, f"{ended}{lasts} sec.)", **{"X-Amz-Expires": told.expires, "Expires": _z(moment + lasts),
                                                           "ServerTime": _z(wall)})  # fmt: skip
    raise Refused(SKEWED, f"{ended}15 min.)", **_clock(told, wall))


def _clock(told: Presented, wall: float) -> dict[str, Any]:
    return {"RequestTime": told.date, "ServerTime": _z(wall), "MaxAllowedSkewMilliseconds": SKEW_S * 1000}


def check(told: Presented, secret: str, message: Message) -> str:
    """Whether the signature is right; the payload's hash that went into it. Raises Refused."""
    if told.algorithm == VERSION_2:
        return _check_old(told, secret, message)
    names, headers = _names(told.names), message.headers
    if told.service == "s3":
        unsigned = [each for each in headers if each.startswith("x-amz-") and each not in names]
        if unsigned:
            raise Refused(UNSIGNED_HEADERS, HeadersNotSigned=", ".join(unsigned))
    if not names <= headers.keys():
        headers = {**dict.fromkeys(names, ""), **headers}
    payload = _payload(told, message)
    query = _without_signature(message.query) if told.presigned else message.query
    canonical = canonical_request(
        message.method, message.path, query, headers, told.names, service=told.service, payload=payload
    )
    text = string_to_sign(canonical, told.date, told.scope, told.algorithm)
    if told.algorithm == sigv4a.ALGORITHM:
        right = sigv4a.verifies(told.access_key, secret, text, told.signature)
    else:
        right = is_same(signature(secret, text, told.scope), told.signature)
    if not right:
        raise Refused(MISMATCH, AWSAccessKeyId=told.access_key, StringToSign=text, SignatureProvided=told.signature,
                      StringToSignBytes=_bytes(text), CanonicalRequest=canonical,
                      CanonicalRequestBytes=_bytes(canonical))  # fmt: skip
    if message.body is not None and told.service == "s3" and _SHA256.fullmatch(payload):
        found = hashlib.sha256(message.body).hexdigest()
        if found != payload.lower():
            raise Refused(BODY, ClientComputedContentSHA256=payload, S3ComputedContentSHA256=found)
    return payload


@lru_cache(maxsize=1024)
def _names(joined: str) -> frozenset[str]:
    """The signed headers' names. Raises Refused where the host is none of them."""
    names = frozenset(joined.split(";"))
    if "host" not in names and ":authority" not in names:
        raise Refused(WRONG_SCOPE, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return names


def is_same(right: str, given: str) -> bool:
    """Whether a signature is the right one; how long that takes does not tell what is wrong."""
    return given.isascii() and hmac.compare_digest(right, given)


def _check_old(told: Presented, secret: str, message: Message) -> str:
    expires = str(told.expires) if told.presigned else ""
    text = sigv2.string_to_sign(message.method, message.bucket, message.path, message.query, message.headers, expires)
    if not is_same(sigv2.signature(secret, text), told.signature):
        raise Refused(MISMATCH, AWSAccessKeyId=told.access_key, StringToSign=text, SignatureProvided=told.signature,
                      StringToSignBytes=_bytes(text))  # fmt: skip
    return "UNSIGNED-PAYLOAD"


def _payload(told: Presented, message: Message) -> str:
    """What stands for the body in the canonical request. S3 believes the header, and looks at the body by it."""
    header = message.headers.get("x-amz-content-sha256", "")
    if told.service == "s3" or told.service == "s3express":
        if not header:
            if told.presigned:
                return "UNSIGNED-PAYLOAD"
            raise Refused(PAYLOAD, "Missing required header for this request: x-amz-content-sha256")
        if header in _STREAMING_A:
            raise Refused(PAYLOAD, "Kunren does not verify bodies whose pieces are signed with version 4a: send them"
                          " unsigned (STREAMING-UNSIGNED-PAYLOAD-TRAILER)")  # fmt: skip
        if header not in (*_STREAMING, *_UNSIGNED) and not _SHA256.fullmatch(header):
            raise Refused(
                PAYLOAD,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER,"
                " STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256"
                " value.", ArgumentName="x-amz-content-sha256", ArgumentValue=header,
            )  # fmt: skip
        return header
    if header == "UNSIGNED-PAYLOAD":
        return header
    return hashlib.sha256(message.body).hexdigest() if message.body else EMPTY_SHA256


def is_streamed(payload: str) -> bool:
    """Whether each piece of the body has a signature of its own."""
    return payload in _STREAMING


def _without_signature(query: str) -> str:
    return "&".join(each for each in query.split("&") if not each.startswith("X-Amz-Signature="))


@lru_cache(maxsize=256)
def seconds_of(date: str) -> float | None:
    """An X-Amz-Date in seconds since 1970; None where it is none."""
    if len(date) != 16 or date[8] != "T" or date[15] != "Z" or not (date[:8] + date[9:15]).isdigit():
        return None
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _iso(http_date: str) -> str:
    """A Date header as X-Amz-Date has it."""
    if not http_date:
        return ""
    if seconds_of(http_date) is not None:
        return http_date
    try:
        return datetime.strptime(http_date, "%a, %d %b %Y %H:%M:%S GMT").strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return ""


def _z(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _bytes(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").hex(" ")
