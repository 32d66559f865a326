"""`kunren drill compare`: one change, deployed in two ways, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kunren.cli.drill import check_speed, history_path, left_out, read_drill_named, run_once, with_settings
from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, print_table
from kunren.cli.some_kunren import some_kunren

if TYPE_CHECKING:
    from kunren.drills.model import Drill

_WITHOUT = "without="


def run_comparison(
    state_dir: Path,
    name: str,
    given: tuple[tuple[str, ...], tuple[str, ...]],
    speed: float | None,
    seed: int | None,
    json_file: Path | None,
) -> int:
    """The exit code of `compare`. Raises Unusable, UsageError."""
    import msgspec

    from kunren.drills.report.side_by_side import COLUMNS, as_json, rows

    sides = [side(name, each) for each in given]
    results = []
    with some_kunren(state_dir, keep=False, speed=speed, seed=seed) as (state, endpoint, told):
        for number, each in enumerate(sides):
            check_speed(each, told["clock"]["speed"])
            history = history_path(None, state_dir, each, number, 1)
            results.append(run_once(each, state, endpoint, told, history, keep=False))
    settings = tuple(dict(each.architecture.settings) for each in sides)
    compared = as_json(name, results[0], results[1], (settings[0], settings[1]))
    if json_file is not None and str(json_file) == "-":
        print_json(compared)
    else:
        if json_file is not None:
            try:
                json_file.write_bytes(msgspec.json.format(msgspec.json.encode(compared), indent=2) + b"\n")
            except OSError as error:
                raise Unusable(f"the result could not be written to {json_file}: {error.strerror}.") from error
        print_table(name, COLUMNS, rows(results[0], results[1]))
    return 2 if any(each.verdict == "unknown" for each in results) else 0


def side(name: str, given: tuple[str, ...]) -> Drill:
    """The drill as one side deploys it. Raises Unusable, UsageError."""
    without = tuple(each.removeprefix(_WITHOUT) for each in given if each.startswith(_WITHOUT))
    settings = tuple(each for each in given if not each.startswith(_WITHOUT))
    return with_settings(left_out(read_drill_named(name), without), settings)
