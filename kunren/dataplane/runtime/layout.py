"""What a worker sees of the file system: its code at /var/task, its layers at /opt, a /tmp of its own.

What the worker's program needs of the real /tmp or /opt (an installation there) is laid over that again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from kunren.dataplane.runtime import faults
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.interpreters import Command
from kunren.dataplane.runtime.version import FunctionVersion

TASK_ROOT = "/var/task"
LAYERS_ROOT = "/opt"
IMAGE_BUNDLE = "/etc/kunren/ca-bundle.pem"


class Start(NamedTuple):
    """What a worker executes and where, what is laid over its files, and where its trust store is.

    `own_program` is what the function brought to be executed, "" where it runs on an interpreter of the machine."""

    argv: tuple[str, ...]
    cwd: str
    task_root: str
    binds: dict[str, str]
    trust: Mapping[str, str]
    own_program: str = ""


def start_of(version: FunctionVersion, command: Command, trust: Mapping[str, str], lays_files: bool) -> Start | Reply:
    """How to start a worker, or why there is nothing to start."""
    if (image := version.image) is not None:
        if not image.argv:
            return faults.no_entry_point()
        bundle = next(iter(trust.values()), None)
        return Start(
            image.argv, image.working_directory, TASK_ROOT, image_binds(bundle), dict.fromkeys(trust, IMAGE_BUNDLE),
            image.argv[0],
        )  # fmt: skip
    task_root = TASK_ROOT if lays_files else version.code_dir
    laid = binds(version, [*command.reads, *trust.values()]) if lays_files else {}
    if not version.runtime.startswith("provided"):
        return Start(command.argv, task_root, task_root, laid, trust)
    program = bootstrap(version)
    if isinstance(program, Reply):
        return program
    seen_at = program if lays_files else program.replace(TASK_ROOT, version.code_dir, 1)
    return Start((seen_at,), task_root, task_root, laid, trust, program)


def binds(version: FunctionVersion, needed: Iterable[str]) -> dict[str, str]:
    """Target → source. `needed` are paths that the worker's program reads."""
    laid = {TASK_ROOT: version.code_dir}
    if version.opt_dir:
        laid[LAYERS_ROOT] = version.opt_dir
    for path in sorted(set(needed)):
        if not Path(path).exists():
            continue
        if path.startswith("/tmp/"):
            laid[path] = path
        elif version.opt_dir and path.startswith(f"{LAYERS_ROOT}/"):
            _make_mount_point(Path(version.opt_dir, path.removeprefix(f"{LAYERS_ROOT}/")), Path(path).is_dir())
            laid[path] = path
    return laid


def image_binds(bundle: str | None) -> dict[str, str]:
    """What an image's worker sees that is not the image's own."""
    laid = {path: path for path in ("/dev", "/proc", "/sys", "/etc/hosts")}
    return laid | ({IMAGE_BUNDLE: bundle} if bundle else {})


def _make_mount_point(path: Path, folder: bool) -> None:
    (path if folder else path.parent).mkdir(parents=True, exist_ok=True)
    if not folder:
        path.touch()


def bootstrap(version: FunctionVersion) -> str | Reply:
    """A custom runtime's program as the worker sees it, the package's own or else a layer's; or why there is none."""
    for folder, seen_at in ((version.code_dir, TASK_ROOT), (version.opt_dir, LAYERS_ROOT)):
        path = Path(folder, "bootstrap")
        if folder and path.is_file():
            if not os.access(path, os.X_OK):
                return faults.not_executable("permission denied", f"{seen_at}/bootstrap")
            return f"{seen_at}/bootstrap"
    return faults.no_bootstrap()
