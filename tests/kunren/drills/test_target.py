"""The application of the drills: what it keeps, and what of it gets to the other side."""

import subprocess
import sys
import urllib.request

import pytest


@pytest.fixture
def start(free_port):
    running = []

    def run(*options):
        port = free_port()
        command = [sys.executable, "-m", "kunren.drills.target", "--name", f"on {port}", "--port", str(port), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process, f"http://127.0.0.1:{port}"

    yield run
    for each in running:
        each.kill()
        each.wait()


def ask(url, body=None):
    with urllib.request.urlopen(url, body, timeout=30) as answer:
        return answer.read().decode()


def test_writes_are_kept_once_and_copied(start, until):
    _, copy = start()
    _, primary = start("--copy-to", f"{copy}/copy", "--copy-every", "1", "--speed", "10")
    for each in (b"1-0", b"1-1", b"1-1"):
        assert ask(f"{primary}/write", each).startswith("on ")
    assert ask(f"{primary}/writes") == "1-0\n1-1"
    until(lambda: ask(f"{copy}/writes") == "1-0\n1-1", "the copy")
    _, restored = start("--restore-from", f"{copy}/writes")
    assert ask(f"{restored}/writes") == "1-0\n1-1"


def test_a_write_waits_for_its_copy_unless_the_other_side_is_gone(start):
    process, copy = start()
    _, primary = start("--copy-to", f"{copy}/copy", "--copy-every", "0")
    ask(f"{primary}/write", b"1-0")
    assert ask(f"{copy}/writes") == "1-0"
    process.kill()
    process.wait()
    assert ask(f"{primary}/write", b"1-1").startswith("on ")
    assert ask(f"{primary}/writes") == "1-0\n1-1"
