"""Which edge location answers for an address that is in all of them: the one next to the client's place."""

from __future__ import annotations

from kunren.services.faults.effects import broken_between_sites, faults
from kunren.trace.course import Course
from kunren.trace.model import Considered, Step
from kunren.world.broken_links import dark_edges
from kunren.world.geography import between_ms, nearest_place

STAGE = "edge location"
_SHOWN = 4


def reached(course: Course, whose: str) -> Step:
    """Notes the edge location in the course; `whose` says what has the address."""
    spec, here = course.state.spec, course.request.place
    place = next(each for each in spec.places if each.name == here)
    dark = dark_edges(broken_between_sites(faults(course.snapshot)))
    course.edge = nearest = nearest_place(spec, place, dark)
    course.expected.edge = nearest.name
    others = sorted(spec.places, key=lambda each: between_ms(spec, each, place))[:_SHOWN]
    considered = tuple(
        Considered(
            what=each.name, taken=each is nearest,
            because=f"{between_ms(spec, each, place):.0f} ms from {here}" + (", cut off" if each.name in dark else ""),
        )
        for each in others
    )  # fmt: skip
    because = f"{course.address} is {whose}; packets from {here} reach the nearest edge location"
    return Step(stage=STAGE, chosen=nearest.name, because=because, considered=considered)
