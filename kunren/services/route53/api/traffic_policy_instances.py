"""Traffic policy instances: records of a zone that a traffic policy's version describes.

All records of an instance change in one transaction. An update makes the new records under new names, lets the
instance's name lead to them, and takes the old ones away.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.dataplane.dns import names
from kunren.services.route53 import traffic_policies
from kunren.services.route53.api.records import Records
from kunren.services.route53.api.traffic_policies import find as find_policy
from kunren.services.route53.changes import apply_changes
from kunren.services.route53.errors import (
    ConflictingTypes,
    InvalidInput,
    NoSuchTrafficPolicyInstance,
    TooManyTrafficPolicyInstances,
    TrafficPolicyInstanceAlreadyExists,
)
from kunren.services.route53.model import HostedZone, OwnerName, ServedZone, TrafficPolicy, TrafficPolicyInstance
from kunren.services.route53.shapes import bare_id, location, max_items, record_set_shape
from kunren.services.route53.store import GLOBAL

INSTANCES_MAX = 5
PER_PAGE = 100


class TrafficPolicyInstances(Records):
    def create_traffic_policy_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            zone = self._zone(tx, ctx.account, params["HostedZoneId"])
            policy = find_policy(tx, ctx.account, params["TrafficPolicyId"], params["TrafficPolicyVersion"])
            name = _name(zone, params["Name"])
            others = tx.list(TrafficPolicyInstance, ctx.account, GLOBAL)
            if any(each.zone_id == zone.id and each.name == name and each.type == policy.type for each in others):
                raise TrafficPolicyInstanceAlreadyExists(name, policy.type)
            if len(others) >= INSTANCES_MAX:
                raise TooManyTrafficPolicyInstances
            instance = TrafficPolicyInstance(
                account=ctx.account,
                region=GLOBAL,
                id=self._entropy.uuid(),
                zone_id=zone.id,
                name=name,
                ttl=params["TTL"],
                policy_id=policy.policy_id,
                policy_version=policy.version,
                type=policy.type,
            )
            instance = self._apply(tx, zone, instance, policy)
        made = f"/trafficpolicyinstance/{instance.id}"
        return {"TrafficPolicyInstance": _shape(None, instance), "Location": location(made)}

    def update_traffic_policy_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            instance = self._instance(tx, ctx.account, params["Id"])
            policy = find_policy(tx, ctx.account, params["TrafficPolicyId"], params["TrafficPolicyVersion"])
            if policy.type != instance.type:
                raise ConflictingTypes(instance.type, policy.type)
            zone = self._zone(tx, ctx.account, instance.zone_id)
            instance = msgspec.structs.replace(
                instance,
                ttl=params["TTL"],
                policy_id=policy.policy_id,
                policy_version=policy.version,
                generation=instance.generation + 1,
            )
            instance = self._apply(tx, zone, instance, policy)
        return {"TrafficPolicyInstance": _shape(None, instance)}

    def delete_traffic_policy_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            instance = self._instance(tx, ctx.account, params["Id"])
            zone = tx.get(HostedZone, ctx.account, GLOBAL, instance.zone_id)
            if zone is not None and (gone := self._deletions(tx, zone, instance)):
                changed = apply_changes(self._view(tx, zone), gone, by_traffic_policy=True)
                self._records.put_sets(tx, zone, changed)
            tx.delete(instance)
        return {}

    def _apply(
        self, tx: Tx, zone: HostedZone, instance: TrafficPolicyInstance, policy: TrafficPolicy
    ) -> TrafficPolicyInstance:
        """Replace the instance's records; where the zone does not take the new ones it keeps what it has, and the
        instance says why."""
        document = traffic_policies.parse(policy.document)
        group = f"tp{instance.generation}-{instance.id[:8]}.{zone.name}"
        wanted = traffic_policies.record_sets(document, instance.name, zone.id, instance.ttl, group, instance.id)
        changes = [
            *self._deletions(tx, zone, instance),
            *({"Action": "CREATE", "ResourceRecordSet": each} for each in wanted),
        ]
        try:
            changed = apply_changes(self._view(tx, zone), changes, by_traffic_policy=True)
        except AwsError as error:
            instance = msgspec.structs.replace(instance, failure=error.message[:1024])
        else:
            zone = self._records.put_sets(tx, zone, changed)
            instance = msgspec.structs.replace(instance, zone_version=zone.version, failure=None)
        tx.put(instance)
        return instance

    def _deletions(self, tx: Tx, zone: HostedZone, instance: TrafficPolicyInstance) -> list[dict[str, Any]]:
        found = []
        for owner in tx.list(OwnerName, zone.account, zone.id):
            for each in owner.record_sets:
                if each.traffic_policy_instance_id == instance.id:
                    shape = {key: value for key, value in record_set_shape(owner, each).items() if value is not None}
                    found.append({"Action": "DELETE", "ResourceRecordSet": shape})
        return found

    def _instance(self, reader: Snapshot | Tx, account: str, id: str) -> TrafficPolicyInstance:
        found = reader.get(TrafficPolicyInstance, account, GLOBAL, id)
        if found is None:
            raise NoSuchTrafficPolicyInstance(id)
        return found

    # -- reading -----------------------------------------------------------------------------------------------------

    def get_traffic_policy_instance(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        return {"TrafficPolicyInstance": _shape(snapshot, self._instance(snapshot, ctx.account, params["Id"]))}

    def get_traffic_policy_instance_count(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        count = self._store.snapshot().count(TrafficPolicyInstance, ctx.account, GLOBAL)
        return {"TrafficPolicyInstanceCount": count}

    def list_traffic_policy_instances(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._page(ctx, params, self._instances(ctx))

    def list_traffic_policy_instances_by_hosted_zone(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        zone = self._zone(self._store.snapshot(), ctx.account, params["HostedZoneId"])
        given = {**params, "HostedZoneIdMarker": zone.id if params.get("TrafficPolicyInstanceNameMarker") else None}
        found = self._page(ctx, given, [each for each in self._instances(ctx) if each.zone_id == zone.id])
        return {key: value for key, value in found.items() if key != "HostedZoneIdMarker"}

    def list_traffic_policy_instances_by_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        policy = find_policy(
            self._store.snapshot(), ctx.account, params["TrafficPolicyId"], params["TrafficPolicyVersion"]
        )
        wanted = (policy.policy_id, policy.version)
        found = [each for each in self._instances(ctx) if (each.policy_id, each.policy_version) == wanted]
        return self._page(ctx, params, found)

    def _instances(self, ctx: RequestContext) -> list[TrafficPolicyInstance]:
        return sorted(self._store.snapshot().list(TrafficPolicyInstance, ctx.account, GLOBAL), key=_order)

    def _page(self, ctx: RequestContext, params: dict[str, Any], found: list[TrafficPolicyInstance]) -> dict[str, Any]:
        """Zone, name and type of the first of the next page are where it begins."""
        limit = max_items(params.get("MaxItems"), PER_PAGE)
        if zone_id := params.get("HostedZoneIdMarker"):
            name = params.get("TrafficPolicyInstanceNameMarker") or ""
            start = (bare_id(zone_id), _sortable(name), params.get("TrafficPolicyInstanceTypeMarker") or "")
            found = [each for each in found if _order(each) >= start]
        following = found[limit] if len(found) > limit else None
        snapshot = self._store.snapshot()
        return {
            "TrafficPolicyInstances": [_shape(snapshot, each) for each in found[:limit]],
            "IsTruncated": following is not None,
            "HostedZoneIdMarker": following and following.zone_id,
            "TrafficPolicyInstanceNameMarker": following and following.name,
            "TrafficPolicyInstanceTypeMarker": following and following.type,
            "MaxItems": str(limit),
        }


def _order(instance: TrafficPolicyInstance) -> tuple[str, str, str]:
    return instance.zone_id, _sortable(instance.name), instance.type


def _sortable(name: str) -> str:
    try:
        return names.sort_key(names.to_wire(name)) if name else ""
    except names.BadName as error:
        raise InvalidInput(f"FATAL problem: {error}") from None


def _name(zone: HostedZone, given: str) -> str:
    try:
        name = names.to_wire(given)
    except names.BadName as error:
        raise InvalidInput(f"FATAL problem: {error}") from None
    if not names.is_within(name, names.to_wire(zone.name)):
        raise InvalidInput(f"The name {names.to_text(name)} is not in the hosted zone {zone.name}")
    return names.to_text(name)


def _state(snapshot: Snapshot | None, instance: TrafficPolicyInstance) -> str:
    """Applied once the name servers serve the zone with the instance's records."""
    if instance.failure is not None:
        return "Failed"
    served = snapshot.get(ServedZone, instance.account, GLOBAL, instance.zone_id) if snapshot is not None else None
    if served is not None and served.version >= instance.zone_version:
        return "Applied"
    return "Creating" if instance.generation == 1 else "Updating"


def _shape(snapshot: Snapshot | None, instance: TrafficPolicyInstance) -> dict[str, Any]:
    return {
        "Id": instance.id,
        "HostedZoneId": instance.zone_id,
        "Name": instance.name,
        "TTL": instance.ttl,
        "State": _state(snapshot, instance),
        "Message": instance.failure or "",
        "TrafficPolicyId": instance.policy_id,
        "TrafficPolicyVersion": instance.policy_version,
        "TrafficPolicyType": instance.type,
    }
