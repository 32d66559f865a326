"""`python -m benchmarks.inside STATE NAMESPACE COMMAND...`: a program in any network namespace of a Kunren's world.

`kunren exec` has client places and interfaces of one's own; this puts a proxy exactly where Kunren's own one listens.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kunren.management.client import Management
from kunren.world.exec import enter


def main(state: str, namespace: str, *command: str) -> int:
    world = Management(Path(state)).post("/places")["world"]
    return enter(world, namespace, list(command), dict(os.environ), str(Path.cwd()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
