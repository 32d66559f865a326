"""How a program of the host gets into the world: `kunren exec`, seen from the command's own process.

The command joins the agent's namespaces itself, as nsenter does, forks (so that the child is in the PID namespace) and
becomes the program. Terminal, job control, standard streams and exit code are the program's own: nothing is relayed.
The child dies with the command, and with the world.

Joining a user namespace takes a process of one thread: this is called from a short-lived command line, nowhere else.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from kunren.world.agent import kernel
from kunren.world.agent.filesystem import RESOLV_CONF, STAGE, hide_scratch, lay, resolver_file

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_HANDED_ON = (signal.SIGTERM, signal.SIGHUP)
_OF_TERMINALS = (signal.SIGINT, signal.SIGQUIT)
_NAMESPACES = (
    ("user", kernel.CLONE_NEWUSER),
    ("mnt", kernel.CLONE_NEWNS),
    ("ipc", kernel.CLONE_NEWIPC),
    ("uts", kernel.CLONE_NEWUTS),
    ("pid", kernel.CLONE_NEWPID),
)
_OF_GUESTS = (
    ("pid", kernel.CLONE_NEWPID),
    ("ipc", kernel.CLONE_NEWIPC),
    ("mnt", kernel.CLONE_NEWNS),
    ("uts", kernel.CLONE_NEWUTS),
    ("user", kernel.CLONE_NEWUSER),
)
# every name under which tools look for a bundle of roots
_BUNDLE_VARIABLES = (
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "HTTPLIB2_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def environment(
    bundle: str | None, given: Mapping[str, str], credentials: Mapping[str, str] = _CREDENTIALS
) -> dict[str, str]:
    """The environment of a program in the world: its trust store, `credentials` and a region where none were given, no
    proxy and no endpoint setting, since names resolve to the right place there."""
    env = {
        name: value
        for name, value in given.items()
        if not name.lower().endswith("_proxy") and not name.startswith("AWS_ENDPOINT_URL") and name != "SSL_CERT_DIR"
    }
    if bundle is not None:
        env.update(dict.fromkeys(_BUNDLE_VARIABLES, bundle))
    if "AWS_PROFILE" not in env:
        for name, value in {**credentials, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            env.setdefault(name, value)
        region = next((env[name] for name in _REGION_VARIABLES if env.get(name)), "us-east-1")
        for name in _REGION_VARIABLES:
            env.setdefault(name, region)
    return env


def enter(
    world: Mapping[str, Any], namespace: str, argv: list[str], env: Mapping[str, str], cwd: str,
    credentials: Mapping[str, str] = _CREDENTIALS,
) -> int:  # fmt: skip
    """Run `argv` in that network namespace of the world that `World.handle()` describes; its exit code, or 128 plus
    the signal that ended it (as shells say it). 127: no such program; 126: it can't be run."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        _join(int(world["agent_pid"]), f"{world['netns_dir']}/{namespace}")
    except FileNotFoundError:
        sys.stderr.write(f"kunren: the world, or {namespace} in it, has ended; see `kunren status`\n")
        return 1
    # held back until there is somebody to hand them on to, and until those of the terminal are the program's alone
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON + _OF_TERMINALS)
    child = os.fork()
    if child == 0:
        for number in _OF_TERMINALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job stays one
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON + _OF_TERMINALS)
        _become(namespace, argv, environment(world["bundle"], env, credentials), cwd)
    return _wait(child)


def enter_guest(world: Mapping[str, Any], guest: Mapping[str, Any], argv: list[str], env: Mapping[str, str]) -> int:
    """Run `argv` in a guest, by the number of its process 1 in the world (`pid`), its network namespace and the
    `environment` that its programs have; exit codes as `enter`'s."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        _join(int(world["agent_pid"]), f"{world['netns_dir']}/{guest['namespace']}")
        _join_guest(int(guest["pid"]))
    except (FileNotFoundError, PermissionError) as error:
        sys.stderr.write(f"kunren: the instance has ended, or can't be entered: {error}\n")
        return 1
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON + _OF_TERMINALS)
    child = os.fork()
    if child == 0:
        for number in _OF_TERMINALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON + _OF_TERMINALS)
        _execute(argv, {**guest["environment"], **env}, "the instance")
    return _wait(child)


def _join_guest(pid: int) -> None:
    """The namespaces of a process of the world that we are in; the user namespace last, since it takes power over the
    others away."""
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in _OF_GUESTS]
    same = os.stat(f"/proc/{pid}/ns/user").st_ino == os.stat("/proc/1/ns/user").st_ino  # of the agent, as we are
    for descriptor, flag in opened:
        if flag != kernel.CLONE_NEWUSER or not same:
            kernel.setns(descriptor, flag)
        os.close(descriptor)


def _execute(argv: list[str], env: Mapping[str, str], where: str) -> None:
    code = NOT_EXECUTABLE
    try:
        kernel.die_with_parent(signal.SIGKILL)
        os.chdir(env.get("HOME", "/"))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(argv[0], argv, env)
    except FileNotFoundError:
        code = NOT_FOUND
        sys.stderr.write(f"kunren: {argv[0]}: not found\n")
    except BaseException as error:
        sys.stderr.write(f"kunren: {argv[0]} can't be run in {where}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _join(agent_pid: int, network: str) -> None:
    opened = []
    for name, flag in _NAMESPACES:
        path = f"/proc/{agent_pid}/ns/{name}"
        # joining the user namespace one is in already is an error: a privileged world may have none of its own
        if os.stat(path).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
            opened.append((os.open(path, os.O_RDONLY | os.O_CLOEXEC), flag))
    for descriptor, flag in opened:
        kernel.setns(descriptor, flag)
        os.close(descriptor)
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    kernel.setns(descriptor, kernel.CLONE_NEWNET)
    os.close(descriptor)


def _become(namespace: str, argv: list[str], env: dict[str, str], cwd: str) -> None:
    code = NOT_EXECUTABLE
    try:
        kernel.die_with_parent(signal.SIGKILL)
        resolver = resolver_file(namespace)
        kernel.unshare(kernel.CLONE_NEWNS)
        if resolver is not None:
            lay(RESOLV_CONF, resolver, STAGE, set())
        hide_scratch()
        try:
            os.chdir(cwd)
        except OSError:
            os.chdir("/")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(argv[0], argv, env)
    except FileNotFoundError:
        code = NOT_FOUND
        sys.stderr.write(f"kunren: {argv[0]}: not found\n")
    except BaseException as error:
        sys.stderr.write(f"kunren: {argv[0]} can't be run in {namespace}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int) -> int:
    """Hand on what would end us alone (a terminal's own signals reach the child by themselves)."""

    def hand_on(number: int, _frame: object) -> None:
        os.kill(child, number)

    for number in _HANDED_ON:
        signal.signal(number, hand_on)
    for number in _OF_TERMINALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON + _OF_TERMINALS)
    while True:
        try:
            _, status = os.waitpid(child, 0)
        except InterruptedError:
            continue
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
