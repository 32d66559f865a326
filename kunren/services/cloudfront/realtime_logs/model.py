"""Which requests are told to which stream, and how."""

from __future__ import annotations

from typing import ClassVar

from kunren.control.store import Resource
from kunren.core.arn import build_arn


class RealtimeLogConfig(Resource, frozen=True, kw_only=True):
    """Id is the name. `fields` are in the order in which they are sent; `sampling_rate` is a percentage."""

    kind: ClassVar[str] = "cloudfront.realtime-log-config"

    sampling_rate: int
    fields: tuple[str, ...]
    stream_arn: str
    role_arn: str

    @property
    def arn(self) -> str:
        return build_arn("cloudfront", "", self.account, f"realtime-log-config/{self.id}")
