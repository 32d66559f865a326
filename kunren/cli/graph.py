"""`kunren graph`: the deployed architecture, from DNS name to target."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import state_option
from kunren.management.client import Management

if TYPE_CHECKING:
    from kunren.graph.model import Graph

_COLOURS = {"good": "green", "bad": "red", "waiting": "yellow"}


@click.command()
@state_option
@click.option(
    "--format", "form", type=click.Choice(["text", "svg", "json"]), help="text by default; by FILE's ending with -o."
)
@click.option("--account", metavar="ID", help="Only what this account has.")
@click.option("--region", metavar="REGION", help="Only what is in this region (hosted zones are in all).")
@click.option("--name", metavar="DOMAIN", help="Only what a request for this name may reach.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there instead.")
def graph(
    state_dir: Path, form: str | None, account: str | None, region: str | None, name: str | None, output: Path | None
) -> None:
    """Draw what is deployed: names, load balancers, rules, target groups, targets and functions, with live health.

    \b
    Examples:
      kunren graph
      kunren graph --name example-one.test
      kunren graph --account 000000000000 --region us-east-1 -o architecture.svg
      kunren graph --format json | jq '.nodes[] | select(.state == "unhealthy")'

    Text is a tree; SVG is a drawing that needs no other program; JSON has nodes (id, kind, name, arn, state, details,
    within: what contains it) and edges (from, to, label, weight).
    """
    import msgspec

    from kunren.graph.model import Graph

    told = Management(state_dir).post("/graph", {"account": account, "region": region, "name": name})
    found = msgspec.convert(told, Graph)
    form = form or ({".svg": "svg", ".json": "json"}.get(output.suffix.lower(), "text") if output else "text")
    if output is None and form == "text" and sys.stdout.isatty():
        _show(found)
        return
    text = rendered(form, found)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise Unusable(f"the graph could not be written to {output}: {error.strerror}.") from error


def rendered(form: str, found: Graph) -> str:
    """The document in that format, ended by a newline."""
    import msgspec

    if form == "json":
        return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    if form == "svg":
        from kunren.graph.svg import svg

        return svg(found)
    from kunren.graph.text import plain

    return plain(found)


def _show(found: Graph) -> None:
    from kunren.graph.text import lines

    for line in lines(found):
        click.echo("".join(_styled(text, style) for text, style in line))


def _styled(text: str, style: str) -> str:
    if style in _COLOURS:
        return click.style(text, fg=_COLOURS[style])
    return click.style(text, bold=style == "strong", dim=style in ("faint", "quiet"))
