"""What a worker sees of the file system: its code at /var/task, its layers at /opt, a /tmp of its own.

What the worker's program needs of the real /tmp or /opt (an installation there) is laid over that again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kunren.dataplane.runtime import faults
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.version import FunctionVersion

TASK_ROOT = "/var/task"
LAYERS_ROOT = "/opt"


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
