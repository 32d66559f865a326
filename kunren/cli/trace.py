"""`kunren trace`: one request, explained step by step, and really sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.options import print_json, state_option
from kunren.management.client import Management
from kunren.trace.model import Observed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kunren.trace.model import Report, Step, Target

_CONSIDERED_MAX = 12
_YES = {True: "yes", False: "no", None: ""}


@click.command()
@state_option
@click.option("--from", "place", metavar="PLACE", help="The client place (virginia when not given).")
@click.option("--method", default="GET", show_default=True, help="The HTTP method.")
@click.option("--header", "-H", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable.")
@click.option("--source", metavar="IP", help="Foretell for a client with this address; sent only if PLACE has it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--no-send", is_flag=True, help="Only foretell; send nothing.")
@click.argument("url")
def trace(
    state_dir: Path,
    place: str | None,
    method: str,
    headers: tuple[str, ...],
    source: str | None,
    as_json: bool,
    no_send: bool,
    url: str,
) -> None:
    """Follow one request for URL through DNS, network, listener, rule and target: what is chosen, and why.

    tcp://NAME:PORT is a connection alone, udp://NAME:PORT one datagram.

    Then send it from that place, and show what happened beside what was foretold.

    \b
    Examples:
      kunren trace https://example-one.test/path?x=1
      kunren trace http://shop.test/ --from tokyo --header 'X-Canary: yes' --method POST
      kunren trace http://shop.test/ --source 10.1.2.3 --no-send
      kunren trace tcp://flows.test:9000
      kunren trace https://shop.test/ --json | jq '.steps[] | {stage, chosen, because}'

    The exit code is 0 when what happened is what was foretold (or nothing was sent), 1 when it differs, 2 when the
    request cannot be traced.
    """
    import msgspec

    from kunren.management.client import Refused
    from kunren.trace.model import Report

    wanted = {
        "url": url, "place": place, "method": method, "headers": list(headers), "source": source, "send": not no_send,
    }  # fmt: skip
    try:
        told = Management(state_dir).post("/trace", wanted)
    except Refused as error:
        click.echo(f"kunren: {error}", err=True)
        sys.exit(2)
    if as_json:
        print_json(told)
    else:
        _show(msgspec.convert(told, Report))
    sys.exit(1 if told["agrees"] is False else 0)


def _show(report: Report) -> None:
    request = report.request
    asked = request.url if request.is_flow else f"{request.method} {request.url}"
    click.echo(click.style(asked, bold=True) + f"  from {request.place} ({request.source})")
    for number, step in enumerate(report.steps, start=1):
        _show_step(number, step)
    click.echo()
    _show_results(report)


def _show_step(number: int, step: Step) -> None:
    click.echo(f"\n{number:>2}  " + click.style(f"{step.stage:<16}", bold=True) + click.style(step.chosen, fg="cyan"))
    click.echo(f"{'':20}{step.because}")
    shown = step.considered
    if len(shown) > _CONSIDERED_MAX:  # the last ones decided
        click.echo(click.style(f"{'':20}… {len(shown) - _CONSIDERED_MAX} more", dim=True))
        shown = shown[-_CONSIDERED_MAX:]
    for each in shown:
        mark = click.style("✓", fg="green") if each.taken else click.style("✗", fg="red")
        because = f"  {each.because}" if each.because else ""
        click.echo(f"{'':20}{mark} {each.what}" + click.style(because, dim=True))


def _show_results(report: Report) -> None:
    rows = [row for row in _rows(report) if row[1] or row[2]]
    if report.observed is None:
        for name, wanted, _ in rows:
            click.echo(f"    {name:<16}{wanted}")
        click.echo(f"\n    {report.expected.unsure or 'Nothing was sent.'}")
        return
    width = max(8, *(len(wanted) for _, wanted, _ in rows))
    click.echo(click.style(f"    {'':<16}{'foretold':<{width}}  happened", bold=True))
    for name, wanted, seen in rows:
        click.echo(f"    {name:<16}{wanted or '-':<{width}}  {seen or '-'}")
    click.echo()
    if report.expected.unsure:
        click.echo(f"    Not foretold: {report.expected.unsure}.")
    if report.agrees:
        click.echo("    " + click.style("What happened is what was foretold.", fg="green"))
        return
    for each in report.differences:
        text = f"DIFFERENT {each.what}: foretold {each.expected}, happened {each.observed}"
        click.echo("    " + click.style(text, fg="red", bold=True))


def _possible(targets: Sequence[Target]) -> str:
    return " or ".join(
        each.id + (f" ({100 * each.probability:.3g} %)" if each.probability < 0.9999 else "") for each in targets
    )


def _rows(report: Report) -> list[tuple[str, str, str]]:
    """Name, foretold and happened; empty where there is nothing to say."""
    expected, seen = report.expected, report.observed or Observed(outcome="")
    statuses = " or ".join(map(str, expected.statuses)) if expected.statuses else ""
    shown = next((each.chosen.partition(" (")[0] for each in report.steps if each.stage == "certificate"), "")
    names = seen.certificate or ()
    answer = f"{seen.rcode}, " if seen.rcode not in (None, "NOERROR") else ""
    wanted = f"{expected.rcode}, " if expected.rcode not in (None, "NOERROR") else ""
    return [
        (
            "outcome",
            wanted + (expected.outcome or ""),
            answer + seen.outcome + (f" ({seen.error})" if seen.error else ""),
        ),
        ("address", " or ".join(expected.addresses or ()), seen.address or ""),
        ("certificate", shown, ", ".join(names[:1]) + (f" +{len(names) - 1}" if len(names) > 1 else "")),
        ("trusted", _YES[expected.verified], _YES[seen.verified]),
        ("status", statuses or ("as the target says" if expected.targets else ""), str(seen.status or "")),
        ("Location", expected.location or "", seen.location or ""),
        ("edge location", expected.edge or "", seen.edge or ""),
        ("endpoint", _possible(expected.endpoints), seen.endpoint or ""),
        ("distribution", expected.distribution or "", seen.distribution or ""),
        ("behaviour", expected.behaviour or "", seen.behaviour or ""),
        ("function", ", ".join(expected.functions), ", ".join(seen.functions)),
        ("X-Cache", " or ".join(expected.cache or ()), seen.cache or ""),
        ("origins", " then ".join(expected.origins or ()), " then ".join(seen.origins or ())),
        ("answered by", expected.answered_by or "", seen.answered_by or ""),
        ("target", _possible(expected.targets), seen.target or ""),
        ("time", "", f"{seen.seconds * 1000:.1f} ms" if report.observed else ""),
    ]
