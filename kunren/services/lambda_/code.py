"""Deployment packages on disk: kept by their SHA-256, checked before they are believed, unpacked once.

A package is written whole (fsync, rename, fsync of the folder) before the function's row is committed, so an
acknowledged function always finds its code again. Unpacking goes into a folder beside it that appears by rename only
when complete. Paths that leave the folder, links that point out of it, and archives that unpack to more than AWS allows
are refused; sizes are counted while unpacking, never believed from the archive.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import Code

ZIPPED_BYTES_MAX = 50 * 1024 * 1024
UNZIPPED_BYTES_MAX = 262_144_000
_ENTRIES_MAX = 100_000
_KNOWN_AT_ONCE_BYTES_MAX = 64 * 1024
_NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
_TOO_LARGE = f"Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"


class CodeStore:
    """All packages under one folder. Its methods block on the disk: call them in a thread, but `kept` and `folder`."""

    def __init__(self, folder: Path) -> None:
        self._packages = folder / "packages"
        self._unpacked = folder / "code"
        self._kept: dict[str, Code] = {}

    def put(self, package: bytes) -> Code:
        """Check a package and keep it durably. Raises InvalidParameterValueException."""
        unpacked = check(package)
        digest = hashlib.sha256(package).hexdigest()
        path = self.package(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=f".{digest}.", dir=path.parent)
            with open(descriptor, "wb") as file:
                file.write(package)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
            _sync_folder(path.parent)
        kept = self._kept[digest] = Code(sha256=digest, size=len(package), unpacked=unpacked)
        return kept

    def kept(self, package: bytes) -> Code | None:
        """A small package that was put before, since the start: many functions may share one."""
        if len(package) > _KNOWN_AT_ONCE_BYTES_MAX:
            return None
        found = self._kept.get(hashlib.sha256(package).hexdigest())
        return found if found is not None and self.package(found.sha256).exists() else None

    def package(self, sha256: str) -> Path:
        return self._packages / f"{sha256}.zip"

    def folder(self, sha256: str) -> Path:
        """Where the unpacked code of a package is, or will be."""
        return self._unpacked / sha256

    def unpack(self, sha256: str) -> Path:
        """The folder with the unpacked code. Raises OSError, and InvalidParameterValueException for a package that
        has been damaged since it was put."""
        folder = self.folder(sha256)
        if folder.is_dir():
            return folder
        self._unpacked.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{sha256}.", dir=self._unpacked))
        temporary.chmod(0o755)
        try:
            with zipfile.ZipFile(self.package(sha256)) as archive:
                _extract(archive, temporary)
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another thread, for another version of the same code, was faster
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder

    def merge(self, layers: Sequence[str]) -> Path:
        """A folder with the unpacked layers laid over each other, the last on top; made anew after each start.
        Raises as `unpack` does."""
        name = hashlib.sha256("/".join(layers).encode()).hexdigest()
        folder = self._unpacked / f"opt.{name}"
        if folder.is_dir():
            return folder
        sources = [self.unpack(each) for each in layers]
        temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=self._unpacked))
        temporary.chmod(0o755)
        try:
            for source in sources:
                _overlay(source, temporary)
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return folder

    def discard_except(self, used: set[str]) -> None:
        """Drop the packages that no function uses any more."""
        for folder in (self._packages, self._unpacked):
            for each in folder.iterdir() if folder.is_dir() else ():
                if each.name.split(".")[0] not in used:
                    shutil.rmtree(each) if each.is_dir() else each.unlink(missing_ok=True)


def check(package: bytes) -> int:
    """How many bytes it unpacks to. Raises InvalidParameterValueException for what AWS would not take."""
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            entries = archive.infolist()
            if not entries:
                raise InvalidParameterValueException("Uploaded file must be a non-empty zip")
            if len(entries) > _ENTRIES_MAX or sum(each.file_size for each in entries) > UNZIPPED_BYTES_MAX:
                raise InvalidParameterValueException(_TOO_LARGE)
            total = 0
            for entry in entries:
                total += _check_entry(archive, entry, UNZIPPED_BYTES_MAX - total)
            return total
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise InvalidParameterValueException(_NOT_A_ZIP) from error


def _check_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> int:
    """Read an entry to its end (which checks its CRC) within the room that is left; its true size."""
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or ".." in path.parts or "\0" in entry.filename or entry.flag_bits & 0x1:
        raise InvalidParameterValueException(_NOT_A_ZIP)
    size = 0
    with archive.open(entry) as source:
        head = source.read(4096)
        if _is_link(entry) and not _link_stays_inside(path, head):
            raise InvalidParameterValueException(_NOT_A_ZIP)
        size += len(head)
        while chunk := source.read(1 << 20):
            size += len(chunk)
            if size > room:
                raise InvalidParameterValueException(_TOO_LARGE)
    return size


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


def _link_stays_inside(path: PurePosixPath, target: bytes) -> bool:
    aim = PurePosixPath(target.decode("utf-8", "replace"))
    depth = len(path.parts) - 1
    for part in aim.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return not aim.is_absolute()


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    """Every entry with its permission bits; links last, so that no entry is written through one."""
    links = []
    room = UNZIPPED_BYTES_MAX
    for entry in archive.infolist():
        room -= _check_entry(archive, entry, room)
        target = folder / entry.filename
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if _is_link(entry):
            links.append((target, archive.read(entry).decode("utf-8", "replace")))
            continue
        with archive.open(entry) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        mode = entry.external_attr >> 16
        target.chmod(0o644 | (0o111 if mode & 0o111 else 0))
    for target, aim in links:
        target.unlink(missing_ok=True)
        target.symlink_to(aim)


def _overlay(source: Path, target: Path) -> None:
    """Lay a tree over another. Files are linked, not copied: nobody writes into them."""
    for entry in source.iterdir():
        place = target / entry.name
        folder = entry.is_dir() and not entry.is_symlink()
        if place.is_symlink() or (place.exists() and not (folder and place.is_dir())):
            shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
        if folder:
            place.mkdir(exist_ok=True)
            _overlay(entry, place)
        else:
            os.link(entry, place, follow_symlinks=False)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
