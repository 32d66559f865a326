"""Which programs of this machine run which runtimes, and by what command.

`python3.x` and `nodejs*.x` run on that version, or on the nearest one found (the newer of two): on the PATH, or where
version managers keep theirs. `provided.*` brings its own `bootstrap`. What no program runs is refused by name, with the
command that would help.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

log = logging.getLogger(__name__)
CLIENTS = Path(__file__).resolve().parent / "clients"
_PYTHON_MINORS = range(8, 20)
_NODE_MAJORS = range(16, 31)
_MANAGED = {
    "python3": (
        ("PYENV_ROOT", "~/.pyenv", "versions/3.*/bin/python3"),
        ("UV_PYTHON_INSTALL_DIR", "~/.local/share/uv/python", "cpython-3.*/bin/python3"),
        ("ASDF_DATA_DIR", "~/.asdf", "installs/python/3.*/bin/python3"),
        ("MISE_DATA_DIR", "~/.local/share/mise", "installs/python/3.*/bin/python3"),
    ),
    "node": (
        ("NVM_DIR", "~/.nvm", "versions/node/v*/bin/node"),
        ("FNM_DIR", "~/.local/share/fnm", "node-versions/v*/installation/bin/node"),
        ("N_PREFIX", "/usr/local", "n/versions/node/*/bin/node"),
        ("ASDF_DATA_DIR", "~/.asdf", "installs/nodejs/*/bin/node"),
        ("MISE_DATA_DIR", "~/.local/share/mise", "installs/node/*/bin/node"),
    ),
}
"""Where version managers keep what they installed: the variable that says where, where else, and what is there."""
_OFFERED = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What AWS's Python runtimes bring besides the standard library."""


class RuntimeUnavailable(Exception):
    """Nothing on this machine runs that runtime; the message names what brings it."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a worker: the program and its arguments, the PATH it gets, and what our client needs to be told.

    `reads` are the files and folders it needs at their own place. `describes` goes into the INIT_START log line.
    """

    argv: tuple[str, ...]
    path: str
    describes: str
    environment: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """An interpreter: `version` is the number that the runtime's name has, `prefix` the folder of its installation."""

    version: int
    executable: str
    prefix: str


class Interpreters:
    """Looks once, at first need, and remembers."""

    def __init__(self, packages_dir: Path) -> None:
        """`packages_dir` will hold links to the AWS SDK of this interpreter, for functions of the same version."""
        self._packages_dir = packages_dir
        self._pythons: list[_Found] | None = None
        self._nodes: list[_Found] | None = None

    def command(self, runtime: str, task_root: str) -> Command:
        """Raises RuntimeUnavailable. Blocks for some tens of milliseconds at the first call: call it in a thread."""
        if runtime.startswith("python3."):
            return self._python(int(runtime.removeprefix("python3.")))
        if runtime.startswith("nodejs"):
            return self._node(runtime)
        if runtime in ("provided", "provided.al2", "provided.al2023"):
            path = "/usr/local/bin:/usr/bin:/bin:/opt/bin"
            return Command((f"{task_root}/bootstrap",), path, f"{runtime} (bootstrap on this machine)")
        raise RuntimeUnavailable(_other(runtime))

    def _python(self, minor: int) -> Command:
        if self._pythons is None:
            self._pythons = _find_pythons()
        if not self._pythons:
            raise RuntimeUnavailable(
                f"no Python was found for python3.{minor}; `apt install python3` or `pyenv install 3.{minor}` "
                "brings it."
            )
        best, note = _nearest(self._pythons, minor, f"python3.{minor}")
        environment = {}
        if best.version == sys.version_info.minor and (offered := self._offer()):
            environment["KUNREN_PYTHON_PACKAGES"] = offered
        return Command(
            (best.executable, "-s", str(CLIENTS / "python_client.py")),
            f"{Path(best.executable).parent}:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            f"python:3.{best.version} ({best.executable}{note})",
            environment,
            (best.executable, best.prefix, str(CLIENTS), *environment.values(), *_sources(environment)),
        )

    def _offer(self) -> str:
        """A folder of links to boto3 and what it needs, made anew each time so that it never goes stale."""
        self._packages_dir.mkdir(parents=True, exist_ok=True)
        for name in _OFFERED:
            spec = find_spec(name)
            if spec is None or spec.origin is None:
                continue
            origin = Path(spec.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            link = self._packages_dir / source.name
            if not link.is_symlink() or link.readlink() != source:
                link.unlink(missing_ok=True)
                link.symlink_to(source)
        return str(self._packages_dir)

    def _node(self, runtime: str) -> Command:
        major = re.match(r"nodejs(\d+)", runtime)
        if major is None:
            raise RuntimeUnavailable(_other(runtime))
        if self._nodes is None:
            self._nodes = _find_nodes()
        if not self._nodes:
            raise RuntimeUnavailable(
                f"no Node.js was found for {runtime}; `apt install nodejs` or `nvm install {major[1]}` brings it."
            )
        best, note = _nearest(self._nodes, int(major[1]), runtime)
        return Command(
            (best.executable, str(CLIENTS / "node_client.mjs")),
            f"{Path(best.executable).parent}:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            f"nodejs:{best.version} ({best.executable}{note})",
            reads=(best.executable, best.prefix, str(CLIENTS)),
        )


def _sources(environment: Mapping[str, str]) -> list[str]:
    return [str(each.resolve()) for folder in environment.values() for each in Path(folder).iterdir()]


def _nearest(found: list[_Found], version: int, runtime: str) -> tuple[_Found, str]:
    """The one to take, and what the log says of it where it is another version."""
    best = min(found, key=lambda each: (abs(each.version - version), -each.version))
    return best, "" if best.version == version else f", the nearest to {runtime} on this machine"


def _other(runtime: str) -> str:
    return (
        f"{runtime} has no runtime client in Kunren yet. Build the function as a custom runtime (provided.al2023 with "
        "a bootstrap that holds AWS's runtime interface client for its language);"
        " python3.x, nodejs*.x and provided.* run."
    )


def _find_pythons() -> list[_Found]:
    """Every Python 3, each asked for its own version (a shim may answer for none)."""
    candidates = [getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"]
    candidates += [path for minor in _PYTHON_MINORS if (path := shutil.which(f"python3.{minor}"))]
    code = "import sys; print(sys.version_info[1]); print(sys.executable); print(sys.base_prefix)"
    return _ask([*candidates, *_managed("python3")], ("-I", "-S", "-c", code))


def _find_nodes() -> list[_Found]:
    names = ("node", "nodejs", *(f"node{major}" for major in _NODE_MAJORS))
    candidates = [path for name in names if (path := shutil.which(name))]
    code = "const p = process; console.log(p.versions.node.split('.')[0] + '\\n' + p.execPath + '\\n' + p.execPath)"
    return _ask([*candidates, *_managed("node")], ("-e", code))


def _managed(program: str) -> list[str]:
    """What version managers have installed; folders that we may not read hold nothing for us."""
    found = []
    for variable, place, pattern in _MANAGED[program]:
        folder = Path(os.environ.get(variable) or place).expanduser()
        with contextlib.suppress(OSError):
            found += [str(each) for each in sorted(folder.glob(pattern))]
    return found


def _ask(candidates: list[str], arguments: tuple[str, ...]) -> list[_Found]:
    """The candidates that run and say their version, executable and prefix; the first of each version."""
    found: dict[int, _Found] = {}
    for candidate in dict.fromkeys(each for each in candidates if "/shims/" not in each):
        try:
            told = subprocess.run(
                [candidate, *arguments], capture_output=True, text=True, timeout=5, check=True, cwd="/"
            ).stdout.splitlines()
        except (OSError, subprocess.SubprocessError):
            continue
        if len(told) == 3 and told[0].isdecimal():
            found.setdefault(int(told[0]), _Found(int(told[0]), told[1], told[2]))
    return sorted(found.values(), key=lambda each: each.version)
