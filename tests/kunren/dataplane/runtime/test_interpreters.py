import sys

import pytest

from kunren.dataplane.runtime.interpreters import Interpreters, RuntimeUnavailable


def test_python_runs_on_its_own_version_when_that_is_here(tmp_path):
    command = Interpreters(tmp_path / "p").command(f"python3.{sys.version_info.minor}", "/var/task")
    assert f"python:3.{sys.version_info.minor} (" in command.describes
    assert "nearest" not in command.describes
    assert (tmp_path / "p" / "boto3" / "__init__.py").exists()


def test_a_python_that_is_not_here_runs_on_the_nearest_and_says_so(tmp_path):
    command = Interpreters(tmp_path / "p").command("python3.19", "/var/task")
    assert "the nearest to python3.19 on this machine" in command.describes


def test_custom_runtimes_run_their_bootstrap(tmp_path):
    assert Interpreters(tmp_path).command("provided.al2023", "/var/task").argv == ("/var/task/bootstrap",)


def test_other_runtimes_are_refused_with_advice(tmp_path):
    with pytest.raises(RuntimeUnavailable, match=r"java21 has no runtime client .*provided\.al2023"):
        Interpreters(tmp_path).command("java21", "/var/task")


class Machine:
    """A machine with the interpreters that a test puts there, and no others but this Python's own."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        monkeypatch.setenv("PATH", str(folder / "bin"))
        monkeypatch.setenv("HOME", str(folder))
        for name in ("NVM_DIR", "FNM_DIR", "N_PREFIX", "ASDF_DATA_DIR", "MISE_DATA_DIR", "PYENV_ROOT"):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("N_PREFIX", str(folder / "n"))

    def put(self, place, version):
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {version}\necho {path}\necho {path.parent}\n")
        path.chmod(0o755)
        return str(path)

    def chosen(self, runtime):
        return Interpreters(self.folder / "packages").command(runtime, "/var/task")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_of_several_node_versions_the_runtimes_own_is_taken_wherever_it_is(machine):
    places = {
        18: "bin/node",
        20: ".nvm/versions/node/v20.1.0/bin/node",
        24: ".local/share/mise/installs/node/24/bin/node",
    }
    paths = {version: machine.put(place, version) for version, place in places.items()}
    for version, path in paths.items():
        command = machine.chosen(f"nodejs{version}.x")
        assert (command.argv[0], command.describes) == (path, f"nodejs:{version} ({path})")
    told = machine.chosen("nodejs22.x")
    assert told.describes == f"nodejs:24 ({paths[24]}, the nearest to nodejs22.x on this machine)"


def test_of_several_pythons_the_runtimes_own_is_taken_wherever_it_is(machine):
    other = 14 if sys.version_info.minor != 14 else 13
    path = machine.put(f".local/share/uv/python/cpython-3.{other}.1-linux/bin/python3", other)
    assert machine.chosen(f"python3.{other}").argv[0] == path


def test_without_node_the_message_says_what_brings_it(machine):
    with pytest.raises(RuntimeUnavailable) as caught:
        machine.chosen("nodejs22.x")
    told = "no Node.js was found for nodejs22.x; `apt install nodejs` or `nvm install 22` brings it."
    assert str(caught.value) == told


def test_without_python_the_message_says_what_brings_it(machine, monkeypatch):
    monkeypatch.setattr("kunren.dataplane.runtime.interpreters._find_pythons", list)
    with pytest.raises(RuntimeUnavailable, match=r"`apt install python3` or `pyenv install 3\.12` brings it"):
        machine.chosen("python3.12")


def test_programs_that_do_not_answer_as_an_interpreter_and_folders_not_to_be_read_are_passed_over(machine):
    machine.put("bin/node", "nothing of the kind")
    folder = machine.folder / ".nvm" / "versions"
    folder.mkdir(parents=True)
    folder.chmod(0)
    try:
        with pytest.raises(RuntimeUnavailable):
            machine.chosen("nodejs20.x")
    finally:
        folder.chmod(0o755)
