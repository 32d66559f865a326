"""The fields of flow log records, and a log's format. Pure. "Flow log records", "Available fields".

Known are those that the kernel or the resources tell. The others are AWS's too, and refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kunren.services.ec2 import errors

DEFAULT = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
KNOWN: Mapping[str, int] = {
    **dict.fromkeys(DEFAULT, 2),
    **dict.fromkeys(("vpc-id", "subnet-id", "instance-id", "type", "pkt-srcaddr", "pkt-dstaddr"), 3),
    **dict.fromkeys(("region", "az-id", "sublocation-type", "sublocation-id"), 4),
    "flow-direction": 5,
}
"""Field → the version that brought it."""
NOT_YET = frozenset({
    "tcp-flags", "pkt-src-aws-service", "pkt-dst-aws-service", "traffic-path", "ecs-cluster-arn", "ecs-cluster-name",
    "ecs-container-instance-arn", "ecs-container-instance-id", "ecs-container-id", "ecs-second-container-id",
    "ecs-service-name", "ecs-task-definition-arn", "ecs-task-arn", "ecs-task-id", "reject-reason", "resource-id",
    "encryption-status",
})  # fmt: skip
_FIELD = re.compile(r"\$\{([a-z0-9-]+)\}")


def format_of(given: str | None) -> str:
    """A log's format as it is kept and shown. Raises InvalidParameter, and NotYet for fields that nothing tells."""
    if not given:
        return " ".join(f"${{{each}}}" for each in DEFAULT)
    names = names_in(given)
    if not names or _FIELD.sub("", given).strip():
        raise errors.InvalidParameter(f"Invalid log format: {given}")
    for each in names:
        if each in NOT_YET:
            raise errors.NotYet(f"flow log field {each}")
        if each not in KNOWN:
            raise errors.InvalidParameter(f"Unknown fields provided: {each}")
    return given


def names_in(format: str) -> list[str]:
    """The fields in order."""
    return _FIELD.findall(format)


def version_of(names: list[str]) -> int:
    """The highest version among the fields; the default format is version 2."""
    return max((KNOWN[each] for each in names), default=2)
