"""What `kunren up` was told, read once and never changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 4566
DEFAULT_PROXY_PORT = 4580


@dataclass(frozen=True, slots=True)
class Settings:
    """One Kunren: where its state is, where it listens on the host, how fast its clock runs."""

    state_dir: Path
    port: int = DEFAULT_PORT
    proxy_port: int = DEFAULT_PROXY_PORT
    speed: float = 1.0
    world_file: Path | None = None
    distance: bool = False
    """Packets between sites take as long as the way is, also where the world file does not say so."""
    strict: bool = False
    """Signatures are checked, and IAM policies count."""
    seed: int | None = None
    container_engine: str = "none"
    """What runs tasks' containers: "podman", "auto" (Podman where it answers), or "none" (processes of the world)."""
    quotas: str = ""
    """Quotas other than AWS's defaults, `rules-per-application-load-balancer=1000,...`: the names are those that
    DescribeAccountLimits shows, and some more of Service Quotas (`kunren.services.elbv2.limits`)."""

    @property
    def database(self) -> Path:
        return self.state_dir / "kunren.db"

    @property
    def time_file(self) -> Path:
        """How far AWS time is ahead of real time (`kunren.core.timekeeping`)."""
        return self.state_dir / "time.json"

    @property
    def ca_dir(self) -> Path:
        return self.state_dir / "ca"

    @property
    def own_credentials(self) -> Path:
        """The secret that strict mode's own credentials follow from; like the CA, it outlives `kunren reset`."""
        return self.state_dir / "own-credentials"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def data_dir(self) -> Path:
        """What services keep as files: function code, moto's journal."""
        return self.state_dir / "data"

    @property
    def run_dir(self) -> Path:
        """Sockets and the lock of the running daemon: short, since a unix socket's path holds 107 bytes."""
        return run_dir(self.state_dir)


def run_dir(state_dir: Path) -> Path:
    """The run folder that belongs to a state folder, whether or not a daemon runs."""
    digest = hashlib.sha256(str(state_dir.resolve()).encode()).hexdigest()[:12]
    uid = os.getuid()
    folder = Path(f"/tmp/kunren-{uid}")
    # another user's, or root's as seen from a user namespace in which we are called root ourselves
    if folder.exists() and folder.stat().st_uid != uid:
        folder = Path(f"/tmp/kunren-{uid}-{digest}")
    return folder / digest


def default_state_dir() -> Path:
    """`KUNREN_STATE`, else the user's own state folder (XDG base directory specification)."""
    if told := os.environ.get("KUNREN_STATE"):
        return Path(told)
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "kunren"
