"""Layers laid over each other in a folder: additions, whiteouts, links; nothing leads out of it. These block.

Source: OCI image-spec, layer.md. Devices are left out (programs see the machine's own), and owners where guests have
one user. A folder stays ours to change, whatever the image says.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from kunren.world.ids import several_users

UNPACKED_BYTES_MAX = 20 << 30
"""A Fargate task's disk where nothing else is asked for; Lambda's images are held to 10 GB by their service."""
_MEMBERS_MAX = 1_000_000
_LINKS_MAX = 40
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_HEADER_BYTES_MAX = 1 << 20
_ID_MAX = (1 << 32) - 2
_ZSTD = b"\x28\xb5\x2f\xfd"


class Header(tarfile.TarInfo):
    """A member of an archive whose header is not made to fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _HEADERS and found.size > _HEADER_BYTES_MAX):
            raise ValueError("one of its archives has a header that is out of bounds")
        return found


class _Counted:
    """A layer's plain bytes, counted and digested while they are read. Raises ValueError where they are damaged or too
    many: what is packed small may be endless."""

    def __init__(self, plain: IO[bytes], size_max: int) -> None:
        self._plain, self._left = plain, size_max
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        try:
            piece = self._plain.read(size)
        except (zlib.error, EOFError) as error:
            raise ValueError(f"a layer is damaged: {error}") from None
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("a layer is larger than an image may be")
        self.digest.update(piece)
        return piece


def apply(packed: IO[bytes], diff_id: str, root: Path, size: int, size_max: int = UNPACKED_BYTES_MAX) -> int:
    """Lay one layer, a tar archive as it is or by gzip, over what is in `root`; `diff_id` is the digest that the plain
    archive has by the image's configuration; `size` is that of all files until now, and so is the result. Raises
    ValueError, OSError, TarError; then the root is to be thrown away."""
    with _plain(packed) as plain:
        counted = _Counted(plain, 2 * size_max)
        with tarfile.open(fileobj=counted, mode="r|", tarinfo=Header) as tar:  # type: ignore[call-overload]
            size = _lay(tar, root, size, size_max)
        while counted.read(1 << 20):  # what stands behind the archive's end belongs to the digest
            pass
    if (found := f"sha256:{counted.digest.hexdigest()}") != diff_id:
        raise ValueError(f"a layer is {found} where its image's configuration says {diff_id}")
    return size


def _lay(tar: tarfile.TarFile, root: Path, size: int, size_max: int) -> int:
    mine: set[Path] = set()  # what this layer has put there: an opaque folder hides only what lies below
    count = 0
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
        size, count = size + member.size, count + 1
        if member.size < 0 or size > size_max or count > _MEMBERS_MAX:
            raise ValueError(f"it is larger than {size_max} bytes, or a layer has more than {_MEMBERS_MAX} files")
        parts = [each for each in PurePosixPath(member.name).parts if each not in ("/", ".")]
        if not parts or parts[-1] == "..":
            continue
        folder, name = inside(root, parts[:-1]), parts[-1]
        if name == ".wh..wh..opq":
            _clear(folder, mine)
        elif name.startswith(".wh."):
            if (hidden := name.removeprefix(".wh.")) in ("", ".", ".."):
                raise ValueError(f"{name} is no whiteout")
            remove(folder / hidden)
        else:
            if folder not in mine:
                _make_folders(root, folder)
                mine.update(each for each in (folder, *folder.parents) if each.is_relative_to(root))
            _put(tar, member, root, folder / name)
            mine.add(folder / name)
    return size


def _plain(packed: IO[bytes]) -> IO[bytes]:
    magic = packed.read(4)
    packed.seek(0)
    if magic == _ZSTD:
        raise ValueError("its layers are compressed by zstd, which Python cannot read: use gzip")
    return gzip.open(packed) if magic[:2] == b"\x1f\x8b" else packed  # type: ignore[return-value]


def _clear(folder: Path, mine: set[Path]) -> None:
    """An opaque folder: what lower layers had in it is gone."""
    for each in list(folder.iterdir()) if folder.is_dir() else ():
        if each not in mine:
            remove(each)
        elif not each.is_symlink() and each.is_dir():
            _clear(each, mine)


def _make_folders(root: Path, folder: Path) -> None:
    """Have a folder there, also where a lower layer had a file on the way."""
    for each in reversed((folder, *folder.parents)):
        if each != root and each.is_relative_to(root):
            if each.exists() and not each.is_dir():
                each.unlink()
            each.mkdir(exist_ok=True)


def _put(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path, place: Path) -> None:
    if member.isdir():
        if place.is_symlink() or not place.is_dir():
            remove(place)
            place.mkdir()
        _give(member, place)
        place.chmod(member.mode & 0o1777 | 0o700)
        return
    remove(place)
    if member.issym():
        place.symlink_to(member.linkname)
        _give(member, place)
    elif member.islnk():
        source = inside(root, PurePosixPath(member.linkname).parts[:-1]) / PurePosixPath(member.linkname).name
        os.link(source, place, follow_symlinks=False)
    elif member.isfile():
        content = tar.extractfile(member)
        assert content is not None
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        _give(member, place)
        place.chmod(member.mode & 0o777 | 0o400)


def _give(member: tarfile.TarInfo, place: Path) -> None:
    """To the owner that the image says."""
    if several_users():
        if not (0 <= member.uid <= _ID_MAX and 0 <= member.gid <= _ID_MAX):
            raise ValueError(f"a file's owner is out of bounds: {member.uid}:{member.gid}")
        os.lchown(place, member.uid, member.gid)


def inside(root: Path, parts: Iterable[str]) -> Path:
    """Where a path of the image leads to, links followed as if its root were the machine's."""
    done: list[str] = []
    pending = list(parts)
    links = 0
    while pending:
        part = pending.pop(0)
        here = root.joinpath(*done, part)
        if part in ("", ".", "/"):
            continue
        if part == "..":
            done = done[:-1]
        elif here.is_symlink():
            if (links := links + 1) > _LINKS_MAX:
                raise ValueError("its links lead in circles")
            target = str(here.readlink())
            done = [] if target.startswith("/") else done
            pending = [*target.split("/"), *pending]
        else:
            done.append(part)
    return root.joinpath(*done)


def remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
