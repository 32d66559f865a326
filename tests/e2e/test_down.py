"""`kunren down`, and a kill -9 of the daemon, leave nothing: no process, namespace, mount or socket."""

import os
import signal
from pathlib import Path

from kunren.settings import run_dir


def processes_of(kunren) -> list[str]:
    """Command lines of living processes that name this Kunren's state or run folder, in any namespace."""
    marks = (str(kunren.state).encode(), str(run_dir(kunren.state)).encode())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if any(mark in line for mark in marks):
                found.append(line.replace(b"\0", b" ").decode())
    return found


def user_namespaces() -> set[str]:
    """The network, mount and PID namespaces that some process of this machine is in."""
    found = set()
    for entry in Path("/proc").iterdir():
        for kind in ("net", "mnt", "pid", "user"):
            try:
                found.add(os.readlink(entry / "ns" / kind))
            except OSError:
                continue
    return found


def world_namespaces(kunren) -> set[str]:
    """The namespaces that `kunren exec` puts a program in."""
    kinds = ("net", "mnt", "pid", "user")
    shown = kunren.exec("sh", "-c", f"for kind in {' '.join(kinds)}; do readlink /proc/self/ns/$kind; done")
    return set(shown.stdout.split())


def leave_a_daemon_in_the_world(kunren) -> None:
    """A grandchild that outlives its parents, as daemons do."""
    kunren.exec("sh", "-c", f"setsid sh -c 'sleep 300; : {kunren.state}' >/dev/null 2>&1 & exit 0")


def test_down_leaves_no_process_namespace_mount_or_socket(own_kunren):
    own_kunren.up()
    own_kunren.exec("true", place="tokyo")
    inside = world_namespaces(own_kunren) - {os.readlink("/proc/self/ns/user")}
    assert inside
    assert processes_of(own_kunren)
    own_kunren.run("down", check=True)
    assert processes_of(own_kunren) == []
    assert not inside & user_namespaces()
    assert not run_dir(own_kunren.state).exists()
    assert str(own_kunren.state) not in Path("/proc/self/mounts").read_text()
    assert own_kunren.run("status").returncode == 1


def test_after_a_kill_nothing_keeps_running_and_up_has_the_same_resources(own_kunren, until):
    own_kunren.up()
    leave_a_daemon_in_the_world(own_kunren)
    inside = world_namespaces(own_kunren) - {os.readlink("/proc/self/ns/user")}
    vpc = own_kunren.client("ec2").describe_vpcs()["Vpcs"]
    zone = own_kunren.client("route53").create_hosted_zone(Name="kept.test", CallerReference="1")["HostedZone"]
    os.kill(own_kunren.pid, signal.SIGKILL)
    until(lambda: not processes_of(own_kunren), "the end of every process")
    until(lambda: not inside & user_namespaces(), "the end of the world's namespaces")
    own_kunren.up()
    assert own_kunren.client("ec2").describe_vpcs()["Vpcs"] == vpc
    assert [each["Id"] for each in own_kunren.client("route53").list_hosted_zones()["HostedZones"]] == [zone["Id"]]
