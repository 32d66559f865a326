"""A store, filled with rows, that describes a small shop; `shop(balancers, rules, targets)` makes it as large as asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kunren.control.store import Store
from kunren.dataplane.dns import names
from kunren.services.acm.model import Certificate
from kunren.services.cloudfront import model as cloudfront
from kunren.services.cloudfront.defaults import completed
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.model import InterfaceStatus, NetworkInterface, Subnet, Vpc
from kunren.services.elbv2 import model as elbv2
from kunren.services.globalaccelerator import model as accelerating
from kunren.services.lambda_.model import Alias, Code, Function, FunctionStatus, PublishedVersion
from kunren.services.route53.model import (
    AliasTarget,
    CheckerView,
    HealthCheck,
    HealthCheckConfig,
    HealthCheckStatus,
    HostedZone,
    OwnerName,
    RecordSet,
    ServedZone,
)

ACCOUNT, REGION = "123456789012", "us-east-1"
HERE: dict[str, Any] = {"account": ACCOUNT, "region": REGION}
CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ELB = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"


class Shop:
    def __init__(self, balancers: int = 1, rules: int = 2, targets: int = 3) -> None:
        self.store = Store(None)
        ec2.register(self.store)
        self.store.register(
            *elbv2.KINDS, HostedZone, OwnerName, ServedZone, HealthCheck, HealthCheckStatus, Certificate, Function, FunctionStatus, PublishedVersion, Alias,
            *(getattr(accelerating, each) for each in ("Accelerator", "AcceleratorStatus", "Listener", "EndpointGroup", "EndpointHealth")),
            *(getattr(cloudfront, each) for each in ("Distribution", "DistributionStatus", "Function", "CachePolicy", "OriginRequestPolicy", "ResponseHeadersPolicy", "Invalidation")),
        )  # fmt: skip
        with self.store.write() as tx:
            tx.put(Vpc(**HERE, id="vpc-1", cidr="10.0.0.0/16", tags={"Name": "shop"}))
            for number, zone in enumerate(("us-east-1a", "us-east-1b")):
                tx.put(
                    Subnet(
                        **HERE, id=f"subnet-{number}", vpc_id="vpc-1", cidr=f"10.0.{number}.0/24",
                        availability_zone=zone, availability_zone_id=f"use1-az{number + 1}",
                    )
                )  # fmt: skip
            tx.put(Certificate(**HERE, id=CERTIFICATE, type="AMAZON_ISSUED", domain_name="shop.test",
                               names=("shop.test", "*.shop.test"), key_algorithm="EC_prime256v1", created_at=0,
                               status="ISSUED"))  # fmt: skip
            zone_row = HostedZone(account=ACCOUNT, region="", id="Z1", name="shop.test.", caller_reference="1",
                                  name_servers=("ns-1",), created=0)  # fmt: skip
            tx.put(zone_row)
            tx.put(ServedZone(account=ACCOUNT, region="", id="Z1", version=1))
            for number in range(balancers):
                self._balancer(tx, number, rules, targets)
            self._records(tx, balancers)

    def _records(self, tx: Any, balancers: int) -> None:
        def owner(name: str, *sets: RecordSet) -> None:
            id = names.sort_key(names.to_wire(name))
            tx.put(OwnerName(account=ACCOUNT, region="Z1", id=id, record_sets=sets))

        weighted = [
            RecordSet(type="A", set_identifier=f"s{number}", weight=3 if number == 0 else 1, alias=alias(number))
            for number in range(min(balancers, 2))
        ]
        owner("shop.test", RecordSet(type="NS", ttl=60, values=("ns-1",)), *weighted)
        owner("*.shop.test", RecordSet(type="A", alias=alias(0)))
        owner("www.shop.test", RecordSet(type="CNAME", ttl=60, values=("shop.test",)))
        owner("gone.shop.test", RecordSet(type="A", alias=alias(999)))
        owner("_x.shop.test", RecordSet(type="CNAME", ttl=60, values=("_y.acm-validations.aws",)))

    def _balancer(self, tx: Any, number: int, rules: int, targets: int) -> None:
        arn = f"{ELB}:loadbalancer/app/lb{number}/{number:016x}"
        nodes = []
        for zone in range(2):
            address, public = f"10.0.{zone}.{number + 4}", f"198.19.{zone}.{number + 16}"
            tx.put(NetworkInterface(**HERE, id=f"eni-{number}-{zone}", vpc_id="vpc-1", subnet_id=f"subnet-{zone}",
                                    availability_zone=f"us-east-1{'ab'[zone]}", private_ip=address, public_ip=public,
                                    mac="0e:00:00:00:00:00", attachment="node"))  # fmt: skip
            tx.put(InterfaceStatus(**HERE, id=f"eni-{number}-{zone}", vpc_id="vpc-1", private_ip=address))
            nodes.append(elbv2.AvailabilityZone(zone_name=f"us-east-1{'ab'[zone]}", subnet_id=f"subnet-{zone}",
                                                interface_id=f"eni-{number}-{zone}", private_ip=address,
                                                public_ip=public))  # fmt: skip
        tx.put(elbv2.LoadBalancer(**HERE, id=arn, name=f"lb{number}", type="application", scheme="internet-facing",
                                  ip_address_type="ipv4", vpc_id="vpc-1", dns_name=dns_name(number),
                                  canonical_hosted_zone_id="ZALB", created_time=0, zones=tuple(nodes)))  # fmt: skip
        tx.put(elbv2.LoadBalancerStatus(**HERE, id=arn, state="active"))
        listener = f"{ELB}:listener/app/lb{number}/{number:016x}/{number:016x}"
        tx.put(elbv2.Listener(**HERE, id=listener, load_balancer_arn=arn, port=443, protocol="HTTPS",
                              default_actions=(), certificates=(CERTIFICATE,)))  # fmt: skip
        group = f"{ELB}:targetgroup/g{number}/{number:016x}"
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group, "Weight": 1}]}}
        fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        for each in range(rules):
            host = {"Field": "host-header", "HostHeaderConfig": {"Values": [f"h{each}.shop.test"]}}
            tx.put(elbv2.Rule(**HERE, id=f"{listener}/{each:04d}", listener_arn=listener, priority=each + 1,
                              conditions=(host,), actions=(forward,)))  # fmt: skip
        tx.put(elbv2.Rule(**HERE, id=f"{listener}/default", listener_arn=listener, priority=0, actions=(fixed,)))
        check = elbv2.HealthCheck(enabled=True, protocol="HTTP", port="traffic-port", path="/", interval=30, timeout=5,
                                  healthy_threshold=5, unhealthy_threshold=2, matcher=elbv2.Matcher())  # fmt: skip
        found = tuple(
            elbv2.Target(id=f"10.0.{each % 2}.{100 + each // 2}", port=8000 + number) for each in range(targets)
        )
        tx.put(elbv2.TargetGroup(**HERE, id=group, name=f"g{number}", target_type="ip", protocol="HTTP", port=80,
                                 vpc_id="vpc-1", health_check=check, targets=found))  # fmt: skip
        for index, target in enumerate(found):
            state, reason = ("unhealthy", "Target.Timeout") if index == 0 else ("healthy", None)
            tx.put(elbv2.TargetHealth(**HERE, id=elbv2.target_health_id(group, target), state=state, reason=reason,
                                      description="Request timed out" if reason else None))  # fmt: skip


def add_failover(store: Store) -> None:
    """`app.shop.test`, whose primary follows an ill check on lb0; and a calculated check of that one and another."""
    checks = {
        "ill": HealthCheckConfig(type="HTTP", domain_name=dns_name(0), port=80, resource_path="/up"),
        "well": HealthCheckConfig(type="TCP", ip_address="198.19.0.16", port=443, inverted=True),
        "both": HealthCheckConfig(type="CALCULATED", children=("ill", "well"), health_threshold=2),
    }
    view = {"region": "us-east-1", "checked_at": 0.0, "failure": None}
    views = (
        CheckerView(**view, address="198.18.2.10", healthy=False, status="Failure: Connection refused."),
        CheckerView(**view, address="198.18.2.11", healthy=False, status="Failure: Connection refused."),
    )
    roles = [
        RecordSet(type="A", set_identifier="one", failover="PRIMARY", alias=alias(0), health_check_id="ill"),
        RecordSet(type="A", set_identifier="two", failover="SECONDARY", ttl=60, values=("198.19.9.9",)),
    ]
    with store.write() as tx:
        for id, config in checks.items():
            tags = {"Name": "app"} if id == "both" else {}
            tx.put(HealthCheck(account=ACCOUNT, region="", id=id, caller_reference=id, config=config, tags=tags))
            status = {"healthy": id == "well", "checkers": views if id == "ill" else ()}
            tx.put(HealthCheckStatus(account=ACCOUNT, region="", id=id, **status))
        id = names.sort_key(names.to_wire("app.shop.test"))
        tx.put(OwnerName(account=ACCOUNT, region="Z1", id=id, record_sets=tuple(roles)))


def add_function(store: Store) -> str:
    """A function with versions 1 and 2 behind the alias `live`, and a target group of the alias; the group's ARN."""
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:pay"
    settings: dict[str, Any] = {
        **HERE, "arn": arn, "role": "r", "runtime": "python3.13", "handler": "h", "code": Code(sha256="0", size=1),
        "last_modified": 0, "revision_id": "1", "update_id": "1", "deployed_update_id": "1",
    }  # fmt: skip
    check = elbv2.HealthCheck(enabled=False, protocol="HTTP", port="traffic-port", path="/", interval=35, timeout=30,
                              healthy_threshold=5, unhealthy_threshold=2, matcher=elbv2.Matcher())  # fmt: skip
    group = f"{ELB}:targetgroup/pay/00000000000000ff"
    with store.write() as tx:
        tx.put(Function(**settings, id="pay"))
        tx.put(PublishedVersion(**settings, id="pay:1"))
        tx.put(PublishedVersion(**settings, id="pay:2"))
        tx.put(Alias(**HERE, id="pay:live", arn=f"{arn}:live", function="pay", name="live", version="1",
                     weights={"2": 0.1}, revision_id="1"))  # fmt: skip
        tx.put(elbv2.TargetGroup(**HERE, id=group, name="pay", target_type="lambda", health_check=check,
                                 targets=(elbv2.Target(id=f"{arn}:live"),)))  # fmt: skip
    return group


def add_fronts(store: Store) -> None:
    """An accelerator before lb0 and an address that nobody has, and a distribution before lb0 with a reserve; a record
    leads to each."""
    world: dict[str, Any] = {"account": ACCOUNT, "region": ""}
    arn = f"arn:aws:globalaccelerator::{ACCOUNT}:accelerator/1"
    balancer = f"{ELB}:loadbalancer/app/lb0/{0:016x}"
    group = f"{arn}/listener/1/endpoint-group/1"
    chosen = (accelerating.Endpoint(id=balancer, weight=96), accelerating.Endpoint(id="eipalloc-1", weight=32))
    origins = [
        {"Id": "web", "DomainName": dns_name(0), "CustomOriginConfig": {"OriginProtocolPolicy": "http-only"}},
        {"Id": "reserve", "DomainName": "gone.shop.test", "S3OriginConfig": {"OriginAccessIdentity": ""}},
    ]
    members = {"Items": [{"OriginId": "web"}, {"OriginId": "reserve"}]}
    criteria = {"StatusCodes": {"Items": [503, 500]}}
    behaviour = {"TargetOriginId": "both", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHING}
    function = f"arn:aws:cloudfront::{ACCOUNT}:function/turn"
    associated = {"Items": [{"EventType": "viewer-request", "FunctionARN": function}]}
    config = completed({
        "Aliases": {"Items": ["cdn.shop.test"]}, "Enabled": True, "Origins": {"Items": origins},
        "OriginGroups": {"Items": [{"Id": "both", "FailoverCriteria": criteria, "Members": members}]},
        "DefaultCacheBehavior": behaviour, "ViewerCertificate": {"ACMCertificateArn": CERTIFICATE},
        "CacheBehaviors": {"Items": [{**behaviour, "PathPattern": "/r/*", "FunctionAssociations": associated}]},
    })  # fmt: skip
    live = cloudfront.FunctionStage(
        code="", config={"Runtime": "cloudfront-js-2.0"}, etag="E", created_time=0, modified_time=0
    )
    with store.write() as tx:
        tx.put(accelerating.Accelerator(**world, id=arn, name="front", enabled=True, number=0,
                                        addresses=("198.19.200.1", "198.19.201.1"), created_time=0, modified_time=0,
                                        dns_name="a1.awsglobalaccelerator.com"))  # fmt: skip
        tx.put(accelerating.AcceleratorStatus(**world, id=arn, revision=1))
        tx.put(accelerating.Listener(**world, id=f"{arn}/listener/1", accelerator_arn=arn, protocol="TCP",
                                     port_ranges=(accelerating.PortRange(first=443, last=443),)))  # fmt: skip
        tx.put(accelerating.EndpointGroup(**world, id=group, listener_arn=f"{arn}/listener/1", accelerator_arn=arn,
                                          group_region=REGION, endpoints=chosen, traffic_dial=40.0))  # fmt: skip
        tx.put(accelerating.EndpointHealth(**world, id=f"{group}|eipalloc-1", state="UNHEALTHY"))
        tx.put(cloudfront.Function(**world, id="turn", development=live, live=live))
        tx.put(cloudfront.Distribution(**world, id="E1", domain_name="d1.cloudfront.net", config=config, etag="E",
                                       created_time=0, modified_time=0))  # fmt: skip
        for name, to in (("ga.shop.test", "a1.awsglobalaccelerator.com."), ("cdn.shop.test", "d1.cloudfront.net.")):
            target = AliasTarget(hosted_zone_id="Z", dns_name=to, evaluate_target_health=False)
            id = names.sort_key(names.to_wire(name))
            tx.put(
                OwnerName(account=ACCOUNT, region="Z1", id=id, record_sets=(RecordSet(type="A", alias=target),))
            )  # fmt: skip


@pytest.fixture
def with_fronts() -> Callable[[Store], None]:
    return add_fronts


@pytest.fixture
def with_function() -> Callable[[Store], str]:
    return add_function


@pytest.fixture
def with_failover() -> Callable[[Store], None]:
    return add_failover


def dns_name(number: int) -> str:
    return f"lb{number}-1.us-east-1.elb.amazonaws.com"


def alias(number: int) -> AliasTarget:
    return AliasTarget(hosted_zone_id="ZALB", dns_name=f"dualstack.{dns_name(number)}.", evaluate_target_health=True)


@pytest.fixture
def shop() -> Callable[..., Shop]:
    return Shop
