"""Which programs of this machine run which runtimes, and by what command.

`python3.x` runs on that Python, or on the nearest one found; `nodejs*.x` on the machine's node; `provided.*` brings its
own `bootstrap`. Everything else is refused by name, with the command that would help.
"""

from __future__ import annotations

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
class _Python:
    minor: int
    executable: str
    prefix: str


class Interpreters:
    """Looks once, at first need, and remembers."""

    def __init__(self, packages_dir: Path) -> None:
        """`packages_dir` will hold links to the AWS SDK of this interpreter, for functions of the same version."""
        self._packages_dir = packages_dir
        self._pythons: list[_Python] | None = None

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
        best = min(self._pythons, key=lambda each: (abs(each.minor - minor), -each.minor))
        note = "" if best.minor == minor else f", the nearest to python3.{minor} on this machine"
        environment = {}
        if best.minor == sys.version_info.minor and (offered := self._offer()):
            environment["KUNREN_PYTHON_PACKAGES"] = offered
        return Command(
            (best.executable, "-s", str(CLIENTS / "python_client.py")),
            f"{Path(best.executable).parent}:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            f"python:3.{best.minor} ({best.executable}{note})",
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
        found = shutil.which("node") or shutil.which("nodejs")
        if found is None:
            raise RuntimeUnavailable(f"no Node.js was found for {runtime}; `apt install nodejs` brings it.")
        executable = str(Path(found).resolve())
        return Command(
            (executable, str(CLIENTS / "node_client.mjs")),
            f"{Path(executable).parent}:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            f"{runtime} ({executable})",
            reads=(executable, str(CLIENTS)),
        )


def _sources(environment: Mapping[str, str]) -> list[str]:
    return [str(each.resolve()) for folder in environment.values() for each in Path(folder).iterdir()]


def _other(runtime: str) -> str:
    return (
        f"{runtime} has no runtime client in Kunren yet. Build the function as a custom runtime (provided.al2023 with "
        "a bootstrap that holds AWS's runtime interface client for its language);"
        " python3.x, nodejs*.x and provided.* run."
    )


def _find_pythons() -> list[_Python]:
    """Every Python 3 on the PATH and under pyenv, each asked for its own version (a shim may answer for none)."""
    candidates = [getattr(sys, "_base_executable", sys.executable), "/usr/bin/python3"]
    candidates += [path for minor in _PYTHON_MINORS if (path := shutil.which(f"python3.{minor}"))]
    pyenv = Path(os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))) / "versions"
    candidates += [str(each) for each in sorted(pyenv.glob("3.*/bin/python3"))]
    found: dict[int, _Python] = {}
    for candidate in dict.fromkeys(candidates):
        if "/shims/" in candidate:
            continue
        python = _ask(candidate)
        if python is not None:
            found.setdefault(python.minor, python)
    return sorted(found.values(), key=lambda each: each.minor)


def _ask(executable: str) -> _Python | None:
    code = "import sys; print(sys.version_info[1]); print(sys.executable); print(sys.base_prefix)"
    try:
        told = subprocess.run(
            [executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=5, check=True, cwd="/"
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    if len(told) != 3 or not re.fullmatch(r"\d+", told[0]):
        return None
    return _Python(int(told[0]), told[1], told[2])
