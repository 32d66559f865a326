"""What every command shares: which Kunren is meant, and how output looks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from kunren.settings import default_state_dir

F = TypeVar("F", bound=Callable[..., Any])


def state_option(command: F) -> F:
    """`--state DIR`, from `KUNREN_STATE` else the user's state folder; the parameter is `state_dir`."""
    return click.option(
        "--state",
        "state_dir",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="KUNREN_STATE",
        default=default_state_dir,
        show_default="~/.local/state/kunren",
        help="State folder of the Kunren that is meant.",
    )(command)


def print_json(value: Any) -> None:
    """One JSON document, indented, for scripts."""
    import msgspec

    raw = msgspec.json.format(msgspec.json.encode(value), indent=2)
    click.echo(raw.decode())


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table: drawn on a terminal, tab-separated lines when piped."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
