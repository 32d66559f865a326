"""Owners' parts and their union."""

from __future__ import annotations

import pytest

from kunren.dataplane.envoy.encode import CLUSTER, ENDPOINTS, LISTENER, encode, encode_endpoints
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, Rejected, eds_cluster
from kunren.dataplane.envoy.snapshot import State, changed, encoded_part, with_endpoints


def cluster(**given):
    return eds_cluster("c", service_name="s", source="10.0.0.1", namespace="/run/netns/v", connect_timeout_s=1, **given)


def test_equal_content_has_an_equal_version_and_is_not_encoded_twice():
    one = encoded_part(EnvoyResources(clusters={"c": cluster()}), State().part("o"))
    two = encoded_part(EnvoyResources(clusters={"c": cluster()}), one)
    assert two.encoded[CLUSTER, "c"] is one.encoded[CLUSTER, "c"]
    three = encoded_part(EnvoyResources(clusters={"c": cluster(tls=True)}), two)
    assert changed(two, three, CLUSTER, LISTENER) == [(CLUSTER, "c")]


def test_a_field_that_envoy_does_not_have_is_refused_by_name():
    with pytest.raises(Rejected) as refused:
        encoded_part(EnvoyResources(clusters={"c": {"name": "c", "nonsense": 1}}), State().part("o"))
    assert refused.value.resource == "c" and "nonsense" in refused.value.message


def test_two_owners_cannot_have_one_name():
    state = State()
    state.replace("o", encoded_part(EnvoyResources(clusters={"c": cluster()}), state.part("o")))
    with pytest.raises(Rejected, match="another owner"):
        state.replace("p", encoded_part(EnvoyResources(clusters={"c": cluster()}), state.part("p")))
    assert state.owners() == ["o"] and state.service_of("c") == "s"
    state.replace("o", encoded_part(EnvoyResources(), state.part("o")))
    assert state.owners() == [] and not state.of(CLUSTER) and state.service_of("c") is None


def test_endpoints_can_be_replaced_alone():
    part = encoded_part(EnvoyResources(endpoints={"s": (Endpoint("10.0.0.2", 80),)}), State().part("o"))
    draining = (Endpoint("10.0.0.2", 80, "DRAINING", 3),)
    again = with_endpoints(part, {"s": draining, "of nobody": draining})
    assert changed(part, again, ENDPOINTS) == [(ENDPOINTS, "s")]
    assert with_endpoints(again, {"s": draining}) is again


def test_endpoints_by_class_are_what_the_fragment_would_be():
    fragment = {
        "cluster_name": "s",
        "endpoints": [
            {
                "lb_endpoints": [
                    {
                        "endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 80}}},
                        "health_status": "DRAINING",
                        "load_balancing_weight": 3,
                    }
                ]
            }
        ],
    }
    assert encode_endpoints("s", (Endpoint("10.0.0.2", 80, "DRAINING", 3),)) == encode(ENDPOINTS, fragment)
    assert encode_endpoints("s", ()) == encode(ENDPOINTS, {"cluster_name": "s"})
