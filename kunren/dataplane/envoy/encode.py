"""Fragments into the bytes that go over xDS. The generated classes are imported when the first fragment needs them.

A fragment's `Any`s can be packed only when their module is imported, so the tree is walked for "@type" once per type.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, NamedTuple

from kunren.core.memo import by_identity
from kunren.dataplane.envoy.resources import TYPE, Endpoint, Fragment

SECRET = TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret"
CLUSTER = TYPE + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = TYPE + "envoy.config.listener.v3.Listener"
ROUTES = TYPE + "envoy.config.route.v3.RouteConfiguration"
ORDER = (SECRET, CLUSTER, ENDPOINTS, LISTENER, ROUTES)
"""The order in which additions and changes are sent: what is referred to comes first."""

_REMEMBERED = 1 << 14
"""Routes, virtual hosts and endpoints whose encoded form is remembered."""
_COMPONENTS = "envoy.config.route.v3.route_components_pb2"
_ENDPOINT_COMPONENTS = "envoy.config.endpoint.v3.endpoint_components_pb2"
_MODULES = {
    SECRET: "envoy.extensions.transport_sockets.tls.v3.secret_pb2",
    CLUSTER: "envoy.config.cluster.v3.cluster_pb2",
    ENDPOINTS: "envoy.config.endpoint.v3.endpoint_pb2",
    LISTENER: "envoy.config.listener.v3.listener_pb2",
    ROUTES: "envoy.config.route.v3.route_pb2",
}


class Encoded(NamedTuple):
    """One resource as sent: the version is the hash of the body, so equal content is never sent twice."""

    version: str
    body: bytes


def encode(type_url: str, fragment: Fragment) -> Encoded:
    """A fragment of that type. Raises ValueError, naming the field, where Envoy's schema does not have it."""
    if type_url == ROUTES:
        return _sealed(_route_configuration(fragment))
    return _sealed(_bytes(_class(type_url), fragment))


def _bytes(kind: Any, fragment: Fragment) -> bytes:
    from google.protobuf import json_format

    _import_types(fragment)
    message = kind()
    try:
        json_format.ParseDict(fragment, message)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    return _serialised(message)


def _route_configuration(fragment: Fragment) -> bytes:
    """A route configuration, put together from virtual hosts and routes that are encoded once each: a change to one
    rule of a thousand costs one host, and a route that many hosts share is looked at once. (A repeated field of
    messages is its elements, one behind the other.)"""
    rest = {key: value for key, value in fragment.items() if key != "virtual_hosts"}
    return b"".join((_bytes(_class(ROUTES), rest), *map(_virtual_host, fragment.get("virtual_hosts", ()))))


@by_identity(_REMEMBERED)
def _virtual_host(host: Fragment) -> bytes:
    kind = importlib.import_module(_COMPONENTS).VirtualHost
    rest = {key: value for key, value in host.items() if key != "routes"}
    # names alone need no look at each field: there may be a thousand hosts
    own = _serialised(kind(**rest)) if rest.keys() <= {"name", "domains"} else _bytes(kind, rest)
    return _element(_class(ROUTES), "virtual_hosts", b"".join((own, *map(_route, host.get("routes", ())))))


@by_identity(_REMEMBERED)
def _route(route: Fragment) -> bytes:
    components = importlib.import_module(_COMPONENTS)
    return _element(components.VirtualHost, "routes", _bytes(components.Route, route))


def _serialised(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))


def _element(kind: Any, field: str, body: bytes) -> bytes:
    """One element of a repeated message field: tag (length-delimited), length, body."""
    return _varint(kind.DESCRIPTOR.fields_by_name[field].number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_endpoints(name: str, endpoints: Iterable[Endpoint]) -> Encoded:
    """The endpoints of one EDS resource, put together from endpoints that are encoded once each."""
    kind = _class(ENDPOINTS)
    listed = b"".join(map(_endpoint, endpoints))
    return _sealed(_serialised(kind(cluster_name=name)) + (_element(kind, "endpoints", listed) if listed else b""))


@lru_cache(_REMEMBERED)
def _endpoint(endpoint: Endpoint) -> bytes:
    """By the message classes: a tenth of the time that a dict would take."""
    components = importlib.import_module(_ENDPOINT_COMPONENTS)
    entry = components.LbEndpoint()
    address = entry.endpoint.address.socket_address
    address.address = endpoint.address
    address.port_value = endpoint.port
    entry.health_status = _HEALTH[endpoint.health]
    entry.load_balancing_weight.value = endpoint.weight
    return _element(components.LocalityLbEndpoints, "lb_endpoints", _serialised(entry))


_HEALTH = {"HEALTHY": 1, "UNHEALTHY": 2, "DRAINING": 3}


def _sealed(body: bytes) -> Encoded:
    return Encoded(hashlib.blake2b(body, digest_size=8).hexdigest(), body)


@cache
def _class(type_url: str) -> Any:
    module = importlib.import_module(_MODULES[type_url])
    return getattr(module, type_url.rpartition(".")[2])


def _import_types(node: Any) -> None:
    if isinstance(node, dict):
        if isinstance(type_url := node.get("@type"), str):
            _import_package(type_url.removeprefix(TYPE).rpartition(".")[0])
        for value in node.values():
            if isinstance(value, (dict, list)):
                _import_types(value)
    elif isinstance(node, list):
        for value in node:
            if isinstance(value, (dict, list)):
                _import_types(value)


@cache
def _import_package(package: str) -> None:
    found = importlib.import_module(package)
    for module in pkgutil.iter_modules(found.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package}.{module.name}")
