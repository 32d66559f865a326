"""Which lists there are, who has them, and how they are shown. Pure reads.

CloudFront API Reference, AnycastIpList; Developer Guide, "Request Anycast static IPs to use for allowlisting".
"""

from __future__ import annotations

from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn
from kunren.services.cloudfront.anycast_ip_lists.model import AnycastIpList, AnycastIpListStatus
from kunren.services.cloudfront.errors import EntityNotFound
from kunren.services.cloudfront.model import Distribution

View: TypeAlias = Snapshot | Tx


def find(view: View, account: str, identity: str) -> AnycastIpList:
    """Raises EntityNotFound."""
    found = view.get(AnycastIpList, account, "", identity)
    if found is None:
        raise EntityNotFound
    return found


def distributions_of(view: View, account: str, identity: str) -> list[Distribution]:
    return [each for each in view.list(Distribution, account, "") if each.config.get("AnycastIpListId") == identity]


def list_of(view: View, distribution: Distribution) -> AnycastIpList | None:
    """The list on whose addresses alone a distribution answers, if any."""
    identity = distribution.config.get("AnycastIpListId")
    return view.get(AnycastIpList, distribution.account, "", identity) if identity else None


def listed_addresses(view: View) -> dict[str, str]:
    """All lists' addresses, and the list of each."""
    return {address: each.id for each in view.every(AnycastIpList) for address in each.addresses}


def summary(view: View, found: AnycastIpList) -> dict[str, Any]:
    deployed = view.get(AnycastIpListStatus, found.account, "", found.id) is not None
    return {
        "Id": found.id,
        "Name": found.name,
        "Status": "Deployed" if deployed else "Deploying",
        "Arn": build_arn("cloudfront", "", found.account, f"anycast-ip-list/{found.id}"),
        "IpAddressType": "ipv4",
        "IpCount": len(found.addresses),
        "LastModifiedTime": found.modified_time,
    }


def shown(view: View, found: AnycastIpList) -> dict[str, Any]:
    return {**summary(view, found), "AnycastIps": list(found.addresses)}
