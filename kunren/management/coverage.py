"""What is real: docs/coverage.md, written from the code (`python -m kunren.management.coverage`).

For each operation of AWS's models: *real* where a class of ours has its method, *moto* where moto answers for the
service and has a handler for it, *not yet* otherwise (a call is then answered 501, by name). Nothing is started: our
classes are imported and looked at, moto's handlers are read from its source. A service that appears nowhere on the page
answers 501 to everything.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from kunren.fallback.operations import handled, moto_handlers
from kunren.fallback.services import SERVICES as MOTO_SERVICES
from kunren.services import SERVICES as OWN_SERVICES
from kunren.services.cloudformation.resources import TYPES
from kunren.wire.catalog import Catalog
from kunren.wire.names import xform_name

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
REAL, MOTO, NOT_YET = "real", "moto", "not yet"


class Coverage(NamedTuple):
    """One service: who answers, and each operation's state, by name."""

    service: str
    owner: str
    why: str
    operations: Mapping[str, str]

    def count(self, state: str) -> int:
        return sum(each == state for each in self.operations.values())


def coverage() -> list[Coverage]:
    """Ours first, then moto's; each in alphabetical order."""
    catalog = Catalog()
    found = []
    for service in [*sorted(OWN_SERVICES), *sorted(MOTO_SERVICES.keys() - OWN_SERVICES.keys())]:
        place, moto = OWN_SERVICES.get(service), MOTO_SERVICES.get(service)
        methods = _methods(place) if place is not None else frozenset()
        handlers = moto_handlers(service, moto.package) if moto is not None else frozenset()
        states = {
            each: REAL if xform_name(each) in methods else MOTO if handled(each, handlers) else NOT_YET
            for each in sorted(catalog.service(service).operations)
        }
        who = ", and ".join(name for name, there in (("Kunren", place), ("moto", moto)) if there is not None)
        found.append(Coverage(service, who, moto.why if moto is not None else "", states))
    return found


def _methods(place: str) -> frozenset[str]:
    """What the class there has."""
    module, _, name = place.partition(":")
    return frozenset(dir(getattr(importlib.import_module(module), name)))


def page(services: Iterable[Coverage]) -> str:
    """The whole of docs/coverage.md."""
    services = list(services)
    lines = [
        "# Coverage",
        "",
        "Written by `make coverage-doc` from the code; do not edit. Each operation of AWS's API is one of three:",
        "",
        "- **real**: Kunren does it, with real packets, DNS answers and processes where the operation is about those;",
        "- **moto**: moto answers behind the same gateway, durably, and nothing carries traffic;",
        "- **not yet**: answered with 501 `NotImplemented`, naming service and operation.",
        "",
        "A service that is not on this page answers 501 to everything.",
        "",
        f"Models: botocore {_version('botocore')}. moto {_version('moto')}.",
        "",
        "| service | who answers | real | moto | not yet |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| [{each.service}](#{each.service}) | {each.owner} | {each.count(REAL) or ''} | {each.count(MOTO) or ''} |"
        f" {each.count(NOT_YET) or ''} |"
        for each in services
    ]
    real, moto = sum(each.count(REAL) for each in services), sum(each.count(MOTO) for each in services)
    lines += [f"| **all** | | **{real}** | **{moto}** | **{sum(each.count(NOT_YET) for each in services)}** |"]
    for each in services:
        lines += ["", *_section(each)]
        if each.service == "cloudformation":
            lines += ["", *_resource_types()]
    return "\n".join(lines) + "\n"


def _section(each: Coverage) -> list[str]:
    lines = [f"## {each.service}", ""]
    if each.why:
        lines += [f"moto: {each.why}.", ""]
    for state in (REAL, MOTO, NOT_YET):
        names = [name for name, found in each.operations.items() if found == state]
        if names:
            lines += [f"**{state}** ({len(names)}): {', '.join(names)}", ""]
    return lines[:-1]


def _resource_types() -> list[str]:
    """What stacks can be made of; any other type is refused by name before anything is made."""
    return [f"**resource types** ({len(TYPES)}, and `Custom::…`): {', '.join(sorted(TYPES))}"]


def own_lines(text: str) -> list[str]:
    """The lines of a page that say what is real: those that do not depend on which moto and botocore are installed."""
    return [line for line in text.splitlines() if line.startswith(f"**{REAL}**")]


def versions_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("Models: ")), "")


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def main() -> int:
    text = page(coverage())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text)
    sys.stdout.write(f"{PAGE}: {versions_line(text)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
