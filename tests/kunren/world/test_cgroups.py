"""Where control groups may be made, by the kernel's lists; and groups of this machine, where it has some for us."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kunren.world.cgroups import Cgroup, Cgroups, Tree, find

UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
SEPARATE = "".join(
    f"{number} 29 0:{number} {root} /sys/fs/cgroup/{name} rw,nosuid shared:1 - cgroup cgroup rw,{name}\n"
    for number, root, name in ((40, "/", "memory"), (41, "/", "pids"), (42, "/outer", "cpu,cpuacct"))
)
ALL = ("memory", "pids", "cpu")


def test_in_the_one_tree_groups_are_made_beside_our_own_or_further_up():
    own = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/kunren.scope\n"
    above = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice"
    trees = find(own, UNIFIED)
    assert trees[0] == Tree(2, dict.fromkeys(ALL, Path(above)))
    assert [each.folders["memory"] for each in trees] == [Path(above), *Path(above).parents][:5]


def test_who_is_at_the_top_of_the_tree_makes_groups_there():
    assert find("0::/\n", UNIFIED) == [Tree(2, dict.fromkeys(ALL, Path("/sys/fs/cgroup")))]


def test_in_trees_of_their_own_groups_are_made_below_ours():
    own = "4:memory:/a/b\n3:cpu,cpuacct:/outer/c\n2:pids:/\n0::/\n"
    found = {
        "memory": "/sys/fs/cgroup/memory/a/b",
        "pids": "/sys/fs/cgroup/pids",
        "cpu": "/sys/fs/cgroup/cpu,cpuacct/c",
    }
    assert find(own, SEPARATE) == [Tree(1, {name: Path(path) for name, path in found.items()})]


@pytest.mark.parametrize(("own", "mounts"), [("0::/\n", ""), ("4:memory:/\n", SEPARATE), ("", UNIFIED), ("", "")])
def test_without_memory_and_processes_there_is_no_place(own, mounts):
    assert find(own, mounts) == []


def test_a_group_of_version_2_is_written_as_the_kernel_reads_it(tmp_path):
    home = Tree(2, dict.fromkeys(ALL, tmp_path))
    folder = tmp_path / "one"
    folder.mkdir()
    for name in ("memory.swap.max", "cpu.weight"):
        (folder / name).touch()
    group = Cgroup(home, "one", 100 << 20, 1024, 7)
    written = {each.name: each.read_text() for each in folder.iterdir()}
    assert written == {"memory.max": "104857600", "memory.swap.max": "0", "pids.max": "1024", "cpu.weight": "7"}
    (folder / "memory.stat").write_text("anon 7000\nfile 9\nanon_thp 3\n")
    (folder / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert (group.memory_bytes(), group.kills(), group.remove()) == (7000, 1, False)


def test_a_group_of_version_2_is_frozen_by_the_kernel(tmp_path):
    (folder := tmp_path / "one").mkdir()
    group = Cgroup(Tree(2, dict.fromkeys(ALL, tmp_path)), "one", 100 << 20, 1024, 7)
    (folder / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert not group.frozen()
    assert (folder / "cgroup.freeze").read_text() == "1"
    (folder / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert group.frozen()
    group.thaw()
    assert (folder / "cgroup.freeze").read_text() == "0"


@pytest.fixture
def groups():
    made = Cgroups(f"kunren-test-{os.getpid()}")
    made.probe()
    if made.tree is None:
        pytest.skip(f"no control groups for this user: {made.refusal}")
    yield made
    deadline = time.monotonic() + 20
    while any((folder / f"kunren-test-{os.getpid()}").exists() for folder in made.tree.folders.values()):
        made.end()  # what a process that is just ending was in stays for a moment
        assert time.monotonic() < deadline, "the groups stay"
        time.sleep(0.02)


def test_a_process_in_a_group_is_counted_and_held_to_its_bounds(groups):
    group = groups.make("one", 60 << 20, 10, 50)
    entrances = group.open()
    enter = f"import os\nfor fd in {entrances}: os.write(fd, b'0')\n"

    def run(text):
        return subprocess.run([sys.executable, "-c", enter + text], pass_fds=entrances, capture_output=True, text=True)

    assert run("hold = bytes(b'x' * (200 << 20))").returncode == -9
    assert group.kills() == 1
    forks = "n = 0\ntry:\n while os.fork(): n += 1\n os.pause()\nexcept OSError as e: print(e.errno, n)"
    forks = forks.replace("os.pause()", "import time; time.sleep(0.2)")
    assert run(forks).stdout == "11 9\n"
    for each in entrances:
        os.close(each)
    groups.discard(group)


def test_groups_that_nobody_discarded_go_with_the_rest(groups):
    assert groups.make("left", 60 << 20, 10, 50) is not None  # the fixture looks whether it is gone


def test_an_earlier_daemons_groups_are_gone_after_the_next_ones_probe(groups):
    groups.make("left", 60 << 20, 10, 50)
    groups.probe()
    folder = groups.tree.folders["memory"] / f"kunren-test-{os.getpid()}"
    assert [each.name for each in folder.iterdir() if each.is_dir()] == []


def test_a_killed_daemons_groups_go_with_one_that_made_none(groups):
    groups.make("left", 60 << 20, 10, 50)
    Cgroups(f"kunren-test-{os.getpid()}").end()
    assert not any((folder / f"kunren-test-{os.getpid()}").exists() for folder in groups.tree.folders.values())
