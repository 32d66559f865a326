"""Disks of guests: made from the machine, copied, deleted."""

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kunren.dataplane.guests import disk


def test_a_disk_has_what_is_a_guests_own_and_nothing_secret(tmp_path):
    disk.make(made := tmp_path / "vol-1")
    assert stat.S_IMODE((made / "tmp").stat().st_mode) == 0o1777
    assert (made / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert not (made / "etc/shadow").exists()
    assert (made / "usr").is_dir()
    assert list((made / "usr").iterdir()) == []  # the machine's is laid over it
    assert "/usr" in disk.programs()
    assert not (tmp_path / "vol-1.new").exists()


def test_a_root_with_programs_of_its_own_gets_none_of_the_machines(tmp_path):
    disk.make(tmp_path / "machines")
    assert disk.bare(tmp_path / "machines")
    (own := tmp_path / "own").mkdir()
    (own / "var").symlink_to("/elsewhere")
    disk.complete(own)
    assert not disk.bare(own)
    assert (own / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert (own / "var").readlink() == Path("/elsewhere")


def test_half_a_disk_is_made_anew(tmp_path):
    (tmp_path / "vol-1.new" / "etc").mkdir(parents=True)
    (tmp_path / "vol-1.new" / "etc" / "left").write_text("from a crash")
    disk.make(tmp_path / "vol-1")
    assert not (tmp_path / "vol-1" / "etc" / "left").exists()


def test_a_copy_has_files_modes_and_links(tmp_path):
    source = tmp_path / "vol-1"
    (source / "srv").mkdir(parents=True)
    (source / "srv" / "page").write_text("hello")
    (source / "srv" / "page").chmod(0o750)
    (source / "srv" / "link").symlink_to("/etc/passwd")
    disk.copy(source, copied := tmp_path / "snap-1")
    assert (copied / "srv" / "page").read_text() == "hello"
    assert stat.S_IMODE((copied / "srv" / "page").stat().st_mode) == 0o750
    assert (copied / "srv" / "link").readlink() == Path("/etc/passwd")
    with pytest.raises(OSError, match="could not be copied"):
        disk.copy(tmp_path / "none", tmp_path / "other")


def test_a_disk_goes_whatever_its_guest_made_of_it(tmp_path):
    shut = tmp_path / "vol-1" / "root" / "shut"
    shut.mkdir(parents=True)
    (shut / "file").write_text("x")
    shut.chmod(0)
    (tmp_path / "vol-1" / "outside").symlink_to(tmp_path)
    disk.remove(tmp_path / "vol-1")
    assert not (tmp_path / "vol-1").exists()
    assert tmp_path.exists()
    disk.remove(tmp_path / "vol-1")


def test_a_link_where_a_disk_was_leads_nowhere(tmp_path):
    (tmp_path / "outside" / "file").mkdir(parents=True)
    (link := tmp_path / "vol-1").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="no disk but a link"):
        disk.copy(link, tmp_path / "snap-1")
    disk.remove(link)
    assert not link.is_symlink()
    assert (tmp_path / "outside" / "file").is_dir()


def test_what_a_guest_closed_to_its_owner_is_deleted_too():
    """By an ordinary user, whom modes bind: root gives himself up for it."""
    program = (
        "import os, pathlib, sys\n"
        "from kunren.dataplane.guests import disk\n"
        "if os.geteuid() == 0: os.setgid(65534), os.setuid(65534)\n"
        "vol = pathlib.Path(sys.argv[1], 'vol-1')\n"
        "(vol / 'a/b/c').mkdir(parents=True)\n"
        "(vol / 'a/b/c/file').touch()\n"
        "(vol / 'a/link').symlink_to('/root')\n"
        "for each in ('a/b/c', 'a/b', 'a'): (vol / each).chmod(0)\n"
        "disk.remove(vol)\n"
        "print(vol.exists())\n"
    )
    with tempfile.TemporaryDirectory() as open_to_all:  # unlike the folders above tmp_path
        Path(open_to_all).chmod(0o777)
        done = subprocess.run([sys.executable, "-c", program, open_to_all], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
