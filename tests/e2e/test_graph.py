"""`kunren graph` as its users have it: what is deployed, with live health, from a running daemon."""

import json
from xml.etree import ElementTree


def test_the_graph_follows_what_is_deployed_and_how_healthy_it_is(site, kunren, account, until, tmp_path):
    well, sick = site.target("well", 80), site.target("sick", 80, zone=1)
    group = site.group((well, 80), (sick, 81))
    site.listen(site.forward(group))
    site.wait_active()
    route53, name = kunren.client("route53", account), f"graph{account}.test"
    zone = route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]
    alias = {
        "HostedZoneId": site.balancer["CanonicalHostedZoneId"], "DNSName": site.name, "EvaluateTargetHealth": False,
    }  # fmt: skip
    record = {"Name": name, "Type": "A", "AliasTarget": alias}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)

    def drawn(*options):
        return json.loads(kunren.run("graph", "--format", "json", "--account", account, *options, check=True).stdout)

    def states(kind, *options):
        return {each["name"]: each["state"] for each in drawn(*options)["nodes"] if each["kind"] == kind}

    wanted = {f"{well.address}:80": "healthy", f"{sick.address}:81": "unhealthy"}
    until(lambda: states("target", "--name", name) == wanted, "the targets' health in the graph")
    assert states("hosted-zone") == {name: "INSYNC"}
    assert states("load-balancer") == {"web": "active"}
    assert states("target-group") == {"group-1": "degraded"}
    assert set(states("workload").values()) == {"live"}

    graph = drawn("--name", name)
    assert set(graph) == {"generation", "nodes", "edges"}
    kinds = {each["id"]: each["kind"] for each in graph["nodes"]}
    assert {(kinds[each["from"]], kinds[each["to"]]) for each in graph["edges"]} == {
        ("hosted-zone", "record"), ("record", "load-balancer"), ("load-balancer", "load-balancer-node"),
        ("load-balancer", "listener"), ("listener", "rule"), ("rule", "target-group"), ("target-group", "target"),
        ("target", "workload"),
    }  # fmt: skip

    text = kunren.run("graph", "--account", account, check=True).stdout
    assert f"A {name}  alias → load balancer web" in text
    assert f"{sick.address}:81  ● unhealthy" in text
    assert "\x1b" not in text

    kunren.run("graph", "--account", account, "-o", str(tmp_path / "shop.svg"), check=True)
    assert ElementTree.parse(tmp_path / "shop.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"

    refused = kunren.run("graph", "--name", "nobody.test")
    assert refused.returncode == 1
    assert refused.stderr.startswith("kunren: no record and no load balancer has the name nobody.test. Names there are")
