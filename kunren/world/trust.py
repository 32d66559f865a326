"""The files that make a host program believe in the world: its resolver, its hosts file, its certificates. Pure text,
and the paths where systems keep them.
"""

from __future__ import annotations

import re
from pathlib import Path

HOSTS = "/etc/hosts"
NSSWITCH = "/etc/nsswitch.conf"

# Where TLS libraries look for the bundle of trusted roots: Debian, Fedora, SUSE, Alpine, and OpenSSL's own defaults.
CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
    "/usr/lib/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)


def present_bundles() -> list[str]:
    """The system's bundles, each file once though several paths lead to it."""
    found: dict[Path, str] = {}
    for path in CA_BUNDLES:
        if Path(path).is_file():
            found.setdefault(Path(path).resolve(), path)
    return list(found.values())


def hosts_file(hostname: str) -> str:
    """A hosts file without the host's own entries, which would answer for names of the world."""
    return f"127.0.0.1 localhost\n127.0.1.1 {hostname}\n::1 localhost ip6-localhost ip6-loopback\n"


def nsswitch_file(current: str | None) -> str:
    """The system's nsswitch.conf with host names from files and DNS alone: others (systemd-resolved, mDNS) ask services
    of the host through unix sockets, and so would leave the world."""
    line = "hosts: files dns\n"
    if not current:
        return f"passwd: files\ngroup: files\n{line}"
    replaced, count = re.subn(r"(?m)^\s*hosts\s*:.*\n?", line, current)
    return replaced if count else f"{current.rstrip()}\n{line}"
