"""A container as the API of container engines wants it ("Create a container"), from our own description. Pure."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Any

from kunren.dataplane.guests.capabilities import CAPABILITIES, RLIMITS
from kunren.dataplane.guests.guests import GuestSpec, environment

REPOSITORY = "kunren.local/image"
_LIMITS = {number: name for name, number in RLIMITS.items()}
_PROCESSES = 32_768
"""As most machines have it. What the engines give by themselves, of files too, may be more than they are let."""
_SHARES_PER_CPU = 1024


def described(
    spec: GuestSpec, image: str, namespace: str, binds: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """`namespace` is the path of the network namespace; `binds` are target → source, on the host."""
    files, processes = (resource.getrlimit(each)[1] for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    most = _PROCESSES if processes < 0 else min(processes, _PROCESSES)
    limits = {resource.RLIMIT_NOFILE: (files, files), resource.RLIMIT_NPROC: (most, most)}
    limits |= {number: (soft, hard) for number, soft, hard in spec.limits}
    readonly = {*spec.readonly, "/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf"}
    return {
        "Image": image,
        "Entrypoint": list(spec.argv[:1]),
        "Cmd": list(spec.argv[1:]),
        "Env": [f"{name}={value}" for name, value in environment(spec.env).items()],
        "WorkingDir": spec.cwd,
        "User": spec.user,
        "Hostname": spec.hostname,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": dict(labels),
        "HostConfig": {
            "NetworkMode": f"ns:{namespace}",
            "Mounts": [
                {"Type": "bind", "Source": source, "Target": target, "ReadOnly": target in readonly}
                for target, source in binds.items()
            ],
            "Memory": spec.memory_bytes,
            "CpuShares": max(2, round(_SHARES_PER_CPU * spec.processors)),
            "PidsLimit": spec.processes,
            "ReadonlyRootfs": spec.readonly_root,
            "Init": spec.init,
            "CapDrop": _dropped(spec.dropped),
            "Ulimits": [
                {"Name": _LIMITS[number], "Soft": soft, "Hard": hard} for number, (soft, hard) in limits.items()
            ],
            "LogConfig": {"Type": "k8s-file", "Config": {}},
        },
    }


def _dropped(numbers: tuple[int, ...]) -> list[str]:
    return ["ALL"] if len(numbers) == len(CAPABILITIES) else [f"CAP_{CAPABILITIES[each]}" for each in numbers]
