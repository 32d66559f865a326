"""Access control lists: canned ones, grants in headers, whom they let read ("Access control list (ACL) overview")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any

from kunren.services.s3.errors import invalid_argument, refusal

EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
HEADERS = {
    "GrantFullControl": "FULL_CONTROL", "GrantRead": "READ", "GrantReadACP": "READ_ACP", "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}  # fmt: skip
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {
    "private": (),
    "public-read": ((EVERYONE, "READ"),),
    "public-read-write": ((EVERYONE, "READ"), (EVERYONE, "WRITE")),
    "authenticated-read": ((AUTHENTICATED, "READ"),),
    "log-delivery-write": ((LOG_DELIVERY, "WRITE"), (LOG_DELIVERY, "READ_ACP")),
    "aws-exec-read": (),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
Grants = list[dict[str, Any]]


@lru_cache(maxsize=1024)
def canonical_id(account: str) -> str:
    """The canonical user id of an account: 64 hexadecimal digits, always the same."""
    return sha256(f"canonical user {account}".encode()).hexdigest()


def owner(account: str) -> dict[str, str]:
    return {"ID": canonical_id(account)}


def _user(account: str) -> dict[str, str]:
    return {"Type": "CanonicalUser", "ID": canonical_id(account)}


def _group(uri: str) -> dict[str, str]:
    return {"Type": "Group", "URI": uri}


def private(account: str) -> Grants:
    return [{"Grantee": _user(account), "Permission": "FULL_CONTROL"}]


def grants(given: Mapping[str, Any], account: str, bucket_owner: str) -> Grants | None:
    """The grants that a request asks for: canned (`ACL`), in headers, or in a document; None where it asks for none.

    Raises InvalidArgument, MalformedACLError.
    """
    canned, document = given.get("ACL"), given.get("AccessControlPolicy")
    headers = {permission: given[name] for name, permission in HEADERS.items() if given.get(name)}
    if canned and headers:
        raise refusal("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if canned:
        if canned not in _CANNED:
            raise invalid_argument("", "x-amz-acl", canned)
        made = private(account) + [{"Grantee": _group(uri), "Permission": may} for uri, may in _CANNED[canned]]
        if canned in ("bucket-owner-read", "bucket-owner-full-control") and bucket_owner != account:
            may = "READ" if canned.endswith("read") else "FULL_CONTROL"
            made.append({"Grantee": _user(bucket_owner), "Permission": may})
        return made
    if headers:
        return [
            {"Grantee": _grantee(each), "Permission": permission}
            for permission, text in headers.items()
            for each in text.split(",")
        ]
    if document is not None:
        return [_checked(each) for each in document.get("Grants") or []]
    return None


def _grantee(text: str) -> dict[str, str]:
    name, _, value = text.strip().partition("=")
    value = value.strip().strip('"')
    if name == "id":
        return {"Type": "CanonicalUser", "ID": value}
    if name == "uri":
        if value not in (EVERYONE, AUTHENTICATED, LOG_DELIVERY):
            raise invalid_argument("Invalid group uri", "uri", value)
        return _group(value)
    if name == "emailAddress":
        raise invalid_argument("There is no account with this e-mail address", "emailAddress", value)
    raise invalid_argument("Argument format not recognized", "x-amz-grant", text)


def _checked(grant: Mapping[str, Any]) -> dict[str, Any]:
    grantee = grant.get("Grantee") or {}
    kind = grantee.get("Type")
    known = {"CanonicalUser": "ID", "Group": "URI", "AmazonCustomerByEmail": "EmailAddress"}
    if kind not in known or not grantee.get(known[kind]) or not grant.get("Permission"):
        raise refusal("MalformedACLError")
    return {"Grantee": {"Type": kind, known[kind]: grantee[known[kind]]}, "Permission": grant["Permission"]}


def is_public(given: Sequence[Mapping[str, Any]]) -> bool:
    return any(each["Grantee"].get("URI") in (EVERYONE, AUTHENTICATED) for each in given)


def lets_everyone(given: Sequence[Mapping[str, Any]], permission: str) -> bool:
    """Whether anybody, signed in or not, has that permission."""
    return any(
        each["Grantee"].get("URI") == EVERYONE and each["Permission"] in (permission, "FULL_CONTROL") for each in given
    )
