"""Objects: small ones beside moto_server, a large one beside nginx on the same disk, and pages of a long listing.

Small: PutObject (another content each time) and GetObject of 1 KB, 16 connections by wrk. Kunren's objects are on disk
before they are acknowledged, moto's are in memory. Large: 100 MB by one connection, PUT to nginx's DAV module and GET from
it as a plain file; nginx does not wait for the disk, and digests nothing. Listing: ListObjectsV2 of 1,000 keys at the
beginning and at the end of a bucket of 100,000.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks import peers, proxies, wrk
from benchmarks.figures import median, ratios, spread, table, verdict
from benchmarks.instance import Instance, client

CONNECTIONS = 16
SMALL_TARGET, LARGE_TARGET, FLAT = 10.0, 0.5, 0.5
LARGE = 100 * 1024 * 1024
MANY = 100_000
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=111122223333/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=0"
}


def run(quick: bool) -> Iterator[str]:
    rounds, seconds, many = (1, 1, 3_000) if quick else (5, 2, MANY)
    with ExitStack() as stack:
        kunren = stack.enter_context(Instance())
        moto = stack.enter_context(peers.running("moto_server"))
        ports = {"kunren": kunren.port, "moto_server": moto.port}
        for port in ports.values():
            made = client("s3", port)
            made.create_bucket(Bucket="bench")
            made.put_object(Bucket="bench", Key="small", Body=b"x" * 1024)
        yield from _small(ports, rounds, seconds)
        yield from _large(kunren.port, stack.enter_context(_nginx()), rounds)
        yield _listing(kunren.port, many)


def _small(ports: dict[str, int], rounds: int, seconds: float) -> Iterator[str]:
    body = "x" * 1000 + wrk.COUNTER
    loads: dict[tuple[str, str], list[wrk.Load]] = {}
    for _ in range(rounds):
        for name, port in ports.items():
            for what in ("PUT", "GET"):
                request = wrk.Request(
                    f"http://127.0.0.1:{port}/bench/small", what, SIGNED, body if what == "PUT" else ""
                )
                load = wrk.run(request, connections=CONNECTIONS, seconds=seconds)
                loads.setdefault((name, what), []).append(load)
    rows, reached = [], True
    for what in ("PUT", "GET"):
        rates = {name: [each.per_second for each in loads[name, what]] for name in ports}
        ratio = ratios(rates["kunren"], rates["moto_server"])
        reached = reached and ratio >= SMALL_TARGET
        rows.append([f"{what} 1 KB", *(spread(rates[name]) for name in ports), f"{ratio:.1f}"])
    yield table(["", *(f"{name}, requests/s" for name in ports), "ratio"], rows)
    yield f"Target: at least {SMALL_TARGET:.0f} times moto_server. {verdict(reached)}"


@contextmanager
def _nginx() -> Iterator[int]:
    port = peers.free_port()
    with tempfile.TemporaryDirectory(prefix="kunren-bench-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        folder.chmod(0o777)
        (folder / "files").chmod(0o777)
        server = (
            f"  server {{ listen 127.0.0.1:{port}; root {folder}/files; client_max_body_size 0;\n"
            "    location / { dav_methods PUT; } }\n"
        )
        (folder / "nginx.conf").write_text(proxies.nginx_config(folder, server))
        argv = [proxies.find("nginx"), "-p", name, "-e", f"{name}/error.log", "-c", f"{name}/nginx.conf"]
        with proxies.started(argv, folder / "output.log"):
            yield port


def _large(kunren: int, nginx: int, rounds: int) -> Iterator[str]:
    body = bytes(LARGE)
    rates: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, port in (("kunren", kunren), ("nginx", nginx)):
            path = "/bench/large" if name == "kunren" else "/large"
            for what in ("PUT", "GET"):
                taken = _timed(partial(_request, port, what, path, body if what == "PUT" else None))
                rates.setdefault((name, what), []).append(LARGE / taken / 1e6)
    rows, reached = [], True
    for what in ("PUT", "GET"):
        ours, theirs = rates["kunren", what], rates["nginx", what]
        ratio = ratios(ours, theirs)
        reached = reached and ratio >= LARGE_TARGET
        rows.append([f"{what} 100 MB", spread(ours), spread(theirs), f"{ratio:.2f}"])
    yield table(["", "kunren, MB/s", "nginx, MB/s", "ratio"], rows)
    yield f"Target: at least {LARGE_TARGET} of nginx. {verdict(reached)}"


def _request(port: int, method: str, path: str, body: bytes | None) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, SIGNED)
    answer = connection.getresponse()
    while answer.read(1024 * 1024):
        pass
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path} on port {port} was answered {answer.status}")


def _timed(work: Callable[[], Any]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def _listing(port: int, many: int) -> str:
    made = client("s3", port)
    made.create_bucket(Bucket="long")

    def fill(start: int) -> None:
        connection = HTTPConnection("127.0.0.1", port)
        for number in range(start, many, 32):
            connection.request("PUT", f"/long/key-{number:06}", b"", SIGNED)
            connection.getresponse().read()
        connection.close()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(fill, range(32)))
    first, last = (
        median([_timed(partial(made.list_objects_v2, Bucket="long", StartAfter=key)) for _ in range(5)]) * 1000
        for key in ("", f"key-{many - 1001:06}")
    )
    return (
        f"A page of 1,000 among {many:,} keys: {first:.0f} ms at the beginning, {last:.0f} ms at the end, boto3's reading"
        f" included. {verdict(first >= FLAT * last)}"
    )
