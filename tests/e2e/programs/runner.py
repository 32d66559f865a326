"""Runs the commands it is told (a JSON list a line) where it is, and says what each printed (JSON), in the world."""

import json
import subprocess
import sys

for line in sys.stdin:
    try:
        done = subprocess.run(json.loads(line), capture_output=True, text=True, timeout=20, check=False)
        said = {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    except (OSError, subprocess.TimeoutExpired) as error:
        said = {"code": -1, "out": "", "err": str(error)}
    print(json.dumps(said))
