"""Condition keys that a request gives values to (IAM user guide, "AWS global condition context keys"). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.condition_keys import Facts, of_request

__all__ = ["Facts", "facts_of"]


def facts_of(
    headers: Mapping[str, str], *, source_ip: str, secure: bool, region: str, now: float, service: str = "",
    params: Mapping[str, Any] | None = None,
) -> Facts:  # fmt: skip
    """By lower-case name. `now` is AWS time; tags are those that the parameters ask to be set."""
    agent, referer = headers.get("user-agent"), headers.get("referer")
    found = of_request(source_ip, secure, region, int(now), agent, referer, service == "ec2")
    more = _of_parameters(service, params) if params else None
    return {**found, **more} if more else found


def facts_of_service(region: str, now: float, service: str = "", params: Mapping[str, Any] | None = None) -> Facts:
    """As `facts_of`, where a service asks for somebody: that comes from no address."""
    found = facts_of({}, source_ip="", secure=True, region=region, now=now, service=service, params=params)
    return {key: each for key, each in found.items() if key != "aws:sourceip"}


def _of_parameters(service: str, params: Mapping[str, Any]) -> Facts:
    found: dict[str, str | tuple[str, ...]] = {}
    tags = _tags(params)
    if tags:
        found.update({f"aws:requesttag/{name.lower()}": value for name, value in tags.items()})
        found["aws:tagkeys"] = tuple(tags)
    elif keys := params.get("TagKeys"):
        found["aws:tagkeys"] = tuple(str(each) for each in keys)
    if service == "sts":
        for member, key in (("ExternalId", "sts:externalid"), ("RoleSessionName", "sts:rolesessionname"),
                            ("SourceIdentity", "sts:sourceidentity")):  # fmt: skip
            if params.get(member):
                found[key] = str(params[member])
    if service == "iam" and params.get("PolicyArn"):
        found["iam:policyarn"] = str(params["PolicyArn"])
    if params.get("PermissionsBoundary"):
        found["iam:permissionsboundary"] = str(params["PermissionsBoundary"])
    return found


def _tags(params: Mapping[str, Any]) -> dict[str, str]:
    given = params.get("Tags") or params.get("tags") or {}
    if isinstance(given, dict):
        given = given.get("Items", given) if "Items" in given else given
    if isinstance(given, dict):
        return {str(name): str(value) for name, value in given.items() if isinstance(value, str)}
    listed = list(given)
    for each in params.get("TagSpecifications") or ():
        listed += each.get("Tags") or ()
    return {str(each.get("Key")): str(each.get("Value") or "") for each in listed if isinstance(each, dict)}
