"""What the daemon must know of this machine's kernel before it builds a world."""

from __future__ import annotations

import socket
from pathlib import Path

_ADDRESSES = Path("/proc/net/if_inet6")


def offers_ipv6() -> bool:
    """Has the kernel IPv6 (compiled in, and not switched off by `ipv6.disable=1`)."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return _ADDRESSES.exists()
