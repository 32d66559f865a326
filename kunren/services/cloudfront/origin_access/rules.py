"""What an origin's access control or identity may be, and how its requests are signed. Pure reads.

Developer Guide, "Restrict access to an Amazon S3 origin" and "Restrict access to an AWS Lambda function URL origin".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn
from kunren.dataplane.edge.site import OriginAccess
from kunren.services.cloudfront.errors import (
    IllegalOriginAccessConfiguration,
    InvalidDomainNameForOriginAccessControl,
    InvalidOriginAccessControl,
    InvalidOriginAccessIdentity,
    NotHere,
)
from kunren.services.cloudfront.model import Distribution, OriginAccessControl, OriginAccessIdentity

View: TypeAlias = Snapshot | Tx
IDENTITY = "origin-access-identity/cloudfront/"
_USER = "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity "
_DOMAINS = {
    "s3": re.compile(r".+\.s3(?:[.-](?:dualstack\.)?(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com"),
    "lambda": re.compile(r"[a-z0-9]+\.lambda-url\.(?P<region>[a-z0-9-]+)\.on\.aws"),
}


def check_access(view: View, account: str, origin: Mapping[str, Any]) -> None:
    """Raises what is wrong with an origin's access control or identity."""
    identity = (origin.get("S3OriginConfig") or {}).get("OriginAccessIdentity")
    control = origin.get("OriginAccessControlId")
    if identity and control:
        raise IllegalOriginAccessConfiguration
    if identity and _identity(view, account, identity) is None:
        raise InvalidOriginAccessIdentity
    if not control:
        return
    found = view.get(OriginAccessControl, account, "", control)
    if found is None:
        raise InvalidOriginAccessControl
    kind = found.config["OriginAccessControlOriginType"]
    if kind not in _DOMAINS:
        raise NotHere(f"Kunren has no origins of the type {kind}: use s3 or lambda.")
    if _DOMAINS[kind].fullmatch(origin["DomainName"].lower()) is None:
        raise InvalidDomainNameForOriginAccessControl


def access_of(snapshot: Snapshot, distribution: Distribution, origin: Mapping[str, Any]) -> OriginAccess | None:
    """How the edge signs its requests to this origin, if at all."""
    domain = origin["DomainName"].lower()
    if given := (origin.get("S3OriginConfig") or {}).get("OriginAccessIdentity"):
        identity, found = _identity(snapshot, distribution.account, given), _DOMAINS["s3"].fullmatch(domain)
        if identity is None or found is None:
            return None
        return OriginAccess("s3", found["region"] or "us-east-1", user_arn(identity.id), identity.account)
    control = snapshot.get(OriginAccessControl, distribution.account, "", origin.get("OriginAccessControlId") or "")
    if control is None or control.config["SigningBehavior"] == "never":
        return None
    kind = control.config["OriginAccessControlOriginType"]
    found = _DOMAINS[kind].fullmatch(domain)
    if found is None:
        return None
    return OriginAccess(
        service=kind,
        region=found["region"] or "us-east-1",
        source_arn=build_arn("cloudfront", "", distribution.account, f"distribution/{distribution.id}"),
        source_account=distribution.account,
        gives_way=control.config["SigningBehavior"] == "no-override",
    )


def user_arn(identity: str) -> str:
    """The IAM user that an origin access identity is in a bucket's policy."""
    return _USER + identity


def identity_of(arn: str) -> str | None:
    """The id of the origin access identity whose user this is."""
    return arn.removeprefix(_USER) if arn.startswith(_USER) else None


def _identity(view: View, account: str, text: str) -> OriginAccessIdentity | None:
    if not text.startswith(IDENTITY):
        return None
    return view.get(OriginAccessIdentity, account, "", text.removeprefix(IDENTITY))
