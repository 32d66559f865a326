"""Where PostgreSQL is found, and what a killed one leaves. The rest is seen in load/test_postgres.py."""

import os
import sys

from kunren.drills import database


def test_the_path_comes_first_then_the_package_then_the_newest_of_debians(tmp_path, monkeypatch):
    def program(folder):
        (tmp_path / folder).mkdir(parents=True)
        made = tmp_path / folder / "initdb"
        made.write_text("#!/bin/sh\n")
        made.chmod(0o755)
        return made.parent

    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(database, "PACKAGE", "kunren_has_no_such_package")
    monkeypatch.setattr(database, "FOLDERS", tmp_path / "debian")
    assert database.programs() is None
    program("debian/9/bin")
    newest = program("debian/15/bin")
    assert database.programs() == newest
    (tmp_path / "some_postgres").mkdir()
    (tmp_path / "some_postgres" / "__init__.py").touch()
    monkeypatch.setattr(database, "PACKAGE", "some_postgres")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert database.programs() == tmp_path / "some_postgres" / "pginstall" / "bin"
    assert database.programs() != program("path")
    assert database.programs() == tmp_path / "path"


def test_only_root_runs_it_as_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert database.unprivileged(["postgres"]) == ["postgres"]
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert database.unprivileged(["postgres"])[-2:] == ["--", "postgres"]


def test_a_lock_file_whose_memory_nobody_shares_goes(tmp_path):
    database.wait_for_the_last_one(tmp_path)
    lock = tmp_path / "postmaster.pid"
    lock.write_text("1\n/data\n0\n5432\n/data\n*\n 1234 987654321\nready\n")
    database.wait_for_the_last_one(tmp_path)
    assert not lock.exists()
