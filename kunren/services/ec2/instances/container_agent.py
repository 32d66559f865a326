"""The ECS agent on instances whose image is optimised for ECS, and on those of images that were made from one.

User data comes before it, so that it finds /etc/ecs/ecs.config as that has written it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.types import InstanceType

PARAMETERS = "/aws/service/ecs/optimized-ami"
PROGRAM = "/run/kunren/ecs/agent.py"
_HERE = Path(__file__).parents[3] / "dataplane" / "guests" / "ecs_agent.py"
_MARK = "var/lib/ecs"
_KEPT_BY_SYSTEM = 16
"""One part in so many of the memory is the system's own, and not registered."""


def has_agent(instance: Instance, root: Path) -> bool:
    return instance.container_agent or os.path.lexists(root / _MARK)


def binds() -> dict[str, str]:
    return {PROGRAM: str(_HERE)}


def around(plan: Sequence[dict[str, Any]], kind: InstanceType) -> list[dict[str, Any]]:
    """The boot plan, with the agent at its end."""
    memory = kind.memory_mb - kind.memory_mb // _KEPT_BY_SYSTEM
    return [
        {"argv": ["mkdir", "-p", "/etc/ecs", f"/{_MARK}/data", "/var/log/ecs"]},
        *plan,
        {"argv": ["python3", PROGRAM, str(kind.vcpus * 1024), str(memory)]},
    ]
