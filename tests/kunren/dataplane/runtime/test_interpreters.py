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
