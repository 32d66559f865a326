"""The discovery protocol without a connection: what is sent when, in which order, and what a NACK does."""

from __future__ import annotations

from kunren.dataplane.envoy.ads import Delta
from kunren.dataplane.envoy.encode import CLUSTER, ENDPOINTS, LISTENER, ORDER, ROUTES, SECRET
from kunren.dataplane.envoy.resources import Endpoint, EnvoyResources, certificate_secret, eds_cluster
from kunren.dataplane.envoy.snapshot import State, encoded_part


def cluster(name="c", timeout=1.0):
    return eds_cluster(name, service_name="s", source=None, namespace=None, connect_timeout_s=timeout)


def listener(name="l", port=80):
    return {"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def routes(body="a"):
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}
    return {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]}


def whole(**given):
    defaults = {
        "listeners": {"l": listener()}, "routes": {"r": routes()}, "clusters": {"c": cluster()},
        "endpoints": {"s": (Endpoint("127.0.0.1", 1),)}, "secrets": {"k": certificate_secret("k", "x", "y")},
    }  # fmt: skip
    return EnvoyResources(**{**defaults, **given})


def publish(state, resources, owner="o"):
    state.replace(owner, encoded_part(resources, state.part(owner)))


def subscribed(state):
    delta = Delta(state)
    delta.subscribe(CLUSTER, [], {})
    delta.subscribe(LISTENER, [], {})
    delta.subscribe(ENDPOINTS, ["s"], {})
    delta.subscribe(ROUTES, ["r"], {})
    delta.subscribe(SECRET, ["k"], {})
    return delta


def sent(delta):
    """What is due, acknowledged: (type, names, removed)."""
    out = []
    for response in delta.responses():
        delta.acknowledge(response.nonce)
        out.append((response.type_url, sorted(response.versions), response.removed))
    return out


def test_what_is_referred_to_is_sent_first():
    state = State()
    publish(state, whole())
    delta = subscribed(state)
    assert [(kind, names) for kind, names, _ in sent(delta)] == [
        (SECRET, ["k"]), (CLUSTER, ["c"]), (ENDPOINTS, ["s"]), (LISTENER, ["l"]), (ROUTES, ["r"]),
    ]  # fmt: skip
    assert [kind for kind, _, _ in sent(delta)] == []
    assert all(delta.acknowledged[kind] for kind in ORDER)


def test_a_client_without_configuration_is_told_that_there_is_none():
    delta = Delta(State())
    delta.subscribe(CLUSTER, [], {})
    delta.subscribe(LISTENER, [], {})
    assert sent(delta) == [(CLUSTER, [], ()), (LISTENER, [], ())]
    assert sent(delta) == []


def test_only_changes_are_sent():
    state = State()
    publish(state, whole())
    delta = subscribed(state)
    sent(delta)
    publish(state, whole(routes={"r": routes("b")}))
    assert sent(delta) == [(ROUTES, ["r"], ())]
    publish(state, whole(routes={"r": routes("b")}, endpoints={"s": (Endpoint("127.0.0.1", 1, "DRAINING"),)}))
    assert sent(delta) == [(ENDPOINTS, ["s"], ())]


def test_endpoints_follow_a_changed_cluster_even_when_they_did_not_change():
    state = State()
    publish(state, whole())
    delta = subscribed(state)
    sent(delta)
    publish(state, whole(clusters={"c": cluster(timeout=2.0)}))
    assert sent(delta) == [(CLUSTER, ["c"], ()), (ENDPOINTS, ["s"], ())]
    publish(state, whole(clusters={"c": cluster(timeout=2.0), "d": cluster("d")}))
    assert sent(delta) == [(CLUSTER, ["d"], ()), (ENDPOINTS, ["s"], ())]


def test_removals_come_last_listeners_before_clusters():
    state = State()
    publish(state, whole())
    publish(state, EnvoyResources(listeners={"m": listener("m", 81)}), owner="p")
    delta = subscribed(state)
    sent(delta)
    publish(state, EnvoyResources())
    publish(state, EnvoyResources(listeners={"m": listener("m", 82)}), owner="p")
    assert sent(delta) == [(LISTENER, ["m"], ()), (LISTENER, [], ("l",)), (CLUSTER, [], ("c",))]
    assert delta.acknowledged[LISTENER].keys() == {"m"}


def test_a_client_that_comes_back_is_sent_only_what_it_lacks():
    state = State()
    publish(state, whole())
    before = subscribed(state)
    sent(before)
    delta = Delta(state)
    delta.subscribe(CLUSTER, [], dict(before.acknowledged[CLUSTER]))
    delta.subscribe(LISTENER, [], {"l": "old", "gone": "1"})
    assert sent(delta) == [(CLUSTER, [], ()), (LISTENER, ["l"], ()), (LISTENER, [], ("gone",))]


def test_a_refused_version_is_not_sent_again_until_it_is_published_again():
    state = State()
    publish(state, whole(listeners={"l": listener(), "l2": listener("l2", 81)}))
    delta = Delta(state)
    delta.subscribe(LISTENER, [], {})
    (response,) = delta.responses()
    refusal = delta.refuse(response.nonce, "Error adding/updating listener(s) l2: cannot bind '127.0.0.1:81'")
    assert refusal.resources == ((LISTENER, "l2"),)
    assert delta.acknowledged[LISTENER].keys() == {"l"}
    assert sent(delta) == []
    delta.retry(iter([(LISTENER, "l2")]))
    assert sent(delta) == [(LISTENER, ["l2"], ())]


def test_a_name_that_is_asked_for_again_is_sent_again():
    state = State()
    publish(state, whole())
    delta = subscribed(state)
    sent(delta)
    delta.unsubscribe(ROUTES, ["r"])
    delta.subscribe(ROUTES, ["r"], {})
    assert sent(delta) == [(ROUTES, ["r"], ())]


def test_many_endpoints_resources_are_sent_in_chunks():
    state = State()
    publish(state, EnvoyResources(endpoints={f"s{n}": () for n in range(450)}))
    delta = Delta(state)
    delta.subscribe(ENDPOINTS, [f"s{n}" for n in range(450)], {})
    assert [len(names) for _, names, _ in sent(delta)] == [200, 200, 50]
