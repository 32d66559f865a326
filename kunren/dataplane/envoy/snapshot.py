"""The state that Envoy should have: encoded resources by type and name, each with its version, merged from all owners.

`State.replace` swaps all resources of one owner at once and says what changed. Encoding is skipped for fragments that
are equal to what the owner had. Nothing here waits or sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kunren.dataplane.envoy.encode import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ORDER,
    ROUTES,
    SECRET,
    Encoded,
    encode,
    encode_endpoints,
)
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, Rejected

Name = tuple[str, str]
"""A resource: its type's URL and its name."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one owner has: the fragments it gave, and their encoded forms."""

    given: Mapping[Name, Any] = field(default_factory=dict)
    encoded: Mapping[Name, Encoded] = field(default_factory=dict)


def encoded_part(resources: EnvoyResources, before: Part) -> Part:
    """Encode an owner's resources, taking over what is equal to before. Raises Rejected for a malformed fragment."""
    given: dict[Name, Any] = {}
    encoded: dict[Name, Encoded] = {}
    for type_url, fragments in _by_type(resources):
        for name, fragment in fragments.items():
            key = (type_url, name)
            given[key] = fragment
            if key in before.given and before.given[key] == fragment:
                encoded[key] = before.encoded[key]
                continue
            try:
                made = encode_endpoints(name, fragment) if type_url == ENDPOINTS else encode(type_url, fragment)
            except ValueError as error:
                raise Rejected(name, str(error)) from error
            encoded[key] = made
    return Part(given, encoded)


def with_endpoints(part: Part, endpoints: Mapping[str, tuple[Endpoint, ...]]) -> Part:
    """The part with these of its EDS resources replaced; the same object where that changes nothing."""
    given = {(ENDPOINTS, name): each for name, each in endpoints.items()}
    differing = {key: each for key, each in given.items() if key in part.encoded and part.given[key] != each}
    if not differing:
        return part
    made = {key: encode_endpoints(key[1], each) for key, each in differing.items()}
    return Part({**part.given, **differing}, {**part.encoded, **made})


def changed(before: Part, after: Part, *types: str) -> list[Name]:
    """The resources of those types that `after` has newly or differently."""
    return [key for key, made in after.encoded.items() if key[0] in types and before.encoded.get(key) != made]


class State:
    """All owners' parts and their union. `of(type)` is what a stream compares with what its Envoy holds."""

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._types: dict[str, dict[str, Encoded]] = {type_url: {} for type_url in ORDER}
        self._services: dict[str, str] = {}

    def part(self, owner: str) -> Part:
        return self._parts.get(owner, Part())

    def owners(self) -> list[str]:
        return list(self._parts)

    def of(self, type_url: str) -> Mapping[str, Encoded]:
        return self._types[type_url]

    def service_of(self, cluster: str) -> str | None:
        """The EDS resource that a cluster takes its endpoints from."""
        return self._services.get(cluster)

    def replace(self, owner: str, part: Part) -> None:
        """Give the owner exactly this. Raises Rejected when a name belongs to another owner already."""
        before = self.part(owner)
        for type_url, name in part.encoded:
            if (type_url, name) not in before.encoded and name in self._types[type_url]:
                raise Rejected(name, "another owner has a resource of this name")
        for type_url, name in before.encoded:
            if (type_url, name) not in part.encoded:
                del self._types[type_url][name]
                if type_url == CLUSTER:
                    self._services.pop(name, None)
        for (type_url, name), made in part.encoded.items():
            self._types[type_url][name] = made
            if type_url == CLUSTER:
                config = part.given[type_url, name].get("eds_cluster_config")
                if config is not None:
                    self._services[name] = config.get("service_name") or name
        if part.encoded:
            self._parts[owner] = part
        else:
            self._parts.pop(owner, None)


def _by_type(resources: EnvoyResources) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return (
        (SECRET, resources.secrets),
        (CLUSTER, resources.clusters),
        (ENDPOINTS, resources.endpoints),
        (LISTENER, resources.listeners),
        (ROUTES, resources.routes),
    )
