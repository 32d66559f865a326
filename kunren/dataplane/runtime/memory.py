"""How much memory a worker uses, by /proc. Works across PID namespaces: a worker is found by a unique word of its
environment, since the pid that the world knows it by is not the one that this process sees."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def find_process(word: str) -> int | None:
    """The lowest pid whose environment holds that word; None where there is none, or it may not be read."""
    wanted = word.encode()
    for pid in sorted(int(each.name) for each in _PROC.iterdir() if each.name.isdigit()):
        try:
            if wanted in (_PROC / str(pid) / "environ").read_bytes():
                return pid
        except OSError:
            continue
    return None


def memory_mb(pid: int) -> tuple[int, int] | None:
    """Resident memory now and at its highest, in MB rounded up; None when the process is gone."""
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return None
    found = {}
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            found[name] = -(-int(value.split()[0]) // 1024)
    if len(found) != 2:
        return None
    return found["VmRSS"], found["VmHWM"]
