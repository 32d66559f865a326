"""Zones, records and health checks: AWS::Route53::…"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.kind import Kind, pairs
from kunren.services.cloudformation.work import Failed, Work

_RECORD = (
    "AliasTarget",
    "CidrRoutingConfig",
    "Failover",
    "GeoLocation",
    "GeoProximityLocation",
    "HealthCheckId",
    "MultiValueAnswer",
    "Name",
    "Region",
    "ResourceRecords",
    "SetIdentifier",
    "TTL",
    "Type",
    "Weight",
)


async def in_sync(work: Work, change: str) -> None:
    """Wait until every DNS server answers by a change."""

    async def done() -> bool | None:
        shown = await work.read("route53", "GetChange", {"Id": change})
        return True if shown["ChangeInfo"]["Status"] == "INSYNC" else None

    await work.until(done)


def record(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the operation takes it."""
    found = {key: properties[key] for key in _RECORD if key in properties}
    if "TTL" in found:
        found["TTL"] = int(found["TTL"])
    if "ResourceRecords" in found:
        found["ResourceRecords"] = [{"Value": each} for each in found["ResourceRecords"]]
    if "AliasTarget" in found:
        found["AliasTarget"] = {"EvaluateTargetHealth": False, **found["AliasTarget"]}
    return found


async def zone_of(work: Work, properties: Mapping[str, Any]) -> str:
    if "HostedZoneId" in properties:
        return str(properties["HostedZoneId"])
    if "HostedZoneName" not in properties:
        raise Failed("One of HostedZoneId and HostedZoneName must be specified")
    name = properties["HostedZoneName"].rstrip(".") + "."
    found = await work.read("route53", "ListHostedZonesByName", {"DNSName": name})
    zones = [each["Id"].rpartition("/")[2] for each in found["HostedZones"] if each["Name"] == name]
    if len(zones) != 1:
        raise Failed(f"{'No' if not zones else 'Multiple'} hosted zones named {name} found")
    return str(zones[0])


async def change(work: Work, zone: str, changes: list[tuple[str, Mapping[str, Any]]]) -> None:
    if not changes:
        return
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record(each)} for action, each in changes]}
    id = await work.write(
        "route53", "ChangeResourceRecordSets", {"HostedZoneId": zone, "ChangeBatch": batch}, "ChangeInfo.Id"
    )
    await in_sync(work, id)


def _key(properties: Mapping[str, Any]) -> tuple[Any, ...]:
    return properties["Name"].rstrip(".").lower(), properties["Type"], properties.get("SetIdentifier")


async def _deleted(work: Work, zone: str, records: list[Mapping[str, Any]]) -> None:
    """Records that are gone already are no failure."""
    try:
        await change(work, zone, [("DELETE", each) for each in records])
    except AwsError as error:
        if error.code == "InvalidChangeBatch" and "not found" in error.message and len(records) > 1:
            for each in records:
                await _deleted(work, zone, [each])
        elif error.code != "NoSuchHostedZone" and not (
            error.code == "InvalidChangeBatch" and "not found" in error.message
        ):
            raise


class RecordSet(Kind):
    type = "AWS::Route53::RecordSet"
    properties = frozenset({*_RECORD, "Comment", "HostedZoneId", "HostedZoneName"})

    def must_replace(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        return _key(before) != _key(after)

    async def create(self, work: Work) -> None:
        work.known(work.properties["Name"])
        await change(work, await zone_of(work, work.properties), [("CREATE", work.properties)])

    async def update(self, work: Work) -> None:
        await change(work, await zone_of(work, work.properties), [("UPSERT", work.properties)])

    async def delete(self, work: Work) -> None:
        await _deleted(work, await zone_of(work, work.properties), [work.properties])


class RecordSetGroup(Kind):
    type = "AWS::Route53::RecordSetGroup"
    properties = frozenset({"Comment", "HostedZoneId", "HostedZoneName", "RecordSets"})

    async def create(self, work: Work) -> None:
        work.known(work.name(128))
        records = work.get("RecordSets") or []
        await change(work, await zone_of(work, work.properties), [("CREATE", each) for each in records])

    async def update(self, work: Work) -> None:
        old, new = (
            {_key(each): each for each in found.get("RecordSets") or []} for found in (work.before, work.properties)
        )
        gone = [("DELETE", each) for key, each in old.items() if key not in new]
        changes = [("UPSERT" if key in old else "CREATE", each) for key, each in new.items() if old.get(key) != each]
        await change(work, await zone_of(work, work.properties), [*gone, *changes])

    async def delete(self, work: Work) -> None:
        await _deleted(work, await zone_of(work, work.properties), work.get("RecordSets") or [])


class Tagged(Kind):
    """Tags of zones and health checks are set by an operation of their own."""

    resource_type, tag_property = "", ""

    async def tag(self, work: Work) -> None:
        added = {key: value for key, value in work.tags.items() if work.old_tags.get(key) != value}
        removed = [key for key in work.old_tags if key not in work.tags]
        if added or removed:
            params: dict[str, Any] = {"ResourceType": self.resource_type, "ResourceId": work.physical}
            params |= {"AddTags": pairs(added)} if added else {}
            params |= {"RemoveTagKeys": removed} if removed else {}
            await work.write("route53", "ChangeTagsForResource", params)


class HostedZone(Tagged):
    type = "AWS::Route53::HostedZone"
    properties = frozenset(
        {"DelegationSetId", "HostedZoneConfig", "HostedZoneTags", "Name", "QueryLoggingConfig", "VPCs"}
    )
    attributes = frozenset({"Id", "NameServers"})
    resource_type, tag_property = "hostedzone", "HostedZoneTags"

    async def create(self, work: Work) -> None:
        vpcs = [{"VPCId": each["VPCId"], "VPCRegion": each["VPCRegion"]} for each in work.get("VPCs") or []]
        params = {"CallerReference": work.token, **work.pick("Name", "DelegationSetId")}
        if vpcs or "HostedZoneConfig" in work.properties:
            params["HostedZoneConfig"] = {**(work.get("HostedZoneConfig") or {}), "PrivateZone": bool(vpcs)}
        if vpcs:
            params["VPC"] = vpcs[0]
        made = await work.write(
            "route53",
            "CreateHostedZone",
            params,
            lambda answer: [answer["HostedZone"]["Id"].rpartition("/")[2], answer["ChangeInfo"]["Id"]],
        )
        work.known(made[0])
        for each in vpcs[1:]:
            await work.write("route53", "AssociateVPCWithHostedZone", {"HostedZoneId": made[0], "VPC": each})
        if logging := work.get("QueryLoggingConfig"):
            await work.write("route53", "CreateQueryLoggingConfig", {"HostedZoneId": made[0], **logging})
        await self.tag(work)
        await in_sync(work, made[1])
        shown = await work.read("route53", "GetHostedZone", {"Id": made[0]})
        work.attributes = {"Id": made[0], "NameServers": shown.get("DelegationSet", {}).get("NameServers", [])}

    async def update(self, work: Work) -> None:
        if work.changed("QueryLoggingConfig"):
            raise Failed("Kunren does not implement changes of QueryLoggingConfig of AWS::Route53::HostedZone yet.")
        if work.changed("HostedZoneConfig"):
            comment = (work.get("HostedZoneConfig") or {}).get("Comment", "")
            await work.write("route53", "UpdateHostedZoneComment", {"Id": work.physical, "Comment": comment})
        old, new = work.before.get("VPCs") or [], work.get("VPCs") or []
        for operation, vpcs in (
            ("AssociateVPCWithHostedZone", [each for each in new if each not in old]),
            ("DisassociateVPCFromHostedZone", [each for each in old if each not in new]),
        ):
            for each in vpcs:
                await work.write("route53", operation, {"HostedZoneId": work.physical, "VPC": each})
        await self.tag(work)

    async def delete(self, work: Work) -> None:
        if work.get("QueryLoggingConfig"):
            found = await work.read("route53", "ListQueryLoggingConfigs", {"HostedZoneId": work.physical})
            for each in found["QueryLoggingConfigs"]:
                await work.write("route53", "DeleteQueryLoggingConfig", {"Id": each["Id"]}, missing_ok=True)
        await work.write("route53", "DeleteHostedZone", {"Id": work.physical}, missing_ok=True)


class HealthCheck(Tagged):
    type = "AWS::Route53::HealthCheck"
    properties = frozenset({"HealthCheckConfig", "HealthCheckTags"})
    attributes = frozenset({"HealthCheckId"})
    resource_type, tag_property = "healthcheck", "HealthCheckTags"
    _FIXED = ("Type", "MeasureLatency", "RequestInterval", "RoutingControlArn")

    async def create(self, work: Work) -> None:
        params = {"CallerReference": work.token, "HealthCheckConfig": work.properties["HealthCheckConfig"]}
        await work.write("route53", "CreateHealthCheck", params, "HealthCheck.Id", physical=True)
        work.attributes = {"HealthCheckId": work.physical}
        await self.tag(work)

    async def update(self, work: Work) -> None:
        if work.changed("HealthCheckConfig"):
            config = {
                key: value for key, value in work.properties["HealthCheckConfig"].items() if key not in self._FIXED
            }
            cleared = {
                "FullyQualifiedDomainName": "FullyQualifiedDomainName",
                "ResourcePath": "ResourcePath",
                "Regions": "Regions",
                "ChildHealthChecks": "ChildHealthChecks",
            }
            gone = [cleared[key] for key in work.before["HealthCheckConfig"] if key in cleared and key not in config]
            params = {"HealthCheckId": work.physical, **config, **({"ResetElements": gone} if gone else {})}
            await work.write("route53", "UpdateHealthCheck", params)
        await self.tag(work)

    async def delete(self, work: Work) -> None:
        await work.write("route53", "DeleteHealthCheck", {"HealthCheckId": work.physical}, missing_ok=True)


KINDS: tuple[Kind, ...] = (HostedZone(), RecordSet(), RecordSetGroup(), HealthCheck())
