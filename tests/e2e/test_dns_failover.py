"""Active and passive in two regions: what DNS tells when the active one's targets die, and when they are healed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

PLACES = ("virginia", "tokyo", "london")
NAME = "app.failover-test.example"
ELB_ZONES = {"us-east-1": "Z35SXDOTRQ7X7K", "eu-west-1": "Z32O12XQLNTSW2"}


@pytest.fixture
def pair(kunren, account, site_in, running, until):
    """A primary in us-east-1 and a secondary in eu-west-1, each a load balancer with one target; a failover record to
    both; a health check on the primary, whose target it asks through the load balancer."""
    route53 = kunren.client("route53", account)
    sites = {region: site_in(region) for region in ELB_ZONES}
    targets, groups = {}, {}
    for region, site in sites.items():
        targets[region] = site.target(region)
        groups[region] = site.group((targets[region], 80), HealthCheckPath="/health")
        site.listen(site.forward(groups[region]))
    for region, site in sites.items():
        site.wait_active()
        site.wait_healthy(groups[region])
    check = route53.create_health_check(
        CallerReference="primary",
        HealthCheckConfig={
            "Type": "HTTP", "FullyQualifiedDomainName": sites["us-east-1"].name, "ResourcePath": "/health",
            "RequestInterval": 10, "FailureThreshold": 1, "Regions": ["us-east-1", "eu-west-1", "ap-southeast-2"],
        },
    )["HealthCheck"]["Id"]  # fmt: skip
    zone = route53.create_hosted_zone(Name="failover-test.example", CallerReference="1")["HostedZone"]["Id"]

    def record(role: str, region: str, **more: str) -> dict[str, Any]:
        alias = {"HostedZoneId": ELB_ZONES[region], "DNSName": sites[region].name, "EvaluateTargetHealth": False}
        changed = {"Name": NAME, "Type": "A", "SetIdentifier": role, "Failover": role, "AliasTarget": alias, **more}
        return {"Action": "CREATE", "ResourceRecordSet": changed}

    changes = [record("PRIMARY", "us-east-1", HealthCheckId=check), record("SECONDARY", "eu-west-1")]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    shells = {place: running.shell(kunren, "--from", place) for place in PLACES}
    nodes = {}
    for region, site in sites.items():
        found = until(lambda site=site: shells["virginia"].dig(site.name), "the load balancer's addresses")
        nodes |= dict.fromkeys(found, region)
    yield SimpleNamespace(
        nodes=nodes, route53=route53, check=check, zone=zone, sites=sites, targets=targets, groups=groups,
        shells=shells, until=until,
    )  # fmt: skip
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{**each, "Action": "DELETE"} for each in changes]}
    )
    route53.delete_hosted_zone(Id=zone)
    route53.delete_health_check(HealthCheckId=check)


def regions_told(pair: Any) -> dict[str, str]:
    """Place → the region whose load balancer its DNS answers with; "" where it does not answer."""
    told = {place: {pair.nodes[each] for each in shell.dig(NAME)} for place, shell in pair.shells.items()}
    assert all(len(each) <= 1 for each in told.values()), told
    return {place: each.pop() if each else "" for place, each in told.items()}


def regions_reached(pair: Any) -> dict[str, str]:
    """Place → the region whose target answers curl, or its status where none does."""
    reached = {}
    for place, shell in pair.shells.items():
        out = shell.run("curl", "-s", "-m", "10", "-w", "%{http_code}", f"http://{NAME}/")["out"]
        reached[place] = next((region for region in pair.sites if f'"name": "{region}"' in out), out[-3:])
    return reached


def failures(pair: Any) -> list[datetime]:
    found = pair.route53.get_health_check_last_failure_reason(HealthCheckId=pair.check)["HealthCheckObservations"]
    return [each["StatusReport"]["CheckedTime"] for each in found]


def looked(pair: Any) -> bool:
    """Whether every checker has looked."""
    return len(pair.route53.get_health_check_status(HealthCheckId=pair.check)["HealthCheckObservations"]) == 6


def everywhere(of: Callable[[Any], dict[str, str]], pair: Any, region: str) -> None:
    pair.until(lambda: set(of(pair).values()) == {region}, lambda: f"{region} everywhere, not {of(pair)}")


def test_dns_leaves_a_region_whose_targets_die_and_comes_back_when_they_are_healed(pair):
    active, passive = "us-east-1", "eu-west-1"
    pair.until(lambda: looked(pair), "all checkers")
    for _ in range(3):
        everywhere(regions_told, pair, active)
        everywhere(regions_reached, pair, active)
    before = set(failures(pair))

    pair.targets[active].end()

    def switched() -> bool:
        told = passive in regions_told(pair).values()
        assert not told or set(failures(pair)) - before, "switched without a failed probe"
        return told

    pair.until(switched, "the passive region told")
    everywhere(regions_told, pair, passive)
    everywhere(regions_reached, pair, passive)
    drawn = pair.sites[active].kunren.run("graph", "--name", NAME, check=True).stdout
    assert "[PRIMARY: failover primary]  ● unhealthy" in drawn and "0 of 6 healthy" in drawn
    last = max(failures(pair))

    healed = pair.sites[active].target(active)
    pair.sites[active].register(pair.groups[active], (healed, 80))
    everywhere(regions_told, pair, active)
    everywhere(regions_reached, pair, active)
    assert max(failures(pair)) >= last
    statuses = pair.route53.get_health_check_status(HealthCheckId=pair.check)["HealthCheckObservations"]
    assert any(each["StatusReport"]["Status"].startswith("Success: HTTP Status Code 200, OK") for each in statuses)
