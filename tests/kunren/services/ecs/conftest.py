"""Calls the Api directly, as the gateway would, with a clock that stands still."""

from __future__ import annotations

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
from kunren.services.ecs.api import EcsApi
from kunren.world.spec import Place, Region, WorldSpec

ACCOUNT, REGION = "123456789012", "us-east-1"
SPEC = WorldSpec(
    places=(Place("virginia", 39.0, -77.5, "US", "NA"),), regions=(Region("us-east-1", "abc", 39.0, -77.5),)
)
MODEL = botocore.session.get_session().get_service_model("ecs")
OPERATIONS = {botocore.xform_name(name): name for name in MODEL.operation_names}


class Caller:
    """`ecs.create_cluster(clusterName=...)`; `ecs.refused("delete_cluster", ...)` is the code and text of the error."""

    def __init__(self) -> None:
        self.store, self.clock, self.entropy = Store(None), SimClock(), Entropy(seed=7)
        self.ec2 = Ec2Api(self.store, self.clock, self.entropy, SPEC)
        self.api = EcsApi(self.store, self.clock, self.entropy, SPEC)

    def __getattr__(self, name: str) -> Any:
        def call(**params: Any) -> Any:
            operation = MODEL.operation_model(OPERATIONS[name])
            report = ParamValidator().validate(params, operation.input_shape)
            assert not report.has_errors(), report.generate_report()
            ctx = RequestContext(ACCOUNT, REGION, "ecs", operation.name, "request-1")
            result = getattr(self.api, name)(ctx, params)
            known = operation.output_shape.members if operation.output_shape else {}
            assert set(result) <= set(known)
            return result

        return call

    @property
    def subnet(self) -> str:
        """Of the default VPC."""
        ctx = RequestContext(ACCOUNT, REGION, "ec2", "DescribeSubnets", "request-1")
        found: str = self.ec2.describe_subnets(ctx, {})["Subnets"][0]["SubnetId"]
        return found

    def refused(self, name: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as caught:
            getattr(self, name)(**params)
        return caught.value.code, caught.value.message


@pytest.fixture
def ecs() -> Caller:
    return Caller()
