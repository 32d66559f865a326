"""`kunren status`, `doctor` and `logs`: looking at a Kunren from outside."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, print_table, state_option
from kunren.management.client import Management


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(state_dir: Path, as_json: bool) -> None:
    """Show parts and their health, resources per service, and calls that nobody implements."""
    report = Management(state_dir).get("/status")
    if as_json:
        print_json(report)
        return
    click.echo(
        f"Kunren {report['version']}, pid {report['pid']}, up {report['uptime_s']:.0f} s, "
        f"clock speed {report['clock']['speed']:g}, AWS time {report['clock']['now']}"
        + (", strict: signatures and IAM policies count" if report["strict"] else "")
    )
    parts = [[part["name"], "ok" if part["ok"] else "FAILED", part["detail"]] for part in report["parts"]]
    print_table("Parts", ["part", "health", "detail"], parts)
    kinds = [
        [service, kind, str(count)]
        for service, kinds in report["resources"].items()
        for kind, count in kinds.items()
        if count
    ]
    print_table("Resources", ["service", "kind", "count"], kinds or [["-", "none yet", "0"]])
    missing = [[call["service"], call["operation"], str(call["count"])] for call in report["not_implemented"]]
    if missing:
        print_table("Calls that nobody implements", ["service", "operation", "count"], missing)
    if not all(part["ok"] for part in report["parts"]):
        sys.exit(1)


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(state_dir: Path, as_json: bool) -> None:
    """Show kernel features and engines found, each with the one command that brings it."""
    from kunren.world.doctor import examine

    findings: list[dict[str, Any]] = [each.as_dict() for each in examine()]
    ready = all(each["ok"] or not each["needed"] for each in findings)
    if as_json:
        print_json({"ready": ready, "checks": findings})
    else:
        rows = [
            [
                each["name"],
                "ok" if each["ok"] else ("MISSING" if each["needed"] else "not found"),
                each["purpose"],
                each["detail"] if each["ok"] else each["remedy"],
            ]
            for each in findings
        ]
        print_table("", ["what", "state", "for", "detail, or what brings it"], rows)
    sys.exit(0 if ready else 1)


@click.command()
@state_option
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@click.option("-n", "--lines", default=100, show_default=True, help="How many lines of the past.")
@click.argument("part", required=False)
def logs(state_dir: Path, follow: bool, lines: int, part: str | None) -> None:
    """Print the log of a PART (daemon when none is named; an unknown name lists those there are)."""
    folder = state_dir / "logs"
    path = folder / f"{part or 'daemon'}.log"
    if not path.exists():
        known = ", ".join(sorted(str(each.relative_to(folder))[:-4] for each in folder.rglob("*.log"))) or "none yet"
        raise Unusable(f"there is no log of {part or 'daemon'} in {folder}. Parts with a log: {known}.")
    for line in _tail(path, lines, follow):
        click.echo(line, nl=False)


def _tail(path: Path, lines: int, follow: bool) -> Iterator[str]:
    with path.open(errors="replace") as file:
        yield from file.readlines()[-lines:]
        while follow:
            line = file.readline()
            if line:
                yield line
            else:
                time.sleep(0.1)  # noqa: TID251 - the command polls a file that another process writes
