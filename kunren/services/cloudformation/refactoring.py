"""Which resources a stack refactor moves, from what stacks have and what their new templates say. Pure.

"Stack refactoring", "ResourceMapping".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

STACKS_MAX = 5
BOUND = (
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::Stack",
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
)
"""Types whose resources know their stack: by their URLs, or as its children."""

Place = tuple[str, str]  # stack's name, logical id


NOWHERE: Place = ("", "")


class Refused(Exception):
    """The refactor can't be made; the text becomes its status reason."""


class Move(msgspec.Struct, frozen=True):
    """`source` and `destination` are stack names with logical ids."""

    source: Place
    destination: Place
    type: str
    mapped: bool  # by the caller, not found by CloudFormation


def moves(before: Mapping[Place, str], after: Mapping[Place, str], mapped: Iterable[tuple[Place, Place]]) -> list[Move]:
    """`before` and `after` give each place's type. A resource that a template has anew is the one that is mapped to it,
    or the only one of its type and logical id that another template has no more. Raises Refused."""
    gone, new = [each for each in before if each not in after], [each for each in after if each not in before]
    if other := sorted(each for each in before if each in after and before[each] != after[each]):
        raise Refused(f"Resource {_said(other[0])} cannot change its type in a stack refactor")
    stated: dict[Place, Place] = {}
    for source, destination in mapped:
        if source not in gone or destination not in new:
            raise Refused(f"The mapping from {_said(source)} to {_said(destination)} does not match the templates")
        if destination in stated or source in stated.values():
            raise Refused(f"More than one resource mapping names {_said(source)} or {_said(destination)}")
        stated[destination] = source
    found = []
    for place in sorted(new):
        left = [each for each in gone if each not in stated.values() and each[1] == place[1]]
        alike = [each for each in left if before[each] == after[place]]
        source = stated.get(place, alike[0] if len(alike) == 1 else NOWHERE)
        if source == NOWHERE:
            raise Refused(f"Resource {_said(place)} is new: a stack refactor cannot create resources")
        if before[source] != after[place]:
            raise Refused(f"Resource {_said(source)} cannot become {_said(place)}: its type would change")
        if after[place] in BOUND or after[place].startswith("Custom::"):
            raise Refused(f"Resource {_said(source)} of type {after[place]} cannot be moved by a stack refactor")
        found.append(Move(source, place, after[place], place in stated))
    taken = {each.source for each in found}
    if len(taken) < len(found):
        raise Refused("A resource cannot be refactored into more than one place")
    if lost := sorted(each for each in gone if each not in taken):
        raise Refused(f"Resource {_said(lost[0])} is in no template: a stack refactor cannot delete resources")
    if not found:
        raise Refused("The templates move no resource")
    return found


def _said(place: Place) -> str:
    return f"{place[1]} of stack {place[0]}"
