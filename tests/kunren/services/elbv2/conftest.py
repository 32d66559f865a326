"""An Elbv2Api over a store in memory, with a default VPC of three zones and stand-ins for ACM and Lambda."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session
from botocore.validate import ParamValidator

from kunren.control.store import Snapshot, Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.creation import new_subnet, new_vpc
from kunren.services.ec2.default_vpc import ensure_default_vpc
from kunren.services.ec2.model import InternetGateway, NetworkInterface, Subnet, Vpc
from kunren.services.ec2.zones import zones_of
from kunren.services.elbv2.api import Elbv2Api
from kunren.services.elbv2.limits import Limits
from kunren.world.spec import Region, WorldSpec

ACCOUNT, REGION = "123456789012", "us-east-1"
CTX = RequestContext(account=ACCOUNT, region=REGION, service="elbv2", operation="Test", request_id="r")
SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abc", 38.9, -77.4),))
MODEL = Session().get_service_model("elbv2")
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}


@dataclass
class Elb:
    """`elb.call("CreateLoadBalancer", Name=…)` is the operation's result."""

    store: Store
    clock: SimClock
    entropy: Entropy
    api: Elbv2Api
    vpc: Vpc
    subnets: list[Subnet]
    certificates: dict[str, str] = field(default_factory=dict)
    functions: dict[str, bool] = field(default_factory=dict)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """The result, which must be what the service model says it is."""
        result = getattr(self.api, xform_name(operation))(CTX, params) or {}
        shape = MODEL.operation_model(operation).output_shape
        present = {name: value for name, value in result.items() if value is not None}
        report = ParamValidator().validate(present, shape)
        assert not report.has_errors(), report.generate_report()
        return result

    def interfaces(self) -> list[NetworkInterface]:
        return self.store.snapshot().list(NetworkInterface, ACCOUNT, REGION)

    def balancer(self, name: str = "web", **more: Any) -> dict[str, Any]:
        more.setdefault("Subnets", [subnet.id for subnet in self.subnets[:2]])
        return self.call("CreateLoadBalancer", Name=name, **more)["LoadBalancers"][0]

    def listener(self, balancer: dict[str, Any], port: int = 80, **more: Any) -> dict[str, Any]:
        more.setdefault("Protocol", "HTTP")
        more.setdefault("DefaultActions", [FIXED])
        return self.call("CreateListener", LoadBalancerArn=balancer["LoadBalancerArn"], Port=port, **more)["Listeners"][
            0
        ]

    def group(self, name: str = "app", **more: Any) -> dict[str, Any]:
        settings = {"Protocol": "HTTP", "Port": 8080, "VpcId": self.vpc.id, "TargetType": "ip", **more}
        settings = {key: value for key, value in settings.items() if value is not None}
        return self.call("CreateTargetGroup", Name=name, **settings)["TargetGroups"][0]

    def certificate(self, number: int = 1, state: str = "ISSUED") -> str:
        arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/00000000-0000-4000-8000-{number:012d}"
        self.certificates[arn] = state
        return arn

    def other_vpc(self, gateway: bool) -> list[Subnet]:
        """Two subnets of another VPC, in two zones; both /24."""
        first, second = zones_of(SPEC.regions[0])[:2]
        with self.store.write() as tx:
            vpc = new_vpc(
                tx,
                self.entropy,
                account=ACCOUNT,
                region=REGION,
                cidr="10.9.0.0/16",
                dhcp_options_id=self.vpc.dhcp_options_id,
            )
            made = [
                new_subnet(tx, self.entropy, vpc, cidr="10.9.0.0/24", zone=first),
                new_subnet(tx, self.entropy, vpc, cidr="10.9.1.0/24", zone=second),
            ]
            if gateway:
                tx.put(InternetGateway(account=ACCOUNT, region=REGION, id="igw-1", vpc_id=vpc.id))
        return made

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """Code and text of the error that the operation must end in; and nothing may have changed."""
        before = self.store.generation
        with pytest.raises(AwsError) as caught:
            self.call(operation, **params)
        assert self.store.generation == before
        return caught.value.code, caught.value.message


def build(limits: Limits | None = None) -> Elb:
    store, clock, entropy = Store(None), SimClock(), Entropy(seed=7)
    ec2.register(store)
    certificates: dict[str, str] = {}
    functions: dict[str, bool] = {}

    def certificate_state(snapshot: Snapshot, account: str, arn: str) -> str | None:
        return certificates.get(arn)

    def may_invoke(snapshot: Snapshot, function_arn: str, group_arn: str) -> bool | None:
        return functions.get(function_arn)

    api = Elbv2Api(store, clock, entropy, SPEC, may_invoke, certificate_state, limits)
    with store.write() as tx:
        vpc = ensure_default_vpc(tx, entropy, SPEC, ACCOUNT, REGION)
    assert vpc is not None
    subnets = sorted(ec2.subnets_of(store.snapshot(), vpc), key=lambda subnet: subnet.availability_zone)
    return Elb(store, clock, entropy, api, vpc, subnets, certificates, functions)


@pytest.fixture
def elb() -> Elb:
    return build()


@pytest.fixture
def small_elb() -> Elb:
    """With quotas of two."""
    return build(
        Limits(
            application_load_balancers=2,
            target_groups=2,
            listeners_per_load_balancer=2,
            rules_per_load_balancer=2,
            certificates_per_load_balancer=2,
            target_groups_per_load_balancer=1,
            targets_per_target_group=2,
        )
    )
