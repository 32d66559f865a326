"""Kinds that nothing can make yet, so that the honest answer is an empty list: instances."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.ids import INSTANCE


class AbsentOperations(Ec2Base):
    @operation
    def describe_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        wanted = params.get("InstanceIds") or ()
        for each in wanted:
            INSTANCE.check(each)
        if wanted:
            raise INSTANCE.missing(*wanted)
        return {"Reservations": []}
