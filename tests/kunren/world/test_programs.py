"""Where programs are looked for."""

from __future__ import annotations

import sys

import pytest

from kunren.world.interface import WorldUnavailable
from kunren.world.programs import find_nft, find_program


def executable(path):
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_on_path_is_found_first(tmp_path, monkeypatch):
    placed = executable(tmp_path / "bin" / "marker-program")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = find_program("marker-program")
    assert (found.path, found.env) == (placed, {})


def test_a_program_of_the_unpacked_debian_tree_gets_that_trees_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    placed = executable(tmp_path / "debian" / "usr" / "sbin" / "marker-program")
    libraries = tmp_path / "debian" / "usr" / "lib" / "x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    found = find_program("marker-program")
    assert found.path == placed
    assert str(libraries) in found.env["LD_LIBRARY_PATH"].split(":")


def test_a_machine_without_nft_gets_the_one_command_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kunren.world.programs._USUAL", ())
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorldUnavailable, match="apt-get install nftables"):
        find_nft()
