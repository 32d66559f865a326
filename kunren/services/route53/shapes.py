"""Resources as Route 53's answers have them, and the ids and page sizes that its requests give."""

from __future__ import annotations

from typing import Any

from kunren.control.store import Snapshot
from kunren.dataplane.dns import names
from kunren.services.route53 import routing
from kunren.services.route53.errors import InvalidInput
from kunren.services.route53.model import (
    AlarmSettings,
    AssociatedVpc,
    Change,
    CheckerView,
    DelegationSet,
    HealthCheck,
    HostedZone,
    OwnerName,
    RecordSet,
    ServedZone,
)
from kunren.services.route53.store import GLOBAL, status_of

API_VERSION = "2013-04-01"
_ENDPOINT = f"https://route53.amazonaws.com/{API_VERSION}"


def bare_id(given: str) -> str:
    """An id without the path that AWS puts before it: Z…, C…, N…."""
    return given.rsplit("/", 1)[-1]


def location(path: str) -> str:
    return f"{_ENDPOINT}{path}"


def hosted_zone_shape(zone: HostedZone) -> dict[str, Any]:
    return {
        "Id": f"/hostedzone/{zone.id}",
        "Name": zone.name,
        "CallerReference": zone.caller_reference,
        "Config": {"Comment": zone.comment, "PrivateZone": zone.private, "HostedZoneTier": zone.tier},
        "ResourceRecordSetCount": zone.record_set_count,
    }


def features_shape(snapshot: Snapshot, zone: HostedZone) -> dict[str, Any]:
    """A feature is on, or off, once the resolvers have it so."""
    served = snapshot.get(ServedZone, zone.account, GLOBAL, zone.id)
    settled = served is not None and served.version >= zone.features_version
    enabled, on = zone.history_since is not None, zone.public_dns_fallback
    words = (
        ("ENABLED" if on else "DISABLED") if settled or not zone.features_version else "ENABLING" if on else "DISABLING"
    )
    return {
        "PublicDNSFallbackStatus": words if zone.private else None,
        "ChangeHistory": {"Status": "ENABLED" if enabled else "DISABLED", "RetentionStartsAt": zone.history_since},
    }


def vpc_shape(vpc: AssociatedVpc) -> dict[str, Any]:
    return {"VPCRegion": vpc.region, "VPCId": vpc.id}


def change_shape(snapshot: Snapshot | None, change: Change) -> dict[str, Any]:
    """Without a snapshot the change was submitted this moment: nothing serves it yet."""
    return {
        "Id": f"/change/{change.id}",
        "Status": status_of(snapshot, change) if snapshot is not None else "PENDING",
        "SubmittedAt": change.submitted_at,
        "Comment": change.comment,
    }


def delegation_set_shape(name_servers: tuple[str, ...], reusable: DelegationSet | None = None) -> dict[str, Any]:
    """A zone's name servers; a reusable set has an id and a caller reference too."""
    return {
        "Id": f"/delegationset/{reusable.id}" if reusable is not None else None,
        "CallerReference": reusable.caller_reference if reusable is not None else None,
        "NameServers": list(name_servers),
    }


def record_set_shape(owner: OwnerName, record_set: RecordSet) -> dict[str, Any]:
    return named_record_set_shape(names.to_text(names.from_sort_key(owner.id)), record_set)


def named_record_set_shape(name: str, record_set: RecordSet) -> dict[str, Any]:
    alias = record_set.alias
    return {
        "Name": name,
        "Type": record_set.type,
        "SetIdentifier": record_set.set_identifier,
        **routing.shape(record_set),
        "TTL": record_set.ttl,
        "ResourceRecords": [{"Value": value} for value in record_set.values] or None,
        "AliasTarget": {
            "HostedZoneId": alias.hosted_zone_id,
            "DNSName": alias.dns_name,
            "EvaluateTargetHealth": alias.evaluate_target_health,
        }
        if alias is not None
        else None,
        "HealthCheckId": record_set.health_check_id,
        "TrafficPolicyInstanceId": record_set.traffic_policy_instance_id,
    }


def health_check_shape(check: HealthCheck) -> dict[str, Any]:
    config = check.config
    alarm = config.alarm
    return {
        "Id": check.id,
        "CallerReference": check.caller_reference,
        "HealthCheckConfig": {
            "IPAddress": config.ip_address,
            "Port": config.port,
            "Type": config.type,
            "ResourcePath": config.resource_path,
            "FullyQualifiedDomainName": config.domain_name,
            "SearchString": config.search_string,
            "RequestInterval": config.request_interval_s,
            "FailureThreshold": config.failure_threshold,
            "MeasureLatency": config.measure_latency,
            "Inverted": config.inverted,
            "Disabled": config.disabled,
            "HealthThreshold": config.health_threshold,
            "ChildHealthChecks": list(config.children) if config.children is not None else None,
            "EnableSNI": config.enable_sni,
            "Regions": list(config.regions) or None,
            "AlarmIdentifier": {"Region": alarm.region, "Name": alarm.name} if alarm is not None else None,
            "InsufficientDataHealthStatus": config.insufficient_data_status,
            "EndpointType": "PRIVATE" if config.source_id is not None else None,
            "HealthCheckSourceId": config.source_id,
            "RoutingControlArn": config.routing_control,
        },
        "HealthCheckVersion": check.version,
        "CloudWatchAlarmConfiguration": alarm_shape(check.alarm_settings) if check.alarm_settings is not None else None,
    }


def alarm_shape(settings: AlarmSettings) -> dict[str, Any]:
    return {
        "EvaluationPeriods": settings.evaluation_periods,
        "Threshold": settings.threshold,
        "ComparisonOperator": settings.comparison,
        "Period": settings.period_s,
        "MetricName": settings.metric_name,
        "Namespace": settings.namespace,
        "Statistic": settings.statistic,
        "Dimensions": [{"Name": name, "Value": value} for name, value in settings.dimensions.items()] or None,
    }


def observation_shape(view: CheckerView, status: str | None, at: float | None) -> dict[str, Any]:
    """What one checker reports."""
    report = {"Status": status, "CheckedTime": at}
    return {"Region": view.region, "IPAddress": view.address, "StatusReport": report}


def max_items(given: str | None, most: int) -> int:
    """How many to return: `MaxItems` is text on the wire; more than AWS gives is what AWS gives."""
    if given is None or given == "":
        return most
    if not (given.isascii() and given.isdigit()) or int(given) < 1:
        raise InvalidInput(f"The value '{given}' for maxitems is not a positive number.")
    return min(int(given), most)
