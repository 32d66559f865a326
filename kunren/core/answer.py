"""A handler's result whose HTTP status is not the operation's usual one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Answer(dict[str, Any]):
    """Members as in any result, and the status (S3's 206, 202)."""

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.status = status
