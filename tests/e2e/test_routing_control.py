"""Routing control end to end: an operator's switch moves DNS, with no probe; safety rules hold, and it survives a kill."""

import os
import signal

import pytest
from botocore.exceptions import ClientError


def test_a_switch_moves_dns_and_safety_rules_hold(own_kunren, until):
    own_kunren.up("--speed", "20")
    config, route53 = own_kunren.client("route53-recovery-control-config"), own_kunren.client("route53")
    cluster = config.create_cluster(ClusterName="recovery")["Cluster"]
    arn = cluster["ClusterArn"]
    until(lambda: config.describe_cluster(ClusterArn=arn)["Cluster"]["Status"] == "DEPLOYED", "the cluster")
    endpoints = config.describe_cluster(ClusterArn=arn)["Cluster"]["ClusterEndpoints"]
    assert endpoints[0]["Region"] == "us-east-1"
    assert endpoints[0]["Endpoint"].endswith(".route53-recovery-cluster.us-east-1.amazonaws.com/v1")
    (panel,) = config.list_control_panels(ClusterArn=arn)["ControlPanels"]
    assert (panel["Name"], panel["DefaultControlPanel"]) == ("DefaultControlPanel", True)
    switches = [
        config.create_routing_control(ClusterArn=arn, RoutingControlName=name)["RoutingControl"]["RoutingControlArn"]
        for name in ("east", "west")
    ]
    rule = {"Name": "one-cell", "ControlPanelArn": panel["ControlPanelArn"], "AssertedControls": switches,
            "WaitPeriodMs": 0, "RuleConfig": {"Type": "ATLEAST", "Threshold": 1, "Inverted": False}}  # fmt: skip
    checks = [
        route53.create_health_check(
            CallerReference=each[-16:], HealthCheckConfig={"Type": "RECOVERY_CONTROL", "RoutingControlArn": each}
        )["HealthCheck"]["Id"]
        for each in switches
    ]
    assert config.list_associated_route53_health_checks(RoutingControlArn=switches[0])["HealthCheckIds"] == checks[:1]
    zone = route53.create_hosted_zone(Name="cells.test", CallerReference="1")["HostedZone"]["Id"]
    sets = [
        {"Name": "app.cells.test", "Type": "A", "SetIdentifier": which, "Failover": which, "TTL": 1,
         "HealthCheckId": check, "ResourceRecords": [{"Value": address}]}
        for which, check, address in zip(("PRIMARY", "SECONDARY"), checks, ("198.19.0.10", "198.19.0.20"), strict=True)
    ]  # fmt: skip
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in sets]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def dig():
        return own_kunren.exec("dig", "+short", "app.cells.test").stdout.split()

    def switch(**states):
        """By the CLI in the world, at the cluster's own endpoint, as an operator does it."""
        entries = [
            f"RoutingControlArn={switches[0 if name == 'east' else 1]},RoutingControlState={state}"
            for name, state in states.items()
        ]
        return own_kunren.exec(
            "aws", "route53-recovery-cluster", "update-routing-control-states", "--endpoint-url",
            endpoints[0]["Endpoint"], "--region", "us-east-1", "--update-routing-control-state-entries", *entries,
            check=False,
        )  # fmt: skip

    assert switch(east="On").returncode == 0
    until(lambda: dig() == ["198.19.0.10"], "the primary")
    config.create_safety_rule(AssertionRule=rule)
    refused = switch(east="Off")
    assert "ConflictException" in refused.stderr, refused
    assert switch(east="Off", west="On").returncode == 0
    until(lambda: dig() == ["198.19.0.20"], "the secondary")
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up("--speed", "20")
    until(lambda: dig() == ["198.19.0.20"], "the secondary still")
    cells = own_kunren.client("route53-recovery-cluster")
    states = {
        each["RoutingControlName"]: each["RoutingControlState"]
        for each in cells.list_routing_controls()["RoutingControls"]
    }
    assert states == {"east": "Off", "west": "On"}
    config = own_kunren.client("route53-recovery-control-config")
    with pytest.raises(ClientError, match="ConflictException"):
        config.delete_routing_control(RoutingControlArn=switches[0])
    with pytest.raises(ClientError, match="ConflictException"):
        config.delete_cluster(ClusterArn=arn)
    (panel,) = config.list_control_panels(ClusterArn=arn)["ControlPanels"]
    with pytest.raises(ClientError, match="goes with its cluster"):
        config.delete_control_panel(ControlPanelArn=panel["ControlPanelArn"])
    with pytest.raises(ClientError, match=r"NotImplemented.*DUALSTACK"):
        config.update_cluster(ClusterArn=arn, NetworkType="DUALSTACK")
