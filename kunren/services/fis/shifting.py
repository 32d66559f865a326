"""aws:arc:start-zonal-autoshift: what AWS does to load balancers whose zone is in trouble, as an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.arc_zonal_shift import shifts
from kunren.services.arc_zonal_shift.model import FIS_EXPERIMENT, Configuration, ZonalShift
from kunren.services.elbv2.model import LoadBalancer
from kunren.services.fis.catalog import listed
from kunren.services.fis.durations import seconds
from kunren.services.fis.model import Found
from kunren.services.fis.network import ActionFailed, Doing

_TYPES = {"application": "ALB", "network": "NLB"}


class ZonalAutoshift:
    """Begins and ends shifts of the type FIS_EXPERIMENT."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store, self._clock, self._entropy = store, clock, entropy

    def begin(self, doing: Doing) -> dict[str, Any]:
        lasts_s = float(seconds(doing.parameters["duration"]) or 0)
        made = []
        with self._store.write() as tx:
            for found in doing.resources:
                chosen = self._chosen(tx, found, doing.parameters)
                if chosen is None:
                    continue
                balancer, zone = chosen
                comment = f"AWS FIS experiment {doing.experiment}"
                new = shifts.NewShift(self._entropy.uuid(), balancer, zone, lasts_s, comment, FIS_EXPERIMENT)
                shift = shifts.begin(tx, new, self._clock.now())
                made.append([shift.account, shift.region, shift.id])
        if not made:
            raise ActionFailed("No target is a managed resource of these types in that Availability Zone.")
        return {"shifts": made}

    def _chosen(self, tx: Tx, found: Found, parameters: Mapping[str, str]) -> tuple[LoadBalancer, str] | None:
        """A load balancer that the action concerns, with the id of the zone."""
        balancer = tx.get(LoadBalancer, found.account, found.region, found.id)
        if balancer is None or not shifts.is_managed(balancer):
            return None
        settings = tx.get(Configuration, found.account, found.region, found.id)
        status = settings.autoshift if settings is not None else "DISABLED"
        wanted = parameters.get("zonalAutoshiftStatus", "ENABLED")
        kinds = listed(parameters["managedResourceTypes"])
        if _TYPES.get(balancer.type) not in kinds or wanted not in ("ANY", status):
            return None
        named = parameters["availabilityZoneIdentifier"]
        zones = shifts.zone_ids(tx, balancer)
        return next(((balancer, id) for id, name in zones.items() if named in (id, name)), None)

    def end(self, undo: Mapping[str, Any]) -> None:
        with self._store.write() as tx:
            for account, region, id in undo.get("shifts", ()):
                shift = tx.get(ZonalShift, account, region, id)
                if shift is not None and shift.status == "ACTIVE":
                    now = self._clock.now()
                    shifts.end(tx, shift, "EXPIRED" if shift.expires <= now else "CANCELED", now)
