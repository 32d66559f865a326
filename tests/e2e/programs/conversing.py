"""Programs that a test starts in the world, and speaks with: what runs there is in this folder's other files."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent
ENDS_WITHIN_S = 10


class Program:
    """A python program in the world, spoken to in lines over its standard streams."""

    def __init__(self, kunren: Any, script: str, *arguments: str, where: tuple[str, ...] = ()) -> None:
        command = [*where, "--", kunren.python, "-u", str(PROGRAMS / script), *arguments]
        self.process = kunren.popen(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1
        )

    def say(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(ENDS_WITHIN_S)
            raise AssertionError(f"the program ended: {self.process.stderr.read()}")
        return line.rstrip("\n")

    def hear_until(self, wanted: str) -> str:
        while True:
            line = self.hear()
            if line.startswith(wanted):
                return line

    def end(self) -> int:
        """Terminate it; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(ENDS_WITHIN_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return code

    def do(self, command: str) -> None:
        """Say a command and wait until it is done."""
        self.say(command)
        self.hear_until("done " + command)


class Client(Program):
    """Sends requests from a client place, one connection each."""

    def __init__(self, kunren: Any, place: str) -> None:
        super().__init__(kunren, "client.py", where=("--from", place))

    def tell(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        self.say(json.dumps(wanted))
        return json.loads(self.hear())

    def get(self, url: str, **options: Any) -> dict[str, Any]:
        """One request: {"status", "headers", "body", "peer"} or {"error"}."""
        return self.tell({"url": url, **options})[0]

    def get_address(self) -> str:
        """The public address by which its place is seen."""
        return self.tell({"address": True})[0]

    def status(self, url: str, **options: Any) -> Any:
        answer = self.get(url, **options)
        return answer.get("status", answer.get("error"))

    def names(self, url: str, times: int, **options: Any) -> list[str]:
        """The names of the targets that answered so many requests; the status where none did."""
        answers = self.tell({"url": url, "times": times, **options})
        return [target_name(each) for each in answers]


def target_name(answer: dict[str, Any]) -> str:
    if answer.get("status") != 200:
        return str(answer.get("status") or answer["error"])
    return json.loads(answer["body"])["name"]


class Target(Program):
    """An HTTP server with an address of its own on a subnet."""

    def __init__(self, kunren: Any, name: str, ports: tuple[int, ...], subnet: str, group: str) -> None:
        where = ("--subnet", subnet, "--security-group", group)
        super().__init__(kunren, "target.py", name, *map(str, ports), where=where)
        told = self.process.stderr.readline()  # "eni-…: 172.31.0.9, public 198.18.4.7"
        if not told.startswith("eni-"):
            raise AssertionError(f"no interface: {told}{self.process.stderr.read()}")
        words = told.split()
        self.interface, self.address = words[0].rstrip(":"), words[1].rstrip(",")
        self.public_address = words[3].rstrip(",") if "public" in words else None
        self.hear_until("ready")


class Shell(Program):
    """Runs commands in a client place (`--from`) or on a subnet (`--subnet`), one after the other."""

    def __init__(self, kunren: Any, *where: str) -> None:
        super().__init__(kunren, "runner.py", where=where)
        self.interface = self.process.stderr.readline().split(":")[0] if "--subnet" in where else None

    def run(self, *command: str) -> dict[str, Any]:
        """{"code", "out", "err"} of a command."""
        self.say(json.dumps(command))
        return json.loads(self.hear())

    def dig(self, *question: str) -> list[str]:
        """What `dig +short` prints, sorted."""
        return sorted(self.run("dig", "+short", "+time=1", "+tries=1", *question)["out"].split("\n")[:-1])

    def rcode(self, *question: str) -> str:
        """NOERROR, NXDOMAIN ...; "" where nobody answered."""
        out = self.run("dig", "+noall", "+comments", "+time=1", "+tries=1", *question)["out"]
        return out.partition("status: ")[2].partition(",")[0]


class Running:
    """Starts programs in any daemon's world; they end with the test."""

    def __init__(self, running: ExitStack) -> None:
        self._running = running

    def target(self, kunren: Any, name: str, ports: tuple[int, ...], subnet: str, group: str) -> Target:
        return self._ended(Target(kunren, name, ports, subnet, group))

    def client(self, kunren: Any, place: str) -> Client:
        return self._ended(Client(kunren, place))

    def shell(self, kunren: Any, *where: str) -> Shell:
        return self._ended(Shell(kunren, *where))

    def program(self, kunren: Any, script: str, *arguments: str, where: tuple[str, ...] = ()) -> Program:
        return self._ended(Program(kunren, script, *arguments, where=where))

    def _ended(self, made: Any) -> Any:
        self._running.callback(made.end)
        return made


class FlowClient:
    def __init__(self, program: Any) -> None:
        self._program = program

    def tell(self, **wanted: Any) -> dict[str, Any]:
        self._program.say(json.dumps(wanted))
        return json.loads(self._program.hear())

    def ask(self, host: str, port: int = 80, **more: Any) -> Any:
        answer = self.tell(open=[host, port], **more)
        return answer.get("said", answer.get("error"))

    def keep(self, host: str, port: int = 80, **more: Any) -> tuple[int, str]:
        """A connection that stays: its number, and the target's name."""
        answer = self.tell(open=[host, port], **more)
        assert "said" in answer, answer
        return answer["id"], answer["said"][0]

    def repeats(self, connection: int) -> bool | str:
        answer = self.tell(send=connection, text="again")
        return answer.get("said") == ["again"] or answer.get("error", "silence")
