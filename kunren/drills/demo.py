"""`make demo`: one Kunren of its own, every architecture of the redirect service, the tables; nothing stays behind."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from kunren.drills.redirect.run import ARCHITECTURES


def main() -> int:
    """Run the whole demonstration; 0 when every check of every architecture holds."""
    with tempfile.TemporaryDirectory(prefix="kunren-demo-") as folder:
        state = ["--state", str(Path(folder) / "state")]
        started = _kunren("up", *state, "--detach", "--port", "0", "--proxy-port", "0")
        if started:
            return started
        try:
            results = [_kunren("drill", "run", "redirect", *state, "--architecture", each) for each in ARCHITECTURES]
        finally:
            _kunren("down", *state)
    return max(results)


def _kunren(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "kunren.cli.main", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
