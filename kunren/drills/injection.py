"""Breaks the world on purpose and takes it back: what each kind of fault in a drill's file does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kunren.drills.access import Access
from kunren.drills.document import filled
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Fault
from kunren.drills.programs import Programs
from kunren.drills.unfinished import OVER, Unfinished, stop_experiment
from kunren.management.client import NotRunning, Refused

LOOK_EVERY_NS = 200_000_000
Undo = Callable[[], None]


class Injector:
    """`inject` a fault; `heal` it, or all that still are. Nothing is healed twice."""

    def __init__(
        self, access: Access, programs: Programs, values: Mapping[str, Any], owner: str,
        unfinished: Unfinished,
    ) -> None:  # fmt: skip
        self._access, self._programs, self._values, self._owner = access, programs, values, owner
        self._unfinished = unfinished
        self._looked_ns = 0
        self._undo: dict[str, Undo] = {}
        self._experiments: dict[str, tuple[Any, str]] = {}

    @property
    def standing(self) -> list[str]:
        return list(self._undo)

    def prepare(self, faults: tuple[Fault, ...]) -> None:
        """Make ready what takes time, so that a fault begins when it is said to."""
        for fault in faults:
            if fault.kind == "experiment":
                self._access.client("fis", fault.region)
            elif fault.kind == "call":
                self._access.client(fault.what["service"], self._told(fault.what, fault)["region"])

    def inject(self, fault: Fault) -> None:
        """Return when the world has it. Raises DrillFailed."""
        kinds = {
            "kill": self._kill, "start": self._start, "break": self._break, "experiment": self._experiment,
            "call": self._call,
        }  # fmt: skip
        try:
            undo = kinds[fault.kind](fault)
        except (DrillFailed, NotRunning):
            raise
        except Exception as error:  # botocore's and the daemon's refusals
            raise DrillFailed(f"{fault.name!r} could not be done: {error}") from error
        if undo is not None:
            self._undo[fault.name] = undo

    def heal(self, name: str) -> None:
        """Raises DrillFailed; it still stands then."""
        undo = self._undo.get(name)
        if undo is None:
            return
        try:
            undo()
        except (DrillFailed, NotRunning):
            raise
        except Exception as error:
            raise DrillFailed(f"{name!r} could not be healed: {error}") from error
        del self._undo[name]
        self._experiments.pop(name, None)

    def heal_all(self) -> list[str]:
        """Heal what still stands, the last first; what can't be healed does not keep the others from it."""
        failed = []
        for name in reversed(self.standing):
            try:
                self.heal(name)
            except (DrillFailed, NotRunning) as error:
                failed.append(str(error))
        return failed

    def healed_by_themselves(self, now_ns: int) -> list[str]:
        """Experiments that are over: they have healed what they broke."""
        over: list[str] = []
        if not self._experiments or now_ns - self._looked_ns < LOOK_EVERY_NS:
            return over
        self._looked_ns = now_ns
        for name, (client, experiment) in list(self._experiments.items()):
            state = client.get_experiment(id=experiment)["experiment"]["state"]
            if state["status"] == "failed":
                raise DrillFailed(f"the experiment {name!r} failed: {state.get('reason', '')}")
            if state["status"] in OVER:
                over.append(name)
                self.heal(name)
        return over

    # -- each kind: do it, and give what takes it back ----------------------------------------------------------------

    def _kill(self, fault: Fault) -> Undo:
        self._programs.kill(fault.what)
        return lambda: self._programs.start(fault.what)

    def _start(self, fault: Fault) -> None:
        self._programs.start(fault.what)

    def _break(self, fault: Fault) -> Undo:
        wanted = {**filled(fault.what, self._values), "owner": self._owner}
        management = self._access.management
        try:
            made = management.post("/faults", wanted)
        except Refused as error:
            raise DrillFailed(f"{fault.name!r} was refused: {error}") from error
        return lambda: management.post("/faults/heal", {"id": made["id"]})

    def _experiment(self, fault: Fault) -> Undo:
        fis = self._access.client("fis", fault.region)
        template = filled(fault.what, self._values)
        made = fis.create_experiment_template(**template)["experimentTemplate"]["id"]
        started = fis.start_experiment(experimentTemplateId=made)["experiment"]["id"]
        self._experiments[fault.name] = (fis, started)
        self._unfinished.experiment(started, fault.region)

        def stop() -> None:
            stop_experiment(fis, started)
            fis.delete_experiment_template(id=made)

        return stop

    def _call(self, fault: Fault) -> Undo | None:
        self._access.call(self._told(fault.what, fault))
        if fault.heal is None:
            return None
        told = self._told(fault.heal, fault)
        return lambda: self._access.call(told)

    def _told(self, call: Mapping[str, Any], fault: Fault) -> dict[str, Any]:
        made: dict[str, Any] = filled({"region": fault.region, **call}, self._values)
        return made


def calls_that_heal(faults: tuple[Fault, ...], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls by which whoever finds this drill unfinished heals what outlives its runner, the last fault first."""
    return [
        filled({"region": fault.region, **fault.heal}, values)
        for fault in reversed(faults)
        if fault.kind == "call" and fault.heal is not None
    ]
