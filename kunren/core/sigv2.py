"""S3's signature version 2, which boto3 still presigns URLs with unless told otherwise. Pure.

S3 API reference (archived), "Signing and Authenticating REST Requests". The regions of before 2014 accept it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

REGIONS = frozenset(
    {
        "us-east-1", "us-west-1", "us-west-2", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1",
        "sa-east-1",
    }
)  # fmt: skip
_SUBRESOURCES = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
        "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding",
        "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


def string_to_sign(method: str, bucket: str, path: str, query: str, headers: Mapping[str, str], expires: str) -> str:
    """`bucket` is the one that the host names, "" where the path does; `expires` a presigned URL's, else "". What a
    URL has instead of headers counts as them."""
    pairs = [(name, unquote(value)) for name, _, value in (each.partition("=") for each in query.split("&") if each)]
    lowered = {**headers, **{name.lower(): value for name, value in pairs}} if expires else headers
    date = expires or ("" if "x-amz-date" in lowered else lowered.get("date", ""))
    amz = sorted((name, " ".join(value.split())) for name, value in lowered.items() if name.startswith("x-amz-"))
    named = sorted((name, value) for name, value in pairs if name in _SUBRESOURCES)
    resource = (f"/{bucket}" if bucket else "") + path
    if named:
        given = {name for name, equals, _ in (each.partition("=") for each in query.split("&")) if equals}
        resource += "?" + "&".join(f"{name}={value}" if name in given else name for name, value in named)
    listed = "".join(f"{name}:{value}\n" for name, value in amz)
    head = (method, lowered.get("content-md5", ""), lowered.get("content-type", ""), date)
    return "\n".join(head) + f"\n{listed}{resource}"


def signature(secret: str, text: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")).decode()
