"""Carries a drill out: deploy, steady state, break, heal, recover, read back, clean up. The history says what happened.

Waits of the drill's file pass at the clock's speed, the clients' rates and timeouts in real time. However it ends, what
was broken is healed first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren.drills.access import Access
from kunren.drills.clients import Clients
from kunren.drills.deployment import Deployment
from kunren.drills.document import BadDrill
from kunren.drills.failures import DrillFailed
from kunren.drills.history import HistoryWriter
from kunren.drills.injection import Injector, calls_that_heal
from kunren.drills.live import Live
from kunren.drills.model import Drill
from kunren.drills.programs import Programs
from kunren.drills.telling import resources_in
from kunren.drills.unfinished import Unfinished
from kunren.drills.watch import HealthWatch
from kunren.management.client import NotRunning, Refused

LOOK_EVERY_S = 0.02
PROBES_S = 15.0
"""Three probes of five seconds: what it takes to find that somebody is silent, at any speed."""
ENDED = "Kunren ended in the middle of the drill; what was broken is healed when it starts again"
Progress = Callable[[str], None]
_pause = threading.Event().wait


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of a drill. `history` and `folder` (scratch space) are its own."""

    drill: Drill
    access: Access
    history: Path
    folder: Path
    speed: float
    seed: int | None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do at a time, in real seconds after the steady state."""

    at_s: float
    kind: str
    name: str


def steps(drill: Drill, speed: float) -> list[Step]:
    """Faults and heals in order, and `stop` at the end."""
    made = []
    for fault in drill.faults:
        made.append(Step(fault.after_s / speed, "inject", fault.name))
        if fault.for_s is not None and fault.heals:
            made.append(Step((fault.after_s + fault.for_s) / speed, "heal", fault.name))
    last_s = max((each.at_s for each in made), default=0.0)
    return [*sorted(made, key=lambda each: each.at_s), Step(last_s + drill.recovery_s / speed, "stop", "")]


def speed_problem(drill: Drill, speed: float) -> tuple[str, bool]:
    """What is wrong with that speed for this drill, and whether the result would be; ("", False) if nothing is."""
    targets = [each.target for each in drill.objectives if each.name == "rto"]
    if not targets or speed <= 1:
        return "", False
    gap_s = 1 / sum(each.rate * len(each.places) for each in drill.traffic)
    target_s = min(targets)
    if gap_s * speed > max(target_s, 1.0) / 4:
        return (
            f"at speed {speed:g} the clients' operations are {gap_s * speed:.1f} s apart, too far for an RTO of "
            f"{target_s:g} s: ask for at most {max(target_s, 1.0) / 4 / gap_s:.0f}, or raise the rate.",
            True,
        )
    silent = [each.name for each in drill.faults if each.kind in ("break", "experiment") and not each.remedy]
    if silent and PROBES_S * speed > target_s:
        return (
            f"at speed {speed:g} the probes that find {silent[0]!r} time out in real time: about {PROBES_S:g} s, which "
            f"count as {PROBES_S * speed:g} s and are more than the RTO of {target_s:g} s; ask for at most "
            f"{target_s / PROBES_S:g}.",
            True,
        )
    timeout_s = max(each.timeout_s for each in drill.traffic)
    if timeout_s * speed > target_s:
        return (
            f"at speed {speed:g} a client's timeout of {timeout_s:g} s counts as {timeout_s * speed:g} s, more than "
            f"the RTO of {target_s:g} s: an operation that hangs looks worse than on AWS.",
            False,
        )
    return "", False


class Run:
    """One run. `carry_out` writes the history and raises nothing but what the caller must know."""

    def __init__(self, plan: Plan, live: Live, progress: Progress) -> None:
        self._plan, self._live, self._told = plan, live, progress
        self._drill, self._speed = plan.drill, plan.speed
        self._origin_ns = time.monotonic_ns()
        self._deployment = Deployment(plan.access, plan.drill.architecture, plan.folder, self._progress)
        self._unhealed: list[str] = []
        """What could not be healed: the next start of Kunren tries again."""

    def _progress(self, text: str) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone keeps nobody from healing
            self._told(text)

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def carry_out(self) -> None:
        """Raises DrillFailed where the drill could not even begin; else the history says what happened."""
        plan = self._plan
        self._progress(f"Deploying {self._drill.name}")
        values = {"speed": self._speed, "folder": str(plan.folder), **self._deployment.deploy()}
        try:
            heals = calls_that_heal(self._drill.faults, values)
        except BadDrill as error:
            self._clean_up()
            raise DrillFailed(str(error)) from error
        writer = HistoryWriter(plan.history)
        writer.note("drill", 0, **header(self._drill, plan), resources=resources_in(values))
        clients = Clients(plan.access, self._drill, values, writer, self._live)
        unfinished = Unfinished.begun(plan.access, self._drill.name, plan.history, heals)
        gone = False
        try:
            with (plan.folder / "targets.log").open("ab") as log:
                programs = Programs(plan.access, self._drill.targets, values, log)
                injector = Injector(plan.access, programs, values, f"drill {self._drill.name}", unfinished)
                reason = self._course(clients, programs, injector)
                clients.note("end", self.now_ns(), reason=reason)
                gone = not plan.access.management.running()
        finally:
            writer.close()
            if not gone:
                self._clean_up()
                if not self._unhealed:
                    unfinished.done()

    def _course(self, clients: Clients, programs: Programs, injector: Injector) -> str:
        """Everything between deploying and cleaning up; why it ended early, or nothing."""
        watch = HealthWatch(self._plan.access, lambda **told: clients.note("health", self.now_ns(), **told))
        try:
            programs.start_all()
            self._progress("Starting the clients")
            clients.prepare()
            injector.prepare(self._drill.faults)
            self._origin_ns = time.monotonic_ns() + 100_000_000
            clients.start(self._origin_ns)
            watch.start()
            self._wait_steady(clients)
            self._break_and_heal(clients, injector)
            return ""
        except KeyboardInterrupt:
            return "it was interrupted"
        except NotRunning:
            return ENDED
        except (DrillFailed, Refused, BadDrill) as error:
            # clients and programs end with Kunren, and may be noticed first
            return str(error) if self._plan.access.management.running() else ENDED
        finally:
            watch.end()
            self._unhealed = injector.heal_all()
            if self._unhealed:
                self._progress("Not healed: " + "; ".join(self._unhealed))
            clients.end()
            programs.end()

    def _wait_steady(self, clients: Clients) -> None:
        self._progress(f"Waiting for the steady state: {self._drill.steady_s:g} s without an error")
        for_ns = int(self._drill.steady_s / self._speed * 1e9)
        count = sum(len(each.places) for each in self._drill.traffic)
        deadline = self.now_ns() + int(self._drill.steady_within_s / self._speed * 1e9) + for_ns
        while not self._live.steady(self.now_ns(), for_ns, self._drill.success, count):
            if self.now_ns() > deadline:
                raise DrillFailed(
                    f"the steady state was not reached within {self._drill.steady_within_s:g} s, so nothing was broken"
                )
            self._look(clients)
        self._picture(clients)
        clients.note("steady", self.now_ns())

    def _break_and_heal(self, clients: Clients, injector: Injector) -> None:
        faults = {each.name: each for each in self._drill.faults}
        zero_ns = self.now_ns()
        for step in steps(self._drill, self._speed):
            while (left := zero_ns + step.at_s * 1e9 - self.now_ns()) > 0:
                for name in injector.healed_by_themselves(self.now_ns()):
                    clients.note("fault", self.now_ns(), name=name, state="healed")
                self._look(clients, min(left / 1e9, LOOK_EVERY_S))
            at = self.now_ns()
            if step.kind == "inject":
                injector.inject(faults[step.name])
                clients.note("fault", at, name=step.name, state="started", remedy=faults[step.name].remedy)
            elif step.kind == "heal" and step.name in injector.standing:
                injector.heal(step.name)
                clients.note("fault", at, name=step.name, state="healed")
        clients.note("stop", self.now_ns())
        clients.stop()
        clients.read_back()

    def _look(self, clients: Clients, pause_s: float = LOOK_EVERY_S) -> None:
        """Wait a moment. Raises where the drill can't go on."""
        _pause(pause_s)
        if clients.lost.is_set():
            if not self._plan.access.management.running():
                raise NotRunning("Kunren has ended")
            raise DrillFailed("a load generator ended by itself")

    def _picture(self, clients: Clients) -> None:
        drawn = picture(self._plan.access, self._plan.folder / "architecture.svg")
        clients.note("picture", self.now_ns(), svg=drawn)

    def _clean_up(self) -> None:
        if self._plan.keep:
            return
        self._progress("Taking it away")
        self._deployment.remove()


def picture(access: Access, file: Path) -> str:
    """What is deployed, drawn by `kunren graph`; empty where that fails."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "kunren.cli.main", "graph", "--state", str(access.state_dir), "-o", str(file)]
    done = subprocess.run(command, capture_output=True, check=False)
    return file.read_text() if done.returncode == 0 else ""


def header(drill: Drill, plan: Plan) -> dict[str, Any]:
    """What the checkers and the report need to know of the drill."""
    return {
        "drill": drill.name,
        "title": drill.title,
        "question": drill.question,
        "pattern": dict(drill.pattern),
        "without": list(drill.without),
        "document": drill.told,
        "objectives": [
            {"name": each.name, "target": each.target, "traffic": each.traffic} for each in drill.objectives
        ],
        "faults": [each.name for each in drill.faults],
        "steady_s": drill.steady_s,
        "success": drill.success,
        "late_s": drill.late_s,
        "speed": plan.speed,
        "seed": plan.seed,
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
