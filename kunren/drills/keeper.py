"""Keeps a target's place on its subnet while its process comes and goes: the first program behind the interface.

    python -m kunren.drills.keeper COMMAND...

Commands on standard input, one a line: "start", "kill" (at once, as a crash would); each is answered by a line "done".
It ends, and the process with it, when its input ends. What the process prints goes to standard error.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> None:
    process: subprocess.Popen[bytes] | None = None
    try:
        for line in sys.stdin:
            if process is not None:
                process.kill()
                process.wait()
                process = None
            if line.strip() == "start":
                process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
            print("done", flush=True)
    finally:
        if process is not None:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
