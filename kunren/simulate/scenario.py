"""What a drill's faults do to the parts of an architecture, and when: all that the simulator knows of packets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kunren.drills.document import filled
from kunren.drills.model import Drill, Fault

_ISO = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


class CannotSimulate(Exception):
    """A part of the drill that has no place in the simulator; the text names it."""


@dataclass(frozen=True, slots=True)
class Dark:
    """Something that does not answer for a time: `what` is address (its process is dead), subnet, zone or region.
    `silent`: packets get lost, so that whoever asks has to time out."""

    what: str
    name: str
    start_s: float
    end_s: float
    silent: bool = True


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a node or target is."""

    address: str
    subnet: str
    zone: str
    region: str


def dark_times(drill: Drill, values: Mapping[str, Any], end_s: float) -> list[Dark]:
    """Seconds after the steady state. Raises CannotSimulate."""
    found = []
    for fault in drill.faults:
        until_s = fault.after_s + fault.for_s if fault.for_s is not None and fault.heals else end_s
        found.append(_dark(drill, fault, values, until_s))
    return found


def _dark(drill: Drill, fault: Fault, values: Mapping[str, Any], until_s: float) -> Dark:
    if fault.kind == "kill":
        target = next(each for each in drill.targets if each.name == fault.what)
        address, subnet = filled(target.address, values), filled(target.subnet, values)
        return Dark("address", f"{subnet} {address}", fault.after_s, until_s, silent=False)
    told = filled(fault.what, values)
    if fault.kind == "break" and told["what"] in ("subnet", "zone", "region") and told.get("loss", 1) == 1:
        return Dark(told["what"], told["name"], fault.after_s, until_s)
    if fault.kind == "experiment":
        for action in told["actions"].values():
            zones = [
                each.get("parameters", {}).get("availabilityZoneIdentifier")
                for each in told.get("targets", {}).values()
            ]
            if action["actionId"] == "aws:network:disrupt-connectivity" and len(zones) == 1 and zones[0]:
                lasts_s = iso_seconds(action["parameters"]["duration"])
                return Dark("zone", zones[0], fault.after_s, min(fault.after_s + lasts_s, until_s))
    raise CannotSimulate(
        f"the fault {fault.name!r} can't be simulated: the simulator knows targets that are killed, and subnets, "
        "zones and regions that are lost as a whole."
    )


def iso_seconds(text: str) -> float:
    """Of PT1H2M3S."""
    found = _ISO.fullmatch(text)
    if found is None:
        raise CannotSimulate(f"{text!r} is no duration that the simulator knows")
    hours, minutes, seconds = (int(each or 0) for each in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def state_of(spot: Spot, dark: Iterable[Dark], at_s: float) -> str:
    """ "well", "dead" (refuses) or "silent" (nothing comes back)."""
    found = "well"
    for each in dark:
        if each.start_s <= at_s < each.end_s and _concerns(each, spot):
            if each.silent:
                return "silent"
            found = "dead"
    return found


def _concerns(dark: Dark, spot: Spot) -> bool:
    match dark.what:
        case "address":
            return dark.name == f"{spot.subnet} {spot.address}"
        case "subnet":
            return dark.name == spot.subnet
        case "zone":
            return dark.name == spot.zone
    return dark.name == spot.region
