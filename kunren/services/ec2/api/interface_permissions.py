"""What other accounts may do with a network interface: attach it to an instance, or give it an Elastic IP of theirs."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids, interfaces
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import InterfacePermission

_PREFIX = "network-interface-permission."
FILTERS: dict[str, Getter[InterfacePermission]] = {
    _PREFIX + "aws-account-id": lambda each: each.grantee,
    _PREFIX + "aws-service": lambda each: None,
    _PREFIX + "network-interface-id": lambda each: each.interface_id,
    _PREFIX + "network-interface-permission-id": lambda each: each.id,
    _PREFIX + "permission": lambda each: each.permission,
}


class InterfacePermissionOperations(Ec2Base):
    @operation
    def create_network_interface_permission(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("AwsService"):
            raise errors.NotYet("network interface permissions of AWS services")
        if not params.get("AwsAccountId"):
            raise errors.MissingParameter("awsAccountId")
        with self.store.write() as tx:
            interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, params["NetworkInterfaceId"])
            interfaces.check_users_own(interface)
            held = tx.list(InterfacePermission, ctx.account, ctx.region)
            asked = (interface.id, params["AwsAccountId"], params["Permission"])
            if any((each.interface_id, each.grantee, each.permission) == asked for each in held):
                raise errors.InvalidParameterValue(f"The permission {asked[2]} is granted to {asked[1]} already.")
            made = InterfacePermission(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("eni-perm"),
                interface_id=interface.id,
                grantee=params["AwsAccountId"],
                permission=params["Permission"],
            )
            tx.put(made)
        return {"InterfacePermission": _to_wire(made)}

    @operation
    def delete_network_interface_permission(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """What was done with the permission stays done."""
        with self.store.write() as tx:
            tx.delete(self.get(tx, ctx, ids.INTERFACE_PERMISSION, params["NetworkInterfacePermissionId"]))
        return {"Return": True}

    @operation
    def describe_network_interface_permissions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        wanted = [
            self.get(snapshot, ctx, ids.INTERFACE_PERMISSION, each)
            for each in params.get("NetworkInterfacePermissionIds") or ()
        ]
        held = wanted or snapshot.list(InterfacePermission, ctx.account, ctx.region)
        page, token = paged(filters.select(held, params.get("Filters"), FILTERS), params, resource_id)
        return {"NetworkInterfacePermissions": [_to_wire(each) for each in page], "NextToken": token}


def _to_wire(permission: InterfacePermission) -> dict[str, Any]:
    return {
        "NetworkInterfacePermissionId": permission.id,
        "NetworkInterfaceId": permission.interface_id,
        "AwsAccountId": permission.grantee,
        "Permission": permission.permission,
        "PermissionState": {"State": "GRANTED"},  # so AWS writes it, whatever its model says
    }
