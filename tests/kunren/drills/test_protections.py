from dataclasses import replace

import pytest
from click.testing import CliRunner

from kunren.cli.drill import run
from kunren.drills.document import read_drill
from kunren.drills.model import Protection
from kunren.drills.protections import NoProtection, without
from kunren.drills.shipped import shipped


def protected():
    drill = read_drill(shipped()["deregister-under-load"])
    return replace(drill, protections=(Protection("draining", "Requests end.", {"delay": 0}),))


def test_a_drill_without_a_protection_is_deployed_with_its_settings_and_keeps_its_objectives():
    drill = protected()
    bare = without(drill, ["draining", "draining"])
    assert bare.architecture.settings == {"delay": 0}
    assert bare.without == ("draining",)
    assert bare.objectives == drill.objectives
    assert drill.architecture.settings == {"delay": 60}


def test_nothing_left_out_changes_nothing():
    assert without(protected(), []) == protected()


def test_an_unknown_protection_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(NoProtection, match=r"has no protection 'luck'; it has: draining\."):
        without(protected(), ["luck"])
    done = CliRunner().invoke(run, ["--state", str(tmp_path), "az-lost", "--without", "luck"])
    assert (done.exit_code, "has no protection 'luck'" in done.output) == (2, True), done.output
