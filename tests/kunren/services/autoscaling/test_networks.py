"""What a group is asked to be: its subnets and the security groups of its templates share one VPC."""

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.autoscaling.api import AutoScalingApi
from kunren.services.autoscaling.errors import NotYet, ValidationError
from kunren.services.ec2.instances.model import KINDS, LaunchTemplate, TemplateVersion
from kunren.services.ec2.model import SecurityGroup, Subnet

OF = {"account": "123456789012", "region": "us-east-1"}
CTX = RequestContext(*OF.values(), "autoscaling", "CreateAutoScalingGroup", "request-1")
UNLINKED = (
    "One or more security groups in the launch template are not linked to the VPCs configured in the Auto Scaling group"
)


def subnet(number, vpc):
    return Subnet(
        **OF, id=f"subnet-{number}", vpc_id=vpc, cidr=f"10.{number}.0.0/24", availability_zone="us-east-1a",
        availability_zone_id="use1-az1",
    )  # fmt: skip


@pytest.fixture
def api():
    store = Store(None)
    store.register(*KINDS, Subnet, SecurityGroup)
    made = AutoScalingApi(store, SystemClock(), Entropy(seed=7))
    with store.write() as tx:
        for each in (subnet(1, "vpc-1"), subnet(2, "vpc-2")):
            tx.put(each)
        for vpc in ("vpc-1", "vpc-2"):
            tx.put(SecurityGroup(**OF, id=f"sg-{vpc}", vpc_id=vpc, name="web", description="web"))
            for name, told in (("plain", {"SecurityGroupIds": [f"sg-{vpc}"]}),
                               ("interface", {"NetworkInterfaces": [{"Groups": [f"sg-{vpc}"]}]})):  # fmt: skip
                version = TemplateVersion(number=1, data={"ImageId": "ami-1", **told}, created_at=0.0)
                tx.put(LaunchTemplate(**OF, id=f"lt-{name}-{vpc}", name=f"{name}-{vpc}", versions=(version,),
                                      created_at=0.0))  # fmt: skip
    return made


def create(api, subnets, template):
    api.create_auto_scaling_group(
        CTX,
        {"AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": subnets,
         "LaunchTemplate": {"LaunchTemplateName": template}},
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["plain", "interface"])
def test_a_security_group_of_another_vpc_is_refused(api, kind):
    with pytest.raises(ValidationError, match=UNLINKED):
        create(api, "subnet-1", f"{kind}-vpc-2")
    create(api, "subnet-1", f"{kind}-vpc-1")
    with pytest.raises(ValidationError, match=UNLINKED):
        api.update_auto_scaling_group(CTX, {"AutoScalingGroupName": "web", "VPCZoneIdentifier": "subnet-2"})
    api.update_auto_scaling_group(
        CTX,
        {"AutoScalingGroupName": "web", "VPCZoneIdentifier": "subnet-2",
         "LaunchTemplate": {"LaunchTemplateName": f"{kind}-vpc-2"}},
    )  # fmt: skip


def test_subnets_of_two_vpcs_are_refused(api):
    with pytest.raises(ValidationError, match=r"The subnets .* same VPC"):
        create(api, "subnet-1,subnet-2", "plain-vpc-1")


def test_capacity_is_counted_in_instances_alone(api):
    create(api, "subnet-1", "plain-vpc-1")
    named = {"AutoScalingGroupName": "web"}
    with pytest.raises(NotYet, match="vcpu"):
        api.update_auto_scaling_group(CTX, {**named, "DesiredCapacityType": "vcpu"})
    api.update_auto_scaling_group(CTX, {**named, "DesiredCapacityType": "units"})
    assert api.describe_auto_scaling_groups(CTX, {})["AutoScalingGroups"][0]["DesiredCapacityType"] == "units"


def test_a_templates_own_requirements_are_refused_before_a_group_is_made(api):
    needs = {"VCpuCount": {"Min": 1}, "MemoryMiB": {"Min": 1024}}
    with api._store.write() as tx:
        template = tx.get(LaunchTemplate, *OF.values(), "lt-plain-vpc-1")
        [version] = template.versions
        data = {**version.data, "InstanceRequirements": needs}
        tx.put(replace(template, versions=(replace(version, data=data),)))
    with pytest.raises(NotYet, match="InstanceRequirements"):
        create(api, "subnet-1", "plain-vpc-1")
    named = {"LaunchTemplateSpecification": {"LaunchTemplateName": "plain-vpc-1"}}
    api.create_auto_scaling_group(
        CTX,
        {"AutoScalingGroupName": "web", "MinSize": 0, "MaxSize": 1, "VPCZoneIdentifier": "subnet-1",
         "MixedInstancesPolicy": {"LaunchTemplate": {**named, "Overrides": [{"InstanceType": "t3.micro"}]}}},
    )  # fmt: skip
