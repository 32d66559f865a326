"""What happens to a fleet: its history, and the events that EventBridge is told of it.

"Monitor your EC2 Fleet or Spot Fleet using Amazon EventBridge" in the EC2 user guide. A record is a row, written in the
transaction in which it happens; after a crash EventBridge may be told twice. Fleets of type instant have neither.
"""

from __future__ import annotations

import json
from typing import Any

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.entropy import Entropy
from kunren.services.ec2.fleets.model import Fleet, FleetRecord
from kunren.services.ec2.instances.model import Instance

FLEET, INSTANCE, REQUEST, INFORMATION, ERROR = "fleet", "instance", "request", "information", "error"
KEPT_S = 48 * 3600.0
"""How long a fleet's history goes back, and how long a deleted fleet is still shown."""
_DETAIL_TYPES = {
    FLEET: "State Change", INSTANCE: "Instance Change", REQUEST: "Spot Instance Request Change",
    INFORMATION: "Information", ERROR: "Error",
}  # fmt: skip
_SHOWN = {FLEET: "fleet-change", INSTANCE: "instance-change", INFORMATION: "service-error", ERROR: "service-error"}
_SHOWN_OF_SPOT_FLEETS = {
    FLEET: "fleetRequestChange", INSTANCE: "instanceChange", INFORMATION: "information", ERROR: "error",
}  # fmt: skip
_OF_SPOT_FLEETS = {
    "deleted": "cancelled", "deleted_running": "cancelled_running", "deleted_terminating": "cancelled_terminating",
}  # fmt: skip


def note(
    tx: Tx, entropy: Entropy, fleet: Fleet, event: str, sub_type: str, at: float, description: str = "",
    instance_id: str | None = None, *, request_id: str | None = None,
) -> None:  # fmt: skip
    """Something happened at AWS time `at`; what one transaction notes is told in that order."""
    if fleet.type == "instant":
        return
    record = FleetRecord(
        account=fleet.account, region=fleet.region,
        id=f"{fleet.id}/{at:020.6f}-{len(tx.changes):06}-{entropy.hex(8)}", fleet_id=fleet.id, event=event,
        sub_type=sub_type, at=at, description=description, instance_id=instance_id, request_id=request_id,
    )  # fmt: skip
    tx.put(record)


def launched(instance: Instance) -> str:
    """What an instance-change says of an instance."""
    told = {
        "instanceType": instance.instance_type,
        "image": instance.image_id,
        "productDescription": "Linux/UNIX",
        "availabilityZone": instance.availability_zone,
    }
    return json.dumps(told, separators=(",", ":"))


def of_request(id: str, before: str) -> str:
    """What a change of a Spot request says."""
    return f"SpotInstanceRequestId {id}" + (f", PreviousState: {before}" if before else "")


def word(state: str, spot_fleet: bool) -> str:
    """A fleet's state as EC2 Fleet or Spot Fleet calls it."""
    return _OF_SPOT_FLEETS.get(state, state) if spot_fleet else state


def history_type(record: FleetRecord, spot_fleet: bool) -> str | None:
    """Its type in the history; None for what EventBridge alone is told."""
    return (_SHOWN_OF_SPOT_FLEETS if spot_fleet else _SHOWN).get(record.event)


def shown(record: FleetRecord, spot_fleet: bool) -> dict[str, Any]:
    """A record of DescribeFleetHistory or DescribeSpotFleetRequestHistory."""
    told = {
        "EventSubType": word(record.sub_type, spot_fleet),
        "EventDescription": record.description,
        "InstanceId": record.instance_id,
    }
    return {
        "EventInformation": {key: value for key, value in told.items() if value},
        "EventType": history_type(record, spot_fleet),
        "Timestamp": record.at,
    }


def entry(record: FleetRecord, spot_fleet: bool) -> dict[str, Any]:
    """PutEvents'."""
    kind, source = ("spot-fleet-request", "aws.ec2spotfleet") if spot_fleet else ("fleet", "aws.ec2fleet")
    detail = {
        "instance-id": record.instance_id,
        "spot-instance-request-id": record.request_id,
        "description": record.description,
        "sub-type": word(record.sub_type, spot_fleet),
    }
    return {
        "Source": source,
        "DetailType": f"EC2 {'Spot ' if spot_fleet else ''}Fleet {_DETAIL_TYPES[record.event]}",
        "Detail": json.dumps({key: value for key, value in detail.items() if value}),
        "Resources": [build_arn("ec2", record.region, record.account, f"{kind}/{record.fleet_id}")],
        "Time": record.at,
    }
