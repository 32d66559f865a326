"""VPC endpoints: finding them, their names and states. Pure, on a reader."""

from __future__ import annotations

import json

from kunren.core import hosted_zone_ids
from kunren.services.ec2 import prefix_lists, private_link, store
from kunren.services.ec2.endpoint_errors import InvalidPolicyDocument
from kunren.services.ec2.endpoint_services import GATEWAY, EndpointService
from kunren.services.ec2.model import (
    AppliedPrefixLists,
    NetworkInterface,
    RouteTable,
    VpcEndpoint,
    VpcEndpointStatus,
)

POLICY_MAX = 20_480
OPEN_POLICY = json.dumps(
    {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}, indent=2
)


def service_of(reader: store.Reader, endpoint: VpcEndpoint) -> EndpointService:
    configuration = private_link.configuration_of(reader, endpoint)
    if configuration is not None:
        return private_link.as_service(configuration)
    return EndpointService(endpoint.service, endpoint.region, endpoint.type)


def tables_of(reader: store.Reader, endpoint: VpcEndpoint) -> list[RouteTable]:
    """The route tables that lead to a gateway endpoint."""
    tables = reader.list(RouteTable, endpoint.account, endpoint.region)
    return [each for each in tables if any(route.target == endpoint.id for route in each.routes)]


def interfaces_of(reader: store.Reader, endpoint: VpcEndpoint) -> list[NetworkInterface]:
    """An interface endpoint's interfaces, by subnet."""
    found = (
        reader.get(NetworkInterface, endpoint.account, endpoint.region, endpoint.interfaces[subnet])
        for subnet in sorted(endpoint.interfaces)
    )
    return [each for each in found if each is not None]


def list_id(endpoint: VpcEndpoint) -> str:
    """The prefix list whose addresses a gateway endpoint leads to."""
    return prefix_lists.aws_list_id(endpoint.region, endpoint.service)


def dns_names(reader: store.Reader, endpoint: VpcEndpoint) -> dict[str, list[str]]:
    """An interface endpoint's own names, first the one for all zones, then one a zone, with their addresses."""
    base = service_of(reader, endpoint).base_name
    interfaces = interfaces_of(reader, endpoint)
    names = {f"{endpoint.id}-{endpoint.label}.{base}": [each.private_ip for each in interfaces]}
    for each in interfaces:
        names[f"{endpoint.id}-{endpoint.label}-{each.availability_zone}.{base}"] = [each.private_ip]
    return names


def dns_entries(reader: store.Reader, endpoint: VpcEndpoint) -> list[dict[str, str]]:
    """As DescribeVpcEndpoints has them: the own names, and the service's private one where the endpoint serves it."""
    if endpoint.type == GATEWAY:
        return []
    zone_id = hosted_zone_ids.VPC_ENDPOINT.get(endpoint.region, "")
    entries = [{"DnsName": name, "HostedZoneId": zone_id} for name in dns_names(reader, endpoint)]
    private = service_of(reader, endpoint).private_name
    if endpoint.private_dns and private is not None:
        entries.append({"DnsName": private, "HostedZoneId": endpoint.private_zone_id})
    return entries


def state_of(reader: store.Reader, endpoint: VpcEndpoint) -> str:
    """`pending` until the data plane has all of the endpoint: each address answers, each running VPC has the routes."""
    if endpoint.deleting:
        return "deleting"
    if endpoint.type == GATEWAY:
        applied = reader.get(AppliedPrefixLists, endpoint.account, endpoint.region, endpoint.vpc_id)
        waits = applied is not None and list_id(endpoint) not in applied.versions
        return "pending" if waits and tables_of(reader, endpoint) else "available"
    if endpoint.decision != private_link.ACCEPTED:
        return endpoint.decision
    status = reader.get(VpcEndpointStatus, endpoint.account, endpoint.region, endpoint.id)
    wanted = {each.private_ip for each in interfaces_of(reader, endpoint)}
    served = status is not None and set(status.addresses) == wanted and status.private_dns == endpoint.private_dns
    return "available" if served else "pending"


def policy_of(text: str | None) -> str:
    """A policy as it is kept, the open one where none is given. Raises InvalidPolicyDocument."""
    if not text:
        return OPEN_POLICY
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.get("Statement") or len(text) > POLICY_MAX:
        raise InvalidPolicyDocument()
    return text
