"""Where standard logs (v2) go: what CloudWatch Logs' delivery API says of distributions, as the edge needs it."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource


class VendedDelivery(Resource, frozen=True, kw_only=True):
    """Id is the delivery's. `target` is the ARN of a bucket (perhaps with a prefix) or of a log group."""

    kind: ClassVar[str] = "cloudfront.vended-delivery"

    distribution_id: str
    to: str  # S3 | CWL | FH
    target: str
    format: str  # json | plain | w3c | raw | parquet
    fields: tuple[str, ...]
    delimiter: str
    suffix: str
    hive: bool
