"""Every drill that changes a service, with the daemon killed (SIGKILL) under it: what was begun ends as documented.

Each drill is run once with a kill at a random moment of all of it: its runner must say what happened, and end. And its change
is begun once without a runner that would heal it, with several kills after that: the deployment, the refresh or the drain
must go on by itself after each `kunren up`, and users be served then. `kunren down` must leave nothing on the machine.

KUNREN_DRILLS names those to run, KUNREN_SEED the chance of the moments.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.instance import KUNREN, Instance
from benchmarks.killing import Problem, down, drawn_seed, kill, until
from kunren.drills.access import Access
from kunren.drills.deployment import Deployment
from kunren.drills.document import filled, read_drill
from kunren.drills.failures import DrillFailed
from kunren.drills.model import Fault
from kunren.drills.shipped import shipped
from kunren.drills.unfinished import FOLDER

SPEED = "20"
KILLS = 3
RUN_S, BETWEEN_S = 20.0, 6.0
"""About what a run takes at that speed, and at most from one kill to the next."""
RUNNER_ENDS_WITHIN_S = 60.0
QUICK = ("rolling-bad",)
ASKING = 'while :; do curl -s -m 3 "http://$1/" -o /dev/null; sleep 0.1; done'
Values = Mapping[str, Any]
Ended = Callable[[Access, Values], str]
"""Empty once the change has ended as documented, else what is not so yet."""


# -- how each ends ----------------------------------------------------------------------------------------------------


def _healthy(access: Access, groups: list[str]) -> int:
    elb, count = access.client("elbv2"), 0
    for each in groups:
        told = elb.describe_target_health(TargetGroupArn=each)["TargetHealthDescriptions"]
        count += sum(target["TargetHealth"]["State"] == "healthy" for target in told)
    return count


def _service(access: Access, values: Values) -> dict[str, Any]:
    told = access.client("ecs").describe_services(cluster=values["cluster"], services=[values["service"]])
    found: dict[str, Any] = told["services"][0]
    return found


def _steady(access: Access, values: Values, count: int) -> str:
    """The service has so many tasks, one deployment, and as many healthy targets."""
    service = _service(access, values)
    groups = [each["targetGroupArn"] for each in service["loadBalancers"]]
    groups += [
        each["advancedConfiguration"]["alternateTargetGroupArn"]
        for each in service["loadBalancers"]
        if "advancedConfiguration" in each
    ]
    found = {
        "desired": service["desiredCount"], "running": service["runningCount"],
        "deployments": len(service["deployments"]), "healthy": _healthy(access, groups),
    }  # fmt: skip
    wanted = {"desired": count, "running": count, "deployments": 1, "healthy": count}
    return "" if found == wanted else f"{found}, not {wanted}"


def _deployed(access: Access, values: Values, count: int, status: str, version: str) -> str:
    """The service's latest deployment ended so, and the tasks are of that version."""
    told = access.client("ecs").list_service_deployments(service=values["service"], cluster=values["cluster"])
    found = told["serviceDeployments"][0]["status"]
    definition = _service(access, values)["taskDefinition"]
    if found != status or definition != values[version]:
        return f"the deployment is {found}, not {status}; the service's definition is {definition}"
    return _steady(access, values, count)


def _instance_gone(access: Access, values: Values) -> str:
    """The interrupted instance is terminated, and no container instance any more; its tasks run elsewhere."""
    shown = access.client("ec2").describe_instances(InstanceIds=[values["machine"]])["Reservations"]
    state = shown[0]["Instances"][0]["State"]["Name"]
    if state != "terminated":
        return f"the interrupted instance is {state}"
    left = access.client("ecs").list_container_instances(cluster=values["cluster"])["containerInstanceArns"]
    if values["container_instance"] in left or len(left) != 3:
        return f"there are {len(left)} container instances"
    return _steady(access, values, 2)


def _zone_drained(access: Access, values: Values) -> str:
    ecs = access.client("ecs")
    for each in ecs.describe_container_instances(
        cluster=values["cluster"], containerInstances=[values["first"], values["second"]]
    )["containerInstances"]:
        if each["status"] != "DRAINING" or each["runningTasksCount"] or each["pendingTasksCount"]:
            return f"{each['ec2InstanceId']} is {each['status']} with {each['runningTasksCount']} tasks"
    return _steady(access, values, 4)


def _refreshed(access: Access, values: Values) -> str:
    scaling = access.client("autoscaling")
    refresh = scaling.describe_instance_refreshes(AutoScalingGroupName=values["asg"])["InstanceRefreshes"][0]
    if refresh["Status"] != "Successful":
        return f"the refresh is {refresh['Status']} at {refresh.get('PercentageComplete')} %"
    shown = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[values["asg"]])["AutoScalingGroups"][0]
    versions = [(each["LaunchTemplate"]["Version"], each["LifecycleState"]) for each in shown["Instances"]]
    if versions != [("2", "InService")] * 2 or _healthy(access, [values["group"]]) != 2:
        return f"its instances are {versions}"
    return ""


ENDS: Mapping[str, tuple[Ended, str]] = {
    "spot-drain": (_instance_gone, "one"),
    "az-drain": (_zone_drained, "one"),
    "blue-green-good": (lambda access, values: _deployed(access, values, 2, "SUCCESSFUL", "bad"), "two"),
    "blue-green-bad": (lambda access, values: _deployed(access, values, 2, "ROLLBACK_SUCCESSFUL", "good"), "one"),
    "rolling-bad": (lambda access, values: _deployed(access, values, 4, "ROLLBACK_SUCCESSFUL", "good"), "one"),
    "scale-in": (lambda access, values: _steady(access, values, 2), "one"),
    "instance-refresh": (_refreshed, "2"),
}
"""Drill → when its change has ended, and what users hear then."""


# -- the runs ---------------------------------------------------------------------------------------------------------


def run(quick: bool = False) -> list[str]:
    names = os.environ.get("KUNREN_DRILLS", "").split() or (QUICK if quick else list(ENDS))
    seed = drawn_seed()
    chance, rows = random.Random(seed), []
    for name in names:
        for title, way in (("its runner", _runner_killed), ("its change", _change_killed)):
            began = time.monotonic()
            try:
                told = _in_a_kunren(way, name, chance)
            except Problem as problem:
                told = f"**{problem}**"
            rows.append([name, title, told, f"{time.monotonic() - began:.0f}"])
            print("\t".join(rows[-1]), flush=True)
    held = not any("**" in each[2] for each in rows)
    table = figures.table(["drill", "killed under", "what happened", "s"], rows)
    return [table, f"Seed {seed}. All end as documented and leave nothing: {figures.verdict(held)}."]


def _in_a_kunren(way: Callable[[Killed], str], name: str, chance: random.Random) -> str:
    with Instance("--speed", SPEED) as kunren:
        killed = Killed(kunren, name, chance)
        told = way(killed)
        killed.remove()
        down(kunren)
    return told


class Killed:
    """A drill in a Kunren that is killed."""

    def __init__(self, kunren: Instance, name: str, chance: random.Random) -> None:
        self.kunren, self.name, self.chance = kunren, name, chance
        self.drill = read_drill(shipped()[name])

    @property
    def access(self) -> Access:
        return Access(self.kunren.state, f"http://127.0.0.1:{self.kunren.port}")

    def deploy(self) -> dict[str, Any]:
        with self._deployment() as deployment:
            return deployment.deploy()

    def remove(self) -> None:
        """Raises Problem where something is left of it."""
        with self._deployment() as deployment:
            deployment.remove()
        elb, ecs, scaling = (self.access.client(each) for each in ("elbv2", "ecs", "autoscaling"))
        left = [
            *elb.describe_load_balancers()["LoadBalancers"], *elb.describe_target_groups()["TargetGroups"],
            *ecs.list_clusters()["clusterArns"], *scaling.describe_auto_scaling_groups()["AutoScalingGroups"],
        ]  # fmt: skip
        if left:
            raise Problem(f"its architecture is not gone: {left}")

    @contextmanager
    def _deployment(self) -> Iterator[Deployment]:
        with tempfile.TemporaryDirectory(prefix="kb-") as folder:
            try:
                yield Deployment(self.access, self.drill.architecture, Path(folder))
            except DrillFailed as error:
                raise Problem(str(error)) from error


def _runner_killed(killed: Killed) -> str:
    """The drill's own runner says what happened, and ends; what it broke is healed, and it can be run again."""
    command = [KUNREN, "drill", "run", killed.name, "--state", str(killed.kunren.state)]
    after_s = killed.chance.uniform(0.5, RUN_S)
    with tempfile.TemporaryFile() as log:
        runner = subprocess.Popen(command, stdout=log, stderr=log)
        with suppress(subprocess.TimeoutExpired):
            runner.wait(after_s)
        over = runner.poll() is not None
        kill(killed.kunren)
        try:
            code = runner.wait(RUNNER_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            runner.kill()
            runner.wait()
            raise Problem(f"the drill's runner hangs after {after_s:.1f} s") from None
        log.seek(0)
        said = log.read().decode()
    killed.kunren.up()
    if not over and (code != 2 or "Traceback" in said or "Kunren ended" not in said):
        raise Problem(f"the drill's runner, killed after {after_s:.1f} s, ended with {code}: {said[-1500:]!r}")
    until(lambda: ", ".join(each.name for each in (killed.kunren.state / FOLDER).glob("*")))
    killed.deploy()
    return f"after {after_s:.1f} s: {said.strip().splitlines()[-1]!r}; deployed again"


def _change_killed(killed: Killed) -> str:
    """What was begun goes on by itself, and users are served."""
    values = killed.deploy()
    _begin(killed.access, killed.drill.faults[0], values)
    ended, version = ENDS[killed.name]
    moments = [killed.chance.uniform(0, BETWEEN_S) for _ in range(KILLS)]
    for after_s in moments:
        with _users(killed, values):
            time.sleep(after_s)
            kill(killed.kunren)
        killed.kunren.up()
    with _users(killed, values):
        until(lambda: ended(killed.access, values))
    until(lambda: "" if (heard := _heard(killed, values)) == f"{version} 200" else f"users hear {heard!r}")
    return f"after {', '.join(f'{each:.1f}' for each in moments)} s: ended as documented"


def _begin(access: Access, fault: Fault, values: Values) -> None:
    told = filled(fault.what, values)
    if fault.kind == "call":
        access.call(told)
        return
    fis = access.client("fis")
    fis.start_experiment(experimentTemplateId=fis.create_experiment_template(**told)["experimentTemplate"]["id"])


@contextmanager
def _users(killed: Killed, values: Values) -> Iterator[None]:
    """They ask all the time, as alarms need it."""
    command = [*killed.kunren.in_place(), "sh", "-c", ASKING, "sh", values["name"]]
    asking = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        asking.terminate()
        asking.wait()


def _heard(killed: Killed, values: Values) -> str:
    command = ["curl", "-s", "-m", "5", "-w", " %{http_code}", f"http://{values['name']}/"]
    return subprocess.run([*killed.kunren.in_place(), *command], capture_output=True, text=True, check=False).stdout
