"""File systems of a stated size, for what is not trusted with the machine's disk: ext4 in files, by loop devices.

Such a file system is mounted nowhere. Who holds a descriptor of it reaches its files (`FileSystem.path`), and a guest
lays it over a folder that nobody else sees (`FileSystem.mount`); so the kernel lets go of it, and of the device, with
the last who had it, however that ended. Nothing is journaled: what is on one does not outlive the machine's power.

It takes the machine's root and loop devices; `FileSystems.refusal` says what is missing. These block. Sources: the
kernel's ext4(5) and loop(4), fsopen(2), fsmount(2).
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import struct
import subprocess
import threading
from pathlib import Path

from kunren.world.agent import kernel
from kunren.world.programs import find_program

log = logging.getLogger(__name__)
GIB = 1 << 30
_BLOCK = 4096
_LOOP_CONFIGURE, _LOOP_CTL_GET_FREE = 0x4C0A, 0x4C82
_AUTOCLEAR, _DIRECT_IO = 4, 16
_ATTEMPTS = 64  # others may take the device that was free a moment ago


class FileSystem:
    """One, whose file is `image`; `device` is open until it is mounted for the first time."""

    def __init__(self, image: Path, device: str) -> None:
        self._image, self._device = image, device
        self._held: int | None = _mount(device)

    @property
    def path(self) -> Path:
        """Its root, as a program that this process starts can name it, too."""
        return Path(f"/proc/{os.getpid()}/fd/{self._held}")

    def mount(self) -> int:
        """A descriptor of one more mount of it, for one who lays it somewhere; the caller closes it. Raises OSError."""
        return _mount(self._device)

    def close(self) -> None:
        """Let go of it, and delete it: it ends with the last mount."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
            self._image.unlink(missing_ok=True)


class FileSystems:
    """Makes them where the machine allows that."""

    def __init__(self) -> None:
        self.refusal = ""
        """Why there can be none, once one was asked for."""
        self._works = False
        self._making = threading.Lock()

    def make(self, image: Path, size: int) -> FileSystem | None:
        """A new and empty one in that file, of so many bytes; None where there can be none. Raises OSError, where there
        could be some before."""
        if self.refusal:
            return None
        try:
            with Path("/dev/loop-control").open("rb") as control:  # first, since this is root's
                self._copy_empty(image, size)
                made = _attach(image, control.fileno())
        except OSError as error:
            image.unlink(missing_ok=True)
            if self._works:
                raise
            where = f"{error.filename}: " if error.filename else ""
            self.refusal = f"{where}{error.strerror or error}"
            log.warning("disks of tasks have no limit of their own: %s (`kunren doctor` says more)", self.refusal)
            return None
        self._works = True
        return made

    def _copy_empty(self, image: Path, size: int) -> None:
        """An empty one is made once for each size: copying its few blocks takes a fifth of the time."""
        empty = image.parent / f"empty-{size}.image"
        with self._making:
            if not empty.exists():
                new = empty.with_suffix(".new")
                try:
                    _format(new, size)
                except OSError:
                    new.unlink(missing_ok=True)
                    raise
                new.rename(empty)
        _run(["cp", "--sparse=always", "--reflink=auto", "--", str(empty), str(image)])


def _format(image: Path, size: int) -> None:
    program = find_program("mkfs.ext4")
    if program is None:
        raise OSError(errno.ENOENT, "there is no mkfs.ext4 (e2fsprogs)")
    with image.open("wb") as file:
        file.truncate(size)
    features = ["-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard", "-m", "0", "-b", str(_BLOCK)]
    _run([program.path, "-q", "-F", *features, str(image)], program.env)


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(errno.EIO, done.stderr.strip()[-300:])


def _attach(image: Path, control: int) -> FileSystem:
    """The file system in a file, by a device that the kernel frees with its last mount."""
    with image.open("r+b") as file:
        for _ in range(_ATTEMPTS):
            number = fcntl.ioctl(control, _LOOP_CTL_GET_FREE)
            name = f"/dev/loop{number}"
            _have_node(name)
            device = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            try:
                if _configure(device, file.fileno()):
                    return FileSystem(image, name)
            finally:
                os.close(device)
    raise OSError(errno.EBUSY, "no loop device is free")


def _configure(device: int, file: int) -> bool:
    """Whether the device was ours to take."""
    described = struct.pack("5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, 0, 0, 0, _AUTOCLEAR | _DIRECT_IO, b"", b"", b"", 0, 0)
    try:
        fcntl.ioctl(device, _LOOP_CONFIGURE, struct.pack("II", file, _BLOCK) + described + bytes(64))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _have_node(name: str) -> None:
    """A container's /dev does not follow the devices that the kernel makes."""
    if not Path(name).exists():
        major, minor = Path("/sys/block", Path(name).name, "dev").read_text().split(":")
        os.mknod(name, stat.S_IFBLK | 0o600, os.makedev(int(major), int(minor)))


def _mount(device: str) -> int:
    return kernel.detached_mount("ext4", device, ("noinit_itable", "nobarrier", "discard"))
