"""What a request asks of a registry: by host and path which account, region, repository and thing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from kunren.core.fronts import FrontRequest
from kunren.services.ecr.pushing import Place

HOST = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com")
_PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags|referrers)/(?P<rest>[^/]*)")


class Path(NamedTuple):
    """`kind` is "" for the registry itself, "catalog", "manifests", "blobs/uploads", "blobs", "tags", "referrers"."""

    account: str
    region: str
    name: str
    kind: str
    rest: str

    @property
    def place(self) -> Place:
        return Place(self.account, self.region, self.name)


class Asked(NamedTuple):
    """A request with its path read and its query's parameters. `imports`: a cache may bring what it is about."""

    path: Path
    query: Mapping[str, str]
    request: FrontRequest
    imports: bool = True

    @property
    def base(self) -> str:
        """The URL that the client knows the registry by."""
        scheme = "https" if self.request.secure else "http"
        return f"{scheme}://{self.request.headers.get('host', self.request.host)}/v2"

    @property
    def mounted(self) -> Asked | None:
        """What an upload wants to mount from another repository, as a request for that layer."""
        if self.path.kind != "blobs/uploads" or self.request.method != "POST" or not self.query.get("mount"):
            return None
        path = self.path._replace(name=self.query.get("from", ""), kind="blobs", rest=self.query["mount"])
        return self._replace(path=path, request=self.request._replace(method="GET"), query={})


def registry_of(host: str) -> tuple[str, str] | None:
    """Account and region of a registry's host, with or without a port."""
    found = HOST.fullmatch(host.partition(":")[0].lower())
    return (found[1], found[2]) if found is not None else None


def read(host: str, path: str) -> Path | None:
    """None where nothing is called so."""
    registry = registry_of(host)
    if registry is None:
        return None
    if path in ("/v2", "/v2/"):
        return Path(*registry, "", "", "")
    if path == "/v2/_catalog":
        return Path(*registry, "", "catalog", "")
    found = _PATH.fullmatch(path)
    return Path(*registry, found["name"], found["kind"], found["rest"]) if found is not None else None


def query_of(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))
