"""What EventBridge is told of images: "EC2 AMI State Change". `events.py` sends it."""

from __future__ import annotations

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2.instances.model import Image, InstanceEvent

STATE_CHANGE = "EC2 AMI State Change"


def note_image(tx: Tx, entropy: Entropy, image: Image, state: str, at: float, request_id: str, why: str = "") -> None:
    """The image has come into that state, by that request. "Monitor AMI events using Amazon EventBridge"."""
    detail = {"RequestId": request_id, "ImageId": image.id, "State": state, "ErrorMessage": why}
    event = InstanceEvent(
        account=image.account, region=image.region, id=f"{at:020.6f}-{entropy.hex(8)}", instance_id=image.id,
        detail_type=STATE_CHANGE, detail=detail, at=at,
    )  # fmt: skip
    tx.put(event)
