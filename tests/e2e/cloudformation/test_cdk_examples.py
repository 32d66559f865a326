"""The examples' CDK apps, where the CDK is installed: `KUNREN_CDK` names its command, or it stands on the path, and Node.js
finds aws-cdk-lib (beside the apps, or by NODE_PATH).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kunren.drills.access import Access
from kunren.drills.deployment import Deployment
from kunren.drills.model import Architecture
from kunren.drills.redirect.run import ARCHITECTURES

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def synthesised(tmp_path_factory):
    """`synthesised(app)`: the folder with what the app gives."""
    node = shutil.which("node")
    cdk = os.environ.get("KUNREN_CDK") or shutil.which("cdk")
    found = node and subprocess.run(
        [node, "-e", "require('aws-cdk-lib')"], cwd=EXAMPLES / "drills" / "cdk", capture_output=True
    )
    if not cdk or not found or found.returncode:
        pytest.skip("no CDK: npm install aws-cdk aws-cdk-lib constructs")

    def synthesise(app):
        out = tmp_path_factory.mktemp("cdk.out")
        environment = {**os.environ, "CDK_OUTDIR": str(out)}
        subprocess.run([node, "app.js"], cwd=EXAMPLES / app / "cdk", env=environment, check=True, timeout=120)
        return out

    return synthesise


def test_the_redirect_service_s_app_redirects(kunren, synthesised, tmp_path):
    made = {each.name for each in synthesised("redirect").glob("*.template.json")}
    assert made == {f"redirect-{architecture}.template.json" for architecture in ARCHITECTURES}
    result = tmp_path / "result.json"
    options = ("--architecture", "cloudfront-function", "--deploy-with", "cdk", "--json", str(result))
    done = kunren.run("drill", "run", "redirect", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(result.read_text())
    assert (told["verdict"], told["operations"]["ok"]) == (True, 90)
    stacks = kunren.client("cloudformation").describe_stacks()["Stacks"]
    assert "redirect-cloudfront-function" not in {each["StackName"] for each in stacks}


def test_the_drills_app_gives_what_the_drills_ask_for(kunren, synthesised, tmp_path):
    out = synthesised("drills")
    wanted = {"rolling-bad": ({"breaker": "off"}, 4), "blue-green-good": ({"bake_minutes": 1}, 2)}
    access = Access(kunren.state, f"http://127.0.0.1:{kunren.port}")
    for name, (settings, count) in wanted.items():
        made = Deployment(access, Architecture(settings=settings, template=out / f"{name}.template.json"), tmp_path)
        values = made.deploy()
        try:
            assert kunren.exec("curl", "-s", "-m", "5", f"http://{values['name']}/").stdout == "one"
            asked = {"cluster": values["cluster"], "services": [values["service"]]}
            assert kunren.client("ecs").describe_services(**asked)["services"][0]["runningCount"] == count
            assert values["good"] != values["bad"]
        finally:
            made.remove()
