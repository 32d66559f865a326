"""When an image was last pulled."""

from __future__ import annotations

import msgspec

from kunren.control.store import Tx
from kunren.services.ecr.model import Image

RECORDED_EVERY_S = 24 * 3600
"""DescribeImages: lastRecordedPullTime "is refreshed at least once every 24 hours" for an image that is pulled."""


def pulled(tx: Tx, image: Image, now: float) -> None:
    if image.pulled_at is None or now - image.pulled_at >= RECORDED_EVERY_S:
        tx.put(msgspec.structs.replace(image, pulled_at=now))
