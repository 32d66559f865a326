"""What a flow log watches. Pure, on a reader."""

from __future__ import annotations

from kunren.services.ec2.model import FlowLog, NetworkInterface
from kunren.services.ec2.store import Reader


def covered_by(reader: Reader, log: FlowLog) -> list[NetworkInterface]:
    """The interfaces on which something answers, of the VPC or subnet, or the one itself."""
    return [
        each
        for each in reader.list(NetworkInterface, log.account, log.region)
        if each.attachment is not None and log.resource_id in (each.id, each.subnet_id, each.vpc_id)
    ]
