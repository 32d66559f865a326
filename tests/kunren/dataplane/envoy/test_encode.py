"""Fragments into bytes."""

from __future__ import annotations

import pytest
from envoy.config.route.v3 import route_pb2
from google.protobuf import json_format

from kunren.dataplane.envoy.encode import ROUTES, encode


def route(n):
    body = {"inline_string": "x" * n}
    return {"match": {"prefix": f"/{n}"}, "direct_response": {"status": 200, "body": body}}


def test_route_configurations_put_together_are_what_the_whole_would_be():
    hosts = [
        {"name": "a", "domains": ["a.test"], "routes": [route(n) for n in (1, 200, 70_000)]},
        {"name": "b", "domains": ["*"], "routes": []},
        {"name": "c", "domains": ["c.test", "d.test"], "require_tls": "ALL"},
    ]
    fragment = {"name": "r", "virtual_hosts": hosts, "ignore_port_in_host_matching": True}
    made = route_pb2.RouteConfiguration.FromString(encode(ROUTES, fragment).body)
    assert made == json_format.ParseDict(fragment, route_pb2.RouteConfiguration())
    assert encode(ROUTES, fragment) == encode(ROUTES, fragment)


def test_unknown_fields_are_named():
    for bad in ({"name": "r", "nonsense": 1}, {"name": "r", "virtual_hosts": [{"routes": [{"nonsense": 1}]}]}):
        with pytest.raises(ValueError, match="nonsense"):
            encode(ROUTES, bad)
