"""Requests to origins that only CloudFront may ask: signed (version 4) in the name of the distribution. Pure.

Developer Guide, "Advanced settings for origin access control".
"""

from __future__ import annotations

from kunren.core.sigv4 import EMPTY_SHA256, UNSIGNED, Credential, amz_date
from kunren.dataplane.edge.message import Headers, first, joined, without
from kunren.dataplane.edge.site import OriginAccess

_OWN = frozenset(
    {
        "authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-source-account",
        "x-amz-source-arn",
    }
)  # fmt: skip


def signed(
    credential: Credential, access: OriginAccess, method: str, target: str, headers: Headers, now: float
) -> Headers:
    """The headers of a request with what signs it. Payloads for S3 are not signed; those for function URLs are by the
    hash that the viewer sends along in X-Amz-Content-SHA256."""
    if access.gives_way and first(headers, "authorization") is not None:
        return headers
    payload = UNSIGNED if access.service == "s3" else first(headers, "x-amz-content-sha256") or EMPTY_SHA256
    path, _, query = target.partition("?")
    own = [
        ("X-Amz-Content-SHA256", payload),
        ("X-Amz-Date", amz_date(now)),
        ("X-Amz-Security-Token", credential.token),
        ("X-Amz-Source-Account", access.source_account),
        ("X-Amz-Source-Arn", access.source_arn),
    ]
    made = [*without(headers, _OWN), *own]
    names = {name.lower() for name, _ in made}
    told = {each: joined(made, each) or "" for each in names if each == "host" or each.startswith("x-amz-")}
    text = credential.authorization(method, path, query, told, region=access.region, service=access.service, now=now)
    return [*made, ("Authorization", text)]
