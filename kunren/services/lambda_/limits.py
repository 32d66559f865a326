"""The account's limits (Lambda developer guide, "Lambda quotas") and how much of them is used. Pure."""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.services.lambda_.model import Function, LayerVersion, PublishedVersion

TOTAL_CODE_BYTES_MAX = 80_530_636_800
UNRESERVED_MIN = 100


def code_bytes(snapshot: Snapshot, account: str, region: str) -> int:
    """The size of all packages of functions, published versions and layers."""
    functions = sum(each.code.size for each in snapshot.list(Function, account, region))
    versions = sum(each.code.size for each in snapshot.list(PublishedVersion, account, region))
    return functions + versions + sum(each.code.size for each in snapshot.list(LayerVersion, account, region))
