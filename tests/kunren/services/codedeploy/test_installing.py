"""What the agent does inside an instance: files that come and go, what is in the way, scripts and what they say."""

import io
import tarfile
import zipfile

import pytest

from kunren.services.codedeploy.agents.inside.installing import Commands

APPSPEC = """version: 0.0
os: linux
files:
  - source: /
    destination: {0}/all
  - source: conf/a.conf
    destination: {0}/conf
permissions:
  - object: {0}/all
    pattern: "*.sh"
    except: ["b.sh"]
    mode: 700
    type: [file]
hooks:
  ApplicationStop: [{{location: say.sh}}]
  AfterInstall: [{{location: say.sh, timeout: 60}}, {{location: say.sh}}]
  ApplicationStart: [{{location: slow.sh, timeout: 0.2}}]
  BeforeInstall: [{{location: nowhere.sh}}]
  ValidateService: [{{location: fails.sh}}]
"""
FILES = {
    "say.sh": '#!/bin/sh\necho "$LIFECYCLE_EVENT of $DEPLOYMENT_ID"; echo problem >&2\n', "b.sh": "", "conf/a.conf": "a",
    "slow.sh": "#!/bin/sh\nsleep 60\n", "fails.sh": "#!/bin/sh\nexit 7\n",
}  # fmt: skip


class Instance:
    def __init__(self, folder):
        self.folder, self.target, self.archives = folder, folder / "target", {}
        self.commands = Commands(lambda place: self.archives[place["Key"]], folder / "agent" / "deployment-root")

    def run(self, name, id="d-1", existing="DISALLOW", kind="zip"):
        place = {"Bucket": "b", "Key": id, "BundleType": kind}
        return self.commands.run(name, {
            "DeploymentId": id, "DeploymentGroupId": "group", "DeploymentGroupName": "fleet", "ApplicationName": "web",
            "Revision": {"RevisionType": "S3", "S3Revision": place},
            "AgentActionOverrides": {"AgentOverrides": {"FileExistsBehavior": existing}},
        })  # fmt: skip

    def bundle(self, id="d-1", kind="zip", **more):
        files = {"appspec.yml": APPSPEC.format(self.target), **FILES, **more}
        out = io.BytesIO()
        if kind == "zip":
            with zipfile.ZipFile(out, "w") as made:
                for name, text in files.items():
                    made.writestr(name, text)
        else:
            with tarfile.open(fileobj=out, mode="w:gz") as made:
                for name, text in files.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(text)
                    made.addfile(info, io.BytesIO(text.encode()))
        self.archives[id] = out.getvalue()


@pytest.fixture
def instance(tmp_path):
    return Instance(tmp_path)


def test_files_of_a_revision_come_and_those_of_the_last_one_go(instance):
    assert instance.run("ApplicationStop")["error_code"] == 0  # nothing is there yet
    instance.bundle(old="x")
    assert instance.run("DownloadBundle") == {"error_code": 0, "script_name": "", "message": "Succeeded", "log": ""}
    assert instance.run("Install")["error_code"] == 0
    assert (instance.target / "all/old").read_text() == "x"
    assert (instance.target / "conf/a.conf").read_text() == "a"
    modes = {each: oct((instance.target / "all" / each).stat().st_mode & 0o777) for each in ("say.sh", "b.sh")}
    assert modes["say.sh"] == "0o700"
    assert modes["b.sh"] != "0o700"
    (instance.target / "all/own").write_text("made by somebody else")

    instance.bundle("d-2", "tgz")
    assert instance.run("DownloadBundle", "d-2", kind="tgz")["error_code"] == 0
    told = instance.run("ApplicationStop", "d-2")
    assert "[stdout]ApplicationStop of d-2" in told["log"]
    assert instance.run("Install", "d-2")["error_code"] == 0
    assert sorted(each.name for each in (instance.target / "all").iterdir()) == [
        "appspec.yml", "b.sh", "conf", "fails.sh", "own", "say.sh", "slow.sh",
    ]  # fmt: skip


def test_what_is_in_the_way_fails_is_replaced_or_kept(instance):
    (instance.target / "conf").mkdir(parents=True)
    there = instance.target / "conf/a.conf"
    there.write_text("theirs")
    instance.bundle()
    instance.run("DownloadBundle")
    told = instance.run("Install")
    assert told["error_code"] == 5
    assert told["message"] == (
        f"The deployment failed because a specified file already exists at this location: {there}"
    )
    assert instance.run("Install", existing="RETAIN")["error_code"] == 0
    assert there.read_text() == "theirs"
    assert instance.run("Install", existing="OVERWRITE")["error_code"] == 0
    assert there.read_text() == "a"


def test_scripts_say_what_they_said_and_how_they_ended(instance):
    instance.bundle()
    instance.run("DownloadBundle")
    told = instance.run("AfterInstall")
    assert (told["error_code"], told["script_name"]) == (0, "say.sh")
    assert told["log"] == 2 * (
        "LifecycleEvent - AfterInstall\nScript - say.sh\n[stdout]AfterInstall of d-1\n[stderr]problem\n"
    )
    told = instance.run("ValidateService")
    assert (told["error_code"], told["message"]) == (
        4, "Script at specified location: fails.sh failed with exit code 7",
    )  # fmt: skip
    told = instance.run("ApplicationStart")
    assert (told["error_code"], told["message"]) == (
        3, "Script at specified location: slow.sh failed to complete in 0.2 seconds",
    )  # fmt: skip
    told = instance.run("BeforeInstall")
    assert told["error_code"] == 1
    assert told["message"].startswith("Script does not exist at specified location: ")


@pytest.mark.parametrize("files", [{"appspec.yml": "version: 0.0\nos: windows\n"}, {"appspec.yml": "[", "../out": "x"}])
def test_archives_that_are_none_fail_and_leave_nothing_outside(instance, files):
    instance.bundle(**files)
    outcomes = [instance.run(each)["error_code"] for each in ("DownloadBundle", "Install")]
    assert any(outcomes)
    assert not list(instance.folder.rglob("out"))


@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08\x00cut off"])
def test_data_that_is_no_archive_is_an_outcome_and_not_the_end_of_the_agent(instance, kind, data):
    instance.archives["d-1"] = data
    assert instance.run("DownloadBundle", kind=kind)["error_code"] == 5


@pytest.mark.parametrize("hooks", ["[a]", "{AfterInstall: [a]}", "{AfterInstall: 1}", "a"])
def test_hooks_of_another_shape_are_an_outcome(instance, hooks):
    instance.bundle(**{"appspec.yml": f"version: 0.0\nhooks: {hooks}\n"})
    instance.run("DownloadBundle")
    assert instance.run("AfterInstall")["error_code"] == 5
