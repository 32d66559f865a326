"""Confined programs in a real world: what they may write, open and start, and what is left when they have ended."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kunren.world.interface import Confinement, ProcessSpec

MB = 1 << 20
PYTHON = os.path.realpath(sys.executable)  # not a link below /tmp, where a program of its own /tmp won't find it


class Confined:
    """Runs Python programs as confined ones."""

    def __init__(self, net, folder: Path) -> None:
        self.world, self.log = net.world, folder / "out.log"

    def spec(self, text: str, confinement: Confinement, **members: object) -> ProcessSpec:
        argv = [PYTHON, "-c", text]
        return ProcessSpec("test", argv, "internet", log=self.log, confined=confinement, **members)  # type: ignore[arg-type]

    async def run(self, text: str, scratch: str = "one", size: int = 4 * MB, **limits: int) -> str:
        """What the program printed."""
        self.log.unlink(missing_ok=True)
        process = await self.world.spawn(self.spec(text, Confinement(scratch, size, **limits)))
        await process.wait()
        return self.log.read_text()


@pytest.fixture
def confined(running, tmp_path):
    def run(story) -> None:
        async def whole() -> None:
            async with running() as net:
                await story(Confined(net, tmp_path))

        asyncio.run(whole())

    return run


def test_its_tmp_is_its_own_of_the_size_that_was_said_and_kept_until_it_is_dropped(confined):
    fill = "import os; f = open('/tmp/f', 'wb')\ntry:\n while True: f.write(bytes(65536)); f.flush()\n"
    fill += "except OSError as e: print(e.errno, os.stat('/tmp/f').st_size)"

    async def story(programs: Confined) -> None:
        assert (
            await programs.run("import os; print(os.listdir('/tmp'), oct(os.stat('/tmp').st_mode))") == "[] 0o41777\n"
        )
        assert await programs.run(fill) == f"28 {4 * MB}\n"
        assert await programs.run("import os; print(os.listdir('/tmp'))") == "['f']\n"
        assert await programs.run("import os; print(os.listdir('/tmp'))", "two") == "[]\n"
        assert await programs.run("import os; print(os.listdir('/run/kunren/scratch'))") == "[]\n"
        await programs.world.drop_scratch("one")
        await programs.world.drop_scratch("never there")
        assert await programs.run("import os; print(os.listdir('/tmp'))") == "[]\n"

    confined(story)


def test_files_without_number_end_in_an_error_too(confined):
    many = "n = 0\ntry:\n while True: open(f'/tmp/{n}', 'w'); n += 1\nexcept OSError as e: print(e.errno, n < 1100)"

    async def story(programs: Confined) -> None:
        assert await programs.run(many) == "28 True\n"

    confined(story)


def test_everything_else_is_read_only_what_was_laid_for_it_too(confined, tmp_path):
    (tmp_path / "code").mkdir()
    tries = "import sys\nfor p in sys.argv[1:]:\n try: open(p + '/new', 'w'); print('wrote', p)\n"
    tries += " except OSError as e: print(e.errno)\n"

    async def story(programs: Confined) -> None:
        spec = programs.spec(tries, Confinement("one", MB), binds={"/var/task": str(tmp_path / "code")})
        places = ["/var/task", "/var/tmp", "/usr", "/var", "/dev/shm"]
        process = await programs.world.spawn(replace(spec, argv=[*spec.argv, *places]))
        assert await process.wait() == 0
        assert programs.log.read_text().split() == ["30"] * len(places)
        assert await programs.run("open('/dev/null', 'w').write('x'); print('written')") == "written\n"

    confined(story)
    assert not list((tmp_path / "code").iterdir())


def test_files_that_it_needs_below_tmp_appear_in_its_own(confined, tmp_path):
    needed = tmp_path / "needed"
    needed.write_text("here")

    async def story(programs: Confined) -> None:
        text = "print(open('/tmp/deep/down/file').read()); open('/tmp/deep/other', 'w')"
        spec = programs.spec(text, Confinement("one", MB), binds={"/tmp/deep/down/file": str(needed)})
        for _ in range(2):
            assert await (await programs.world.spawn(spec)).wait() == 0
        assert programs.log.read_text() == "here\n" * 2

    confined(story)


def test_it_has_no_power_over_the_namespaces_that_it_was_put_in(confined):
    text = "import os, subprocess\nprint(os.geteuid())\n"
    text += "for c in ('ip link set lo down', 'mount -o remount,rw /', 'umount /tmp'):\n"
    text += " print(subprocess.run(c.split(), capture_output=True).returncode != 0)"

    async def story(programs: Confined) -> None:
        assert await programs.run(text) == "0\nTrue\nTrue\nTrue\n"

    confined(story)


def test_it_has_so_many_descriptors(confined):
    text = "import os, resource\nheld = []\ntry:\n while True: held.append(os.open('/dev/null', os.O_RDONLY))\n"
    text += "except OSError as e: print(e.errno, max(held))\n"
    text += "try: resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))\n"
    text += "except ValueError: print('refused')"

    async def story(programs: Confined) -> None:
        assert await programs.run(text, open_files=100) == "24 99\nrefused\n"

    confined(story)


FORK = (
    "import os, time\nn = 0\ntry:\n while True:\n  if os.fork() == 0: os.setsid(); time.sleep(1000)\n  n += 1\n"
    "except OSError as e: print(e.errno, n)"
)


@pytest.mark.skipif(os.geteuid() == 0, reason="the kernel counts an ordinary user's processes only")
def test_it_may_start_so_many_processes_whatever_others_run(confined):
    async def story(programs: Confined) -> None:
        told = await asyncio.gather(*(programs.run(FORK, name, processes=50) for name in ("one", "two")))
        assert told[-1] == "11 49\n"

    confined(story)


def test_what_it_started_ends_with_it_sessions_of_their_own_too(confined, processes_with):
    marker = "time.sleep(7351)"
    text = (
        f"import subprocess, sys\nfor _ in range(20): subprocess.Popen([sys.executable, '-c', 'import time; {marker}'],"
    )
    text += " start_new_session=True)\nprint('started')"

    async def story(programs: Confined) -> None:
        assert await programs.run(text) == "started\n"
        while processes_with(f"import time; {marker}"):
            await asyncio.sleep(0.01)

    confined(story)


def test_a_root_of_its_own_is_all_it_sees_and_the_world_goes_on_without_loss(confined, tmp_path):
    root = tmp_path / "root"
    machine = {path: path for path in ("/usr", "/bin", "/lib", "/lib64", "/proc", "/dev") if Path(path).exists()}
    for place in ("tmp", "own", *(path.lstrip("/") for path in machine)):
        (root / place).mkdir(parents=True)

    async def story(programs: Confined) -> None:
        before = await programs.world.ensure_place("tokyo")
        spec = programs.spec("", Confinement("one", MB, root=str(root)), binds=machine)
        argv = ["/bin/sh", "-c", "echo /*; touch /tmp/file && ls /tmp; touch /own/file 2>/dev/null || echo read-only"]
        assert await (await programs.world.spawn(replace(spec, argv=argv))).wait() == 0
        names = sorted(f"/{each.name}" for each in root.iterdir())
        assert programs.log.read_text() == f"{' '.join(names)}\nfile\nread-only\n"
        for place in (before, await programs.world.ensure_place("london")):  # their namespaces are there still
            assert await (await programs.world.spawn(ProcessSpec("true", ["/bin/true"], place))).wait() == 0

    confined(story)
