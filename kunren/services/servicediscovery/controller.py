"""Has the hosted zone of each namespace say what its instances are, and ends the operations that wait for it.

Level-triggered: a namespace is brought to what the rows say, whichever operation wrote them. Its zone is Route 53's;
what is in it is asked for, never remembered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.servicediscovery.model import (
    DNS_PRIVATE,
    ENDED,
    FAIL,
    HTTP,
    KINDS,
    PENDING,
    SUCCESS,
    Instance,
    Namespace,
    Operation,
    Service,
    instances_of,
    services_of,
    under_way,
)
from kunren.services.servicediscovery.records import ALIAS, IPV4, IPV6, PORT, RecordSet, changes, key_of, wanted

_BATCH = 100
_LOOK_S = 0.02


class NamespaceController:
    """`controller.run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store, self._clock, self._call = store, clock, call
        kinds = frozenset(each.kind for each in KINDS)
        self.controller = Controller(
            "servicediscovery", store, clock, keys=_namespace_of, every=_all, reconcile=self._reconcile,
            wants=lambda kind: kind in kinds,
        )  # fmt: skip

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        waiting = under_way(snapshot, account, region, id)
        namespace = snapshot.get(Namespace, account, region, id)
        self._mark(waiting, PENDING)
        if namespace is None:
            self._mark(waiting, SUCCESS)
            return
        try:
            if namespace.ending:
                await self._take_away(namespace)
            else:
                namespace = await self._have_zone(namespace)
                waiting = await self._refused(namespace, waiting, await self._have_health_checks(namespace))
                if namespace.zone:
                    waiting = await self._refused(namespace, waiting, await self._publish(namespace))
        except AwsError as error:
            if error.status >= 500:
                raise
            self._failed(namespace, waiting, error)
            return
        for each in waiting:
            for check in each.leftover.split():
                await self._drop_check(namespace, check)
        self._mark(waiting, SUCCESS)

    def _mark(self, operations: Iterable[Operation], status: str) -> None:
        with self._store.write() as tx:
            for each in operations:
                current = tx.get(Operation, each.account, each.region, each.id)
                if current is not None and current.status != status:
                    tx.put(msgspec.structs.replace(current, status=status, updated_at=self._clock.now()))

    def _failed(self, namespace: Namespace, operations: Iterable[Operation], error: AwsError) -> None:
        """What Route 53 refuses is told by the operations; a namespace that can't be made is none, and one that can't
        be taken away stays."""
        with self._store.write() as tx:
            if not namespace.ready:
                tx.delete(namespace)
            elif namespace.ending and (current := tx.get(Namespace, *namespace.key[1:])) is not None:
                tx.put(msgspec.structs.replace(current, ending=False))
            for each in operations:
                tx.put(self._fails(each, error))

    def _fails(self, operation: Operation, error: AwsError) -> Operation:
        return msgspec.structs.replace(
            operation, status=FAIL, error_code="INVALID_INPUT", error_message=error.message,
            updated_at=self._clock.now(),
        )  # fmt: skip

    async def _refused(
        self, namespace: Namespace, waiting: list[Operation], refused: Mapping[str, AwsError]
    ) -> list[Operation]:
        """Instances, by their ids, that Route 53 does not take fail with their own operations, and are none where they
        were being registered; nobody else's work waits for them. The operations that go on."""
        checks: list[str] = []
        for id, error in refused.items():
            with self._store.write() as tx:
                instance = tx.get(Instance, namespace.account, namespace.region, id)
                own = [each for each in waiting if instance is not None and _concerns(each, instance)]
                for each in own:
                    tx.put(self._fails(each, error))
                if instance is not None and any(each.type == "REGISTER_INSTANCE" for each in own):
                    tx.delete(instance)
                    checks += [instance.health_check, *(each.leftover for each in own)]
            waiting = [each for each in waiting if each not in own]
        for check in " ".join(checks).split():
            await self._drop_check(namespace, check)
        return waiting

    # --- zones ----------------------------------------------------------------------------------------------------

    async def _ask(self, namespace: Namespace, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call(namespace.account, namespace.region, "route53", operation, params)

    async def _have_zone(self, namespace: Namespace) -> Namespace:
        if namespace.ready:
            return namespace
        zone = await self._made(namespace) if namespace.type != HTTP else ""
        with self._store.write() as tx:
            current = tx.get(Namespace, namespace.account, namespace.region, namespace.id) or namespace
            namespace = msgspec.structs.replace(current, zone=zone, ready=True)
            tx.put(namespace)
        return namespace

    async def _made(self, namespace: Namespace) -> str:
        """The id of its hosted zone, which a try before may have made."""
        wanted_zone: dict[str, Any] = {
            "Name": namespace.name, "CallerReference": namespace.id,
            "HostedZoneConfig": {"Comment": f"Created by AWS Cloud Map namespace with ARN {namespace.arn}"},
        }  # fmt: skip
        if namespace.type == DNS_PRIVATE:
            wanted_zone["VPC"] = {"VPCRegion": namespace.region, "VPCId": namespace.vpc}
        page: Mapping[str, Any] = {"IsTruncated": True}
        while page.get("IsTruncated"):
            page = await self._ask(
                namespace, "ListHostedZones", {"Marker": page["NextMarker"]} if page.get("NextMarker") else {}
            )
            for zone in page["HostedZones"]:
                if zone["CallerReference"] == namespace.id:
                    return _bare(zone["Id"])
        made = await self._ask(namespace, "CreateHostedZone", wanted_zone)
        await self._in_sync(namespace, made["ChangeInfo"])
        return _bare(made["HostedZone"]["Id"])

    async def _take_away(self, namespace: Namespace) -> None:
        if namespace.zone:
            for error in (await self._change(namespace, await self._there(namespace), {})).values():
                raise error
            try:
                await self._ask(namespace, "DeleteHostedZone", {"Id": namespace.zone})
            except AwsError as error:
                if error.code != "NoSuchHostedZone":
                    raise
        with self._store.write() as tx:
            tx.delete(namespace)

    async def _in_sync(self, namespace: Namespace, change: Mapping[str, Any]) -> None:
        id = change["Id"]
        while change["Status"] != "INSYNC":
            await self._clock.wall_sleep(_LOOK_S)
            change = (await self._ask(namespace, "GetChange", {"Id": _bare(id)}))["ChangeInfo"]

    # --- records --------------------------------------------------------------------------------------------------

    async def _publish(self, namespace: Namespace) -> dict[str, AwsError]:
        """The instances, by id, whose records Route 53 does not take."""
        snapshot = self._store.snapshot()
        services = services_of(snapshot, namespace)
        of = {each.id: instances_of(snapshot, each) for each in services}
        targets = {one.attributes[ALIAS] for each in of.values() for one in each if ALIAS in one.attributes}
        zones = await self._alias_zones(namespace, targets)
        refused = await self._change(namespace, await self._there(namespace), wanted(namespace, services, of, zones))
        found: dict[str, AwsError] = {}
        for service in services if refused else ():
            for instance in of[service.id]:
                for key in wanted(namespace, [service], {service.id: [instance]}, zones).keys() & refused.keys():
                    found[instance.id] = refused[key]
        return found

    async def _there(self, namespace: Namespace) -> dict[tuple[str, str, str], RecordSet]:
        """All record sets of the zone, but its own."""
        found: dict[tuple[str, str, str], RecordSet] = {}
        params: dict[str, Any] = {"HostedZoneId": namespace.zone}
        while True:
            page = await self._ask(namespace, "ListResourceRecordSets", params)
            for each in page["ResourceRecordSets"]:
                if each["Type"] not in ("NS", "SOA"):
                    found[key_of(each)] = {name: value for name, value in each.items() if value is not None}
            if not page.get("IsTruncated"):
                return found
            params = {
                "HostedZoneId": namespace.zone, "StartRecordName": page["NextRecordName"],
                "StartRecordType": page["NextRecordType"],
            }  # fmt: skip
            if page.get("NextRecordIdentifier"):
                params["StartRecordIdentifier"] = page["NextRecordIdentifier"]

    async def _change(
        self, namespace: Namespace, there: Mapping[tuple[str, str, str], RecordSet],
        desired: Mapping[tuple[str, str, str], RecordSet],
    ) -> dict[tuple[str, str, str], AwsError]:  # fmt: skip
        """Return when the world's DNS says so, but for record sets that Route 53 does not take: of a batch with such a
        one it takes nothing, so its changes are made one by one."""
        due = changes(there, desired)
        refused: dict[tuple[str, str, str], AwsError] = {}
        for start in range(0, len(due), _BATCH):
            batch = due[start : start + _BATCH]
            try:
                await self._changed(namespace, batch)
            except AwsError as error:
                if error.status >= 500:
                    raise
                for each in batch:
                    try:
                        await self._changed(namespace, [each])
                    except AwsError as error:
                        if error.status >= 500:
                            raise
                        refused[key_of(each["ResourceRecordSet"])] = error
        return refused

    async def _changed(self, namespace: Namespace, batch: list[dict[str, Any]]) -> None:
        wanted_changes = {"HostedZoneId": namespace.zone, "ChangeBatch": {"Changes": batch}}
        made = await self._ask(namespace, "ChangeResourceRecordSets", wanted_changes)
        await self._in_sync(namespace, made["ChangeInfo"])

    async def _alias_zones(self, namespace: Namespace, targets: set[str]) -> dict[str, str]:
        """The hosted zones that load balancers' names are in."""
        if not targets:
            return {}
        told = await self._call(namespace.account, namespace.region, "elbv2", "DescribeLoadBalancers", {})
        known = {each["DNSName"].lower(): each["CanonicalHostedZoneId"] for each in told["LoadBalancers"]}
        return {
            each: known[bare]
            for each in targets
            if (bare := each.lower().rstrip(".").removeprefix("dualstack.")) in known
        }

    # --- Route 53's health checks ---------------------------------------------------------------------------------

    async def _have_health_checks(self, namespace: Namespace) -> dict[str, AwsError]:
        """The instances, by id, for which Route 53 takes none."""
        snapshot = self._store.snapshot()
        refused: dict[str, AwsError] = {}
        for service in services_of(snapshot, namespace):
            for instance in instances_of(snapshot, service) if service.health_check is not None else ():
                if not instance.health_check:
                    try:
                        await self._check(namespace, service, instance)
                    except AwsError as error:
                        if error.status >= 500:
                            raise
                        refused[instance.id] = error
        return refused

    async def _check(self, namespace: Namespace, service: Service, instance: Instance) -> None:
        config = dict(service.health_check or {})
        port = int(instance.attributes.get(PORT) or (443 if config["Type"] == "HTTPS" else 80))
        address = instance.attributes.get(IPV4) or instance.attributes.get(IPV6)
        if address is None:
            return
        wanted_check = {**config, "IPAddress": address, "Port": port}
        made = await self._ask(
            namespace, "CreateHealthCheck",
            {"CallerReference": _reference(instance, wanted_check), "HealthCheckConfig": wanted_check},
        )  # fmt: skip
        id = made["HealthCheck"]["Id"]
        with self._store.write() as tx:
            current = tx.get(Instance, instance.account, instance.region, instance.id)
            if current is not None and current.registered_at == instance.registered_at:
                tx.put(msgspec.structs.replace(current, health_check=id))
                return
        await self._drop_check(namespace, id)

    async def _drop_check(self, namespace: Namespace, id: str) -> None:
        if not id:
            return
        try:
            await self._ask(namespace, "DeleteHealthCheck", {"HealthCheckId": id})
        except AwsError as error:
            if error.code != "NoSuchHealthCheck":
                raise


def _concerns(operation: Operation, instance: Instance) -> bool:
    own = operation.targets.get("INSTANCE")
    return operation.targets.get("SERVICE") == instance.service and own in (None, instance.name)


def _reference(instance: Instance, check: Mapping[str, Any]) -> str:
    """What makes a health check that a try before has made known again."""
    text = json.dumps([instance.id, instance.registered_at, dict(check)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _bare(id: str) -> str:
    return id.rpartition("/")[2]


def _all(snapshot: Snapshot) -> list[str]:
    found = {(each.account, each.region, each.id) for each in snapshot.every(Namespace)}
    found |= {(op.account, op.region, op.namespace) for op in snapshot.every(Operation) if op.status not in ENDED}
    return ["|".join(each) for each in sorted(found)]


def _namespace_of(snapshot: Snapshot, key: Key) -> list[str]:
    """The namespace that a changed row concerns; of what is gone, instances alone concern any."""
    found = snapshot.by_key(key)
    if isinstance(found, Namespace):
        return [f"{key.account}|{key.region}|{found.id}"]
    if isinstance(found, Operation):
        return [f"{key.account}|{key.region}|{found.namespace}"] if found.status not in ENDED else []
    if isinstance(found, Service):
        return [f"{key.account}|{key.region}|{found.namespace}"]
    service = snapshot.get(Service, key.account, key.region, key.id.partition("/")[0])
    return [f"{key.account}|{key.region}|{service.namespace}"] if service is not None else []
