"""Runs inside the world, at one client place: looks names up and fetches URLs with the system's curl.

    python -m kunren.drills.redirect.visit < requests.json > answers.json

In: a list of {"domain", "scheme", "url"}. Out: a list, in the same order, of {"addresses", "address", "status",
"location", "tls_verified", "error"}. Uses the standard library and curl only, as any client would.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TIMEOUT_S = 10
FORMAT = "%{http_code}\\t%{remote_ip}\\t%{ssl_verify_result}\\n"


def visit(requests: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Every request's answer."""
    addresses = {request["domain"]: lookup(request["domain"]) for request in requests}
    with tempfile.TemporaryDirectory() as folder:
        return [fetch(request, addresses[request["domain"]], Path(folder)) for request in requests]


def lookup(domain: str) -> list[str]:
    """The IPv4 addresses the system's resolver gives; none where it gives none."""
    try:
        found = socket.getaddrinfo(domain, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(each[4][0]) for each in found})


def fetch(request: dict[str, str], addresses: list[str], folder: Path) -> dict[str, Any]:
    headers = folder / "headers"
    headers.unlink(missing_ok=True)
    command = ["curl", "-sS", "--max-time", str(TIMEOUT_S), "-o", "/dev/null", "-D", str(headers), "-w", FORMAT]
    done = subprocess.run([*command, request["url"]], capture_output=True, text=True, check=False)
    status, address, verified = done.stdout.strip("\n").split("\t") if done.stdout else ("0", "", "")
    return {
        "addresses": addresses,
        "address": address,
        "status": int(status or 0),
        "location": location(headers),
        "tls_verified": done.returncode == 0 and verified == "0" if request["scheme"] == "https" else None,
        "error": done.stderr.strip() if done.returncode else "",
    }


def location(headers: Path) -> str:
    """The Location header as it was sent; empty where there was none."""
    if not headers.exists():
        return ""
    for line in headers.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "location":
            return value.strip()
    return ""


if __name__ == "__main__":
    json.dump(visit(json.load(sys.stdin)), sys.stdout)
