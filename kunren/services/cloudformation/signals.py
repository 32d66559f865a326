"""CreationPolicy, UpdatePolicy and the signals that they wait for (SignalResource, which `cfn-signal` calls).

A signal is a row beside the answers of custom resources: `<attempt's token>/signal/<unique id>`. "CreationPolicy
attribute", "UpdatePolicy attribute".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.errors import ValidationError, not_implemented
from kunren.services.cloudformation.model import Response
from kunren.services.cloudformation.work import Failed, Work

ALIAS, GROUP = "AWS::Lambda::Alias", "AWS::AutoScaling::AutoScalingGroup"
_SIGNALLED = frozenset({GROUP, "AWS::EC2::Instance", "AWS::CloudFormation::WaitCondition"})
_UPDATES = {
    ALIAS: {"CodeDeployLambdaAliasUpdate"},
    GROUP: {"AutoScalingReplacingUpdate", "AutoScalingRollingUpdate", "AutoScalingScheduledAction"},
}
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
LONGEST_S = 43_200.0
SIGNAL_WITHIN = "PT5M"
_SHORT = "Unable to satisfy {}% MinSuccessfulInstancesPercent requirement"


def seconds(duration: Any) -> float:
    """Of an ISO 8601 duration as policies take it ("PT1H30M"). Raises ValidationError."""
    match = _DURATION.fullmatch(str(duration))
    if match is None or str(duration) == "PT":
        raise ValidationError(f"Template error: invalid duration {duration}: it must be like PT#H#M#S")
    hours, minutes, rest = (float(each or 0) for each in match.groups())
    found = hours * 3600 + minutes * 60 + rest
    if found > LONGEST_S:
        raise ValidationError(f"Template error: duration {duration} is longer than 12 hours (PT12H)")
    return found


def whole(policy: Mapping[str, Any], name: str, default: int) -> int:
    """A number of a policy, which may be written as a text. Raises ValidationError."""
    try:
        return int(policy.get(name, default))
    except (AttributeError, TypeError, ValueError):
        raise ValidationError(f"Template error: {name} of a resource's policy must be a whole number") from None


def check(logical: str, type: str, stated: Mapping[str, Any]) -> None:
    """Whether a resource's two policies are ones that its type has here. Raises ValidationError, NotImplemented."""
    creation, update = stated.get("CreationPolicy"), stated.get("UpdatePolicy")
    if not isinstance(creation or {}, dict) or not isinstance(update or {}, dict):
        raise ValidationError(f"Template format error: the policies of resource {logical} must be objects.")
    if creation and (type not in _SIGNALLED or set(creation) - {"AutoScalingCreationPolicy", "ResourceSignal"}):
        raise not_implemented(f"CreationPolicy of {type} (resource {logical})")
    if lacking := sorted(set(update or {}) - _UPDATES.get(type, set())):
        raise not_implemented(f"the UpdatePolicy {', '.join(lacking)} of {type} (resource {logical})")


def received(work: Work) -> list[str]:
    """SUCCESS or FAILURE, of each signal so far."""
    prefix = f"{work.token}/signal/"
    found = work.store.snapshot().by_id(Response, work.account, work.region)
    return [each.body for id, each in found.items() if id.startswith(prefix)]


async def created(work: Work, policy: Mapping[str, Any]) -> None:
    """Wait for what a CreationPolicy asks for. Raises Failed, Cancelled."""
    signal = policy.get("ResourceSignal")
    if signal is None:
        return
    assert work.row.attempt is not None
    percent = whole(policy.get("AutoScalingCreationPolicy") or {}, "MinSuccessfulInstancesPercent", 100)
    count, timeout = whole(signal, "Count", 1), seconds(signal.get("Timeout", SIGNAL_WITHIN))
    await enough(work, count, percent, work.row.attempt.began + timeout)


async def enough(work: Work, count: int, percent: int, until: float) -> None:
    """Wait until so many percent of `count` signals were successes. Raises Failed, Cancelled."""
    needed = math.ceil(count * percent / 100)
    short = _SHORT.format(percent)

    async def there() -> bool | None:
        found = received(work)
        good, bad = found.count("SUCCESS"), found.count("FAILURE")
        if good >= needed:
            return True
        if bad > count - needed:
            raise Failed(f"Received {bad} FAILURE signal(s) out of {count}. {short}")
        if work.clock.now() > until:
            if work.type == GROUP:
                raise Failed(f"Received {good} SUCCESS signal(s) out of {count}. {short}")
            raise Failed(f"Failed to receive {count - good} resource signal(s) within the specified duration")
        return None

    await work.until(there)


def spoken(found: list[str], made: int, total: int, percent: int, late: bool) -> bool:
    """Of a rolling update that makes `total` instances, `made` so far: whether all of these have signalled, or need not
    be waited for. Those that are late count as failures; so many percent of all must be successes. Pure.
    Raises Failed."""
    good, bad = found.count("SUCCESS"), found.count("FAILURE")
    missed = max(bad, made - good) if late else bad
    if missed > total - math.ceil(total * percent / 100):
        raise Failed(f"Received {good} SUCCESS signal(s) out of {made}. {_SHORT.format(percent)}")
    return late or good + bad >= made
