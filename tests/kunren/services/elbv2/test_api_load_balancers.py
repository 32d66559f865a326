"""Load balancers through the API: what AWS answers, what the world then has."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from kunren.control.store import Snapshot
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import SecurityGroup, Subnet
from kunren.services.elbv2.model import Listener, LoadBalancer, LoadBalancerStatus, Rule

ACCOUNT, REGION = "123456789012", "us-east-1"
MISSING = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/gone/0123456789abcdef"


def put_group(elb: Any, vpc_id: str, name: str) -> str:
    group = SecurityGroup(
        account=ACCOUNT, region=REGION, id=f"sg-{name}", vpc_id=vpc_id, name=name, description="a group"
    )
    with elb.store.write() as tx:
        tx.put(group)
    return group.id


def snapshot(elb: Any) -> Snapshot:
    return elb.store.snapshot()


def test_a_new_load_balancer_is_described_as_aws_does(elb: Any) -> None:
    made = elb.balancer("web", Tags=[{"Key": "team", "Value": "blue"}])
    arn = made["LoadBalancerArn"]
    assert re.fullmatch(rf"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/web/[0-9a-f]{{16}}", arn)
    assert re.fullmatch(r"web-[0-9]{10}\.us-east-1\.elb\.amazonaws\.com", made["DNSName"])
    default_group = ec2.default_group_of(snapshot(elb), elb.vpc).id
    assert made == {
        "LoadBalancerArn": arn,
        "DNSName": made["DNSName"],
        "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
        "CreatedTime": elb.clock.now(),
        "LoadBalancerName": "web",
        "Scheme": "internet-facing",
        "VpcId": elb.vpc.id,
        "State": {"Code": "provisioning"},
        "Type": "application",
        "AvailabilityZones": [
            {"ZoneName": "us-east-1a", "SubnetId": elb.subnets[0].id, "LoadBalancerAddresses": []},
            {"ZoneName": "us-east-1b", "SubnetId": elb.subnets[1].id, "LoadBalancerAddresses": []},
        ],
        "SecurityGroups": [default_group],
        "IpAddressType": "ipv4",
    }
    assert elb.call("DescribeLoadBalancers", Names=["web"])["LoadBalancers"] == [made]
    assert elb.call("DescribeLoadBalancers", LoadBalancerArns=[arn])["LoadBalancers"] == [made]
    assert elb.call("DescribeTags", ResourceArns=[arn])["TagDescriptions"] == [
        {"ResourceArn": arn, "Tags": [{"Key": "team", "Value": "blue"}]}
    ]


def test_every_zone_has_an_interface_of_the_load_balancers_own(elb: Any) -> None:
    arn = elb.balancer("web")["LoadBalancerArn"]
    nodes = sorted(elb.interfaces(), key=lambda node: node.availability_zone)
    assert [node.availability_zone for node in nodes] == ["us-east-1a", "us-east-1b"]
    for node in nodes:
        assert node.description == "ELB " + arn.split("loadbalancer/")[1]
        assert (node.requester_id, node.requester_managed, node.attachment) == ("amazon-elb", True, "node")
        assert node.public_ip is not None
    stored = snapshot(elb).get(LoadBalancer, ACCOUNT, REGION, arn)
    assert stored is not None
    assert {zone.public_ip for zone in stored.zones} == {node.public_ip for node in nodes}


def test_an_internal_load_balancer_has_no_public_address(elb: Any) -> None:
    made = elb.balancer("inside", Scheme="internal")
    assert made["DNSName"].startswith("internal-inside-")
    assert [node.public_ip for node in elb.interfaces()] == [None, None]


def test_the_state_is_what_the_data_plane_reported(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    for state, reason in (("active", ""), ("failed", "no address")):
        with elb.store.write() as tx:
            tx.put(LoadBalancerStatus(account=ACCOUNT, region=REGION, id=arn, state=state, reason=reason))
        shown = elb.call("DescribeLoadBalancers")["LoadBalancers"][0]["State"]
        assert shown == ({"Code": state, "Reason": reason} if reason else {"Code": state})


def test_creating_again_with_the_same_settings_returns_the_same_load_balancer(elb: Any) -> None:
    first = elb.balancer("web")
    assert elb.balancer("web", Subnets=[elb.subnets[1].id, elb.subnets[0].id]) == first
    assert len(elb.interfaces()) == 2


@pytest.mark.parametrize("change", [{"Scheme": "internal"}, {"Tags": [{"Key": "a", "Value": "b"}]}, {"third": True}])
def test_creating_again_with_other_settings_is_refused(elb: Any, change: dict[str, Any]) -> None:
    elb.balancer("web")
    subnets = [subnet.id for subnet in elb.subnets[: 3 if change.pop("third", False) else 2]]
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=subnets, **change) == (
        "DuplicateLoadBalancerName",
        "A load balancer with the same name 'web' exists, but with different settings",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a" * 33, f"The load balancer name '{'a' * 33}' cannot be longer than '32' characters"),
        (
            "my_web",
            "The load balancer name 'my_web' can only contain characters that are alphanumeric characters and hyphens(-)",
        ),
        ("-web", "The load balancer name '-web' cannot begin or end with '-'"),
        ("internal-web", "The load balancer name 'internal-web' cannot begin with 'internal-'"),
    ],
)
def test_a_bad_name_is_refused(elb: Any, name: str, text: str) -> None:
    subnets = [subnet.id for subnet in elb.subnets]
    assert elb.refused("CreateLoadBalancer", Name=name, Subnets=subnets) == ("ValidationError", text)


def test_subnets_must_be_of_two_zones_of_one_vpc(elb: Any) -> None:
    one = elb.subnets[0].id
    too_few = ("ValidationError", "At least two subnets in two different Availability Zones must be specified")
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=[one]) == too_few
    assert elb.refused("CreateLoadBalancer", Name="web") == too_few
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=[one, "subnet-0"])[0] == "SubnetNotFound"
    other = elb.other_vpc(gateway=True)
    code, text = elb.refused("CreateLoadBalancer", Name="web", Subnets=[one, other[1].id])
    assert (code, text[:43]) == ("InvalidConfigurationRequest", "All subnets must belong to the same VPC: 'v")
    twin = msgspec.structs.replace(elb.subnets[0], id="subnet-twin", cidr="172.31.240.0/20")
    with elb.store.write() as tx:
        tx.put(twin)
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=[one, twin.id]) == (
        "InvalidConfigurationRequest",
        "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
    )


def test_an_internet_facing_load_balancer_needs_an_internet_gateway(elb: Any) -> None:
    subnets = elb.other_vpc(gateway=False)
    ids = [subnet.id for subnet in subnets]
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=ids) == (
        "InvalidSubnet",
        f"VPC {subnets[0].vpc_id} has no internet gateway",
    )
    assert elb.balancer("web", Subnets=ids, Scheme="internal")["Scheme"] == "internal"


def test_a_subnet_must_be_large_enough_and_have_eight_free_addresses(elb: Any) -> None:
    small = msgspec.structs.replace(elb.subnets[1], id="subnet-small", cidr="172.31.250.0/28")
    with elb.store.write() as tx:
        tx.put(small)
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=[elb.subnets[0].id, small.id])[0] == "InvalidSubnet"
    tight = msgspec.structs.replace(small, id="subnet-tight", cidr="172.31.250.0/27")
    with elb.store.write() as tx:
        tx.put(tight)
        for number in range(20):
            ec2.take_private(tx, tight, f"eni-{number}", None)
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=[elb.subnets[0].id, tight.id]) == (
        "InvalidSubnet",
        "Not enough IP space available in subnet-tight. ELB requires at least 8 free IP addresses in each subnet.",
    )


def test_security_groups_must_exist_in_the_vpc(elb: Any) -> None:
    subnets = [subnet.id for subnet in elb.subnets]
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=subnets, SecurityGroups=["sg-0"])[0] == (
        "InvalidSecurityGroup"
    )
    foreign = put_group(elb, elb.other_vpc(gateway=True)[0].vpc_id, "foreign")
    assert elb.refused("CreateLoadBalancer", Name="web", Subnets=subnets, SecurityGroups=[foreign]) == (
        "InvalidConfigurationRequest",
        "One or more security groups are invalid",
    )


@pytest.mark.parametrize("asked", [{"Type": "gateway"}, {"CustomerOwnedIpv4Pool": "p"}])
def test_what_is_not_built_is_named_in_a_501(elb: Any, asked: dict[str, str]) -> None:
    subnets = [subnet.id for subnet in elb.subnets]
    code, text = elb.refused("CreateLoadBalancer", Name="web", Subnets=subnets, **asked)
    assert code == "NotImplemented"
    assert next(iter(asked)) in text


def test_the_quota_of_load_balancers(small_elb: Any) -> None:
    for number in range(2):
        small_elb.balancer(f"web{number}")
    subnets = [subnet.id for subnet in small_elb.subnets]
    assert small_elb.refused("CreateLoadBalancer", Name="web2", Subnets=subnets)[0] == "TooManyLoadBalancers"
    limits = {each["Name"]: each["Max"] for each in small_elb.call("DescribeAccountLimits")["Limits"]}
    assert limits["application-load-balancers"] == "2"


def test_deleting_takes_listeners_rules_and_interfaces_along(elb: Any) -> None:
    made = elb.balancer()
    elb.listener(made)
    assert elb.call("DeleteLoadBalancer", LoadBalancerArn=made["LoadBalancerArn"]) == {}
    now = snapshot(elb)
    assert elb.interfaces() == []
    assert [now.list(kind, ACCOUNT, REGION) for kind in (LoadBalancer, Listener, Rule)] == [[], [], []]
    assert elb.call("DeleteLoadBalancer", LoadBalancerArn=made["LoadBalancerArn"]) == {}
    assert elb.refused("DescribeLoadBalancers", Names=["web"]) == (
        "LoadBalancerNotFound",
        "One or more load balancers not found",
    )


def test_deletion_protection(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    on = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    elb.call("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=on)
    assert elb.refused("DeleteLoadBalancer", LoadBalancerArn=arn) == (
        "OperationNotPermitted",
        f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
    )


def test_an_arn_of_another_kind_is_no_load_balancer(elb: Any) -> None:
    assert elb.refused("DeleteLoadBalancer", LoadBalancerArn="web") == (
        "ValidationError",
        "'web' is not a valid load balancer ARN",
    )
    assert elb.refused("DescribeLoadBalancerAttributes", LoadBalancerArn=MISSING) == (
        "LoadBalancerNotFound",
        f"Load balancer '{MISSING}' not found",
    )


def test_describing_goes_page_by_page(elb: Any) -> None:
    made = {elb.balancer(f"web{number}")["LoadBalancerArn"] for number in range(3)}
    first = elb.call("DescribeLoadBalancers", PageSize=2)
    second = elb.call("DescribeLoadBalancers", PageSize=2, Marker=first["NextMarker"])
    assert second["NextMarker"] is None
    assert {each["LoadBalancerArn"] for each in first["LoadBalancers"] + second["LoadBalancers"]} == made
    assert elb.refused("DescribeLoadBalancers", Marker="x")[0] == "ValidationError"


def test_set_subnets_moves_nodes_and_keeps_those_that_stay(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    before = {node.subnet_id: node for node in elb.interfaces()}
    wanted = [elb.subnets[1].id, elb.subnets[2].id]
    moved = elb.call("SetSubnets", LoadBalancerArn=arn, Subnets=wanted)
    assert [zone["SubnetId"] for zone in moved["AvailabilityZones"]] == wanted
    after = {node.subnet_id: node for node in elb.interfaces()}
    assert set(after) == set(wanted)
    assert after[wanted[0]] == before[wanted[0]]
    assert elb.refused("SetSubnets", LoadBalancerArn=arn, Subnets=wanted[:1])[0] == "ValidationError"
    mappings = [{"SubnetId": subnet.id} for subnet in elb.subnets]
    assert len(elb.call("SetSubnets", LoadBalancerArn=arn, SubnetMappings=mappings)["AvailabilityZones"]) == 3
    assert len(elb.interfaces()) == 3


def test_set_security_groups_changes_the_nodes_interfaces(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    groups = [put_group(elb, elb.vpc.id, "one"), put_group(elb, elb.vpc.id, "two")]
    assert elb.call("SetSecurityGroups", LoadBalancerArn=arn, SecurityGroups=groups)["SecurityGroupIds"] == groups
    assert {node.groups for node in elb.interfaces()} == {tuple(groups)}


def test_ip_address_type_is_ipv4_where_subnets_have_no_ipv6(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    assert elb.call("SetIpAddressType", LoadBalancerArn=arn, IpAddressType="ipv4") == {"IpAddressType": "ipv4"}
    code, text = elb.refused("SetIpAddressType", LoadBalancerArn=arn, IpAddressType="dualstack")
    assert (code, "IPv6 CIDR block" in text) == ("InvalidSubnet", True)
    internal = elb.balancer("inside", Scheme="internal")["LoadBalancerArn"]
    asked = {"LoadBalancerArn": internal, "IpAddressType": "dualstack-without-public-ipv4"}
    assert elb.refused("SetIpAddressType", **asked)[0] == "InvalidConfigurationRequest"


def test_attributes_have_awss_defaults(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    found = elb.call("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]
    assert {each["Key"]: each["Value"] for each in found} == {
        "access_logs.s3.enabled": "false",
        "access_logs.s3.bucket": "",
        "access_logs.s3.prefix": "",
        "client_keep_alive.seconds": "3600",
        "connection_logs.s3.enabled": "false",
        "connection_logs.s3.bucket": "",
        "connection_logs.s3.prefix": "",
        "deletion_protection.enabled": "false",
        "health_check_logs.s3.enabled": "false",
        "health_check_logs.s3.bucket": "",
        "health_check_logs.s3.prefix": "",
        "idle_timeout.timeout_seconds": "60",
        "ipv6.deny_all_igw_traffic": "false",
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "false",
        "routing.http.preserve_host_header.enabled": "false",
        "routing.http.x_amzn_tls_kx.enabled": "false",
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
        "routing.http.xff_client_port.enabled": "false",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
        "waf.fail_open.enabled": "false",
        "zonal_shift.config.enabled": "false",
    }
    inside = elb.balancer("inside", Scheme="internal")["LoadBalancerArn"]
    found = elb.call("DescribeLoadBalancerAttributes", LoadBalancerArn=inside)["Attributes"]
    assert {"Key": "ipv6.deny_all_igw_traffic", "Value": "true"} in found


@pytest.mark.parametrize(
    ("key", "value", "code", "text"),
    [
        (
            "idle_timeout.timeout_seconds",
            "4001",
            "ValidationError",
            "'idle_timeout.timeout_seconds' value '4001' must be between '1-4000' inclusive",
        ),
        ("routing.http2.enabled", "yes", "ValidationError", "must be one of [true, false]"),
        ("no.such.key", "1", "ValidationError", "Load balancer attribute key 'no.such.key' is not recognized"),
        ("load_balancing.cross_zone.enabled", "false", "InvalidConfigurationRequest", "cannot be 'false'"),
        (
            "dns_record.client_routing_policy",
            "any_availability_zone",
            "InvalidConfigurationRequest",
            "is not supported on load balancers with type 'application'",
        ),
        ("access_logs.s3.enabled", "true", "ValidationError", "The value of 'access_logs.s3.bucket' cannot be empty"),
        (
            "health_check_logs.s3.enabled",
            "true",
            "ValidationError",
            "The value of 'health_check_logs.s3.bucket' cannot be empty",
        ),
    ],
)
def test_an_attribute_that_aws_refuses_changes_nothing(elb: Any, key: str, value: str, code: str, text: str) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    good = {"Key": "client_keep_alive.seconds", "Value": "60"}
    refused = elb.refused(
        "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=[good, {"Key": key, "Value": value}]
    )
    assert refused[0] == code
    assert text in refused[1]


def test_changed_attributes_are_shown_with_all_others(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    wanted = [{"Key": "idle_timeout.timeout_seconds", "Value": "4000"}]
    changed = elb.call("ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=wanted)["Attributes"]
    assert wanted[0] in changed
    assert changed == elb.call("DescribeLoadBalancerAttributes", LoadBalancerArn=arn)["Attributes"]


def test_another_account_sees_nothing(elb: Any) -> None:
    from dataclasses import replace

    from kunren.core.context import RequestContext

    elb.balancer()
    ctx = RequestContext(account=ACCOUNT, region=REGION, service="elbv2", operation="Test", request_id="r")
    for other in (replace(ctx, account="999999999999"), replace(ctx, region="eu-west-1")):
        assert elb.api.describe_load_balancers(other, {})["LoadBalancers"] == []
    assert isinstance(elb.subnets[0], Subnet)
