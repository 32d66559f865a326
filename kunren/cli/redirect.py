"""The drill `redirect` on the command line: ten domains, checked one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_table
from kunren.cli.some_kunren import some_kunren

if TYPE_CHECKING:
    from kunren.drills.redirect.run import Outcome


def run_redirect_drill(
    state_dir: Path, architecture: str, domains: Path | None, json_file: Path | None, keep: bool
) -> int:
    """Run it and show it; the exit code."""
    from kunren.drills.failures import DrillFailed
    from kunren.drills.redirect.run import ARCHITECTURES, run_redirect

    if architecture not in ARCHITECTURES:
        raise click.UsageError(
            f"{architecture!r} is no architecture of redirect. There are: {', '.join(ARCHITECTURES)}."
        )
    to_stdout = json_file is not None and str(json_file) == "-"
    try:
        with some_kunren(state_dir, keep) as (state, endpoint, _):
            outcome = run_redirect(
                architecture, domains, endpoint, state, keep, lambda text: click.echo(f"... {text}", err=True)
            )
    except DrillFailed as error:
        click.echo(f"kunren: {error}", err=True)
        return 2
    if json_file is not None:
        _write_json(outcome, json_file)
    if not to_stdout:
        _show(outcome)
    return 0 if outcome.verdict else 1


def _write_json(outcome: Outcome, path: Path) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(outcome.as_json()), indent=2).decode() + "\n"
    if str(path) == "-":
        click.echo(text, nl=False)
        return
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
    good = sum(check.ok for check in outcome.checks)
    click.echo(f"{outcome.architecture}: {good} of {len(outcome.checks)} checks hold.")
