"""`kunren exec`: any program of the host, run inside the world."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import state_option
from kunren.management.client import Management

_ANOTHERS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
"""What would keep a program from having the role's credentials."""


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@state_option
@click.option("--from", "place", metavar="PLACE", help="The client place to run in (virginia when not given).")
@click.option("--subnet", "subnet_id", metavar="ID", help="Run in a namespace of its own on this VPC subnet instead.")
@click.option("--address", metavar="IP", help="With --subnet: the private address (a free one when not given).")
@click.option("--security-group", "security_groups", multiple=True, metavar="ID", help="With --subnet; repeatable.")
@click.option("--role", metavar="ROLE", help="Strict mode: with credentials of that IAM role, by name or ARN.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(
    state_dir: Path,
    place: str | None,
    subnet_id: str | None,
    address: str | None,
    security_groups: tuple[str, ...],
    role: str | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND inside the world: its DNS, its trust store, default credentials. The exit code passes through.

    \b
    Examples:
      kunren exec -- curl https://example-one.test/
      kunren exec --from tokyo -- dig example-one.test
      kunren exec -- aws sqs list-queues
      kunren exec --subnet subnet-0abc --security-group sg-0def -- python3 -m http.server 80

    With --subnet the program has a network interface of its own on that subnet, with the VPC's default security
    group unless others are named, and a public address where the subnet gives one; both are printed at the start.
    """
    if subnet_id and place:
        raise click.UsageError("--from and --subnet exclude each other: one is a client place, the other a VPC subnet.")
    if (address or security_groups) and not subnet_id:
        raise click.UsageError("--address and --security-group go with --subnet.")
    management = Management(state_dir)
    if subnet_id:
        where = _workload(management, subnet_id, address, security_groups, command)
    else:
        where = management.post(f"/places/{place}" if place else "/places")
    credentials = management.post("/credentials", {"account": None, "role": role})
    if role is not None and not credentials["strict"]:
        raise Unusable("--role goes with strict mode: `kunren up --strict`.")
    from kunren.world.exec import enter

    given = {name: value for name, value in os.environ.items() if role is None or name not in _ANOTHERS}
    sys.exit(enter(where["world"], where["namespace"], list(command), given, str(Path.cwd()), credentials["variables"]))


def _workload(
    management: Management,
    subnet_id: str,
    address: str | None,
    security_groups: tuple[str, ...],
    command: tuple[str, ...],
) -> dict[str, Any]:
    wanted = {
        "subnet": subnet_id,
        "address": address,
        "security_groups": list(security_groups),
        "command": " ".join(command),
        "pid": os.getpid(),
    }
    where: dict[str, Any] = management.post("/workloads", wanted)
    public_part = f", public {where['public_address']}" if where["public_address"] else ""
    six = "".join(f", {each}" for each in where["ipv6_addresses"])
    click.echo(f"{where['interface']}: {where['address']}{public_part}{six}", err=True)
    return where
