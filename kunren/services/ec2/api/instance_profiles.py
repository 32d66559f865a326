"""Which instance profile an instance has: AssociateIamInstanceProfile, ReplaceIamInstanceProfileAssociation,
DisassociateIamInstanceProfile, DescribeIamInstanceProfileAssociations.

Its metadata has the new role's credentials at once, so nothing is "associating" for long.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import filters, ids
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.launcher import Launcher
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.store import Reader

_FILTERS: dict[str, filters.Getter[Instance]] = {
    "instance-id": lambda each: each.id,
    "state": lambda each: "associated",
}


class InstanceProfileOperations(Ec2Base):
    launcher: Launcher

    @operation
    def describe_iam_instance_profile_associations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = _associated(self.store.snapshot(), ctx)
        wanted = params.get("AssociationIds")
        if wanted:
            held = [each for each in held if _association_id(each) in wanted]
        page, token = paged(
            filters.select(held, params.get("Filters"), _FILTERS), params, resource_id, "AssociationIds"
        )
        return {
            "IamInstanceProfileAssociations": [_to_wire(each, "associated") for each in page],
            "NextToken": token,
        }

    async def associate_iam_instance_profile(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        self.ensure_region(ctx)
        arn, id = await self.launcher.profile(ctx, params["IamInstanceProfile"])
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            if (now := state(tx, instance)) not in ("running", "stopped"):
                raise refused.IncorrectInstanceState(
                    f"The instance '{instance.id}' is in the '{now}' state. It must be running or stopped."
                )
            if instance.profile_arn:
                raise refused.AssociationExists(instance.id)
            return self._associate(tx, instance, arn, id)

    async def replace_iam_instance_profile_association(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        self.ensure_region(ctx)
        arn, id = await self.launcher.profile(ctx, params["IamInstanceProfile"])
        with self.store.write() as tx:
            return self._associate(tx, _of(tx, ctx, params["AssociationId"]), arn, id)

    @operation
    def disassociate_iam_instance_profile(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            instance = _of(tx, ctx, params["AssociationId"])
            tx.put(replace(instance, profile_arn=None, profile_id=None, profile_association=None))
        return {"IamInstanceProfileAssociation": _to_wire(instance, "disassociating")}

    def _associate(self, tx: Tx, instance: Instance, arn: str, id: str) -> dict[str, Any]:
        made = self.entropy.resource_id("iip-assoc")
        instance = replace(instance, profile_arn=arn, profile_id=id, profile_association=made)
        tx.put(instance)
        return {"IamInstanceProfileAssociation": _to_wire(instance, "associating")}


def _associated(reader: Reader, ctx: RequestContext) -> list[Instance]:
    held = reader.list(Instance, ctx.account, ctx.region)
    return [each for each in held if each.profile_arn and each.ended_at is None]


def _of(reader: Reader, ctx: RequestContext, association: str) -> Instance:
    """The instance of an association. Raises InvalidAssociationID.NotFound."""
    found = next((each for each in _associated(reader, ctx) if _association_id(each) == association), None)
    if found is None:
        raise refused.ProfileAssociationNotFound(association)
    return found


def _association_id(instance: Instance) -> str:
    return instance.profile_association or "iip-assoc-" + instance.id.removeprefix("i-")


def _to_wire(instance: Instance, state: str) -> dict[str, Any]:
    return {
        "AssociationId": _association_id(instance),
        "InstanceId": instance.id,
        "IamInstanceProfile": {"Arn": instance.profile_arn, "Id": instance.profile_id},
        "State": state,
    }
