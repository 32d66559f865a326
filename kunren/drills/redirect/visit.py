"""Runs inside the world, at one client place: looks names up and fetches URLs with the system's curl.

    python -m kunren.drills.redirect.visit < requests.json > answers.json

In: a list of {"domain", "scheme", "url"}. Out: a list, in the same order, of {"addresses", "address", "status",
"location", "tls_verified", "error"}. A scheme is http, https or http3 (whose URL is an https one). Uses the standard
library and curl only, as any client would; HTTP/3 as `http3.py` says.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kunren.drills.redirect.http3 import ADDRESS, FLAGS, http3_over

TIMEOUT_S = 10
FORMAT = "%{http_code}\\t%{remote_ip}\\t%{ssl_verify_result}\\n"


def visit(requests: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Every request's answer."""
    addresses = {request["domain"]: lookup(request["domain"]) for request in requests}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        over = stack.enter_context(http3_over(folder)) if any(each["scheme"] == "http3" for each in requests) else None
        return [fetch(request, addresses[request["domain"]], folder, over) for request in requests]


def lookup(domain: str) -> list[str]:
    """The IPv4 addresses the system's resolver gives; none where it gives none."""
    try:
        found = socket.getaddrinfo(domain, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(each[4][0]) for each in found})


def fetch(request: dict[str, str], addresses: list[str], folder: Path, over: Path | None) -> dict[str, Any]:
    """`over` is the socket behind which HTTP/3 is."""
    headers = folder / "headers"
    headers.unlink(missing_ok=True)
    command = ["curl", "-sS", "--max-time", str(TIMEOUT_S), "-o", "/dev/null", "-D", str(headers), "-w", FORMAT]
    http3, url = request["scheme"] == "http3", request["url"]
    if http3:
        command += ["--unix-socket", str(over)]
        url = url.replace("https://", "http://", 1)  # the socket takes it in the clear
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
    status, address, verified = done.stdout.strip("\n").split("\t") if done.stdout else ("0", "", "")
    error, secure = done.stderr.strip() if done.returncode else "", done.returncode == 0 and verified == "0"
    if http3:
        address, flags = header(headers, ADDRESS), header(headers, FLAGS)
        secure = flags == "-"
        error = error or ("" if secure else f"no answer over HTTP/3 ({flags})")
    return {
        "addresses": addresses,
        "address": address,
        "status": int(status or 0),
        "location": header(headers, "location"),
        "tls_verified": None if request["scheme"] == "http" else secure,
        "error": error,
    }


def header(headers: Path, wanted: str) -> str:
    """A header as it was sent; empty where there was none."""
    if not headers.exists():
        return ""
    for line in headers.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == wanted:
            return value.strip()
    return ""


if __name__ == "__main__":
    json.dump(visit(json.load(sys.stdin)), sys.stdout)
