"""What a real-time log configuration may be, how it is shown, and who uses it. Pure reads.

CloudFront API Reference, CreateRealtimeLogConfig and RealtimeLogConfig.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import Arn, parse_arn
from kunren.services.cloudfront.errors import (
    InvalidArgument,
    NoSuchRealtimeLogConfig,
    RealtimeLogConfigOwnerMismatch,
)
from kunren.services.cloudfront.realtime_logs.fields import ordered
from kunren.services.cloudfront.realtime_logs.model import RealtimeLogConfig

View: TypeAlias = Snapshot | Tx
CONFIGS_MAX = 150  # Quotas, per account


def completed(account: str, name: str, given: Mapping[str, Any]) -> RealtimeLogConfig:
    """Raises InvalidArgument."""
    rate = given.get("SamplingRate")
    if rate is None or not 1 <= rate <= 100:
        raise InvalidArgument("The parameter SamplingRate must be a whole number between 1 and 100.")
    try:
        fields = ordered(given.get("Fields") or ())
    except KeyError as error:
        raise InvalidArgument(f"The parameter Fields contains a field that is not valid: {error.args[0]}") from None
    if not fields:
        raise InvalidArgument("The parameter Fields must have at least one field.")
    ends = given.get("EndPoints") or []
    if len(ends) != 1 or ends[0]["StreamType"] != "Kinesis" or not ends[0].get("KinesisStreamConfig"):
        raise InvalidArgument("The parameter EndPoints must have exactly one end point of StreamType Kinesis.")
    stream, role = ends[0]["KinesisStreamConfig"]["StreamARN"], ends[0]["KinesisStreamConfig"]["RoleARN"]
    if not _is(parse_arn(stream), "kinesis", "stream/"):
        raise InvalidArgument(f"The parameter StreamARN is not the ARN of a Kinesis data stream: {stream}")
    if not _is(parse_arn(role), "iam", "role/"):
        raise InvalidArgument(f"The parameter RoleARN is not the ARN of an IAM role: {role}")
    return RealtimeLogConfig(
        account=account, region="", id=name, sampling_rate=rate, fields=fields, stream_arn=stream, role_arn=role
    )


def _is(arn: Arn | None, service: str, prefix: str) -> bool:
    return arn is not None and arn.service == service and arn.resource.startswith(prefix)


def found(view: View, account: str, name: str | None, arn: str | None) -> RealtimeLogConfig:
    """By its name, or else by its ARN. Raises InvalidArgument where neither is given, NoSuchRealtimeLogConfig."""
    if not name and not arn:
        raise InvalidArgument("You must provide the name or the ARN of a real-time log configuration.")
    config = view.get(RealtimeLogConfig, account, "", name or _name(arn or ""))
    if config is None or (not name and config.arn != arn):
        raise NoSuchRealtimeLogConfig
    return config


def attached(view: View, account: str, arn: str) -> RealtimeLogConfig:
    """What a cache behaviour names. Raises NoSuchRealtimeLogConfig, RealtimeLogConfigOwnerMismatch."""
    parsed = parse_arn(arn)
    if parsed is not None and parsed.service == "cloudfront" and parsed.account not in ("", account):
        raise RealtimeLogConfigOwnerMismatch
    return found(view, account, None, arn)


def _name(arn: str) -> str:
    parsed = parse_arn(arn)
    return parsed.resource.partition("/")[2] if parsed is not None else ""


def shown(config: RealtimeLogConfig) -> dict[str, Any]:
    stream = {"RoleARN": config.role_arn, "StreamARN": config.stream_arn}
    return {
        "ARN": config.arn,
        "Name": config.id,
        "SamplingRate": config.sampling_rate,
        "EndPoints": [{"StreamType": "Kinesis", "KinesisStreamConfig": stream}],
        "Fields": list(config.fields),
    }
