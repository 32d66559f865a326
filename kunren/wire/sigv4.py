"""What a signed request says of itself: access key, date, region and service, from the header or a presigned query.

Parsing only, and only what is there: an unsigned request gives None, a signature that is not well formed is refused
with AWS's own codes. Whether the signature is right is another link's question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from kunren.core.errors import WireError

_ALGORITHMS = ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
_FIELD = re.compile(r"\s*([A-Za-z]+)=([^,\s]*)\s*(?:,|\Z)")
_SCOPE_PART = re.compile(r"[A-Za-z0-9_.*-]{1,64}")


class Credential(NamedTuple):
    """The credential scope of a request. `service` and `region` are "" where the scheme does not name them (version 2).
    Equal scopes are one object: clients sign thousands of requests with one."""

    access_key: str
    date: str
    region: str
    service: str
    presigned: bool


KNOWN_MAX = 1024
_KNOWN: dict[str, Credential] = {}


def signature_fields(authorization: str) -> dict[str, str]:
    """Credential, SignedHeaders and Signature of an Authorization header, for whoever verifies it."""
    return dict(_FIELD.findall(authorization.partition(" ")[2]))


def parse_credential(headers: Mapping[str, str], query: str) -> Credential | None:
    """The request's credential, or None where it is not signed. Raises IncompleteSignature and its like."""
    authorization = headers.get("authorization")
    if authorization is not None:
        return _from_header(authorization)
    if query and ("X-Amz-Credential=" in query or "AWSAccessKeyId=" in query):
        return _from_query(query)
    return None


def _incomplete(text: str) -> WireError:
    return WireError("IncompleteSignature", text, 400)


def _from_header(text: str) -> Credential | None:
    algorithm, _, rest = text.partition(" ")
    if algorithm in _ALGORITHMS:
        for name in ("Credential=", "SignedHeaders=", "Signature="):
            if name not in rest:
                raise _incomplete(f"Authorization header requires '{name[:-1]}' parameter. Authorization={text[:256]}")
        scope = rest.partition("Credential=")[2].partition(",")[0].strip()
        known = _KNOWN.get(scope)
        if known is None:
            known = _scope(scope, False)
            if len(_KNOWN) >= KNOWN_MAX:
                _KNOWN.clear()
            _KNOWN[scope] = known
        return known
    if algorithm == "AWS" and ":" in rest:
        return Credential(rest.partition(":")[0], "", "", "s3", False)
    return None


def _from_query(query: str) -> Credential | None:
    fields: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name.startswith("X-Amz-") or name in ("AWSAccessKeyId", "Signature"):
            fields.setdefault(name, unquote(value))
    if "X-Amz-Credential" in fields:
        if fields.get("X-Amz-Algorithm") not in _ALGORITHMS:
            raise _incomplete('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
        return _scope(fields["X-Amz-Credential"], True)
    if "AWSAccessKeyId" in fields:
        service = "" if "SignatureVersion=" in query or "Action=" in query else "s3"
        return Credential(fields["AWSAccessKeyId"], "", "", service, True)
    return None


def _scope(text: str, presigned: bool) -> Credential:
    """`KEY/DATE/REGION/SERVICE/aws4_request`; version 4a has no region. The key itself may hold slashes."""
    parts = text.rsplit("/", 4)
    if parts[-1] != "aws4_request":
        raise _incomplete(
            f"Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text[:256]}'"
        )
    if len(parts) == 4 and _is_date(parts[1]):
        key, date, service = parts[0], parts[1], parts[2]
        region = ""
    elif len(parts) == 5 and _is_date(parts[2]) and not _is_date(parts[1]):
        key, date, service = "/".join(parts[:2]), parts[2], parts[3]
        region = ""
    elif len(parts) == 5 and _is_date(parts[1]):
        key, date, region, service = parts[0], parts[1], parts[2], parts[3]
    else:
        raise _incomplete(
            f"Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{text[:256]}'"
        )
    if not key or not _SCOPE_PART.fullmatch(service) or (region and not _SCOPE_PART.fullmatch(region)):
        raise _incomplete(f"Credential is not well formed: '{text[:256]}'")
    return Credential(key, date, region, service, presigned)


def _is_date(text: str) -> bool:
    return len(text) == 8 and text.isdigit()
