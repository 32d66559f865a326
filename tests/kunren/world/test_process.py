"""Programs of the world, from their start to their end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from kunren.world.interface import ProcessSpec


def shell(text: str, **members: object) -> ProcessSpec:
    return ProcessSpec("test", ["/bin/sh", "-c", text], "internet", **members)  # type: ignore[arg-type]


def output(running, spec_of, tmp_path: Path) -> tuple[int, str]:
    """The exit code and the output of a program in a fresh world."""

    async def story() -> tuple[int, str]:
        async with running() as net:
            process = await net.world.spawn(spec_of(tmp_path / "out.log"))
            return await process.wait(), (tmp_path / "out.log").read_text()

    return asyncio.run(story())


def test_the_environment_is_exactly_the_one_given(running, tmp_path):
    code, text = output(running, lambda log: shell("/usr/bin/env; exit 3", env={"A": "b c"}, log=log), tmp_path)
    lines = {line for line in text.splitlines() if not line.startswith(("PWD=", "SHLVL=", "_=", "OLDPWD="))}
    assert (code, lines) == (3, {"A=b c"})


def test_files_are_laid_over_the_programs_view_alone_missing_ones_too(running, tmp_path):
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "file").write_text("laid\n")
    (tmp_path / "hosts").write_text("my hosts\n")
    binds = {
        "/var/kunren-test/task": str(source),
        "/var/kunren-test/other": str(source / "inner"),
        "/etc/hosts": str(tmp_path / "hosts"),
    }
    command = (
        "cat /var/kunren-test/task/inner/file /var/kunren-test/other/file /etc/hosts; test -d /var/lib && echo lib"
    )
    code, text = output(running, lambda log: shell(command, binds=binds, log=log), tmp_path)
    assert (code, text) == (0, "laid\nlaid\nmy hosts\nlib\n")
    assert not Path("/var/kunren-test").exists()
    assert Path("/etc/hosts").read_text() != "my hosts\n"


def test_programs_of_a_vpc_have_its_resolver_and_those_of_a_place_the_public_one(running, tmp_path, example_vpc):
    async def story() -> None:
        async with running() as net:
            await net.world.apply_vpc(example_vpc())
            place = await net.world.ensure_place("tokyo")
            for name, expected in (
                ("eni-a", "search ec2.internal\nnameserver 10.0.0.2\n"),
                (place, "nameserver 198.18.0.2\n"),
            ):
                log = tmp_path / f"{name}.log"
                command = ["/bin/cat", "/etc/resolv.conf"]
                process = await net.world.spawn(ProcessSpec("cat", command, name, log=log))
                assert await process.wait() == 0
                assert log.read_text() == expected

    asyncio.run(story())


def test_a_program_that_ends_by_a_signal_says_so(running):
    async def story() -> None:
        async with running() as net:
            process = await net.world.spawn(shell("exec /bin/sleep 1000"))
            assert process.returncode is None
            await process.signal(signal.SIGUSR1)
            assert await process.wait() == -signal.SIGUSR1
            assert process.returncode == -signal.SIGUSR1
            await process.signal(signal.SIGTERM)  # to one that has ended: nothing

    asyncio.run(story())


def test_stop_asks_first_and_kills_the_whole_group_after_the_grace(running, processes_with):
    marker = f"/bin/sleep 81{os.getpid()}"

    async def story() -> None:
        async with running() as net:
            polite = await net.world.spawn(shell("trap 'exit 7' TERM; while :; do /bin/sleep 0.05; done"))
            stubborn = await net.world.spawn(shell(f"trap '' TERM; {marker} & {marker}; :"))
            while len(processes_with(marker)) < 2:
                await asyncio.sleep(0.01)
            assert await polite.stop() == 7
            began = time.monotonic()
            assert await stubborn.stop(grace_s=0.2) == -signal.SIGKILL
            assert time.monotonic() - began < 2
            while processes_with(marker):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), 20))


def test_what_a_program_leaves_in_its_process_group_ends_with_it(running, processes_with):
    marker = f"/bin/sleep 82{os.getpid()}"

    async def story() -> None:
        async with running() as net:
            process = await net.world.spawn(shell(f"{marker} & exit 0"))
            assert await process.wait() == 0
            while processes_with(marker):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), 20))


def test_a_program_that_cannot_be_started_raises_as_exec_does(running, tmp_path):
    async def story() -> None:
        async with running() as net:
            with pytest.raises(FileNotFoundError):
                await net.world.spawn(ProcessSpec("none", ["/nowhere/program"], "internet"))
            with pytest.raises(PermissionError):
                await net.world.spawn(ProcessSpec("folder", [str(tmp_path)], "internet"))
            with pytest.raises(FileNotFoundError):
                await net.world.spawn(ProcessSpec("cwd", ["/bin/true"], "internet", cwd="/nowhere"))

    asyncio.run(story())


def test_descriptors_given_are_the_programs_own_streams(running):
    async def story() -> None:
        async with running() as net:
            out_read, out_write = os.pipe()
            process = await net.world.spawn(shell("echo out; echo err >&2", stdout=out_write, stderr=out_write))
            os.close(out_write)
            assert await process.wait() == 0
            with os.fdopen(out_read) as stream:
                assert stream.read() == "out\nerr\n"

    asyncio.run(story())


def test_hundreds_of_programs_end_without_one_being_missed(running):
    async def story() -> None:
        async with running() as net:
            started = [await net.world.spawn(ProcessSpec("t", ["/bin/true"], "internet")) for _ in range(200)]
            assert await asyncio.gather(*(process.wait() for process in started)) == [0] * 200
            assert net.world.status()["processes"] == {}

    asyncio.run(asyncio.wait_for(story(), 60))


def test_a_start_that_is_cancelled_leaves_no_program(running, processes_with):
    marker = f"83{os.getpid()}"

    async def story() -> None:
        async with running() as net:
            start = asyncio.create_task(net.world.spawn(ProcessSpec("t", ["/bin/sleep", marker], "internet")))
            await asyncio.sleep(0)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await (await net.world.spawn(ProcessSpec("t", ["/bin/true"], "internet"))).wait()
            while processes_with(f"/bin/sleep\0{marker}") or processes_with(f"/bin/sleep {marker}"):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), 20))
