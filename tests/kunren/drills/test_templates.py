"""Templates in place of a drill's script: settings and outputs by the script's names, and the shipped ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kunren.drills.document import read_drill
from kunren.drills.shipped import shipped
from kunren.drills.stacks import parameters, snake
from kunren.services.cloudformation.template import parse

TEMPLATES = Path(__file__).parents[3] / "examples" / "drills" / "templates"
PROGRAM = shipped()["spot-drain"].with_name("web.py")
WITH_TASKS = ("blue-green-bad", "blue-green-good", "rolling-bad", "scale-in", "spot-drain")
DRILLS = {each: each for each in WITH_TASKS} | dict.fromkeys(
    ("az-lost", "bad-rule-change", "deregister-under-load", "zonal-shift"), "two-zones"
)


def test_settings_are_parameters_by_their_names():
    settings = {"bake_minutes": 5, "draining": False, "Delay": 7, "other": "x"}
    assert parameters(settings, ["BakeMinutes", "Draining", "Delay"]) == {
        "BakeMinutes": "5", "Draining": "false", "Delay": "7", "other": "x",
    }  # fmt: skip
    assert [snake(each) for each in ("Name", "MachineArn", "SubnetA", "first2Go")] == [
        "name", "machine_arn", "subnet_a", "first2_go",
    ]  # fmt: skip


@pytest.mark.parametrize("name", DRILLS)
def test_a_template_gives_what_its_drill_asks_for_and_takes_what_it_sets(name):
    template = parse((TEMPLATES / f"{DRILLS[name]}.yaml").read_text())
    drill = read_drill(shipped()[name])
    asked = set(re.findall(r"\$\{(\w+)\}", shipped()[name].read_text()))
    assert asked <= {snake(each) for each in template["Outputs"]}
    for each in (drill.architecture.settings, *(protection.settings for protection in drill.protections)):
        for key, value in parameters(each, template["Parameters"]).items():
            declared = template["Parameters"][key]
            assert value in declared.get("AllowedValues", [value])


@pytest.mark.parametrize("name", WITH_TASKS)
def test_what_a_template_s_tasks_run_is_what_the_script_s_run(name):
    text = (TEMPLATES / f"{name}.yaml").read_text()
    assert json.dumps(PROGRAM.read_text())[1:-1] in json.dumps(parse(text))


@pytest.mark.parametrize("app", ["drills", "redirect"])
def test_a_cdk_app_is_javascript_and_names_what_it_needs(app):
    folder = TEMPLATES.parents[1] / app / "cdk"
    assert json.loads((folder / "cdk.json").read_text())["app"] == "node app.js"
    told = json.loads((folder / "package.json").read_text())
    assert {*told["dependencies"], *told["devDependencies"]} == {"aws-cdk", "aws-cdk-lib", "constructs"}
    node = shutil.which("node")
    if node is not None:
        done = subprocess.run([node, "--check", folder / "app.js"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
