"""The drill `redirect` on the command line: ten domains, checked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_table
from kunren.cli.some_kunren import some_kunren
from kunren.drills.access import Access
from kunren.drills.junit import junit_of_checks

if TYPE_CHECKING:
    from kunren.drills.redirect.compared import Measured
    from kunren.drills.redirect.run import Outcome

ALL = "all"


def run_redirect_drill(
    state_dir: Path,
    architecture: str,
    domains: Path | None,
    outputs: tuple[Path | None, Path | None],
    keep: bool,
    speed: float | None,
    seed: int | None,
    repeat: int = 1,
    tool: str = "boto3",
) -> int:
    """Run it and show it; the exit code. `outputs` are where the result goes as JSON, and as JUnit's XML; `tool` is
    what deploys."""
    from kunren.drills.failures import DrillFailed
    from kunren.drills.redirect.run import ARCHITECTURES, run_redirect

    chosen = list(ARCHITECTURES) if architecture == ALL else architecture.split(",")
    for each in chosen:
        if each not in ARCHITECTURES:
            raise click.UsageError(
                f"{each!r} is no architecture of redirect. There are: {', '.join(ARCHITECTURES)}, and {ALL}."
            )
    json_file, junit_file = outputs
    several = architecture == ALL or len(chosen) > 1
    if several and (repeat != 1 or junit_file is not None):
        raise click.UsageError("--repeat and --junit are of one architecture, not of several side by side.")
    to_stdout = json_file is not None and str(json_file) == "-"
    try:
        with some_kunren(state_dir, keep, speed, seed) as (state, endpoint, told):
            if several:
                return _side_by_side(chosen, domains, Access(state, endpoint), json_file, keep, to_stdout, tool)
            runs = [run_redirect(chosen[0], domains, endpoint, state, keep, _progress, tool) for _ in range(repeat)]
    except DrillFailed as error:
        click.echo(f"kunren: {error}", err=True)
        return 2
    outcome = next((each for each in runs if not each.verdict), runs[0])
    if json_file is not None:
        documents = [
            {**each.as_json(), "speed": told["clock"]["speed"], "seed": told["seed"]} for each in (outcome, *runs)
        ]
        _write_json({**documents[0], **({"runs": documents[1:]} if repeat > 1 else {})}, json_file)
    if junit_file is not None:
        cases = [[(f"{c.scheme} {c.domain} from {c.place}", c.problem) for c in each.checks] for each in runs]
        _write_text(junit_of_checks("redirect", cases), junit_file)
    if not to_stdout:
        _show(outcome)
    return 0 if outcome.verdict else 1


def _progress(text: str) -> None:
    click.echo(f"... {text}", err=True)


def _side_by_side(
    chosen: list[str], domains: Path | None, access: Access, json_file: Path | None, keep: bool, to_stdout: bool,
    tool: str,
) -> int:  # fmt: skip
    """Raises DrillFailed."""
    from kunren.drills.redirect.compare import Extent, compare

    found = compare(chosen, domains, access, keep, _progress, Extent(), tool)
    good = all(each.verdict for each in found)
    if json_file is not None:
        _write_json({"verdict": good, "architectures": [each.as_json() for each in found]}, json_file)
    if not to_stdout:
        columns = ["", *(each.architecture for each in found)]
        print_table("redirect, side by side", columns, rows_of(found))
    return 0 if good else 1


def rows_of(found: Sequence[Measured]) -> list[list[str]]:
    """One row for each thing that is compared, one column for each architecture."""
    from kunren.drills.redirect.compared import told

    rows = [
        ["architecture", *(each.architecture for each in found)],
        ["checks that hold", *(f"{sum(c.ok for c in each.checks)} of {len(each.checks)}" for each in found)],
        ["entries it can't do all of", *(str(len(each.limits)) for each in found)],
        ["steps to deploy", *(f"{each.steps} (of {each.calls} calls)" for each in found)],
        ["seconds to deploy", *(f"{each.deployed_s:.1f}" for each in found)],
    ]
    for number, first in enumerate(found[0].speeds):
        shown = [each.speeds[number] for each in found]
        title = f"from {first.place}, {first.connections} connections"
        rows.append([f"requests/s {title}", *(f"{each.per_second:.0f}" for each in shown)])
        rows.append([f"p50, p99 {title}", *(f"{each.p50_ms:.1f}, {each.p99_ms:.1f} ms" for each in shown)])
    for number, dark in enumerate(found[0].darkness):
        for place, one in enumerate(dark.effects):
            met = [told(each.darkness[number].effects[place]) for each in found]
            rows.append([f"{dark.what} {dark.name} dark, from {one.place}", *met])
    return rows


def _write_json(value: Any, path: Path) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    _write_text(text, path)


def _write_text(text: str, path: Path) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Unusable(f"the result could not be written to {path}: {error.strerror}.") from error


def _show(outcome: Outcome) -> None:
    rows = [
        [
            check.domain,
            check.scheme,
            check.place,
            check.address,
            str(check.status),
            check.location,
            {None: "-", True: "verified", False: "NOT VERIFIED"}[check.tls_verified],
            "ok" if check.ok else check.problem,
        ]
        for check in outcome.checks
    ]
    columns = ["domain", "scheme", "from", "address", "status", "location", "certificate", "verdict"]
    print_table(f"redirect, architecture {outcome.architecture}", columns, rows)
    for domain, limit in outcome.limits.items():
        click.echo(f"{outcome.architecture} can't do all of {domain}: {limit}.")
    good = sum(check.ok for check in outcome.checks)
    click.echo(f"{outcome.architecture}: {good} of {len(outcome.checks)} checks hold.")
