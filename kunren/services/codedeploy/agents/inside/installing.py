"""What the CodeDeploy agent does inside an instance for each command: archives, files, permissions, scripts.

Part of the agent's program, so Python's library and PyYAML alone. An outcome is what AWS's agent reports: a code, the
script, a message, and the tail of the log.
"""

from __future__ import annotations

import fnmatch
import io
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUCCESS, MISSING, NOT_EXECUTABLE, TIMED_OUT, FAILED, UNKNOWN = range(6)
ROOT = Path("/opt/codedeploy-agent/deployment-root")
FROM_LAST = ("ApplicationStop", "BeforeBlockTraffic", "AfterBlockTraffic")
TIMEOUT_S = 3600
TAIL = 2048
KEPT = 5


class Fails(Exception):
    """A command that did not succeed; the text is its message."""

    def __init__(self, message: str, code: int = UNKNOWN, script: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.script, self.log = message, code, script, log


def outcome(code: int, script: str, message: str, log: str) -> dict[str, Any]:
    return {"error_code": code, "script_name": script, "message": message, "log": log[-TAIL:]}


class Commands:
    """`bundle` downloads a revision from S3."""

    def __init__(self, bundle: Callable[[dict[str, str]], bytes], root: Path = ROOT) -> None:
        self._bundle, self._root = bundle, root
        self._notes = root / "deployment-instructions"

    def run(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        try:
            self._notes.mkdir(parents=True, exist_ok=True)
            if name == "DownloadBundle":
                self._download(spec)
                return outcome(SUCCESS, "", "Succeeded", "")
            if name == "Install":
                self._install(spec)
                return outcome(SUCCESS, "", "Succeeded", "")
            return self._scripts(name, spec)
        except Fails as error:
            return outcome(error.code, error.script, error.message, error.log)
        except Exception as error:  # a revision may be anything, and the agent has to outlive it
            return outcome(UNKNOWN, "", f"{type(error).__name__}: {error}", "")

    # -- archives ----------------------------------------------------------------------------------------------------

    def _archive(self, spec: dict[str, Any]) -> Path:
        return self._root / str(spec["DeploymentGroupId"]) / str(spec["DeploymentId"]) / "deployment-archive"

    def _download(self, spec: dict[str, Any]) -> None:
        place = spec["Revision"]["S3Revision"]
        archive, data = self._archive(spec), self._bundle(place)
        shutil.rmtree(archive, ignore_errors=True)
        archive.mkdir(parents=True)
        (archive.parent / "bundle.tar").write_bytes(data)
        if place["BundleType"] == "zip":
            unzip(data, archive)
        else:
            with tarfile.open(fileobj=io.BytesIO(data)) as opened:
                for each in opened.getmembers():
                    inside(archive, each.name)
                    opened.extract(each, archive, set_attrs=True, numeric_owner=False)
        self._note(spec, "most_recent_install")
        self._forget_old(spec)

    def _forget_old(self, spec: dict[str, Any]) -> None:
        """Keep the archives of the last few deployments, and of the last that succeeded."""
        folder = self._root / spec["DeploymentGroupId"]
        held = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
        last = self._last(spec, "last_successful_install")
        for each in held[:-KEPT]:
            if last is None or each not in last.parents:
                shutil.rmtree(each, ignore_errors=True)

    def _last(self, spec: dict[str, Any], which: str) -> Path | None:
        """The archive that was noted so for the group."""
        try:
            found = Path((self._notes / f"{spec['DeploymentGroupId']}_{which}").read_text().strip())
        except FileNotFoundError:
            return None
        return found / "deployment-archive"

    def _note(self, spec: dict[str, Any], which: str) -> None:
        (self._notes / f"{spec['DeploymentGroupId']}_{which}").write_text(f"{self._archive(spec).parent}\n")

    def _appspec(self, archive: Path) -> dict[str, Any]:
        import yaml

        for name in ("appspec.yml", "appspec.yaml"):
            if (archive / name).is_file():
                try:
                    found = yaml.safe_load((archive / name).read_text())
                except yaml.YAMLError as error:
                    raise Fails(f"The AppSpec file {archive / name} is not valid YAML: {error}") from error
                if not isinstance(found, dict) or str(found.get("version")) != "0.0":
                    raise Fails("The deployment specifies an unsupported version of the AppSpec file: it must be 0.0")
                if found.get("os") not in ("linux", None):
                    raise Fails(f"The AppSpec file is for the operating system {found['os']}, the instance is linux")
                return found
        raise Fails(
            "The CodeDeploy agent did not find an AppSpec file within the unpacked revision directory at "
            f'revision-relative path "appspec.yml". The revision was unpacked to directory "{archive}".'
        )

    # -- files -------------------------------------------------------------------------------------------------------

    def _install(self, spec: dict[str, Any]) -> None:
        archive = self._archive(spec)
        appspec = self._appspec(archive)
        cleanup = self._notes / f"{spec['DeploymentGroupId']}-cleanup"
        if cleanup.is_file():
            remove(cleanup.read_text().splitlines())
            cleanup.unlink()
        existing = ((spec.get("AgentActionOverrides") or {}).get("AgentOverrides") or {}).get("FileExistsBehavior")
        made: list[str] = []
        try:
            for each in appspec.get("files") or ():
                source = inside(archive, str(each["source"]).lstrip("/") or ".")
                place(source, Path(str(each["destination"])), str(existing or "DISALLOW"), made)
            for each in appspec.get("permissions") or ():
                permit(each)
        finally:
            cleanup.write_text("".join(f"{path}\n" for path in made))
        self._note(spec, "last_successful_install")

    # -- scripts -----------------------------------------------------------------------------------------------------

    def _scripts(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        archive: Path | None = self._archive(spec)
        if name in FROM_LAST:
            archive = self._last(spec, "last_successful_install")
        told = ""
        hooks: list[dict[str, Any]] = []
        if archive is not None and archive.is_dir():
            hooks = (self._appspec(archive).get("hooks") or {}).get(name) or []
        logs = self._root / spec["DeploymentGroupId"] / spec["DeploymentId"] / "logs"
        for each in hooks:
            assert archive is not None
            told += self._script(name, spec, archive, each, logs)
        return outcome(SUCCESS, str(hooks[-1]["location"]) if hooks else "", "Succeeded", told)

    def _script(self, event: str, spec: dict[str, Any], archive: Path, hook: dict[str, Any], logs: Path) -> str:
        """Run it; what it said. Raises Fails."""
        location, limit = str(hook["location"]), float(hook.get("timeout") or TIMEOUT_S)
        path = inside(archive, location)
        if not path.is_file():
            raise Fails(f"Script does not exist at specified location: {path}", MISSING, location)
        if hook.get("runas") not in (None, "root", "ec2-user"):
            raise Fails(f"There is no user {hook['runas']} to run {location} as", FAILED, location)
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        place = spec["Revision"]["S3Revision"]
        environment = {
            **os.environ, "APPLICATION_NAME": spec["ApplicationName"], "DEPLOYMENT_ID": spec["DeploymentId"],
            "DEPLOYMENT_GROUP_NAME": spec["DeploymentGroupName"], "DEPLOYMENT_GROUP_ID": spec["DeploymentGroupId"],
            "LIFECYCLE_EVENT": event, "BUNDLE_BUCKET": place["Bucket"], "BUNDLE_KEY": place["Key"],
            "BUNDLE_ETAG": place.get("ETag") or "", "BUNDLE_VERSION": place.get("Version") or "",
        }  # fmt: skip
        head = f"LifecycleEvent - {event}\nScript - {location}\n"
        started = self._start(path, location, environment)
        try:
            out, err = started.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            out, err = started.communicate()
            said = head + lines(out, "stdout") + lines(err, "stderr")
            self._keep(logs, said)
            raise Fails(
                f"Script at specified location: {location} failed to complete in {limit:g} seconds", TIMED_OUT,
                location, said,
            ) from None  # fmt: skip
        said = head + lines(out, "stdout") + lines(err, "stderr")
        self._keep(logs, said)
        if started.returncode:
            raise Fails(
                f"Script at specified location: {location} failed with exit code {started.returncode}", FAILED,
                location, said,
            )  # fmt: skip
        return said

    def _start(self, path: Path, location: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [str(path)], env=environment, cwd=self._root.parent, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except PermissionError as error:
            raise Fails(
                f"Script at specified location: {location} is not executable.", NOT_EXECUTABLE, location
            ) from error
        except OSError as error:
            raise Fails(f"Script at specified location: {location} can't be run: {error}", FAILED, location) from error

    def _keep(self, logs: Path, said: str) -> None:
        stamped = "".join(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n" for line in said.splitlines())
        everywhere = self._root / "deployment-logs"
        for folder, name in ((logs, "scripts.log"), (everywhere, "codedeploy-agent-deployments.log")):
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("a") as kept:
                kept.write(stamped)


def lines(data: bytes, stream: str) -> str:
    return "".join(f"[{stream}]{line}\n" for line in data.decode("utf-8", "replace").splitlines())


def inside(folder: Path, name: str) -> Path:
    """That path in the folder. Raises Fails for one that leads out of it."""
    path = Path(os.path.normpath(folder / name))
    if path != folder and folder not in path.parents:
        raise Fails(f"{name} leads out of the revision")
    return path


def unzip(data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        for each in opened.infolist():
            inside(folder, each.filename)
            made = Path(opened.extract(each, folder))
            mode = each.external_attr >> 16 & 0o7777
            if mode and not each.is_dir():
                made.chmod(mode | stat.S_IRUSR)


def remove(paths: list[str]) -> None:
    """What the last deployment has made, files first, and folders that are empty then."""
    for path in map(Path, paths):
        if path.is_symlink() or path.is_file():
            path.unlink()
    for path in sorted((Path(each) for each in paths), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


def place(source: Path, destination: Path, existing: str, made: list[str]) -> None:
    """Copy a file into the folder `destination`, or what is in a folder; note what that makes. Raises Fails."""
    if source.is_dir():
        for each in sorted(source.rglob("*")):
            target = destination / each.relative_to(source)
            if each.is_dir() and not each.is_symlink():
                _folder(target, made)
            else:
                _copy(each, target, existing, made)
    elif source.is_file():
        _copy(source, destination / source.name, existing, made)
    else:
        raise Fails(f"No such file or directory - {source}")


def _folder(path: Path, made: list[str]) -> None:
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for each in reversed(missing):
        each.mkdir()
        made.append(str(each))


def _copy(source: Path, target: Path, existing: str, made: list[str]) -> None:
    _folder(target.parent, made)
    if target.exists() or target.is_symlink():
        if existing == "RETAIN":
            return
        if existing != "OVERWRITE":
            raise Fails(f"The deployment failed because a specified file already exists at this location: {target}")
        target.unlink()
    made.append(str(target))
    shutil.copy2(source, target, follow_symlinks=False)


def permit(given: dict[str, Any]) -> None:
    """An entry of the AppSpec file's permissions."""
    top, pattern = Path(str(given["object"])), str(given.get("pattern") or "**")
    excepted = [str(each) for each in given.get("except") or ()]
    kinds = [str(each) for each in given.get("type") or ("file", "directory")]
    chosen = [top] if top.is_file() or pattern == "**" else []
    if top.is_dir():
        below = top.rglob("*") if pattern == "**" else top.iterdir()
        chosen += [
            each
            for each in below
            if (pattern == "**" or fnmatch.fnmatch(each.name, pattern))
            and not any(fnmatch.fnmatch(each.name, one) for one in excepted)
        ]
    for each in chosen:
        if ("directory" if each.is_dir() else "file") not in kinds:
            continue
        if given.get("mode") is not None:
            each.chmod(int(str(given["mode"]), 8))
        if given.get("owner"):
            shutil.chown(each, user=str(given["owner"]))
        if given.get("group"):
            shutil.chown(each, group=str(given["group"]))
