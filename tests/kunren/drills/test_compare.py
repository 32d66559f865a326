"""`kunren drill compare`, with the running itself left out: that is the drills' own."""

import json
from contextlib import contextmanager

from click.testing import CliRunner

from kunren.cli import drill_compare
from kunren.cli.drill import compare
from kunren.drills.checkers.judge import Measured, Result


def test_the_same_change_is_run_twice_and_told_once(tmp_path, monkeypatch):
    deployed = []

    def run_once(drill, state, endpoint, told, history, keep):
        deployed.append((drill.architecture.settings, drill.without))
        share = 1.0 if not drill.without else 0.5
        measured = Measured("availability", 1.0, share, share == 1, "")
        counts = {"sent": 10, "ok": int(10 * share), "failed": 10 - int(10 * share), "unknown": 0}
        return Result(drill.name, share == 1, "", (measured,), None, None, counts, {}, (), 1.0, None, "")

    @contextmanager
    def some_kunren(state, keep, speed, seed):
        yield state, "http://127.0.0.1:1", {"clock": {"speed": 1}}

    monkeypatch.setattr(drill_compare, "run_once", run_once)
    monkeypatch.setattr(drill_compare, "some_kunren", some_kunren)
    told = ["--state", str(tmp_path), "scale-in", "--left", "delay=30", "--right", "without=draining"]
    done = CliRunner().invoke(compare, [*told, "--json", str(tmp_path / "compared.json")])
    assert done.exit_code == 0, done.output
    assert deployed == [({"delay": "30"}, ()), ({"delay": 0}, ("draining",))]
    compared = json.loads((tmp_path / "compared.json").read_text())["compared"]
    assert compared["availability"] == {"left": "100 %", "right": "50 %", "better": "left"}
    assert "availability\t100 %\t50 %\tleft" in done.output
    refused = CliRunner().invoke(compare, ["--state", str(tmp_path), "scale-in", "--right", "without=luck"])
    assert (refused.exit_code, "has no protection 'luck'" in refused.output) == (2, True)
