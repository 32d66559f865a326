"""The plugin, in a test session of its own."""

import subprocess
import sys

TESTS = """
def test_the_world_is_there(kunren, kunren_world):
    assert kunren.client("sts").get_caller_identity()["Account"] == "000000000000"
    assert kunren_world.exec("cat", "/etc/resolv.conf", place="tokyo").stdout.startswith("nameserver 198.18.")


def test_a_drill_runs(drill):
    assert drill("mine.yaml")["verdict"] is True


def test_a_drill_that_is_none(drill):
    drill("none.yaml")
"""
DRILL = """
drill: mine
architecture: {script: deploy.py}
traffic:
  names:
    dns: {name: "sts.amazonaws.com"}
    from: [tokyo]
    rate: 20
steady_state: {for: 20s}
faults: []
objectives:
  - {name: availability, target: 100 %}
recovery: 20s
late: 1m
"""


def test_the_fixtures_give_a_world_and_run_drills_in_it(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "mine.yaml").write_text(DRILL)
    (tmp_path / "deploy.py").write_text("print('{}')")
    options = ["-q", "-p", "kunren.pytest_plugin", "-p", "no:cacheprovider", "--kunren-speed", "20", "--rootdir", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True, timeout=150
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert "there is no drill 'none.yaml' and no such file" in done.stdout
