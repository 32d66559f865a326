"""Which VPCs a private hosted zone may be associated with: rules on a reader, for the API.

"Working with private hosted zones" and "Associating more VPCs with a private hosted zone" in the developer guide: a VPC
has at most one private zone of a name; zones below each other may overlap, and the closest one answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.services.ec2 import endpoints
from kunren.services.ec2.model import Vpc, VpcEndpoint
from kunren.services.route53.errors import ConflictingDomainExists, InvalidInput, InvalidVPCId, LimitsExceeded
from kunren.services.route53.model import AssociatedVpc, HostedZone

VPCS_PER_ZONE_MAX = 300


def find_vpc(reader: Snapshot | Tx, given: Mapping[str, Any]) -> AssociatedVpc:
    """The VPC of a request, whoever owns it. Raises InvalidInput and InvalidVPCId."""
    vpc_id, region = given.get("VPCId"), given.get("VPCRegion")
    if not vpc_id or not region:
        raise InvalidInput("Both VPCId and VPCRegion must be specified.")
    for vpc in reader.every(Vpc):
        if vpc.id == vpc_id and vpc.region == region:
            return AssociatedVpc(id=vpc.id, region=vpc.region, account=vpc.account)
    raise InvalidVPCId(vpc_id, region)


def own_vpc(reader: Snapshot | Tx, account: str, given: Mapping[str, Any]) -> AssociatedVpc:
    """The caller's own VPC. Raises InvalidInput and InvalidVPCId."""
    vpc = find_vpc(reader, given)
    if vpc.account != account:
        raise InvalidVPCId(vpc.id, vpc.region)
    return vpc


def zones_of_vpc(reader: Snapshot | Tx, vpc_id: str) -> Iterable[HostedZone]:
    """The private zones, of any account, that the VPC is associated with."""
    return (zone for zone in reader.every(HostedZone) if any(each.id == vpc_id for each in zone.vpcs))


def check_conflict(reader: Snapshot | Tx, vpc: AssociatedVpc, name: str) -> None:
    """Raises ConflictingDomainExists where the VPC has a private zone of that name already, its own or the one that
    comes with an interface endpoint's private name."""
    for zone in zones_of_vpc(reader, vpc.id):
        if zone.name == name:
            raise ConflictingDomainExists(
                f"The VPC {vpc.id} in region {vpc.region} has already been associated with the hosted zone {zone.id} "
                "with the same domain name."
            )
    for endpoint in reader.list(VpcEndpoint, vpc.account, vpc.region):
        private = endpoints.service_of(reader, endpoint).private_name
        if endpoint.vpc_id == vpc.id and endpoint.private_dns and name == f"{private}.":
            raise ConflictingDomainExists(
                f"The VPC {vpc.id} in region {vpc.region} has already been associated with the hosted zone "
                f"{endpoint.private_zone_id} with the same domain name."
            )


def check_room(zone: HostedZone) -> None:
    if len(zone.vpcs) >= VPCS_PER_ZONE_MAX:
        raise LimitsExceeded(f"Limits Exceeded: MAX_VPCS_ASSOCIATED_BY_ZONE - {zone.id} has {VPCS_PER_ZONE_MAX} VPCs.")
