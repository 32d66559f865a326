"""The default VPC of an account in a region, made when the account first uses the region.

As the VPC user guide's "Default VPC components": 172.31.0.0/16, a /20 public subnet in each zone, an internet gateway,
a route to it in the main route table, the default security group, network ACL and DHCP options. Once made it is the
user's: when deleted it stays deleted until CreateDefaultVpc.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.entropy import Entropy
from kunren.services.ec2 import cidr, creation, errors, store
from kunren.services.ec2.model import AccountRegion, InternetGateway, RouteEntry, Subnet, Vpc
from kunren.services.ec2.zones import Zone, zones_of
from kunren.world.spec import Region, WorldSpec

CIDR = "172.31.0.0/16"
SUBNET_PREFIX = 20
STATE_ID = "default"


def ensure_default_vpc(tx: Tx, entropy: Entropy, spec: WorldSpec, account: str, region: str) -> Vpc | None:
    """The default VPC, made now if the account never used the region; None where the user has deleted it.

    Raises InvalidParameterValue where the world has no such region.
    """
    used = tx.get(AccountRegion, account, region, STATE_ID)
    if used is not None:
        return default_vpc(tx, account, region)
    place = known_region(spec, region)
    options = creation.new_dhcp_options(tx, entropy, account, region)
    tx.put(AccountRegion(account=account, region=region, id=STATE_ID, dhcp_options_id=options.id))
    return new_default_vpc(tx, entropy, place, account)


def known_region(spec: WorldSpec, name: str) -> Region:
    found = spec.region(name)
    if found is None:
        have = ", ".join(each.name for each in spec.regions)
        raise errors.InvalidParameterValue(f"Invalid region provided: {name}. This world has {have}.")
    return found


def account_region(reader: store.Reader, account: str, region: str) -> AccountRegion:
    """What is kept of an account in a region that it has used."""
    found = reader.get(AccountRegion, account, region, STATE_ID)
    assert found is not None, "ensure_default_vpc comes first"
    return found


def default_vpc(reader: store.Reader, account: str, region: str) -> Vpc | None:
    """The default VPC there is; None where there is none (deleted, or the region was never used)."""
    used = reader.get(AccountRegion, account, region, STATE_ID)
    if used is None or used.default_vpc_id is None:
        return None
    return reader.get(Vpc, account, region, used.default_vpc_id)


def new_default_vpc(tx: Tx, entropy: Entropy, region: Region, account: str) -> Vpc:
    used = account_region(tx, account, region.name)
    vpc = creation.new_vpc(
        tx,
        entropy,
        account=account,
        region=region.name,
        cidr=CIDR,
        dhcp_options_id=used.dhcp_options_id,
        is_default=True,
    )
    for zone in zones_of(region):
        new_default_subnet(tx, entropy, vpc, zone)
    gateway = InternetGateway(account=account, region=region.name, id=entropy.resource_id("igw"), vpc_id=vpc.id)
    tx.put(gateway)
    main = next(each for each in store.route_tables_of(tx, vpc) if each.main)
    tx.put(replace(main, routes=(*main.routes, RouteEntry(destination="0.0.0.0/0", target=gateway.id))))
    tx.put(replace(used, default_vpc_id=vpc.id))
    return vpc


def new_default_subnet(tx: Tx, entropy: Entropy, vpc: Vpc, zone: Zone) -> Subnet:
    """The default subnet of a zone, in the lowest free /20 of the default VPC."""
    taken = [each.cidr for each in store.subnets_of(tx, vpc)]
    block = cidr.free_block(IPv4Network(vpc.cidr), SUBNET_PREFIX, taken)
    if block is None:
        raise errors.InvalidSubnetConflict(vpc.cidr)
    return creation.new_subnet(tx, entropy, vpc, cidr=str(block), zone=zone, default_for_az=True)
