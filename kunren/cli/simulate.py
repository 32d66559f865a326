"""`kunren simulate`: a drill in virtual time, with as many clients as one likes."""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, state_option

if TYPE_CHECKING:
    from kunren.simulate.predict import Prediction

_BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 60


@click.command()
@state_option
@click.argument("name", metavar="NAME|FILE")
@click.option("--clients", type=click.IntRange(1, 10_000_000), help="How many; the drill's own number when not given.")
@click.option("--seed", type=int, help="Seed of all chance.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the architecture; repeatable."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the curve there (- for stdout).")
def simulate(
    state_dir: Path, name: str, clients: int | None, seed: int | None, settings: tuple[str, ...], json_file: Path | None
) -> None:
    """Foretell the drill NAME or FILE: deploy its architecture, then run health checks, DNS and caches in virtual time.

    \b
    Examples:
      kunren simulate active-passive-dns
      kunren simulate active-passive-dns --set ttl=300 --clients 5000000 --json curve.json

    It knows Route 53, load balancers and their targets; a drill with other parts is refused by their name.
    """
    from dataclasses import replace

    import msgspec

    from kunren.cli.drill import read_drill_named, with_settings
    from kunren.cli.some_kunren import some_kunren
    from kunren.drills.access import Access
    from kunren.drills.deployment import Deployment
    from kunren.drills.document import BadDrill
    from kunren.drills.failures import DrillFailed
    from kunren.simulate.predict import predict
    from kunren.simulate.scenario import CannotSimulate
    from kunren.world.worldfile import load_world

    read = with_settings(read_drill_named(name), settings)
    if clients is not None:
        read = replace(read, simulation=replace(read.simulation, clients=clients))
    chosen = seed if seed is not None else secrets.randbits(31)
    with tempfile.TemporaryDirectory(prefix="kunren-simulate-") as folder:
        copy = Path(folder) / "state.db"
        try:
            with some_kunren(state_dir, False) as (state, endpoint, _):
                click.echo(f"... Deploying {read.name}", err=True)
                deployment = Deployment(Access(state, endpoint), read.architecture, Path(folder))
                values = deployment.deploy()
                _copy(state / "kunren.db", copy)
                deployment.remove()
            click.echo(f"... Asking for {read.simulation.clients:,} clients", err=True)
            began = time.monotonic()
            found = predict(read, values, copy, load_world(None), chosen)
        except (BadDrill, DrillFailed, CannotSimulate) as error:
            raise Unusable(str(error)) from error
    took_s = time.monotonic() - began
    if json_file is not None and str(json_file) == "-":
        print_json(found.as_json())
        return
    if json_file is not None:
        json_file.write_bytes(msgspec.json.encode(found.as_json()))
    _show(found, took_s)


def _copy(database: Path, copy: Path) -> None:
    """What is on disk at this moment, while the daemon goes on."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as source, sqlite3.connect(copy) as target:
        source.backup(target)


def _show(found: Prediction, took_s: float) -> None:
    sent, ok = found.curve.sent, found.curve.ok
    step = max(-(-found.seconds // WIDTH), 1)
    shares: list[Any] = [
        float(ok[at : at + step].sum() / max(sent[at : at + step].sum(), 1)) for at in range(0, found.seconds, step)
    ]
    bars = "".join(_BARS[min(int(share * 8), 8)] for share in shares)
    click.echo(f"ok  {bars}  {step} s each, {found.seconds} s")
    for each in found.dark:
        click.echo(f"    {each.start_s:.0f} s to {each.end_s:.0f} s: {each.what} {each.name} is lost")
    rto = "not recovered" if found.rto_s is None else f"RTO {found.rto_s:.0f} s"
    click.echo(
        f"{found.drill}: {rto}, availability {found.availability:.2%}; {found.clients:,} clients behind "
        f"{found.resolvers:,} resolvers, {int(sent.sum()):,} operations, computed in {took_s:.1f} s, seed {found.seed}"
    )
