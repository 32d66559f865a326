"""`python -m benchmarks [NAME ...] [--quick]`: runs the named benchmarks (all when none is named), prints their tables."""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks.machine import described

NAMES = (
    "start", "gateway", "alb", "nlb", "scale", "propagation", "functions", "apis", "dns", "edge", "s3", "stacks", "load",
    "strict", "judging", "ecs", "scheduling",
)  # fmt: skip
ALONE = ("drills", "kills", "stack-kills")
"""Take minutes to hours: only when they are named."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join([*NAMES, *ALONE])}")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that it runs")
    told = parser.parse_args()
    if unknown := [name for name in told.names if name not in [*NAMES, *ALONE]]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join([*NAMES, *ALONE])}")
    print(described(), flush=True)
    for name in told.names or NAMES:
        print(f"\n## {name}\n", flush=True)
        for paragraph in importlib.import_module(f"benchmarks.{name.replace('-', '_')}").run(told.quick):
            print(paragraph + "\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
