"""Subnets as endpoints of custom routing accelerators: their port mappings, and who may receive traffic."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.services.ec2.errors import SubnetNotFound
from kunren.services.ec2.model import Subnet
from kunren.services.globalaccelerator import endpoints, port_mapping, views
from kunren.services.globalaccelerator.api.base import Base, Reader
from kunren.services.globalaccelerator.errors import (
    EndpointAlreadyExistsException,
    EndpointNotFoundException,
    InvalidArgumentException,
    InvalidNextTokenException,
    LimitExceededException,
)
from kunren.services.globalaccelerator.model import Accelerator, CustomGroup, Listener, SubnetEndpoint

LONGEST, SHORTEST = 28, 17  # "Guidelines and restrictions for custom routing accelerators", "VPC subnet size"
DEFAULT_MAPPINGS = 10


class CustomEndpoints(Base):
    def add_custom_routing_endpoints(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            group = self._custom_group(tx, ctx, params["EndpointGroupArn"])
            added = []
            for each in params["EndpointConfigurations"]:
                group = self._with_subnet(tx, group, each)
                added.append({"EndpointId": each["EndpointId"]})
            self._put_group(tx, group)
        return {"EndpointDescriptions": added, "EndpointGroupArn": group.id}

    def _with_subnet(self, tx: Tx, group: CustomGroup, given: dict[str, Any]) -> CustomGroup:
        """The group with one more subnet, and listener ports for it."""
        identity = given.get("EndpointId") or ""
        if any(each.id == identity for each in group.endpoints):
            raise EndpointAlreadyExistsException(f"The endpoint {identity} is in the endpoint group already.")
        owner = endpoints.owner_of(tx, group.account, group.accelerator_arn, given)
        subnet = tx.get(Subnet, owner, group.group_region, identity)
        if subnet is None:
            text = SubnetNotFound(identity).message
            raise InvalidArgumentException(
                f"{text} (Service: AmazonEC2; Status Code: 400; Error Code: InvalidSubnetID.NotFound)"
            )
        if not SHORTEST <= IPv4Network(subnet.cidr).prefixlen <= LONGEST:
            raise InvalidArgumentException(f"The size of a subnet must be between /{LONGEST} and /{SHORTEST}.")
        endpoints.check_gateway(tx, subnet.account, subnet.region, subnet.vpc_id, identity)
        listener = tx.get(Listener, group.account, "", group.listener_arn)
        assert listener is not None
        others = [
            each
            for each in tx.list(CustomGroup, group.account, "")
            if each.listener_arn == group.listener_arn and each.id != group.id
        ]
        count = len(port_mapping.hosts(subnet.cidr)) * len(port_mapping.destination_ports(group.destinations))
        ports = port_mapping.free_ports(listener.port_ranges, [*others, group], count)
        if ports is None:
            raise LimitExceededException(f"The listener has not enough free ports for {identity}, which needs {count}.")
        made = SubnetEndpoint(id=identity, cidr=subnet.cidr, ports=ports, owner="" if owner == group.account else owner)
        return msgspec.structs.replace(group, endpoints=(*group.endpoints, made))

    def remove_custom_routing_endpoints(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            group = self._custom_group(tx, ctx, params["EndpointGroupArn"])
            gone = set(params["EndpointIds"])
            if gone - {each.id for each in group.endpoints}:
                raise EndpointNotFoundException
            kept = tuple(each for each in group.endpoints if each.id not in gone)
            self._put_group(tx, msgspec.structs.replace(group, endpoints=kept))

    def allow_custom_routing_traffic(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._set_traffic(ctx, params, params.get("AllowAllTrafficToEndpoint"), allowed=True)

    def deny_custom_routing_traffic(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._set_traffic(ctx, params, params.get("DenyAllTrafficToEndpoint"), allowed=False)

    def _set_traffic(self, ctx: RequestContext, params: dict[str, Any], whole: bool | None, *, allowed: bool) -> None:
        with self._store.write() as tx:
            group = self._custom_group(tx, ctx, params["EndpointGroupArn"])
            before = next((each for each in group.endpoints if each.id == params["EndpointId"]), None)
            if before is None:
                raise InvalidArgumentException(f"{params['EndpointId']} is not an endpoint of the endpoint group.")
            asked, ports = params.get("DestinationAddresses") or (), params.get("DestinationPorts") or ()
            if whole:
                if asked or ports:
                    raise InvalidArgumentException(
                        "Destination addresses and ports can't be given together with all traffic to the endpoint."
                    )
                after = msgspec.structs.replace(before, open=allowed, exceptions=())
            else:
                chosen = _chosen(group, before, asked, ports)
                differing = set(before.exceptions)
                differing = differing - chosen if before.open == allowed else differing | chosen
                after = msgspec.structs.replace(before, exceptions=tuple(sorted(differing)))
            changed = tuple(after if each is before else each for each in group.endpoints)
            self._put_group(tx, msgspec.structs.replace(group, endpoints=changed))

    def list_custom_routing_port_mappings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        accelerator = self._accelerator(snapshot, ctx, params["AcceleratorArn"], custom=True)
        groups = [
            each for each in snapshot.list(CustomGroup, ctx.account, "") if each.accelerator_arn == accelerator.id
        ]
        if params.get("EndpointGroupArn"):
            wanted = self._custom_group(snapshot, ctx, params["EndpointGroupArn"])
            groups = [each for each in groups if each.id == wanted.id]
        found = sorted(_mappings(groups), key=lambda each: each[2].port)
        shown, token = _one_page(found, params)
        return {"PortMappings": [views.port_mapping(*each) for each in shown], "NextToken": token}

    def list_custom_routing_port_mappings_by_destination(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        groups = [
            each
            for each in snapshot.list(CustomGroup, ctx.account, "")
            if any(endpoint.id == params["EndpointId"] for endpoint in each.endpoints)
        ]
        if not groups:
            raise EndpointNotFoundException
        address = params["DestinationAddress"]
        found = [
            each for each in _mappings(groups) if each[1].id == params["EndpointId"] and each[2].address == address
        ]
        if not found:
            raise InvalidArgumentException(f"{address} is not an address of a destination in {params['EndpointId']}.")
        found.sort(key=lambda each: (each[0].accelerator_arn, each[2].port))
        shown, token = _one_page(found, params)
        return {
            "DestinationPortMappings": [
                views.destination_mapping(_accelerator_of(snapshot, each[0]), *each) for each in shown
            ],
            "NextToken": token,
        }

    def _put_group(self, tx: Tx, group: CustomGroup) -> None:
        tx.put(group)
        self._touch(tx, group.account, group.accelerator_arn)


_Shown = tuple[CustomGroup, SubnetEndpoint, port_mapping.Mapping]


def _mappings(groups: list[CustomGroup]) -> Iterator[_Shown]:
    for group in groups:
        for endpoint in group.endpoints:
            for each in port_mapping.mappings(group.destinations, endpoint):
                yield group, endpoint, each


def _one_page(found: list[_Shown], params: dict[str, Any]) -> tuple[list[_Shown], str | None]:
    try:
        return page(
            found,
            params.get("NextToken"),
            params.get("MaxResults") or DEFAULT_MAPPINGS,
            lambda each: f"{each[0].accelerator_arn} {each[2].port:05}",
        )
    except InvalidToken:
        raise InvalidNextTokenException from None


def _accelerator_of(reader: Reader, group: CustomGroup) -> Accelerator:
    found = reader.get(Accelerator, group.account, "", group.accelerator_arn)
    assert found is not None
    return found


def _chosen(group: CustomGroup, endpoint: SubnetEndpoint, addresses: Any, ports: Any) -> set[int]:
    """The listener ports of these addresses, at these ports or all. Raises InvalidArgumentException for what is not in
    the endpoint group."""
    if not addresses:
        raise InvalidArgumentException("DestinationAddresses is required where not all traffic is meant.")
    every = port_mapping.mappings(group.destinations, endpoint)
    known = {each.address for each in every}
    if unknown := [each for each in addresses if each not in known]:
        raise InvalidArgumentException(f"{unknown[0]} is not an address of a destination in {endpoint.id}.")
    configured = {port for port, _ in port_mapping.destination_ports(group.destinations)}
    if outside := [each for each in ports if each not in configured]:
        raise InvalidArgumentException(f"{outside[0]} is not a destination port of the endpoint group.")
    wanted, at = set(addresses), set(ports) or configured
    return {each.port for each in every if each.address in wanted and each.destination_port in at}
