"""An architecture of the redirect service by the AWS CDK: the example's app, deployed by the CDK's own command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kunren.drills.access import REGION, Access
from kunren.drills.failures import DrillFailed
from kunren.drills.redirect.stack import MARK
from kunren.drills.stacks import TAG, Progress, there

SHOWN_LINES = 12
BOOTSTRAPPED = "CDKToolkit"
QUIETLY = ("--no-notices", "--ci")


def deploy(access: Access, app: Path, architecture: str, redirects: Iterable[Any], progress: Progress) -> None:
    """The app in that folder, with a document of these redirects. Raises DrillFailed."""
    command = _command(app)
    account = access.client("sts").get_caller_identity()["Account"]
    with tempfile.TemporaryDirectory(prefix="kunren-cdk-") as folder:
        document = Path(folder) / "domains.json"
        document.write_text(json.dumps({each.domain: each.options for each in redirects}))
        context = ["-c", f"architecture={architecture}", "-c", f"domains={document}", "--output", f"{folder}/cdk.out"]
        if there(access.client("cloudformation"), BOOTSTRAPPED) is None:
            progress("Bootstrapping the CDK, whose stack stays")
            _run(access, app, [command, "bootstrap", f"aws://{account}/{REGION}", *context, *QUIETLY])
        progress(f"cdk deploy redirect-{architecture}")
        options = ("--require-approval", "never", "--tags", f"{TAG}={MARK}")
        _run(access, app, [command, "deploy", f"redirect-{architecture}", *options, *context, *QUIETLY])


def _command(app: Path) -> str:
    """The CDK that was installed for the app, or one on the path. Raises DrillFailed."""
    own = app / "node_modules" / ".bin" / "cdk"
    found = str(own) if own.exists() else os.environ.get("KUNREN_CDK") or shutil.which("cdk")
    if found is None:
        raise DrillFailed(f"the CDK is not there: `npm install` in {app} brings it.")
    return found


def _run(access: Access, app: Path, command: list[str]) -> None:
    here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "CDK_DISABLE_CLI_TELEMETRY": "true"}
    environment = {**access.environment(), **here}
    done = subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-SHOWN_LINES:])
        raise DrillFailed(f"cdk {command[1]} failed with status {done.returncode}:\n{said}")
