"""Where this machine's own container engines, Docker and Podman, answer: sockets of the API that both speak."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_TOLD = ("DOCKER_HOST", "CONTAINER_HOST")
_SYSTEM = ("/var/run/docker.sock", "/run/podman/podman.sock")
_USERS = ("docker.sock", "podman/podman.sock")


def sockets(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Those that we may use: the one that DOCKER_HOST or CONTAINER_HOST names, and no other then, or else the user's
    own before the machine's."""
    told = next((environment[each] for each in _TOLD if environment.get(each)), None)
    if told is not None:
        usual = [Path(told.removeprefix("unix://"))] if told.startswith("unix://") else []
    else:
        own = environment.get("XDG_RUNTIME_DIR")
        usual = [*(Path(own) / each for each in _USERS if own), *map(Path, _SYSTEM)]
    return [each for each in usual if each.is_socket() and os.access(each, os.R_OK | os.W_OK)]
