"""`kunren trace tcp://…` and `udp://…`, and `kunren graph`, of a Network Load Balancer: foretold, sent and compared."""

from __future__ import annotations

import json


def test_a_flow_is_explained_sent_and_found_at_its_target(front):
    one, two = front.target("one", 0, 80, 53), front.target("two", 1)
    balancer = front.balancer()
    group = front.group(one, two, attributes={"preserve_client_ip__enabled": "true"})
    datagrams = front.group(one, Protocol="UDP", Port=53, HealthCheckPort="80")
    proxied = front.group(two, attributes={
        "proxy_protocol_v2__enabled": "true", "load_balancing__cross_zone__enabled": "true",
    })  # fmt: skip
    front.listen(balancer, group)
    front.listen(balancer, datagrams, 53, Protocol="UDP")
    front.listen(balancer, proxied, 81)
    sticky = front.group(one, two, attributes={
        "stickiness__enabled": "true", "load_balancing__cross_zone__enabled": "true",
    })  # fmt: skip
    front.listen(balancer, sticky, 82)
    front.wait_for(group, "healthy", "healthy")
    front.wait_for(proxied, "healthy")
    front.wait_for(sticky, "healthy", "healthy")
    front.wait_active(balancer)
    name, zone = balancer["DNSName"], front.zones[0]
    front.until(lambda: front.addresses(f"{zone}.{name}"), "the first zone in DNS")
    own = front.addresses(f"{zone}.{name}")[0]

    def traced(url, *options):
        done = front.kunren.run("trace", "--json", "--from", "tokyo", *options, url)
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout)
        return report, {each["stage"]: each for each in report["steps"]}

    report, steps = traced(f"tcp://{own}:80")
    assert list(steps) == ["DNS", "edge", "client network", "listener", "target"]
    assert steps["listener"]["because"] == "it listens on port 80; the kernel passes on its flows"
    assert steps["target"]["because"].startswith(
        f"1 of 1 targets of flow-group-1 in {zone} (cross-zone load balancing is off) are healthy"
    )
    assert steps["target"]["because"].endswith("targets of flow-group-1 see the client's own address")
    observed = report["observed"]
    assert (observed["outcome"], observed["target"], report["agrees"]) == ("connected", f"{one.address}:80", True)

    report, steps = traced(f"udp://{own}:53")
    assert (report["observed"]["outcome"], report["observed"]["target"]) == ("answer", f"{one.address}:53")
    report, steps = traced(f"tcp://{own}:53", "--no-send")
    assert (report["expected"]["outcome"], steps["listener"]["chosen"]) == ("timeout", "dropped")

    report, steps = traced(f"tcp://{own}:82")
    (foretold,) = report["expected"]["targets"]
    assert (report["observed"]["target"], report["agrees"]) == (foretold["id"], True)

    report, steps = traced(f"tcp://{own}:81")
    assert steps["listener"]["because"].endswith("Envoy carries its flows")
    assert "(cross-zone load balancing is on)" in steps["target"]["because"]
    assert "read the client's address in a PROXY protocol header" in steps["target"]["because"]
    assert (report["observed"]["outcome"], report["observed"]["target"]) == ("connected", f"{two.address}:80")

    one.do("close 80")
    front.wait_for(group, "healthy", "unhealthy")
    report, steps = traced(f"tcp://{own}:80")  # the zone has no healthy target: it fails open
    assert "fails open, all 1 get flows" in steps["target"]["because"]
    assert report["observed"]["outcome"] == "refused"
    refused = front.kunren.run("trace", "--header", "A: b", f"tcp://{name}:80")
    assert (refused.returncode, "no headers" in refused.stderr) == (2, True)


def test_the_graph_shows_flows_from_listeners_to_targets(front):
    one, balancer = front.target("one"), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one, attributes={"stickiness__enabled": "true"})
    listener = front.listen(balancer, group, 9000)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    shown = json.loads(front.kunren.run("graph", "--format", "json", check=True).stdout)
    nodes = {each["id"]: each for each in shown["nodes"]}
    assert nodes[balancer["LoadBalancerArn"]]["details"]["type"] == "network"
    assert nodes[listener]["name"] == "TCP :9000"
    assert (nodes[group]["state"], nodes[group]["details"]) == ("healthy", {
        "type": "ip", "healthy": "1 of 1 healthy", "protocol": "TCP:80", "client addresses": "the node's",
        "stickiness": "by client address", "cross-zone": "off",
    })  # fmt: skip
