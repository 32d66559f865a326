"""Calls the Api directly, as the gateway would: parameters and results are held against botocore's model on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.api import Ec2Api
from kunren.world.spec import Place, Region, WorldSpec

ACCOUNT = "123456789012"
REGION = "us-east-1"
SPEC = WorldSpec(
    places=(Place("virginia", 39.0, -77.5, "US", "NA"),),
    regions=(Region("us-east-1", "abc", 39.0, -77.5), Region("ap-northeast-1", "acd", 35.7, 139.7)),
)
MODEL = botocore.session.get_session().get_service_model("ec2")
OPERATIONS = {botocore.xform_name(name): name for name in MODEL.operation_names}


def fits(shape: Any, value: Any, where: str = "") -> None:
    """Assert that a result has the model's members and types; None means absent."""
    if value is None:
        return
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), where
        for name, each in value.items():
            assert name in shape.members, f"{where}.{name} is not in the model"
            fits(shape.members[name], each, f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, (list, tuple)), where
        for each in value:
            assert each is not None, where
            fits(shape.member, each, where + "[]")
    else:
        types: dict[str, Any] = {
            "string": str,
            "boolean": bool,
            "integer": int,
            "long": int,
            "timestamp": (float, datetime),
        }
        assert isinstance(value, types[kind]), f"{where}: {value!r} is no {kind}"
        # EC2 says "available" of an attached internet gateway, which its own model does not list
        if getattr(shape, "enum", None) and not where.endswith("InternetGateways[].Attachments[].State"):
            assert value in shape.enum, f"{where}: {value!r}"


class Caller:
    """`ec2.create_vpc(CidrBlock=...)`; `ec2.refused("delete_vpc", VpcId=...)` is the code and text of the error."""

    def __init__(self, store: Store | None = None, account: str = ACCOUNT, region: str = REGION, **limits: Any) -> None:
        self.store = store or Store(None)
        self.clock = SimClock()
        self.api = Ec2Api(self.store, self.clock, Entropy(seed=7), SPEC, **limits)
        self.account, self.region = account, region

    def elsewhere(self, account: str = ACCOUNT, region: str = REGION) -> Caller:
        other = object.__new__(Caller)
        other.__dict__.update(self.__dict__, account=account, region=region)
        return other

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name not in OPERATIONS:
            raise AttributeError(name)
        model = MODEL.operation_model(OPERATIONS[name])

        def call(**params: Any) -> dict[str, Any]:
            report = ParamValidator().validate(params, model.input_shape)
            assert not report.has_errors(), report.generate_report()
            ctx = RequestContext(self.account, self.region, "ec2", model.name, "request-1")
            result = getattr(self.api, name)(ctx, params)
            if model.output_shape is None:
                assert result is None
            else:
                fits(model.output_shape, result, model.name)
            return result or {}

        return call

    def refused(self, name: str, **params: Any) -> tuple[str, str]:
        """The error's code and text; nothing may have changed."""
        self.describe_vpcs()
        before = self.store.generation
        with pytest.raises(AwsError) as caught:
            getattr(self, name)(**params)
        assert self.store.generation == before
        return caught.value.code, caught.value.message

    # -- short cuts --------------------------------------------------------------------------------------------------

    def vpc(self, block: str = "10.0.0.0/16") -> str:
        return str(self.create_vpc(CidrBlock=block)["Vpc"]["VpcId"])

    def subnet(self, vpc: str, block: str = "10.0.1.0/24", **params: Any) -> str:
        return str(self.create_subnet(VpcId=vpc, CidrBlock=block, **params)["Subnet"]["SubnetId"])

    def group(self, vpc: str, name: str = "web") -> str:
        return str(self.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"])

    def default_vpc(self) -> dict[str, Any]:
        return dict(self.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0])

    def default_subnets(self) -> list[dict[str, Any]]:
        found = self.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        return sorted(found, key=lambda each: each["AvailabilityZone"])


@pytest.fixture
def ec2() -> Iterator[Caller]:
    yield Caller()


@pytest.fixture
def new_caller() -> type[Caller]:
    return Caller
