"""Instance types by their attributes."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged
from kunren.services.ec2.instances import requirements


class RequirementOperations(Ec2Base):
    @operation
    def get_instance_types_from_instance_requirements(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """GetInstanceTypesFromInstanceRequirements: price protection does not count here."""
        needs = params["InstanceRequirements"]
        requirements.check(needs)
        found = requirements.matching(needs, params["ArchitectureTypes"])
        names = [each.name for each in found] if "hvm" in params["VirtualizationTypes"] else []
        page, token = paged(names, params, str, least=1)
        return {"InstanceTypes": [{"InstanceType": each} for each in page], "NextToken": token}
