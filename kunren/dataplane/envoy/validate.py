"""Checks listeners and clusters with `envoy --mode validate` before they are pushed.

Envoy applies the good half of a bad push, so a candidate is checked whole, beforehand. A check costs 60 to 100 ms;
what makes a resource valid is its shape, not its names and addresses, so a shape that passed once is not checked
again. (Routes, endpoints and secrets come from our own builders and go at once; a NACK names them.)
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from kunren.dataplane.envoy.process import bootstrap
from kunren.dataplane.envoy.resources import Fragment, Rejected

Run = Callable[[Path], Awaitable[tuple[int, str]]]
"""Validate the configuration in that file: exit code, and what was written to standard error."""
_IDENTITY = {
    "name": "n",
    "stat_prefix": "s",
    "log_name": "l",
    "service_name": "e",
    "route_config_name": "r",
    "address": "127.0.0.1",
    "port_value": 80,
    "default_host_for_http_10": "h",
}
_CERTIFICATES = "tls_certificate_sds_secret_configs"
_SERVER_NAMES = "server_names"
_MAX_SHAPES = 10_000


def shape(fragment: Any, place: int = 0) -> Any:
    """The fragment with everything replaced that only says which one it is: names, addresses, ports, namespaces.

    Names of extensions ("envoy.…") are kept, since they choose what is built. `place` is where in a list the fragment
    is: filter chains must not name the same servers.
    """
    if isinstance(fragment, dict):
        out = {}
        for key, value in fragment.items():
            if key == "network_namespace_filepath":
                continue
            if key in _IDENTITY and isinstance(value, (str, int)) and not str(value).startswith("envoy."):
                out[key] = _IDENTITY[key]
            elif key == _CERTIFICATES:
                out[key] = shape(value[:1])  # one more certificate is not another shape
            elif key == _SERVER_NAMES:
                out[key] = [f"{place}.test"]
            else:
                out[key] = shape(value, place)
        return out
    if isinstance(fragment, list):
        return [shape(each, number) for number, each in enumerate(fragment)]
    return fragment


def digest(fragment: Any) -> bytes:
    return hashlib.blake2b(json.dumps(fragment, sort_keys=True).encode(), digest_size=16).digest()


def candidate(listeners: Mapping[str, Fragment], clusters: Mapping[str, Fragment], run_dir: Path) -> dict[str, Any]:
    """A whole configuration that holds the shapes to be checked under names of their own."""
    config = bootstrap(run_dir / "xds.sock", run_dir / "validate-admin.sock")
    static = config["static_resources"]
    static["clusters"] = [*static["clusters"], *({**shape(each), "name": name} for name, each in clusters.items())]
    ports = range(20_000, 20_000 + len(listeners))
    static["listeners"] = [
        {**shape(each), "name": name, "address": _own_address(each, port)}
        for port, (name, each) in zip(ports, listeners.items(), strict=True)
    ]
    return config


def _own_address(listener: Fragment, port: int) -> Fragment:
    """A free one of the same protocol."""
    protocol = listener["address"].get("socket_address", {}).get("protocol", "TCP")
    return {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": protocol}}


class Validator:
    """Knows the shapes that passed."""

    def __init__(self, run: Run, run_dir: Path) -> None:
        self._run = run
        self._run_dir = run_dir
        self._passed: set[bytes] = set()
        self._count = 0
        self._gate = asyncio.Lock()  # who waits behind a check may find its own shapes checked

    def unknown(self, listeners: Mapping[str, Fragment], clusters: Mapping[str, Fragment]) -> bool:
        """Whether a check is needed."""
        return any(digest(shape(each)) not in self._passed for each in (*listeners.values(), *clusters.values()))

    async def check(self, listeners: Mapping[str, Fragment], clusters: Mapping[str, Fragment]) -> None:
        """Return when all are known to be good. Raises Rejected with what Envoy said."""
        async with self._gate:
            fresh_listeners = self._fresh(listeners)
            fresh_clusters = self._fresh(clusters)
            if not fresh_listeners and not fresh_clusters:
                return
            self._count += 1
            file = self._run_dir / f"validate-{self._count}.json"
            file.write_text(json.dumps(candidate(fresh_listeners, fresh_clusters, self._run_dir)))
            try:
                code, said = await self._run(file)
            finally:
                file.unlink(missing_ok=True)
        if code != 0:
            candidates = (*fresh_listeners, *fresh_clusters)
            culprit = next((name for name in candidates if name in said), candidates[0])
            raise Rejected(culprit, said.strip()[-2000:])
        if len(self._passed) > _MAX_SHAPES:
            self._passed.clear()
        for each in (*fresh_listeners.values(), *fresh_clusters.values()):
            self._passed.add(digest(shape(each)))

    def _fresh(self, fragments: Mapping[str, Fragment]) -> dict[str, Fragment]:
        """One fragment of each unknown shape."""
        found: dict[bytes, str] = {}
        for name, each in fragments.items():
            mark = digest(shape(each))
            if mark not in self._passed:
                found.setdefault(mark, name)
        return {name: fragments[name] for name in found.values()}
