"""What AWS-RunShellScript runs in an instance, and what is kept of its output."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

OUTPUT_MAX, ERRORS_MAX = 24_000, 8_000
"""Characters of each that GetCommandInvocation shows."""
STOPPED = 137
"""The agent's code of a script that it ended."""
FOLDER = "/usr/bin"
"""Where a script runs for which no folder is named: where the agent runs."""
_READ_BYTES = 64 * 1024
# The script is a session of its own, so that what it leaves running outlives it; SIGTERM ends all of it. What runs
# this is the leader of a group, which ends with it.
_START = """
umask 077
mkdir -p "$1" && printf '%s\\n' "$2" > "$1/_script.sh" && chmod 700 "$1/_script.sh" && umask 022 && cd "$3" || exit
trap 'kill -9 "-$child" "$child" 2> /dev/null; exit 137' TERM
setsid sh -c "$1/_script.sh" &
child=$!
wait "$child"
"""


def place(step: str) -> str:
    """The folder of a step: by its name, or by its plugin's where the document's schema has no names."""
    return "awsrunShellScript/0.awsrunShellScript" if ":" in step else step


def argv(instance: str, kept_in: str, lines: Sequence[str], folder: str) -> list[str]:
    """The program to start as root."""
    kept = f"/var/lib/amazon/ssm/{instance}/document/orchestration/{kept_in}"
    return ["/bin/sh", "-c", _START, "sh", kept, "\n".join(lines), folder or FOLDER]


def with_failure(errors: str, code: int) -> str:
    """What a script wrote to its standard error, with the agent's line about its exit code."""
    gap = "" if not errors or errors.endswith("\n") else "\n"
    return f"{errors}{gap}failed to run commands: exit status {code}"[:ERRORS_MAX]


class Output:
    """What a program writes to the descriptor `end`, as far as it is kept. `ended` is set when nobody can write any
    more, or nobody is to be waited for (`close`)."""

    def __init__(self, characters_max: int, bytes_max: int = 0) -> None:
        self._bytes_max = max(bytes_max, 4 * characters_max)
        self._characters_max = characters_max
        self._kept = bytearray()
        self._source, self.end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._source, False)
        self.ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._source, self._read)

    def handed(self) -> None:
        """The program has its own copy of `end`, or will never have one."""
        os.close(self.end)

    @property
    def text(self) -> str:
        """What is shown of it."""
        shown = self._kept[: 4 * self._characters_max]
        return shown.decode(errors="replace")[: self._characters_max]

    @property
    def kept(self) -> bytes:
        return bytes(self._kept)

    def _read(self) -> None:
        try:
            found = os.read(self._source, _READ_BYTES)
        except BlockingIOError:
            return
        self._kept += found[: self._bytes_max - len(self._kept)]
        if not found:
            self.close()

    def close(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            asyncio.get_running_loop().remove_reader(self._source)
            os.close(self._source)
