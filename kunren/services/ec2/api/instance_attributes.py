"""Attributes of instances: describe and change them, their metadata options, monitoring, credits and profile."""

from __future__ import annotations

import base64
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids, interfaces, store
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id
from kunren.services.ec2.api.network_interfaces import groups_to_wire
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.launcher import checked_user_data, metadata_options
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.states import state
from kunren.services.ec2.instances.types import all_types
from kunren.services.ec2.instances.wire import devices, interface_of, metadata_to_wire
from kunren.services.ec2.model import NetworkInterface

_NOT_YET = {
    "EnclaveOptions": "enclaves",
    "Kernel": "kernels of one's own",
    "Ramdisk": "RAM disks of one's own",
    "SriovNetSupport": "SR-IOV settings",
    "BlockDeviceMappings": "changes of block device mappings",
}
_BY_NAME = {
    "disableApiTermination": "DisableApiTermination",
    "disableApiStop": "DisableApiStop",
    "instanceType": "InstanceType",
    "userData": "UserData",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "sourceDestCheck": "SourceDestCheck",
    "ebsOptimized": "EbsOptimized",
    "enaSupport": "EnaSupport",
}
_BOOLEANS = ("DisableApiTermination", "DisableApiStop", "SourceDestCheck", "EbsOptimized", "EnaSupport")
_CHANGES = (*_BOOLEANS, "InstanceType", "UserData", "InstanceInitiatedShutdownBehavior", "Groups")


class InstanceAttributeOperations(Ec2Base):
    @operation
    def describe_instance_attribute(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        instance = self.get(snapshot, ctx, ids.INSTANCE, params["InstanceId"])
        interface = interface_of(snapshot, instance)
        values: dict[str, Any] = {
            "blockDeviceMapping": {"BlockDeviceMappings": devices(snapshot, instance)},
            "disableApiStop": {"DisableApiStop": {"Value": instance.disable_stop}},
            "disableApiTermination": {"DisableApiTermination": {"Value": instance.disable_termination}},
            "ebsOptimized": {"EbsOptimized": {"Value": instance.ebs_optimized}},
            "enaSupport": {"EnaSupport": {"Value": True}},
            "enclaveOptions": {"EnclaveOptions": {"Enabled": False}},
            "groupSet": {"Groups": groups_to_wire(snapshot, interface) if interface is not None else []},
            "instanceInitiatedShutdownBehavior": {
                "InstanceInitiatedShutdownBehavior": {"Value": instance.shutdown_behavior}
            },
            "instanceType": {"InstanceType": {"Value": instance.instance_type}},
            "kernel": {"KernelId": {}},
            "productCodes": {"ProductCodes": []},
            "ramdisk": {"RamdiskId": {}},
            "rootDeviceName": {"RootDeviceName": {"Value": instance.root_device}},
            "sourceDestCheck": {"SourceDestCheck": {"Value": interface is None or interface.source_dest_check}},
            "sriovNetSupport": {"SriovNetSupport": {"Value": "simple"}},
            "userData": {"UserData": {"Value": instance.user_data} if instance.user_data else {}},
        }
        attribute = params["Attribute"]
        if attribute not in values:
            raise errors.InvalidParameterValue(
                f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute."
            )
        return {"InstanceId": instance.id, **values[attribute]}

    @operation
    def modify_instance_attribute(self, ctx: RequestContext, params: Params) -> None:
        params = _named(params)
        for member, what in _NOT_YET.items():
            if params.get(member):
                raise errors.NotYet(what)
        asked = [each for each in _CHANGES if params.get(each) is not None]
        if len(asked) > 1:
            raise errors.InvalidParameterCombination("Fields for multiple attribute types specified.")
        if not asked:
            raise errors.MissingParameterText("The request must contain an attribute to modify")
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            if instance.wanted == "terminated":
                raise refused.IncorrectInstanceState(f"The instance '{instance.id}' is not in a valid state.")
            if asked[0] in ("Groups", "SourceDestCheck"):
                self._modify_interface(tx, ctx, instance, params)
                return
            changed = self._with_attribute(tx, instance, asked[0], params[asked[0]])
            if changed != instance:
                tx.put(changed)

    def _modify_interface(self, tx: Tx, ctx: RequestContext, instance: Instance, params: Params) -> None:
        interface = self.get(tx, ctx, ids.NETWORK_INTERFACE, instance.interface_id)
        changed: NetworkInterface = interface
        if params.get("Groups"):
            for each in params["Groups"]:
                self.get(tx, ctx, ids.SECURITY_GROUP, each)
            groups = tuple(dict.fromkeys(params["Groups"]))
            interfaces.check_groups(tx, store.find_vpc(tx, ctx.account, ctx.region, interface.vpc_id), groups)
            changed = replace(interface, groups=groups)
        else:
            changed = replace(interface, source_dest_check=params["SourceDestCheck"].get("Value", False))
        if changed != interface:
            tx.put(changed)

    def _with_attribute(self, tx: Tx, instance: Instance, member: str, given: Params) -> Instance:
        value = given.get("Value")
        if member in ("InstanceType", "UserData", "EbsOptimized", "EnaSupport") and state(tx, instance) != "stopped":
            raise refused.IncorrectInstanceState(f"The instance '{instance.id}' is not in the 'stopped' state.")
        if member == "InstanceType":
            if instance.hibernated:
                raise refused.UnsupportedOperation(
                    f"You can't change the instance type of the instance '{instance.id}' while it is hibernated."
                )
            kind = all_types().get(value or "")
            if kind is None or kind.architecture != instance.architecture:
                raise errors.InvalidParameterValue(f"Invalid value '{value}' for InstanceType.")
            return replace(instance, instance_type=kind.name, credits=instance.credits if kind.burstable else None)
        if member == "UserData":
            text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            return replace(instance, user_data=checked_user_data(text))
        if member == "InstanceInitiatedShutdownBehavior":
            if value not in ("stop", "terminate"):
                raise errors.InvalidParameterValue(
                    f"Value ({value}) for parameter instanceInitiatedShutdownBehavior is invalid."
                )
            return replace(instance, shutdown_behavior=value)
        if member == "EnaSupport":
            if value is False:
                raise errors.NotYet("instances without enhanced networking")
            return instance
        field = {"DisableApiTermination": "disable_termination", "DisableApiStop": "disable_stop",
                 "EbsOptimized": "ebs_optimized"}[member]  # fmt: skip
        return replace(instance, **{field: bool(value)})

    @operation
    def modify_instance_metadata_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            instance = self.get(tx, ctx, ids.INSTANCE, params["InstanceId"])
            changed = replace(instance, metadata=metadata_options(params, instance.metadata))
            tx.put(changed)
            return {"InstanceId": instance.id, "InstanceMetadataOptions": metadata_to_wire(changed.metadata)}

    @operation
    def monitor_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._monitoring(ctx, params, on=True)

    @operation
    def unmonitor_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return self._monitoring(ctx, params, on=False)

    def _monitoring(self, ctx: RequestContext, params: Params, *, on: bool) -> dict[str, Any]:
        shown = []
        with self.store.write() as tx:
            for id in params["InstanceIds"]:
                tx.put(replace(self.get(tx, ctx, ids.INSTANCE, id), monitoring=on))
                shown.append({"InstanceId": id, "Monitoring": {"State": "enabled" if on else "disabled"}})
        return {"InstanceMonitorings": shown}

    @operation
    def describe_instance_credit_specifications(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        wanted = params.get("InstanceIds") or ()
        found = [self.get(snapshot, ctx, ids.INSTANCE, each) for each in wanted]
        if not wanted:
            found = snapshot.list(Instance, ctx.account, ctx.region)
        found = [each for each in found if all_types()[each.instance_type].burstable and each.ended_at is None]
        found = filters.select(found, params.get("Filters"), {"instance-id": lambda each: each.id})
        if not wanted:
            found = [each for each in found if _credits(each) == "unlimited"]
        page, token = paged(found, params, resource_id, "InstanceIds")
        return {
            "InstanceCreditSpecifications": [{"InstanceId": each.id, "CpuCredits": _credits(each)} for each in page],
            "NextToken": token,
        }


def _credits(instance: Instance) -> str:
    """T2 are standard where nothing else was asked for, later families unlimited."""
    return instance.credits or ("standard" if instance.instance_type.startswith("t2.") else "unlimited")


def _named(params: Params) -> Params:
    """The older form, which names the attribute and gives its value as text, as the newer one."""
    attribute, value = params.get("Attribute"), params.get("Value")
    if attribute is None or value is None:
        return params
    member = _BY_NAME.get(attribute)
    if member is None:
        raise errors.InvalidParameterValue(
            f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute."
        )
    given: Any = value.lower() == "true" if member in _BOOLEANS else value
    return {**params, member: {"Value": given}}
