"""From the command to the first answered call, and the memory of what then idles.

The call is Route 53's ListHostedZones, by a bare HTTP request that is tried until it is answered with 200. For Kunren
the clock starts before `kunren up --detach`, with Envoy, DNS and the world started in that time; for the peers it
starts before their command. Memory is the PSS of the whole process tree, some seconds later.
"""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator

from benchmarks import peers, processes
from benchmarks.figures import median, spread, table, verdict
from benchmarks.instance import KUNREN, Instance, environment

IDLE_AFTER_S = 3.0
TARGET_S, TARGET_MB = 1.0, 150
_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/route53/aws4_request, "
    "SignedHeaders=host, Signature=00",
    "Host": "route53.amazonaws.com",
}


def run(quick: bool) -> Iterator[str]:
    rounds = 2 if quick else 5
    seconds: dict[str, list[float]] = {name: [] for name in ("kunren", *peers.NAMES)}
    memory: dict[str, list[float]] = {name: [] for name in seconds}
    peers.programs()
    for _ in range(rounds):
        for name in seconds:
            took, used = _kunren() if name == "kunren" else _peer(name)
            seconds[name].append(took)
            memory[name].append(used)
    rows = [[name, spread(seconds[name], 2), spread(memory[name])] for name in seconds]
    yield table(["", "first answer, s", "idle memory (PSS), MB"], rows)
    took, used = median(seconds["kunren"]), median(memory["kunren"])
    yield f"Target: under {TARGET_S:g} s ({verdict(took < TARGET_S)}) and {TARGET_MB} MB ({verdict(used < TARGET_MB)})."


def _kunren() -> tuple[float, float]:
    instance = Instance()
    port = peers.free_port()
    argv = [KUNREN, "up", "--detach", "--state", str(instance.state), "--port", str(port), "--proxy-port", "0"]
    began = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env=environment())
    _first_answer(port)
    took = time.monotonic() - began
    instance.pid = _pid(instance)
    time.sleep(IDLE_AFTER_S)
    used = instance.memory_bytes() / 1e6
    instance.__exit__()
    return took, used


def _pid(instance: Instance) -> int:
    import json

    return int(json.loads(instance.cli("status", "--json"))["pid"])


def _peer(name: str) -> tuple[float, float]:
    began = time.monotonic()
    with peers.running(name) as peer:
        _first_answer(peer.port)
        took = time.monotonic() - began
        time.sleep(IDLE_AFTER_S)
        return took, processes.proportional_bytes(processes.tree(peer.pid)) / 1e6


def _first_answer(port: int) -> None:
    deadline = time.monotonic() + peers.STARTS_WITHIN_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/2013-04-01/hostedzone", headers=_HEADERS)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.002)
    raise RuntimeError(f"port {port} gave no answer")
