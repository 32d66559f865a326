"""The redirect drill side by side: each architecture is deployed, checked, measured from near and far, and then a zone,
a region and an edge location go dark in turn while clients ask.

Where something is dark is not guessed: the world's packets are dropped (`POST /faults`), and what is told is what
clients met.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunren.drills.access import REGION, Access
from kunren.drills.failures import DrillFailed
from kunren.drills.redirect.compared import Darkness, Effect, Measured, Speed, effect, speed
from kunren.drills.redirect.expected import Check
from kunren.drills.redirect.run import SCRIPT, Deployment, Progress, deployed, url, visit_all

NEAR, FAR = "virginia", "tokyo"
"""The place next to the region, and one on the other side of the globe, which has an edge location of its own."""
CONNECTIONS = 8
WATCHES_EVERY_S = 0.1
WELL_WITHIN_S = 60.0
OWNER = "drill redirect"


@dataclass(frozen=True, slots=True)
class Extent:
    """How long each measurement takes, in real seconds, and what goes dark."""

    load_s: float = 4.0
    dark_s: float = 8.0
    dark: tuple[str, ...] = ("zone", "region", "edge")


def compare(
    architectures: Sequence[str], domains: Path | None, access: Access, keep: bool, progress: Progress,
    extent: Extent, tool: str = SCRIPT,
) -> list[Measured]:  # fmt: skip
    """Measure one after the other. Raises DrillFailed."""
    return [_measured(each, domains, access, keep, progress, extent, tool) for each in architectures]


def _measured(
    architecture: str, domains: Path | None, access: Access, keep: bool, progress: Progress, extent: Extent, tool: str
) -> Measured:
    with deployed(architecture, domains, access, keep, progress, tool) as deployment:
        checks = tuple(visit_all(deployment, access.state_dir, progress))
        asked = url(deployment.schemes[0], deployment.redirects[0].domain)
        progress(f"Measuring {architecture} from {NEAR} and {FAR}")
        speeds = tuple(_speed(access, place, asked, extent.load_s) for place in (NEAR, FAR))
        names = {"zone": _zone(access), "region": REGION, "edge": FAR}
        darkness = tuple(_darkness(access, asked, each, names[each], extent.dark_s, progress) for each in extent.dark)
        return _made(architecture, deployment, checks, speeds, darkness)


def _zone(access: Access) -> str:
    """The zone of the first of the two subnets that the examples take."""
    subnets = access.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return str(subnets[0]["AvailabilityZone"])


def _made(
    architecture: str, deployment: Deployment, checks: tuple[Check, ...], speeds: tuple[Speed, ...],
    darkness: tuple[Darkness, ...],
) -> Measured:  # fmt: skip
    return Measured(
        architecture=architecture, checks=checks, steps=deployment.steps, calls=deployment.calls,
        deployed_s=round(deployment.seconds, 1), speeds=speeds, darkness=darkness,
        limits=deployment.limits,
    )  # fmt: skip


def _speed(access: Access, place: str, asked: str, seconds: float) -> Speed:
    program = _program(access, place, "load", asked, str(CONNECTIONS), str(seconds))
    return speed(place, CONNECTIONS, _ended(program, place))


def _darkness(access: Access, asked: str, what: str, name: str, seconds: float, progress: Progress) -> Darkness:
    """Ask from both places while something is dark, and return when all is well again."""
    progress(f"Taking {what} {name} dark")
    watching = {place: _program(access, place, "watch", asked, str(WATCHES_EVERY_S)) for place in (NEAR, FAR)}
    try:
        for place, program in watching.items():
            assert program.stdout is not None
            if program.stdout.readline().strip() != b"ready":
                raise DrillFailed(f"the client in {place} did not start")
        access.management.post("/faults", {"what": what, "name": name, "owner": OWNER})
        broken_at = time.monotonic()
        threading.Event().wait(seconds)
        healed_at = time.monotonic()
    finally:
        access.management.post("/faults/heal", {"owner": OWNER})
        told = {place: _ended(program, place) for place, program in watching.items()}
    effects: list[Effect] = [effect(place, samples, broken_at, healed_at) for place, samples in told.items()]
    _well(access, asked)
    return Darkness(what, name, tuple(effects))


def _well(access: Access, asked: str) -> None:
    """Return when it answers again from everywhere. Raises DrillFailed."""
    deadline = time.monotonic() + WELL_WITHIN_S
    for place in (NEAR, FAR):
        while _ended(_program(access, place, "load", asked, "2", "0.2"), place)["failed"]:
            if time.monotonic() > deadline:
                raise DrillFailed(f"{asked} does not answer {place} again although all is healed")


def _program(access: Access, place: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = ["python", "-m", "kunren.drills.redirect.measure", *arguments]
    return access.inside(
        ["--from", place], command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip


def _ended(program: subprocess.Popen[bytes], place: str) -> Any:
    """What it printed last, once it has ended. Raises DrillFailed."""
    out, errors = program.communicate()
    if program.returncode:
        raise DrillFailed(f"the client in {place} ended with {program.returncode}: {errors.decode()[-500:]}")
    return json.loads(out.splitlines()[-1])
