"""A daemon of a user without privileges."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534
ROOT = Path(__file__).parents[3]


@pytest.fixture
def users_kunren(own_kunren):
    """A daemon of a user without privileges: the one who runs the tests or, where that is root, another one."""
    if os.getuid() != 0:
        own_kunren.up()
        yield own_kunren
        return
    folder = Path(tempfile.mkdtemp(prefix="kunren-user-"))
    os.chown(folder, NOBODY, NOBODY)
    daemon = type(own_kunren)(
        folder / "state", user={"user": NOBODY, "group": NOBODY, "extra_groups": []}, **readable_python(folder)
    )
    try:
        daemon.up()
        yield daemon
    finally:
        daemon.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def readable_python(home):
    """An interpreter that the other user can run, with this one's packages: this one, else the system's of the same
    version (this one may be under root's own home)."""
    packages = os.pathsep.join([*(each for each in sys.path if "-packages" in each), str(ROOT)])
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "KUNREN_"))}
    environment = {**plain, "HOME": str(home), "PYTHONPATH": packages}
    failures = []
    for python in dict.fromkeys((sys.executable, f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}")):
        tried = setpriv_run([python, "-c", "import kunren.app"], environment)
        if tried is None or tried.returncode == 0:
            return {"python": python, "environment": environment}
        failures.append(f"{python}: {tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else 'no start'}")
    pytest.skip(f"no interpreter that another user can run has the packages: {'; '.join(failures)}")


def setpriv_run(command, environment):
    try:
        return subprocess.run(
            command, env=environment, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True,
            check=False, cwd="/",
        )  # fmt: skip
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))
