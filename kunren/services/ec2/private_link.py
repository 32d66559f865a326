"""Services of customers' own, and the interface endpoints that lead to them ("AWS PrivateLink"). Pure, on a reader.

A service stands behind Network Load Balancers; an endpoint's address in a zone leads to their node there, once the
provider has accepted. The endpoint is its consumer's resource; the provider sees a connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from kunren.services.ec2 import store
from kunren.services.ec2.endpoint_services import INTERFACE, EndpointService
from kunren.services.ec2.model import (
    EndpointServiceConfiguration,
    NetworkInterface,
    PeeringStatus,
    Vpc,
    VpcEndpoint,
)
from kunren.services.ec2.peerings import status_id
from kunren.services.elbv2.model import AvailabilityZone, LoadBalancer

PENDING, ACCEPTED, REJECTED = "pendingAcceptance", "accepted", "rejected"
VERIFIED = "verified"


class Link(NamedTuple):
    """An endpoint's interface, and the load balancer's node that it leads to."""

    interface: NetworkInterface
    balancer: LoadBalancer
    node: AvailabilityZone


def configuration_of(reader: store.Reader, endpoint: VpcEndpoint) -> EndpointServiceConfiguration | None:
    """The service that the endpoint leads to, where that is a customer's own."""
    if endpoint.provider is None:
        return None
    return reader.get(EndpointServiceConfiguration, endpoint.provider, endpoint.region, endpoint.service)


def named(reader: store.Reader, name: str, region: str) -> EndpointServiceConfiguration | None:
    """The service of that name, whoever's it is."""
    id = name.rpartition(".")[2]
    found = (each for each in reader.every(EndpointServiceConfiguration) if each.id == id and each.region == region)
    return next((each for each in found if as_service(each).name == name), None)


def as_service(configuration: EndpointServiceConfiguration) -> EndpointService:
    own = configuration.private_name if configuration.name_state == VERIFIED else None
    return EndpointService(configuration.id, configuration.region, INTERFACE, own)


def admits(configuration: EndpointServiceConfiguration, account: str) -> bool:
    """May the account connect: the owner may, and whom the permissions name, in whatever role."""
    named = {"*", *(f"arn:aws:iam::{account}:{each}" for each in ("root",))}
    return account == configuration.account or any(
        each in named or each.startswith((f"arn:aws:iam::{account}:user/", f"arn:aws:iam::{account}:role/"))
        for each in configuration.principals
    )


def balancers_of(reader: store.Reader, configuration: EndpointServiceConfiguration) -> list[LoadBalancer]:
    found = (
        reader.get(LoadBalancer, configuration.account, configuration.region, each) for each in configuration.balancers
    )
    return [each for each in found if each is not None]


def zones_of(reader: store.Reader, configuration: EndpointServiceConfiguration) -> list[str]:
    """Where the service can be reached."""
    balancers = balancers_of(reader, configuration)
    return sorted({zone.zone_name for balancer in balancers for zone in balancer.zones})


def endpoints_of(reader: store.Reader, configuration: EndpointServiceConfiguration) -> list[VpcEndpoint]:
    """All endpoints that lead to the service, of all accounts."""
    return [each for each in reader.every(VpcEndpoint) if each.service == configuration.id]


def state_of(reader: store.Reader, configuration: EndpointServiceConfiguration) -> str:
    return "Available" if balancers_of(reader, configuration) else "Failed"


# -- the links ---------------------------------------------------------------------------------------------------------


def links_of(reader: store.Reader, endpoint: VpcEndpoint) -> list[Link]:
    """Which of the endpoint's interfaces lead to which nodes now."""
    configuration = configuration_of(reader, endpoint)
    if configuration is None or endpoint.decision != ACCEPTED or endpoint.deleting:
        return []
    nodes = {
        zone.zone_name: (balancer, zone)
        for balancer in reversed(balancers_of(reader, configuration))
        for zone in balancer.zones
    }
    found = []
    for interface_id in endpoint.interfaces.values():
        interface = reader.get(NetworkInterface, endpoint.account, endpoint.region, interface_id)
        if interface is not None and interface.availability_zone in nodes:
            found.append(Link(interface, *nodes[interface.availability_zone]))
    return found


def of_consumer(reader: store.Reader, vpc: Vpc) -> dict[str, Link]:
    """The links that begin in the VPC, by interface."""
    held = (each for each in reader.list(VpcEndpoint, vpc.account, vpc.region) if each.vpc_id == vpc.id)
    return {link.interface.id: link for endpoint in held for link in links_of(reader, endpoint)}


def of_provider(reader: store.Reader, vpc: Vpc) -> list[Link]:
    """The links that end in the VPC."""
    found = []
    for configuration in reader.list(EndpointServiceConfiguration, vpc.account, vpc.region):
        for endpoint in endpoints_of(reader, configuration):
            found += [each for each in links_of(reader, endpoint) if each.balancer.vpc_id == vpc.id]
    return found


def is_joined(reader: store.Reader, link: Link) -> bool:
    """Does the service's VPC have its side of the link, as the kernel has it."""
    balancer = link.balancer
    status = status_id(link.interface.id, balancer.vpc_id)
    return reader.get(PeeringStatus, balancer.account, balancer.region, status) is not None


def vpcs_concerned(reader: store.Reader) -> set[tuple[str, str, str]]:
    """Account, region and id of every VPC on either side."""
    found = {
        (each.account, each.region, each.vpc_id) for each in reader.every(VpcEndpoint) if each.provider is not None
    }
    for configuration in reader.every(EndpointServiceConfiguration):
        balancers = balancers_of(reader, configuration)
        found |= {(each.account, each.region, each.vpc_id) for each in balancers}
    return found


def uses(reader: store.Reader, balancer: LoadBalancer) -> bool:
    """Does a service stand behind the load balancer."""
    held: Iterable[Any] = reader.list(EndpointServiceConfiguration, balancer.account, balancer.region)
    return any(balancer.id in each.balancers for each in held)
