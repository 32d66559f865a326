"""`kunren up`, `down` and `reset`: starting and ending a daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import state_option
from kunren.management.client import Management, NotRunning
from kunren.settings import DEFAULT_PORT, DEFAULT_PROXY_PORT, run_dir

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@click.command()
@state_option
@click.option("--detach", is_flag=True, help="Return when everything answers; the daemon goes on in the background.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="AWS API, HTTP and HTTPS, on 127.0.0.1.")
@click.option("--proxy-port", default=DEFAULT_PROXY_PORT, show_default=True, help="Proxy into the world.")
@click.option("--speed", default=1.0, show_default=True, help="How much faster AWS's own waits pass.")
@click.option("--world", "world_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML file.")
@click.option("--distance", is_flag=True, help="Packets between cities and regions take as long as on the real globe.")
@click.option(
    "--deploy",
    "template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CloudFormation template to deploy once it is up, as the stack of the file's name.",
)
@click.option("--strict", is_flag=True, help="Check signatures, and let IAM policies decide, as AWS does.")
@click.option("--seed", type=int, help="Seed of all chance (ids, weights), to replay a run.")
@click.option(
    "--container-engine",
    type=click.Choice(["none", "auto", "podman", "docker"]),
    default="none",
    show_default=True,
    help="What runs the containers of ECS tasks; none: processes of the world's own.",
)
def up(
    state_dir: Path,
    detach: bool,
    port: int,
    proxy_port: int,
    speed: float,
    world_file: Path | None,
    distance: bool,
    template: Path | None,
    strict: bool,
    seed: int | None,
    container_engine: str,
) -> None:
    """Start a Kunren; an earlier one's state folder comes back to the same world.

    \b
    Examples:
      kunren up
      kunren up --detach --state ./state --port 4666 --proxy-port 4680
      kunren up --distance          tokyo is 155 ms from us-east-1, as far as light makes it
      kunren up --detach --deploy shop.yaml
      kunren up --strict            wrong signatures and missing permissions are refused in AWS's words
      kunren up --speed 20          health checks, draining and bake times pass 20 times faster
    """
    arguments = ["--state", str(state_dir.resolve()), "--port", str(port), "--proxy-port", str(proxy_port)]
    arguments += ["--speed", str(speed)]
    arguments += ["--world", str(world_file.resolve())] if world_file else []
    arguments += ["--distance"] if distance else []
    arguments += ["--strict"] if strict else []
    arguments += ["--seed", str(seed)] if seed is not None else []
    if container_engine != "none":
        _check_engine(container_engine)
        arguments += ["--container-engine", container_engine]
    if detach:
        report = start_detached(state_dir, arguments)
        show_banner(report)
        if template is not None and not _deployed(state_dir, template):
            sys.exit(1)
        return
    from kunren.daemon import run

    def ready(report: dict[str, Any]) -> None:
        show_banner(report)
        if template is not None:
            threading.Thread(target=_deployed, args=(state_dir, template), daemon=True).start()

    sys.exit(run(arguments, on_ready=ready))


def _check_engine(wanted: str) -> None:
    """Raises Unusable."""
    if wanted == "docker":
        raise Unusable(
            "Docker starts containers in no network but its own, so it can't run tasks of this world. Choose podman or "
            "none; images that Docker has are found with either."
        )
    if wanted == "podman":
        from kunren.dataplane.containers.engine import podman_of_root
        from kunren.world.container_engines import sockets

        found = asyncio.run(podman_of_root(sockets()))
        if found is None:
            raise Unusable(
                "no Podman answers on a socket that we may use. Start it (`podman system service --time 0 "
                "unix:///run/podman/podman.sock`), and name the socket in CONTAINER_HOST where it is another."
            )
        if not found:
            raise Unusable(
                "the Podman that answers is a user's own, which can't join the networks of this world: run Kunren and "
                "Podman as root, or choose none."
            )


def _deployed(state_dir: Path, template: Path) -> bool:
    from kunren.cli.stacks import deploy

    return deploy(Management(state_dir), template)


def start_detached(state_dir: Path, arguments: list[str]) -> dict[str, Any]:
    """Start a daemon with these arguments in a session of its own; return what it reports once everything answers.
    Interrupted before that, it leaves none behind."""
    import msgspec

    log_dir = state_dir / "logs"
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"the state folder {state_dir} can't be used: {error.strerror}.") from error
    reader, writer = os.pipe()
    with (log_dir / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kunren.daemon", *arguments, "--ready-fd", str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as ready:
            raw = ready.read()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if not raw:
        code = process.wait()
        raise Unusable(f"the daemon ended with status {code} before it was ready; see {log_dir / 'daemon.log'}.")
    report: dict[str, Any] = msgspec.json.decode(raw)
    if "error" in report:
        process.wait()
        raise Unusable(report["error"])
    return report


def show_banner(report: dict[str, Any]) -> None:
    """What listens where, once everything answers."""
    click.echo(f"Kunren {report['version']} is up (pid {report['pid']}, {report['started_s']:.2f} s).")
    for line in report["listens"]:
        click.echo(f"  {line['what']:<12} {line['where']}")
    click.echo(f"  {'state':<12} {report['state']}")
    if report["strict"]:
        click.echo("  strict       signatures are checked and IAM policies count; `kunren env` has the root key")
    click.echo('Point this shell\'s tools at it with: eval "$(kunren env)"')


@click.command()
@state_option
def down(state_dir: Path) -> None:
    """End the Kunren of this state folder. Its state stays; `kunren up` comes back to it."""
    stop(state_dir)
    click.echo("Kunren is down.")


def stop(state_dir: Path) -> dict[str, Any]:
    """Ask the daemon to end and wait until it has; return what it was started with. Raises NotRunning."""
    management = Management(state_dir)
    told: dict[str, Any] = management.post("/shutdown")
    pid = int(told["pid"])
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += STOP_TIMEOUT_S
        time.sleep(0.01)  # noqa: TID251 - the command waits for another process; no clock of ours runs here
    return told


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


@click.command()
@state_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(state_dir: Path, yes: bool) -> None:
    """Forget every resource of this Kunren; its certificate authority stays, so trust in it stays too.

    A running daemon is ended and started again, empty, with the options it had.
    """
    import shutil

    if not yes and sys.stdin.isatty():
        click.confirm(f"Delete every resource in {state_dir}?", abort=True)
    try:
        arguments = list(stop(state_dir)["arguments"])
    except NotRunning:
        arguments = []
    for name in ("kunren.db", "kunren.db-wal", "kunren.db-shm", "time.json"):
        (state_dir / name).unlink(missing_ok=True)
    shutil.rmtree(state_dir / "data", ignore_errors=True)
    shutil.rmtree(run_dir(state_dir), ignore_errors=True)
    if arguments:
        show_banner(start_detached(state_dir, arguments))
    else:
        click.echo(f"{state_dir} is empty.")
