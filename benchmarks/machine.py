"""Which machine a run was made on, and how busy it was."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def described() -> str:
    """One line: processor, cores, memory, kernel, Python, load."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    gibibytes = int(memory.split()[1]) / 1024 / 1024
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, {gibibytes:.0f} GiB; Linux {platform.release()}; "
        f"Python {platform.python_version()}; load before the run {load}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
