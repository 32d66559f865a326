"""Architectures are deployed by what their users have: a script, or Terraform (a template in `tests/e2e`)."""

import shutil
import subprocess

import pytest
from botocore.exceptions import ClientError

from kunren.drills import stacks
from kunren.drills.access import Access
from kunren.drills.deployment import Deployment
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Architecture
from kunren.management.client import Management

SCRIPT = """
import json, os, pathlib, sys
log = pathlib.Path(__file__).with_name("log")
with log.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if "--fail=True" in sys.argv:
    sys.exit("subnet-1 is full")
if "--silent=True" in sys.argv:
    sys.exit()
print("on the way")
print(json.dumps({"endpoint": os.environ["AWS_ENDPOINT_URL"], "key": os.environ["AWS_ACCESS_KEY_ID"]}))
"""


@pytest.fixture
def deployment(tmp_path):
    script = tmp_path / "deploy.py"
    script.write_text(SCRIPT)

    def make(**settings):
        return Deployment(Access(tmp_path, "http://127.0.0.1:1"), Architecture(script, None, settings), tmp_path)

    return make


@pytest.fixture
def running(monkeypatch):
    monkeypatch.setattr(Management, "running", lambda self: True)


def said(tmp_path):
    return (tmp_path / "log").read_text().splitlines()


def test_a_script_is_told_its_settings_and_gives_values(deployment, tmp_path):
    made = deployment(health_checks=False, ttl=60)
    assert made.deploy() == {"endpoint": "http://127.0.0.1:1", "key": "test"}
    made.remove()
    assert said(tmp_path) == ["deploy --health-checks=False --ttl=60", "remove"]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"fail": True}, "deploy.py deploy failed with status 1:\nsubnet-1 is full\nWhat had been deployed was taken back."),
        ({"silent": True}, "printed no JSON object"),
    ],
)  # fmt: skip
def test_what_fails_is_taken_back_and_says_where(deployment, running, tmp_path, settings, text):
    with pytest.raises(DrillFailed) as told:
        deployment(**settings).deploy()
    assert text in str(told.value)
    assert said(tmp_path)[-1] == "remove"


def test_what_is_interrupted_is_taken_back(deployment, running, tmp_path, monkeypatch):
    run = subprocess.run

    def interrupted(command, **options):
        if "deploy" in command:
            raise KeyboardInterrupt
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(
        DrillFailed, match=r"interrupted while it was deployed\.\nWhat had been deployed was taken back"
    ):
        deployment().deploy()
    assert said(tmp_path) == ["remove"]


def test_where_kunren_has_ended_one_sentence_says_so_and_nothing_is_taken_back(deployment, tmp_path):
    with pytest.raises(DrillFailed) as told:
        deployment(fail=True).deploy()
    assert str(told.value) == (
        "Kunren ended while it was deployed; what had been deployed is there when it starts again."
    )
    assert said(tmp_path) == ["deploy --fail=True"]


def test_a_stack_that_cannot_be_removed_as_kunren_has_ended_says_so_too(tmp_path):
    made = Deployment(
        Access(tmp_path, "http://127.0.0.1:1"), Architecture(None, None, {}, tmp_path / "a.yaml"), tmp_path
    )
    with pytest.raises(DrillFailed, match=r"^Kunren ended while it was taken away; "):
        made.remove()


@pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no Terraform")
def test_terraform_gives_its_outputs_and_leaves_nothing_in_the_folder(tmp_path):
    folder, scratch = tmp_path / "architecture", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    text = (
        'variable "ttl" { type = number }\noutput "ttl" { value = var.ttl }\noutput "name" { value = "www.a.test" }\n'
    )
    (folder / "main.tf").write_text(text)
    made = Deployment(Access(tmp_path, "http://127.0.0.1:1"), Architecture(None, folder, {"ttl": 60}), scratch)
    assert made.deploy() == {"ttl": 60, "name": "www.a.test"}
    made.remove()
    assert [each.name for each in folder.iterdir()] == ["main.tf"]


def test_a_stack_that_nobody_can_tell_of_is_not_taken_for_one_that_is_gone(tmp_path, monkeypatch):
    class Api:
        def describe_stacks(self, StackName):
            raise ClientError({"Error": {"Code": "InternalFailure", "Message": "disk is full"}}, "DescribeStacks")

    access = Access(tmp_path, "http://127.0.0.1:1")
    monkeypatch.setattr(Access, "client", lambda *_: Api())
    with pytest.raises(DrillFailed, match=r"^Stack drill-a could not be deleted: disk is full$"):
        stacks.remove(access, Architecture(None, None, {}, tmp_path / "a.yaml"), lambda _: None)
