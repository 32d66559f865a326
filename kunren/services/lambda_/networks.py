"""Network interfaces of functions in VPCs: one for each subnet and set of security groups, shared by all functions of
the account that have both (Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC").

An environment lives in its interface's namespace: packets leave by the interface's address, through its security
groups and the subnet's routes, and nothing gets in. An interface is made with the first function that needs it; when no
function and no environment does any more, it is deleted.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from kunren.control.controller import Controller
from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.services.ec2 import errors as ec2_errors
from kunren.services.ec2 import interfaces
from kunren.services.ec2 import store as ec2_store
from kunren.services.ec2.model import NetworkInterface
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import Configured, Function, FunctionStatus, PublishedVersion, VpcPlacement
from kunren.world.spec import WorldSpec

INTERFACE_TYPE = "lambda"
REQUESTER = "amazon-aws"
INTERFACES_PER_VPC_MAX = 500
"""Lambda developer guide, "Lambda quotas": elastic network interfaces per VPC."""
_LIVE_WITHIN_S = 10.0
_LOOK_S = 0.1
_KINDS = (Function.kind, PublishedVersion.kind, FunctionStatus.kind)
_REASONS = {
    ec2_errors.SubnetNotFound.code: "InvalidSubnet",
    ec2_errors.GroupNotFound.code: "InvalidSecurityGroup",
    ec2_errors.InsufficientFreeAddressesInSubnet.code: "SubnetOutOfIPAddresses",
}


class NoInterface(Exception):
    """Why a function cannot get into its VPC; `code` is AWS's StateReasonCode."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def resolve_vpc(reader: Snapshot | Tx, ctx: RequestContext, config: Mapping[str, Any] | None) -> VpcPlacement | None:
    """A request's VpcConfig, checked; None for a function without a VPC. Raises InvalidParameterValueException."""
    subnets = tuple(dict.fromkeys((config or {}).get("SubnetIds") or ()))
    groups = tuple(dict.fromkeys((config or {}).get("SecurityGroupIds") or ()))
    if not subnets and not groups:
        return None
    if not subnets or not groups:
        raise InvalidParameterValueException("SubnetIds and SecurityIds must coexist or be both empty list.")
    found = [_found("DescribeSubnets", ec2_store.find_subnet, reader, ctx, each) for each in subnets]
    homes = {each.vpc_id for each in found}
    six = bool((config or {}).get("Ipv6AllowedForDualStack"))
    if six and any(each.cidr_v6 is None for each in found):
        raise InvalidParameterValueException("Ipv6AllowedForDualStack is only allowed with dual-stack subnets.")
    if len(homes) > 1:
        raise InvalidParameterValueException("Subnets are required to be in the same VPC.")
    homes |= {_found("DescribeSecurityGroups", ec2_store.find_group, reader, ctx, each).vpc_id for each in groups}
    if len(homes) > 1:
        raise InvalidParameterValueException("Security Groups are required to be in the same VPC.")
    return VpcPlacement(vpc_id=homes.pop(), subnets=subnets, groups=groups, ipv6=six)


def _found(what: str, find: Callable[..., Any], reader: Snapshot | Tx, ctx: RequestContext, id: str) -> Any:
    try:
        return find(reader, ctx.account, ctx.region, id)
    except AwsError as error:
        raise InvalidParameterValueException(
            f"Error occurred while {what}. EC2 Error Code: {error.code}. EC2 Error Message: {error.message}"
        ) from None


class FunctionNetworks:
    """`applied` waits until an interface is live (`VpcController.applied`). `controller` deletes what is not used."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        spec: WorldSpec,
        runtime: FunctionRuntime,
        applied: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._spec = spec
        self._runtime = runtime
        self._applied = applied
        self.controller = Controller(
            "lambda-networks",
            store,
            clock,
            keys=lambda snapshot, key: _unused(snapshot, snapshot.list(NetworkInterface, key.account, key.region)),
            every=lambda snapshot: _unused(snapshot, snapshot.every(NetworkInterface)),
            reconcile=self._release,
            wants=lambda kind: kind in _KINDS,
        )

    async def ensure(self, function: Configured) -> tuple[str, ...]:
        """The interfaces that the function's environments live behind, one for each of its subnets, when all of them
        are live; () for a function without a VPC. Raises NoInterface, and TimeoutError while the world has none yet."""
        vpc = function.vpc
        if vpc is None:
            return ()
        try:
            with self._store.write() as tx:
                found = tuple(self._interface(tx, function, vpc, each) for each in vpc.subnets)
        except AwsError as error:
            if error.code not in _REASONS:
                raise
            raise NoInterface(error.message, _REASONS[error.code]) from error
        await self._store.durable()
        async with asyncio.timeout(_LIVE_WITHIN_S):
            for each in found:
                await self._applied(each)
        return found

    def _interface(self, tx: Tx, function: Configured, vpc: VpcPlacement, subnet_id: str) -> str:
        account, region = function.account, function.region
        ours = [each for each in tx.list(NetworkInterface, account, region) if each.interface_type == INTERFACE_TYPE]
        for each in ours:
            if _serves(each, vpc) and each.subnet_id == subnet_id:
                return each.id
        if sum(each.vpc_id == vpc.vpc_id for each in ours) >= INTERFACES_PER_VPC_MAX:
            raise NoInterface("The elastic network interface limit of the VPC is reached.", "EniLimitExceeded")
        made = interfaces.create_interface(
            tx,
            self._entropy,
            self._spec,
            account=account,
            region=region,
            subnet_id=subnet_id,
            groups=vpc.groups,
            description=f"AWS Lambda VPC ENI-{function.name}-{self._entropy.uuid()}",
            attachment="function",
            public=False,
            ipv6=[None] if vpc.ipv6 else [],
            interface_type=INTERFACE_TYPE,
            requester_managed=True,
            requester_id=REQUESTER,
            attach_time=self._clock.now(),
        )
        return made.id

    async def _release(self, work: str) -> None:
        """Delete an interface when the last environment behind it has ended, unless a function has come to need it."""
        account, region, id = work.split("|")
        while self._runtime.uses(id):
            await self._clock.sleep(_LOOK_S * self._clock.speed)
        with self._store.write() as tx:
            interface = tx.get(NetworkInterface, account, region, id)
            if interface is None or not _unused(tx, [interface]):
                return
            self._runtime.leave(id)
            interfaces.delete_interface(tx, interface)


def _serves(interface: NetworkInterface, vpc: VpcPlacement) -> bool:
    return set(interface.groups) == set(vpc.groups) and bool(interface.ipv6) == vpc.ipv6


def _unused(reader: Snapshot | Tx, found: Iterable[NetworkInterface]) -> list[str]:
    """Work keys of those interfaces of functions that no function needs: neither as it shall be nor as it runs now."""
    ours = [each for each in found if each.interface_type == INTERFACE_TYPE]
    return [f"{each.account}|{each.region}|{each.id}" for each in ours if not _is_used(reader, each)]


def _is_used(reader: Snapshot | Tx, interface: NetworkInterface) -> bool:
    account, region = interface.account, interface.region
    for each in itertools.chain(reader.list(Function, account, region), reader.list(PublishedVersion, account, region)):
        vpc = each.vpc
        if vpc is not None and interface.subnet_id in vpc.subnets and _serves(interface, vpc):
            return True
        status = reader.get(FunctionStatus, account, region, each.id)
        if status is not None and status.deployed is not None and interface.id in status.deployed.interfaces:
            return True
    return False
