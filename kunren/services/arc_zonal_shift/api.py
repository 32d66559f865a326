"""ARC zonal shift's operations, for Application and Network Load Balancers that have opted in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.pagination import InvalidToken, page
from kunren.services.arc_zonal_shift import effect, shifts, views, windows
from kunren.services.arc_zonal_shift.errors import ResourceNotFoundException, conflict, invalid
from kunren.services.arc_zonal_shift.model import (
    AWS,
    FIS_EXPERIMENT,
    PRACTICE_RUN,
    ZONAL_SHIFT,
    Autoshift,
    Configuration,
    Observer,
    ZonalShift,
)
from kunren.services.elbv2.model import LoadBalancer

Params = Mapping[str, Any]
View = Snapshot | Tx
T = TypeVar("T")
LONGEST_S = 72 * 3600
PRACTICE_S = 30 * 60
WEEK_S = 7 * 24 * 3600
_LASTS = re.compile(r"([1-9][0-9]*)([mh])")
_PRACTICE = ("blockedWindows", "blockedDates", "blockingAlarms", "allowedWindows", "outcomeAlarms")


class ArcZonalShiftApi:
    """Handlers of arc-zonal-shift. `call` reaches CloudWatch."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self.store, self.clock, self.entropy, self.call = store, clock, entropy, call

    # -- shifts ------------------------------------------------------------------------------------------------------

    def start_zonal_shift(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        lasts_s = duration(params["expiresIn"])
        with self.store.write() as tx:
            balancer = self.resource(tx, ctx, params["resourceIdentifier"])
            self.check_zone(tx, balancer, params["awayFrom"])
            for each in effect.active_shifts(tx, ctx.account, ctx.region, balancer.id):
                if each.type == ZONAL_SHIFT:
                    text = f"There is an active zonal shift for {balancer.id} already."
                    raise conflict("ZonalShiftAlreadyExists", text, each.id)
            new = shifts.NewShift(
                self.entropy.uuid(), balancer, params["awayFrom"], lasts_s, params["comment"], ZONAL_SHIFT
            )
            shift = shifts.begin(tx, new, self.clock.now())
        return views.shift(shift)

    def update_zonal_shift(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            shift = self._active(tx, ctx, params["zonalShiftId"])
            if shift.type == FIS_EXPERIMENT:
                raise invalid("FISExperimentUpdateNotAllowed", "An experiment's zonal shift cannot be updated.")
            if params.get("comment") is not None:
                shift = replace(shift, comment=params["comment"])
            if params.get("expiresIn") is not None:
                lasts_s = duration(params["expiresIn"])
                shift = replace(shift, lasts_s=lasts_s, expires=self.clock.now() + lasts_s)
            tx.put(shift)
        return views.shift(shift)

    def cancel_zonal_shift(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            shift = self._active(tx, ctx, params["zonalShiftId"])
            if shift.type == FIS_EXPERIMENT:
                raise invalid("FISExperimentUpdateNotAllowed", "An experiment's zonal shift ends with the experiment.")
            shift = shifts.end(tx, shift, "CANCELED", self.clock.now(), "INTERRUPTED")
        return views.shift(shift)

    def list_zonal_shifts(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(ZonalShift, ctx.account, ctx.region)
        wanted, arn = params.get("status"), params.get("resourceIdentifier")
        held = [each for each in held if wanted in (None, each.status) and arn in (None, each.resource)]
        found, more = _paged(held, params, lambda each: each.id)
        return {"items": [views.summary(each) for each in found], **more}

    def list_autoshifts(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = [views.autoshift(each) for each in self.store.snapshot().list(Autoshift, AWS, ctx.region)]
        held = [each for each in held if params.get("status") in (None, each["status"])]
        found, more = _paged(held, params, lambda each: f"{each['startTime']:020.3f} {each['awayFrom']}")
        return {"items": found, **more}

    def get_autoshift_observer_notification_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        found = self.store.snapshot().get(Observer, ctx.account, ctx.region, "observer")
        return {"status": found.status if found is not None else "DISABLED"}

    def update_autoshift_observer_notification_status(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            tx.put(Observer(account=ctx.account, region=ctx.region, id="observer", status=params["status"]))
        return {"status": params["status"]}

    # -- resources ---------------------------------------------------------------------------------------------------

    def get_managed_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        return views.resource(snapshot, self.resource(snapshot, ctx, params["resourceIdentifier"]))

    def list_managed_resources(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = [each for each in snapshot.list(LoadBalancer, ctx.account, ctx.region) if shifts.is_managed(each)]
        found, more = _paged(held, params, lambda each: each.id)
        return {"items": [views.resource_summary(snapshot, each) for each in found], **more}

    def update_zonal_autoshift_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params["zonalAutoshiftStatus"]
        with self.store.write() as tx:
            settings = self._settings(tx, self.resource(tx, ctx, params["resourceIdentifier"]))
            if wanted == "ENABLED" and settings.practice is None:
                text = "Zonal autoshift needs a practice run configuration."
                raise conflict("PracticeConfigurationDoesNotExist", text)
            tx.put(replace(settings, autoshift=wanted, next_run=self._next_run() if wanted == "ENABLED" else None))
        return {"resourceIdentifier": settings.id, "zonalAutoshiftStatus": wanted}

    # -- practice runs -----------------------------------------------------------------------------------------------

    async def create_practice_run_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        practice = {name: params[name] for name in _PRACTICE if params.get(name)}
        await self._check_practice(practice)
        with self.store.write() as tx:
            balancer = self.resource(tx, ctx, params["resourceIdentifier"])
            settings = self._settings(tx, balancer)
            if settings.practice is not None:
                raise conflict("PracticeConfigurationAlreadyExists", f"{balancer.id} has a practice run configuration.")
            settings = replace(settings, practice=practice)
            tx.put(settings)
        return views.configured(balancer, settings)

    async def update_practice_run_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        given = {name: params[name] for name in _PRACTICE if params.get(name) is not None}
        balancer = self.resource(self.store.snapshot(), ctx, params["resourceIdentifier"])
        practice = {**self._practice(self.store.snapshot(), balancer), **given}
        practice = {name: value for name, value in practice.items() if value}
        await self._check_practice(practice)
        with self.store.write() as tx:
            self._practice(tx, balancer)
            settings = replace(self._settings(tx, balancer), practice=practice)
            tx.put(settings)
        return views.configured(balancer, settings)

    def delete_practice_run_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            balancer = self.resource(tx, ctx, params["resourceIdentifier"])
            self._practice(tx, balancer)
            settings = self._settings(tx, balancer)
            if settings.autoshift == "ENABLED":
                raise conflict("AutoShiftEnabled", f"Zonal autoshift is enabled for {balancer.id}.")
            settings = replace(settings, practice=None)
            tx.put(settings)
        shown = views.configured(balancer, settings)
        return {name: shown[name] for name in ("arn", "name", "zonalAutoshiftStatus")}

    async def start_practice_run(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        balancer = self.resource(snapshot, ctx, params["resourceIdentifier"])
        self.check_zone(snapshot, balancer, params["awayFrom"])
        practice = self._practice(snapshot, balancer)
        now = self.clock.now()
        if (why := windows.blocked(practice, now)) is not None:
            raise conflict(why, "The practice run configuration does not let a practice run start now.")
        for member, reason in (
            ("blockingAlarms", "PracticeBlockingAlarmsRed"),
            ("outcomeAlarms", "PracticeOutcomeAlarmsRed"),
        ):
            if await self.alarms(practice.get(member) or ()):
                raise conflict(reason, f"An alarm of {member} is in the state ALARM.")
        with self.store.write() as tx:
            active = effect.active_shifts(tx, ctx.account, ctx.region, balancer.id)
            if active:
                text = f"There is an active zonal shift for {balancer.id} already."
                raise conflict("SimultaneousZonalShiftsConflict", text, active[0].id)
            if effect.active_autoshifts(tx, ctx.account, ctx.region, balancer.id):
                raise conflict("ZonalAutoshiftActive", f"There is an active autoshift for {balancer.id}.")
            new = shifts.NewShift(
                self.entropy.uuid(), balancer, params["awayFrom"], PRACTICE_S, params["comment"], PRACTICE_RUN
            )
            shift = shifts.begin(tx, new, now)
        return views.shift(shift)

    def cancel_practice_run(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            shift = self._active(tx, ctx, params["zonalShiftId"])
            if shift.type != PRACTICE_RUN:
                raise invalid("UnsupportedPracticeCancelShiftType", f"{shift.id} is no practice run.")
            shift = shifts.end(tx, shift, "CANCELED", self.clock.now(), "INTERRUPTED")
        return views.shift(shift)

    # -- looking up and checking -------------------------------------------------------------------------------------

    def resource(self, view: View, ctx: RequestContext, identifier: str) -> LoadBalancer:
        """Raises ResourceNotFoundException where there is none, or it has not opted in."""
        found = view.get(LoadBalancer, ctx.account, ctx.region, identifier)
        if found is None or not shifts.is_managed(found):
            raise ResourceNotFoundException(f"The resource {identifier} is not managed by ARC zonal shift.")
        return found

    def check_zone(self, view: View, balancer: LoadBalancer, zone: str) -> None:
        """Raises ValidationException."""
        if zone not in (known := shifts.zone_ids(view, balancer)):
            listed = ", ".join(sorted(known))
            raise invalid("InvalidAz", f"{zone} is not the id of a zone of {balancer.id}; it has {listed}.")

    async def alarms(self, conditions: Sequence[Mapping[str, str]]) -> bool:
        """Whether an alarm of these is in ALARM."""
        for each in conditions:
            if await self.state(each) == "ALARM":
                return True
        return False

    async def state(self, condition: Mapping[str, str]) -> str | None:
        """The state of a condition's alarm, None where the alarm is gone."""
        parsed = parse_arn(condition["alarmIdentifier"])
        assert parsed is not None  # checked when it was configured
        asked = {"AlarmNames": [parsed.resource.removeprefix("alarm:")]}
        found = await self.call(parsed.account, parsed.region, "cloudwatch", "DescribeAlarms", asked)
        listed = [*(found.get("MetricAlarms") or ()), *(found.get("CompositeAlarms") or ())]
        return next((str(each["StateValue"]) for each in listed), None)

    async def _check_practice(self, practice: Params) -> None:
        """Raises ValidationException."""
        windows.check(practice)
        if not practice.get("outcomeAlarms"):
            raise invalid("MissingValue", "A practice run needs an outcome alarm.")
        for each in (*practice["outcomeAlarms"], *(practice.get("blockingAlarms") or ())):
            parsed = parse_arn(each["alarmIdentifier"])
            if parsed is None or parsed.service != "cloudwatch" or not parsed.resource.startswith("alarm:"):
                raise invalid("InvalidAlarmCondition", f"{each['alarmIdentifier']} is not the ARN of an alarm.")
            asked = {"AlarmNames": [parsed.resource.removeprefix("alarm:")]}
            try:
                found = await self.call(parsed.account, parsed.region, "cloudwatch", "DescribeAlarms", asked)
            except AwsError as error:
                raise invalid("InvalidAlarmCondition", str(error)) from error
            if not found.get("MetricAlarms") and not found.get("CompositeAlarms"):
                raise invalid("InvalidAlarmCondition", f"The alarm {each['alarmIdentifier']} does not exist.")

    def _practice(self, view: View, balancer: LoadBalancer) -> dict[str, Any]:
        practice = self._settings(view, balancer).practice
        if practice is None:
            raise conflict("PracticeConfigurationDoesNotExist", f"{balancer.id} has no practice run configuration.")
        return practice

    def _settings(self, view: View, balancer: LoadBalancer) -> Configuration:
        found = view.get(Configuration, balancer.account, balancer.region, balancer.id)
        return found or Configuration(account=balancer.account, region=balancer.region, id=balancer.id)

    def _active(self, tx: Tx, ctx: RequestContext, id: str) -> ZonalShift:
        shift = tx.get(ZonalShift, ctx.account, ctx.region, id)
        if shift is None:
            raise ResourceNotFoundException(f"The zonal shift {id} does not exist.")
        if shift.status != "ACTIVE":
            raise conflict("ZonalShiftStatusNotActive", f"The zonal shift {id} is {shift.status}.", id)
        return shift

    def _next_run(self) -> float:
        return self.clock.now() + self.entropy.uniform(0, WEEK_S)


def duration(text: str) -> float:
    """Seconds of `20m` or `2h`. Raises ValidationException."""
    match = _LASTS.fullmatch(text)
    seconds = int(match[1]) * (60 if match[2] == "m" else 3600) if match is not None else 0
    if not 60 <= seconds <= LONGEST_S:
        raise invalid("InvalidExpiresIn", f"{text} is not a time from 1m to 72h.")
    return float(seconds)


def _paged(items: Sequence[T], params: Params, key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    try:
        found, token = page(sorted(items, key=key), params.get("nextToken"), params.get("maxResults") or 100, key)
    except InvalidToken as error:
        raise invalid("InvalidToken", "The token is not valid.") from error
    return found, {"nextToken": token} if token is not None else {}
