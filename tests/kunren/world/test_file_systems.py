"""File systems of a stated size: full at their limit, gone with the last who has them, and refused in words."""

import errno
import os
from pathlib import Path

import pytest

from kunren.world import file_systems
from kunren.world.file_systems import GIB, FileSystems


def devices():
    return {each.read_text().strip() for each in Path("/sys/block").glob("loop*/loop/backing_file")}


def test_a_file_system_is_full_at_its_size_and_ends_with_its_last_descriptor(tmp_path, until):
    having = FileSystems()
    made = having.make(tmp_path / "one.image", GIB)
    if made is None:
        pytest.skip(f"no file systems here: {having.refusal}")
    other = having.make(tmp_path / "other.image", GIB)
    with (made.path / "file").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 900 << 20)
        with pytest.raises(OSError) as full:
            os.posix_fallocate(file.fileno(), 0, GIB)
    assert full.value.errno == errno.ENOSPC
    assert list(other.path.iterdir()) == [other.path / "lost+found"]
    second = made.mount()
    made.close()
    other.close()
    assert Path(f"/proc/self/fd/{second}/file").exists()
    os.close(second)
    until(lambda: not any(str(tmp_path) in each for each in devices()), "the devices to be free")
    assert [each.name for each in tmp_path.iterdir()] == [f"empty-{GIB}.image"]
    assert (tmp_path / f"empty-{GIB}.image").stat().st_blocks * 512 < 2 << 20


@pytest.mark.skipif(not os.access("/dev/loop-control", os.R_OK), reason="loop devices are not ours")
def test_what_is_missing_is_said_once_and_asked_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(file_systems, "find_program", lambda name: None)
    having = FileSystems()
    assert having.make(tmp_path / "one.image", GIB) is None
    assert having.refusal == "there is no mkfs.ext4 (e2fsprogs)"
    monkeypatch.undo()
    assert having.make(tmp_path / "one.image", GIB) is None
    assert list(tmp_path.iterdir()) == []
