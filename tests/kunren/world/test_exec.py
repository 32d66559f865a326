"""Entering the world from a process of one's own, as `kunren exec` does."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world.exec import environment
from kunren.world.world import World
from kunren.world.worldfile import DEFAULT_WORLD

ENTER = (
    "import json, os, sys\n"
    "from kunren.world.exec import enter\n"
    "sys.exit(enter(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:], dict(os.environ), os.getcwd()))\n"
)


def entering(handle: dict, namespace: str, *command: str) -> list[str]:
    return [sys.executable, "-c", ENTER, json.dumps(handle), namespace, *command]


def in_world(state: Path, story) -> None:
    """Run the story, which may block, beside a world with a place and a bundle: story(handle, place)."""

    async def around() -> None:
        bundle = state / "bundle.pem"
        bundle.write_text("the world's roots\n")
        world = World(Settings(state), DEFAULT_WORLD, SystemClock())
        world.set_trust(bundle)
        await world.start()
        try:
            await asyncio.to_thread(story, world.handle(), await world.ensure_place("tokyo"))
        finally:
            await world.stop()

    asyncio.run(around())


def test_the_program_sees_the_worlds_network_resolver_and_trust_and_the_hosts_files(state):
    def story(handle: dict, place: str) -> None:
        script = "cat /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt $AWS_CA_BUNDLE; hostname -I; pwd; cat mine"
        (state / "mine").write_text("my file\n")
        done = subprocess.run(
            entering(handle, place, "sh", "-c", script), capture_output=True, text=True, cwd=state, timeout=30
        )
        assert done.stdout.split("\n")[0] == "nameserver 198.18.0.2", done.stderr
        assert done.stdout.count("the world's roots") == (
            2 if Path("/etc/ssl/certs/ca-certificates.crt").exists() else 1
        )
        assert "198.18.65.10" in done.stdout
        assert done.stdout.endswith(f"{state}\nmy file\n")

    in_world(state, story)


def test_streams_and_exit_codes_pass_through_as_a_shell_gives_them(state):
    def story(handle: dict, place: str) -> None:
        def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                entering(handle, place, *command), input=given, capture_output=True, text=True, timeout=30
            )

        assert run("sh", "-c", "exit 7").returncode == 7
        assert run("sh", "-c", "kill -9 $$").returncode == 137
        assert run("no-such-program").returncode == 127
        assert run(str(state)).returncode == 126
        echoed = run("sh", "-c", "cat; echo error >&2", given="through\n")
        assert (echoed.stdout, echoed.stderr) == ("through\n", "error\n")
        ended = run("sh", "-c", "true")
        assert ended.returncode == 0

    in_world(state, story)


def test_a_signal_to_the_command_reaches_the_program_and_its_code_comes_back(state):
    def story(handle: dict, place: str) -> None:
        script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
        with subprocess.Popen(
            entering(handle, place, "sh", "-c", script), stdout=subprocess.PIPE, text=True
        ) as command:
            assert command.stdout.readline() == "ready\n"
            command.terminate()
            assert command.wait(20) == 9
            assert command.stdout.read() == "caught\n"

    in_world(state, story)


def test_the_program_dies_when_the_command_is_killed(state, processes_with):
    marker = f"sleep 84{os.getpid()}"

    def story(handle: dict, place: str) -> None:
        script = f"echo ready; exec {marker}"
        with subprocess.Popen(
            entering(handle, place, "sh", "-c", script), stdout=subprocess.PIPE, text=True
        ) as command:
            assert command.stdout.readline() == "ready\n"
            command.kill()
        deadline = time.monotonic() + 10
        while processes_with(marker) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes_with(marker) == []

    in_world(state, story)


def test_a_terminal_belongs_to_the_program_and_its_interrupt_reaches_it(state):
    def story(handle: dict, place: str) -> None:
        script = "trap 'echo interrupted; exit 5' INT; test -t 0 && echo a terminal; while :; do sleep 0.05; done"
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, entering(handle, place, "sh", "-c", script))
        seen = b""
        while b"a terminal" not in seen:
            seen += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        while b"interrupted" not in seen:
            seen += os.read(terminal, 1000)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
        os.close(terminal)

    in_world(state, story)


def test_a_world_that_has_ended_is_said_to_have(state):
    gone = {"agent_pid": 2**22 - 1, "netns_dir": "/run/netns", "resolv_dir": "/run/kunren/resolv", "bundle": None}
    done = subprocess.run(entering(gone, "place-tokyo", "true"), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "has ended" in done.stderr
    assert "Traceback" not in done.stderr


def test_proxies_and_endpoint_settings_are_taken_away_and_the_trust_store_named_in_every_form():
    given = {
        "PATH": "/bin",
        "https_proxy": "http://127.0.0.1:1",
        "NO_PROXY": "x",
        "ALL_PROXY": "y",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:4566",
        "SSL_CERT_FILE": "/host.pem",
    }
    env = environment("/bundle.pem", given)
    assert not {name for name in env if "proxy" in name.lower() or "ENDPOINT" in name}
    named = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
    assert {env[name] for name in named} == {"/bundle.pem"}
    assert env["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("given", "region", "key"),
    [
        ({}, "us-east-1", "test"),
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1", "test"),
        ({"AWS_DEFAULT_REGION": "ap-south-1", "AWS_ACCESS_KEY_ID": "111122223333"}, "ap-south-1", "111122223333"),
    ],
)
def test_credentials_and_region_come_where_none_were_given(given, region, key):
    env = environment(None, given)
    assert (env["AWS_REGION"], env["AWS_DEFAULT_REGION"], env["AWS_ACCESS_KEY_ID"]) == (region, region, key)


def test_a_profile_keeps_its_own_credentials_and_region():
    assert "AWS_ACCESS_KEY_ID" not in environment(None, {"AWS_PROFILE": "mine"})
