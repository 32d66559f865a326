"""A proxy of Service Connect as Envoy and the kernel are told of it."""

from msgspec.structs import replace

from kunren.dataplane.envoy.encode import CLUSTER, LISTENER, ROUTES, encode
from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.ecs.connect.model import Offer
from kunren.services.ecs.connect.routing import hosts, placed, resources, ruleset
from kunren.services.ecs.connect.shares import Serving

WEB = Offer(
    port_name="web", discovery_name="orders", registry="srv-1", dns_name="orders", port=80, protocol="http",
    container_port=8000, ingress_port=8000, idle_s=300.0, request_s=15.0,
)  # fmt: skip
RAW = Offer(
    port_name="raw", discovery_name="db", registry="srv-2", dns_name="db.shop", port=5432, container_port=5432,
    ingress_port=15432, idle_s=3600.0, request_s=15.0,
)  # fmt: skip
ADMIN = replace(WEB, registry="srv-3", dns_name="orders", port=81, protocol="grpc")


def proxy(offers=(WEB, RAW), known=(RAW, WEB, ADMIN), **more):
    return placed("t1", "10.0.0.5", "/netns/t1", offers, known, {15_001}, **more)


def test_names_have_addresses_and_the_kernel_leads_to_the_proxys_listeners():
    assert hosts(proxy()) == "127.255.0.1 db.shop\n127.255.0.2 orders\n"
    lines = [each.strip() for each in ruleset(proxy()).splitlines() if " to " in each]
    assert lines == [
        'iifname != "lo" fib daddr type local tcp dport 8000 tproxy to :15000',
        'iifname != "lo" fib daddr type local tcp dport 15432 tproxy to :15002',  # 15001 is a container's
        "ip daddr 127.255.0.1 tcp dport 5432 dnat to 127.0.0.1:15100",
        "ip daddr 127.255.0.2 tcp dport 80 dnat to 127.0.0.1:15101",
        "ip daddr 127.255.0.2 tcp dport 81 dnat to 127.0.0.1:15102",
    ]
    assert [each for each in ruleset(proxy(direct=True)).splitlines() if "tproxy" in each] == []
    assert ruleset(placed("t1", "10.0.0.5", None, (), (), ())) == ""


def test_envoy_takes_all_of_it_and_retries_and_ejects_as_aws_says():
    made = resources(proxy(), Serving({"srv-1": (Endpoint("10.0.0.9", 8000),)}), lambda seconds: seconds / 10)
    for kind, fragments in ((LISTENER, made.listeners), (ROUTES, made.routes), (CLUSTER, made.clusters)):
        for each in fragments.values():
            encode(kind, each)
    out, inward = "connect/t1/orders:80", "connect/t1/in/15000"
    assert list(made.listeners) == [
        inward, "connect/t1/in/15002", "connect/t1/db.shop:5432", out, "connect/t1/orders:81"
    ]  # fmt: skip
    assert made.listeners[inward]["address"]["socket_address"] == {
        "address": "10.0.0.5", "port_value": 15000, "network_namespace_filepath": "/netns/t1"
    }  # fmt: skip
    assert made.clusters[out]["outlier_detection"] == {
        "consecutive_5xx": 5, "interval": "3.000s", "base_ejection_time": "3.000s", "max_ejection_time": "30.000s",
        "max_ejection_percent": 50, "enforcing_success_rate": 0,
    }  # fmt: skip
    assert made.clusters[out]["lb_policy"] == "ROUND_ROBIN"
    route = made.routes[out]["virtual_hosts"][0]["routes"][0]["route"]
    assert (route["timeout"], route["retry_policy"]["num_retries"]) == ("1.500s", 2)
    assert "retry_policy" not in made.routes[inward]["virtual_hosts"][0]["routes"][0]["route"]
    assert made.clusters[inward]["load_assignment"]["endpoints"][0]["lb_endpoints"] == [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 8000}}}}
    ]
    tcp = made.listeners["connect/t1/db.shop:5432"]["filter_chains"][0]["filters"][0]
    assert (tcp["name"], tcp["typed_config"]["idle_timeout"]) == ("envoy.filters.network.tcp_proxy", "360.000s")
    assert made.endpoints == {
        "connect/t1/db.shop:5432": (), out: (Endpoint("10.0.0.9", 8000),), "connect/t1/orders:81": ()
    }  # fmt: skip


def test_requests_with_the_test_header_have_endpoints_of_their_own():
    tested = replace(WEB, test_header="x-test", test_value="1")
    served = Serving({"srv-1": (Endpoint("10.0.0.9", 8000),)}, {"srv-1": (Endpoint("10.0.0.8", 8000),)})
    made = resources(proxy((), (tested, replace(RAW, test_header="x-test"))), served, float)
    name = "connect/t1/orders:80"
    first, second = made.routes[name]["virtual_hosts"][0]["routes"]
    assert first["match"] == {"prefix": "/", "headers": [{"name": "x-test", "string_match": {"exact": "1"}}]}
    assert (first["route"]["cluster"], second["route"]["cluster"]) == (f"{name}/test", name)
    encode(ROUTES, made.routes[name])
    assert made.endpoints == {
        "connect/t1/db.shop:5432": (), name: (Endpoint("10.0.0.9", 8000),), f"{name}/test": (Endpoint("10.0.0.8", 8000),)
    }  # fmt: skip
