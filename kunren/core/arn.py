"""Amazon Resource Names: building them and taking them apart."""

from __future__ import annotations

from typing import NamedTuple


class Arn(NamedTuple):
    """`arn:partition:service:region:account:resource`; `resource` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def build_arn(service: str, region: str, account: str, resource: str) -> str:
    """The ARN as text. Global services pass an empty region."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN, or None where the text is no ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])
