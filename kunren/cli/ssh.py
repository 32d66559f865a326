"""`kunren ssh`: a shell, or one command, inside a running instance or a task's container."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from kunren.cli.options import state_option
from kunren.management.client import Management


@click.command("ssh", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@state_option
@click.argument("instance")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(state_dir: Path, instance: str, command: tuple[str, ...]) -> None:
    """Run COMMAND inside INSTANCE (its id, its Name tag or an address; or the id of a task of ECS, /CONTAINER behind it
    where there are several), or a shell where none is given. It needs no key and no open port, as a session of Systems
    Manager needs none. The exit code passes through.

    \b
    Examples:
      kunren ssh i-0123456789abcdef0
      kunren ssh web-1 -- cat /var/log/cloud-init-output.log
      kunren ssh 0123456789abcdef0123456789abcdef/web -- env
    """
    where = Management(state_dir).post(f"/instances/{instance}")
    from kunren.world.exec import enter_guest

    given = list(command[1:] if command[:1] == ("--",) else command)
    terminal = {"TERM": os.environ["TERM"]} if "TERM" in os.environ else {}
    sys.exit(enter_guest(where["world"], where, given or ["/bin/sh", "-l"], terminal))
