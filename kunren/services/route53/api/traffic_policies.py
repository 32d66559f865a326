"""Traffic policies and their versions."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.route53 import traffic_policies
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    NoSuchTrafficPolicy,
    TooManyTrafficPolicies,
    TooManyTrafficPolicyVersions,
    TrafficPolicyAlreadyExists,
    TrafficPolicyInUse,
)
from kunren.services.route53.model import TrafficPolicy, TrafficPolicyInstance
from kunren.services.route53.shapes import location, max_items
from kunren.services.route53.store import GLOBAL

POLICIES_MAX = 50
VERSIONS_MAX = 1000
PER_PAGE = 100


def find(reader: Snapshot | Tx, account: str, id: str, version: int, *, deleted: bool = False) -> TrafficPolicy:
    """Raises NoSuchTrafficPolicy; for a deleted version too, unless it may be one."""
    found = reader.get(TrafficPolicy, account, GLOBAL, _key(id, version))
    if found is None or (found.deleted and not deleted):
        raise NoSuchTrafficPolicy(id, version)
    return found


def living(reader: Snapshot | Tx, account: str) -> dict[str, list[TrafficPolicy]]:
    """The versions, in order, of every policy that has one left, in the order in which the policies were created."""
    found: dict[str, list[TrafficPolicy]] = {}
    first: dict[str, float] = {}
    for each in reader.list(TrafficPolicy, account, GLOBAL):
        first[each.policy_id] = min(each.created, first.get(each.policy_id, each.created))
        if not each.deleted:
            found.setdefault(each.policy_id, []).append(each)
    return {id: found[id] for id in sorted(found, key=lambda each: (first[each], each))}


def _key(id: str, version: int) -> str:
    return f"{id}.{version:04d}"


class TrafficPolicies(Base):
    def create_traffic_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        document = traffic_policies.parse(params["Document"])
        with self._store.write() as tx:
            others = living(tx, ctx.account)
            if any(versions[0].name == params["Name"] for versions in others.values()):
                raise TrafficPolicyAlreadyExists(params["Name"])
            if len(others) >= POLICIES_MAX:
                raise TooManyTrafficPolicies
            made = self._put(tx, ctx, self._entropy.uuid(), 1, params["Name"], document.record_type, params)
        return {"TrafficPolicy": _shape(made), "Location": location(f"/trafficpolicy/{made.policy_id}/1")}

    def create_traffic_policy_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        document = traffic_policies.parse(params["Document"])
        with self._store.write() as tx:
            versions = living(tx, ctx.account).get(params["Id"])
            if not versions:
                raise NoSuchTrafficPolicy(params["Id"])
            number = 1 + max(
                each.version for each in tx.list(TrafficPolicy, ctx.account, GLOBAL) if each.policy_id == params["Id"]
            )
            if number > VERSIONS_MAX:
                raise TooManyTrafficPolicyVersions(params["Id"])
            made = self._put(tx, ctx, params["Id"], number, versions[0].name, document.record_type, params)
        return {"TrafficPolicy": _shape(made), "Location": location(f"/trafficpolicy/{made.policy_id}/{number}")}

    def _put(
        self, tx: Tx, ctx: RequestContext, id: str, version: int, name: str, rtype: str, params: dict[str, Any]
    ) -> TrafficPolicy:
        made = TrafficPolicy(
            account=ctx.account,
            region=GLOBAL,
            id=_key(id, version),
            policy_id=id,
            version=version,
            name=name,
            type=rtype,
            document=params["Document"],
            created=self._clock.now(),
            comment=params.get("Comment"),
        )
        tx.put(made)
        return made

    def get_traffic_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """A deleted version too, as AWS says."""
        found = find(self._store.snapshot(), ctx.account, params["Id"], params["Version"], deleted=True)
        return {"TrafficPolicy": _shape(found)}

    def update_traffic_policy_comment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = find(tx, ctx.account, params["Id"], params["Version"])
            found = msgspec.structs.replace(found, comment=params["Comment"])
            tx.put(found)
        return {"TrafficPolicy": _shape(found)}

    def delete_traffic_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = find(tx, ctx.account, params["Id"], params["Version"])
            if any(
                each.policy_id == found.policy_id and each.policy_version == found.version
                for each in tx.list(TrafficPolicyInstance, ctx.account, GLOBAL)
            ):
                raise TrafficPolicyInUse
            tx.put(msgspec.structs.replace(found, deleted=True))
        return {}

    def list_traffic_policies(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), PER_PAGE)
        found = list(living(self._store.snapshot(), ctx.account).values())
        if marker := params.get("TrafficPolicyIdMarker"):
            first = next((at for at, each in enumerate(found) if each[0].policy_id == marker), None)
            if first is None:
                raise NoSuchTrafficPolicy(marker)
            found = found[first:]
        return {
            "TrafficPolicySummaries": [
                {
                    "Id": versions[-1].policy_id,
                    "Name": versions[-1].name,
                    "Type": versions[-1].type,
                    "LatestVersion": versions[-1].version,
                    "TrafficPolicyCount": len(versions),
                }
                for versions in found[:limit]
            ],
            "IsTruncated": len(found) > limit,
            "TrafficPolicyIdMarker": found[limit][0].policy_id if len(found) > limit else "",
            "MaxItems": str(limit),
        }

    def list_traffic_policy_versions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), PER_PAGE)
        versions = living(self._store.snapshot(), ctx.account).get(params["Id"])
        if not versions:
            raise NoSuchTrafficPolicy(params["Id"])
        marker = params.get("TrafficPolicyVersionMarker") or ""
        found = [each for each in versions if each.version >= (int(marker) if marker.isdigit() else 1)]
        return {
            "TrafficPolicies": [_shape(each) for each in found[:limit]],
            "IsTruncated": len(found) > limit,
            "TrafficPolicyVersionMarker": str(found[limit].version) if len(found) > limit else "",
            "MaxItems": str(limit),
        }


def _shape(policy: TrafficPolicy) -> dict[str, Any]:
    return {
        "Id": policy.policy_id,
        "Version": policy.version,
        "Name": policy.name,
        "Type": policy.type,
        "Document": policy.document,
        "Comment": policy.comment,
    }
