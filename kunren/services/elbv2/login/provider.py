"""Asking an identity provider's endpoints, over TLS, from a load balancer's node in the world."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Connect = Callable[[str, int], Awaitable[socket.socket]]
"""A connection of a node's to a host and port. Raises OSError."""
WITHIN_S = 5.0
_ANSWER_MAX = 1 << 20
KEY_SET_MAX = 150 * 1024


class Refused(Exception):
    """The provider answered with an error."""


class Unreachable(Exception):
    """What the provider said is no answer."""


class TimedOut(Unreachable):
    """The provider could not be asked, or did not answer in time."""


async def tokens(
    connect: Connect, roots: Path, config: Mapping[str, Any], code: str, redirect_uri: str
) -> dict[str, Any]:
    """The token endpoint's answer to an authorization code. Raises Refused, Unreachable."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    pair = f"{quote(config['ClientId'], '')}:{quote(config['ClientSecret'], '')}"
    headers = {
        "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
        "content-type": "application/x-www-form-urlencoded",
    }
    return await _asked(connect, roots, "POST", config["TokenEndpoint"], headers, urlencode(form).encode())


async def user_claims(connect: Connect, roots: Path, config: Mapping[str, Any], access_token: str) -> dict[str, Any]:
    """The user info endpoint's answer. Raises Refused, Unreachable."""
    headers = {"authorization": f"Bearer {access_token}"}
    return await _asked(connect, roots, "GET", config["UserInfoEndpoint"], headers, b"")


async def key_set(connect: Connect, roots: Path, url: str) -> dict[str, Any]:
    """The answer of a JSON Web Key Set's endpoint. Raises Refused, Unreachable; the latter too for one too large."""
    return await _asked(connect, roots, "GET", url, {}, b"", KEY_SET_MAX)


async def _asked(
    connect: Connect,
    roots: Path,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    answer_max: int = _ANSWER_MAX,
) -> dict[str, Any]:
    try:
        async with asyncio.timeout(WITHIN_S):
            status, content = await _exchange(connect, roots, method, url, headers, body)
            if not 200 <= status < 300:
                raise Refused(f"{url} answered {status}")
            if len(content) > answer_max:
                raise ValueError(f"more than {answer_max} bytes")
            said = json.loads(content)
    except OSError as error:  # a timeout too
        raise TimedOut(f"{url}: {error!r}") from error
    except (EOFError, ValueError, RecursionError, asyncio.LimitOverrunError) as error:
        raise Unreachable(f"{url}: {error!r}") from error
    if not isinstance(said, dict):
        raise Unreachable(f"{url} answered no object")
    return said


async def _exchange(
    connect: Connect, roots: Path, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    raw = await connect(host, port)
    try:
        context = ssl.create_default_context(cafile=str(roots))
        reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname=host)
    except BaseException:
        raw.close()
        raise
    try:
        sent = {"host": parts.netloc, "accept": "application/json", **headers, "content-length": str(len(body))}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.0", *(f"{name}: {value}" for name, value in sent.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        content = b""
        while len(content) < _ANSWER_MAX and (data := await reader.read(65536)):
            content += data
    finally:
        writer.close()
    return status, content
