"""Distributions as the API shows them. Pure."""

from __future__ import annotations

from typing import Any

from kunren.core.arn import build_arn
from kunren.services.cloudfront.model import Distribution

_SUMMARISED = (
    "Aliases", "Origins", "OriginGroups", "DefaultCacheBehavior", "CacheBehaviors", "CustomErrorResponses", "Comment",
    "PriceClass", "Enabled", "ViewerCertificate", "Restrictions", "WebACLId", "HttpVersion", "IsIPV6Enabled", "Staging",
)  # fmt: skip


def distribution(
    shown: Distribution, status: str, invalidations: int, key_groups: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "Id": shown.id,
        "ARN": build_arn("cloudfront", "", shown.account, f"distribution/{shown.id}"),
        "Status": status,
        "LastModifiedTime": shown.modified_time,
        "InProgressInvalidationBatches": invalidations,
        "DomainName": shown.domain_name,
        "ActiveTrustedSigners": {"Enabled": False, "Quantity": 0},
        "ActiveTrustedKeyGroups": _active(key_groups),
        "DistributionConfig": shown.config,
        "AliasICPRecordals": _recordals(shown),
    }


def _active(key_groups: dict[str, list[str]]) -> dict[str, Any]:
    """Key groups with the ids of their keys."""
    listed = [
        {"KeyGroupId": group, "KeyPairIds": {"Quantity": len(keys), "Items": keys}}
        for group, keys in key_groups.items()
    ]
    return {"Enabled": bool(listed), "Quantity": len(listed), **({"Items": listed} if listed else {})}


def summary(shown: Distribution, status: str) -> dict[str, Any]:
    return {
        "Id": shown.id,
        "ARN": build_arn("cloudfront", "", shown.account, f"distribution/{shown.id}"),
        "ETag": shown.etag,
        "Status": status,
        "LastModifiedTime": shown.modified_time,
        "DomainName": shown.domain_name,
        "AliasICPRecordals": _recordals(shown),
        **{member: shown.config[member] for member in _SUMMARISED},
        **({"AnycastIpListId": anycast} if (anycast := shown.config.get("AnycastIpListId")) else {}),
    }


def _recordals(shown: Distribution) -> list[dict[str, str]]:
    names = shown.config["Aliases"].get("Items") or ()
    return [{"CNAME": each, "ICPRecordalStatus": "APPROVED"} for each in names]
