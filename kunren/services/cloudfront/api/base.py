"""What all handlers of cloudfront share: ETags, paging by marker, new ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudfront.errors import (
    InvalidArgument,
    InvalidIfMatchVersion,
    NoSuchDistribution,
    PreconditionFailed,
)
from kunren.services.cloudfront.logs.model import VendedDelivery
from kunren.services.cloudfront.model import (
    CachePolicy,
    ContinuousDeploymentPolicy,
    Distribution,
    DistributionStatus,
    Function,
    Invalidation,
    KeyGroup,
    MonitoringSubscription,
    OriginAccessControl,
    OriginAccessIdentity,
    OriginRequestPolicy,
    PublicKey,
    ResponseHeadersPolicy,
)
from kunren.services.cloudfront.realtime_logs.model import RealtimeLogConfig

T = TypeVar("T")
Reader = Snapshot | Tx
API = "https://cloudfront.amazonaws.com/2020-05-31"
MAX_ITEMS = 100


class Base:
    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService = nobody_answers) -> None:
        self._store = store
        self._call = call
        self._clock = clock
        self._entropy = entropy
        store.register(
            Distribution,
            DistributionStatus,
            CachePolicy,
            OriginRequestPolicy,
            ResponseHeadersPolicy,
            ContinuousDeploymentPolicy,
            Function,
            Invalidation,
            PublicKey,
            KeyGroup,
            OriginAccessControl,
            OriginAccessIdentity,
            VendedDelivery,
            MonitoringSubscription,
            RealtimeLogConfig,
        )

    def _new_id(self) -> str:
        """Of a distribution, an invalidation or an ETag."""
        return "E" + self._entropy.upper(13)

    def _distribution(self, reader: Reader, account: str, identity: str) -> Distribution:
        found = reader.get(Distribution, account, "", identity)
        if found is None:
            raise NoSuchDistribution
        return found


def matched(given: str | None, etag: str) -> None:
    """Check If-Match. Raises InvalidIfMatchVersion and PreconditionFailed."""
    if not given:
        raise InvalidIfMatchVersion
    if given != etag:
        raise PreconditionFailed


def page(items: Sequence[T], params: dict[str, Any], key: Callable[[T], str]) -> tuple[list[T], dict[str, Any]]:
    """One page of `items`, in the order of their keys, and the members that every list has. A marker is the key that
    the page begins with."""
    given = params.get("MaxItems") or str(MAX_ITEMS)
    if not str(given).isdigit() or int(given) < 1:
        raise InvalidArgument("The parameter MaxItems is not valid.")
    most, marker = int(given), params.get("Marker") or ""
    left = sorted((each for each in items if key(each) >= marker), key=key)
    shown, more = left[:most], left[most:]
    members: dict[str, Any] = {"MaxItems": most, "Quantity": len(shown)}
    if more:
        members["NextMarker"] = key(more[0])
    return shown, members
