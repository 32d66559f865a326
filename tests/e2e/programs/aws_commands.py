"""The AWS CLI, command by command in one process: its start takes much longer than what it then does.

Each line of the input is the JSON of a command's arguments, each line of the output that of its exit code, output and
error output. Its waits ask every 0.3 s, not every 15.
"""

import contextlib
import io
import json
import sys
import time
from types import SimpleNamespace

import botocore.waiter
from awscli.clidriver import create_clidriver

botocore.waiter.time = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 50))
driver = create_clidriver()
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = driver.main(json.loads(line))
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
