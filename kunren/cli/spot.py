"""`kunren spot`: the market of Spot Instances moves."""

from __future__ import annotations

from pathlib import Path

import click

from kunren.cli.options import state_option
from kunren.management.client import Management


@click.command("spot")
@state_option
@click.argument("zone")
@click.argument("instance_type")
@click.option("--price", type=float, metavar="USD", help="The price of an hour from now on.")
@click.option("--capacity", type=int, metavar="N", help="How many Spot Instances there is room for (-1: for all).")
def spot(state_dir: Path, zone: str, instance_type: str, price: float | None, capacity: int | None) -> None:
    """Change price or capacity of Spot Instances of INSTANCE_TYPE in ZONE. Whose maximum is lower now, and who has no
    room left (the youngest first), is interrupted with the notice of two minutes.

    \b
    Examples:
      kunren spot us-east-1a t3.micro --capacity 0
      kunren spot us-east-1a t3.micro --price 0.02
    """
    wanted = {"zone": zone, "type": instance_type, "price": price, "capacity": capacity}
    found = Management(state_dir).post("/spot-market", wanted)
    room = "any number" if found["capacity"] is None else found["capacity"]
    click.echo(f"{instance_type} in {zone}: {found['price']:.6f} USD per hour, room for {room}")
