"""`kunren drill`: run a drill, show it, judge it."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_table, state_option
from kunren.management.client import Management

if TYPE_CHECKING:
    from kunren.drills.redirect.run import Outcome


@click.group()
def drill() -> None:
    """Deploy an architecture, send it traffic, and judge what came back."""


@drill.command("list")
def list_drills() -> None:
    """List the drills there are, with their architectures."""
    from kunren.drills.redirect.run import ARCHITECTURES

    print_table("Drills", ["drill", "architectures"], [["redirect", ", ".join(ARCHITECTURES)]])


@drill.command()
@state_option
@click.argument("name", type=click.Choice(["redirect"]))
@click.option(
    "--architecture",
    default="alb",
    show_default=True,
    help="Which: alb, alb-lambda, cloudfront-function or cloudfront-lambda-edge.",
)
@click.option("--domains", type=click.Path(dir_okay=False, path_type=Path), help="Your own domains.json.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there (- for stdout).")
@click.option("--keep", is_flag=True, help="Leave the deployment; a rerun replaces it.")
def run(
    state_dir: Path, name: str, architecture: str, domains: Path | None, json_file: Path | None, keep: bool
) -> None:
    """Run the drill NAME in the running Kunren, or in one that it starts and ends itself.

    \b
    Examples:
      kunren drill run redirect
      kunren drill run redirect --architecture alb-lambda --domains my-domains.json --json result.json

    The exit code is 0 when every check holds, 1 when one does not, 2 when the drill could not be carried out.
    """
    from kunren.drills.redirect.run import ARCHITECTURES, DrillFailed, run_redirect

    if architecture not in ARCHITECTURES:
        raise click.UsageError(f"{architecture!r} is no architecture of {name}. There are: {', '.join(ARCHITECTURES)}.")
    to_stdout = json_file is not None and str(json_file) == "-"
    try:
        with _some_kunren(state_dir, keep) as (state, endpoint):
            outcome = run_redirect(
                architecture, domains, endpoint, state, keep, lambda text: click.echo(f"... {text}", err=True)
            )
    except DrillFailed as error:
        click.echo(f"kunren: {error}", err=True)
        sys.exit(2)
    if json_file is not None:
        _write_json(outcome, json_file)
    if not to_stdout:
        _show(outcome)
    sys.exit(0 if outcome.verdict else 1)


@contextmanager
def _some_kunren(state_dir: Path, keep: bool) -> Iterator[tuple[Path, str]]:
    """The running Kunren of that state folder, or one of our own: ended afterwards, unless it is to be kept."""
    management = Management(state_dir)
    if management.running():
        yield state_dir, f"http://127.0.0.1:{management.get('/status')['ports']['api']}"
        return
    from kunren.cli.up import start_detached, stop

    own = state_dir if keep else Path(tempfile.mkdtemp(prefix="kunren-drill-"))
    port, proxy_port = _free_ports(2)
    click.echo(f"... No Kunren runs: starting one on port {port}", err=True)
    try:
        arguments = ["--state", str(own.resolve()), "--port", str(port), "--proxy-port", str(proxy_port)]
        start_detached(own, arguments)
        try:
            yield own, f"http://127.0.0.1:{port}"
        finally:
            if not keep:
                stop(own)
    finally:
        if not keep:
            shutil.rmtree(own, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


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
