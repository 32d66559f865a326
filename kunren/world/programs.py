"""Programs of the machine that the world uses: on PATH, in the usual folders, or in the environment's Debian tree.

`make test` and `make demo` unpack Debian packages into `<sys.prefix>/debian` where nobody may install them; a program
found there needs that tree's libraries.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kunren.world.interface import WorldUnavailable

_USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_TREE_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
INSTALL_NFT = "sudo apt-get install nftables"


@dataclass(frozen=True, slots=True)
class Program:
    """Where a program is, and what its environment must hold."""

    path: str
    env: dict[str, str] = field(default_factory=dict)


def find_program(name: str) -> Program | None:
    """The program of that name; None when the machine has none."""
    searched = os.pathsep.join([os.environ.get("PATH", ""), *_USUAL])
    if found := shutil.which(name, path=searched):
        return Program(found)
    tree = Path(sys.prefix) / "debian"
    for folder in _TREE_FOLDERS:
        if os.access(candidate := tree / folder / name, os.X_OK):
            return Program(str(candidate), {"LD_LIBRARY_PATH": library_path(tree)})
    return None


def find_nft() -> Program:
    """nftables' program. Raises WorldUnavailable with the command that brings it."""
    if found := find_program("nft"):
        return found
    raise WorldUnavailable(
        "Kunren needs the program nft (nftables) for security groups and public addresses, and found none on PATH. "
        f"Install it with: {INSTALL_NFT}"
    )


def library_path(tree: Path) -> str:
    """The library folders of an unpacked Debian tree."""
    folders = [
        tree / "usr/lib",
        tree / "lib",
        *sorted(tree.glob("usr/lib/*-linux-gnu*")),
        *tree.glob("lib/*-linux-gnu*"),
    ]
    return os.pathsep.join(str(folder) for folder in folders if folder.is_dir())
