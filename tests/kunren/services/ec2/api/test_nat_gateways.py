"""NAT gateways as the Api has them; that they translate is in test_nat_in_the_world.py."""

import pytest
from msgspec.structs import replace

from kunren.services.ec2.model import InterfaceStatus, NetworkInterface, Subnet
from kunren.services.ec2.nat_addresses import NatAddressSweeper


@pytest.fixture
def net(ec2):
    return Net(ec2)


class Net:
    """A VPC with a gateway, a public subnet, and an Elastic IP."""

    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc = ec2.vpc()
        self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.subnet = ec2.subnet(self.vpc)
        self.allocation = ec2.allocate_address()["AllocationId"]

    def create(self, **params):
        asked = {"SubnetId": self.subnet, "AllocationId": self.allocation, **params}
        return self.ec2.create_nat_gateway(**{key: value for key, value in asked.items() if value})["NatGateway"]

    def shown(self, id):
        return self.ec2.describe_nat_gateways(NatGatewayIds=[id])["NatGateways"][0]

    def report(self, interface_id, live):
        """What the controller tells once the kernel has, or has no more, the interface's address."""
        status = InterfaceStatus(
            account=self.ec2.account, region=self.ec2.region, id=interface_id, vpc_id=self.vpc, private_ip="10.0.1.4"
        )
        with self.ec2.store.write() as tx:
            tx.put(status) if live else tx.delete(status)


def present(shown):
    return {key: value for key, value in shown.items() if value is not None}


def test_a_gateway_goes_through_its_states_as_the_data_plane_does(net):
    ec2 = net.ec2
    named = [{"ResourceType": "natgateway", "Tags": [{"Key": "Name", "Value": "out"}]}]
    made = net.create(TagSpecifications=named)
    assert present(made).keys() == {
        "NatGatewayId", "VpcId", "SubnetId", "ConnectivityType", "AvailabilityMode", "State", "CreateTime",
        "NatGatewayAddresses", "Tags",
    }  # fmt: skip
    assert (made["State"], made["ConnectivityType"], made["VpcId"]) == ("pending", "public", net.vpc)
    (address,) = made["NatGatewayAddresses"]
    interface = ec2.describe_network_interfaces(NetworkInterfaceIds=[address["NetworkInterfaceId"]])
    shown = interface["NetworkInterfaces"][0]
    assert (shown["InterfaceType"], shown["SourceDestCheck"], shown["Groups"]) == ("nat_gateway", False, [])
    assert shown["Description"] == f"Interface for NAT Gateway {made['NatGatewayId']}"
    assert shown["Association"]["AllocationId"] == address["AllocationId"] == net.allocation
    assert (address["PublicIp"], address["PrivateIp"]) == ("198.19.0.16", "10.0.1.4")
    assert net.shown(made["NatGatewayId"])["State"] == "pending"
    net.report(address["NetworkInterfaceId"], live=True)
    assert net.shown(made["NatGatewayId"])["State"] == "available"
    assert net.shown(made["NatGatewayId"])["NatGatewayAddresses"][0]["Status"] == "succeeded"
    by_nat = [{"Name": "attachment.nat-gateway-id", "Values": [made["NatGatewayId"]]}]
    assert len(ec2.describe_network_interfaces(Filters=by_nat)["NetworkInterfaces"]) == 1

    assert ec2.refused("release_address", AllocationId=net.allocation)[0] == "InvalidIPAddress.InUse"
    refused = ec2.refused("delete_network_interface", NetworkInterfaceId=address["NetworkInterfaceId"])
    assert refused[0] == "InvalidParameterValue"
    assert ec2.refused("delete_subnet", SubnetId=net.subnet)[0] == "DependencyViolation"
    assert ec2.delete_nat_gateway(NatGatewayId=made["NatGatewayId"]) == {"NatGatewayId": made["NatGatewayId"]}
    assert net.shown(made["NatGatewayId"])["State"] == "deleting"
    net.report(address["NetworkInterfaceId"], live=False)
    gone = net.shown(made["NatGatewayId"])
    assert (gone["State"], gone["DeleteTime"] is not None) == ("deleted", True)
    assert gone["NatGatewayAddresses"][0]["PublicIp"] == "198.19.0.16"
    ec2.release_address(AllocationId=net.allocation)
    ec2.clock.advance(3601)
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    assert ec2.refused("describe_nat_gateways", NatGatewayIds=[made["NatGatewayId"]]) == (
        "NatGatewayNotFound",
        f"NatGateway {made['NatGatewayId']} was not found",
    )
    ec2.delete_subnet(SubnetId=net.subnet)


def test_what_cannot_be_made_fails_and_says_why(net):
    ec2 = net.ec2
    net.create()
    taken = net.create()
    assert (taken["State"], taken["FailureCode"]) == ("pending", None)
    shown = net.shown(taken["NatGatewayId"])
    assert (shown["State"], shown["FailureCode"], shown["FailureMessage"]) == (
        "failed",
        "Resource.AlreadyAssociated",
        f"Elastic IP address {net.allocation} is already associated",
    )
    lonely_vpc = ec2.vpc("10.7.0.0/16")
    lonely = net.create(
        SubnetId=ec2.subnet(lonely_vpc, "10.7.0.0/24"), AllocationId=ec2.allocate_address()["AllocationId"]
    )
    shown = net.shown(lonely["NatGatewayId"])
    assert (shown["FailureCode"], shown["FailureMessage"]) == (
        "Gateway.NotAttached",
        f"Network {lonely_vpc} has no Internet gateway attached",
    )
    failed = ec2.describe_nat_gateways(Filter=[{"Name": "state", "Values": ["failed"]}])["NatGateways"]
    assert {each["NatGatewayId"] for each in failed} == {taken["NatGatewayId"], lonely["NatGatewayId"]}
    ec2.clock.advance(3601)
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == 1


def test_a_private_gateway_has_no_public_address(net):
    made = net.create(AllocationId=None, ConnectivityType="private", PrivateIpAddress="10.0.1.99")
    (address,) = made["NatGatewayAddresses"]
    assert (made["ConnectivityType"], address["PrivateIp"]) == ("private", "10.0.1.99")
    assert (address["PublicIp"], address["AllocationId"]) == (None, None)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"AllocationId": None}, "MissingParameter"),
        ({"SubnetId": None}, "MissingParameter"),
        ({"ConnectivityType": "private"}, "InvalidParameterCombination"),
        ({"SubnetId": "subnet-0"}, "InvalidSubnetID.NotFound"),
        ({"AllocationId": "eipalloc-0"}, "InvalidAllocationID.NotFound"),
        ({"AvailabilityMode": "regional"}, "NotImplemented"),
        ({"SecondaryPrivateIpAddressCount": 1}, "InvalidParameterCombination"),
        ({"PrivateIpAddress": "10.9.9.9"}, "InvalidParameterValue"),
    ],
)
def test_refused_requests(net, params, code):
    asked = {"SubnetId": net.subnet, "AllocationId": net.allocation, **params}
    assert net.ec2.refused("create_nat_gateway", **{k: v for k, v in asked.items() if v})[0] == code


def test_five_in_a_zone_and_one_per_token(net):
    one, two = (net.create(ClientToken="t")["NatGatewayId"] for _ in range(2))
    assert one == two
    for _ in range(4):
        net.create(AllocationId=None, ConnectivityType="private")
    private = {"SubnetId": net.subnet, "ConnectivityType": "private"}
    assert net.ec2.refused("create_nat_gateway", **private) == (
        "NatGatewayLimitExceeded",
        "Performing this operation would exceed the limit of 5 NAT gateways",
    )
    net.ec2.delete_nat_gateway(NatGatewayId=one)
    net.create(AllocationId=None, ConnectivityType="private")


def test_a_route_to_a_gateway_is_a_black_hole_once_that_is_deleted(net):
    ec2, made = net.ec2, net.create()["NatGatewayId"]
    table = ec2.create_route_table(VpcId=net.vpc)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(**route, NatGatewayId=made)

    def shown():
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return present(next(each for each in routes if each["DestinationCidrBlock"] == "0.0.0.0/0"))

    assert shown() == {
        "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": made, "Origin": "CreateRoute", "State": "active",
    }  # fmt: skip
    by_nat = [{"Name": "route.nat-gateway-id", "Values": [made]}]
    assert len(ec2.describe_route_tables(Filters=by_nat)["RouteTables"]) == 1
    ec2.delete_nat_gateway(NatGatewayId=made)
    assert shown()["State"] == "blackhole"
    ec2.delete_route(**route)
    assert ec2.refused("create_route", **route, NatGatewayId=made) == (
        "InvalidNatGatewayID.NotFound",
        f"The natGateway ID '{made}' does not exist",
    )
    other = ec2.create_route_table(VpcId=ec2.vpc("10.8.0.0/16"))["RouteTable"]["RouteTableId"]
    second = net.create(AllocationId=None, ConnectivityType="private")["NatGatewayId"]
    refused = ec2.refused("create_route", **{**route, "RouteTableId": other}, NatGatewayId=second)
    assert refused[0] == "InvalidParameterValue"


def test_a_route_to_an_interface_leads_on_while_something_answers_there(net):
    ec2 = net.ec2
    idle = ec2.create_network_interface(SubnetId=net.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    table = ec2.create_route_table(VpcId=net.vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=idle)

    def state():
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        return next(each["State"] for each in routes if each.get("NetworkInterfaceId") == idle)

    assert state() == "blackhole"
    with ec2.store.write() as tx:
        held = tx.get(NetworkInterface, ec2.account, ec2.region, idle)
        tx.put(replace(held, attachment="workload"))
    assert state() == "active"


def test_a_full_subnet_has_no_room_for_a_gateway(net):
    ec2 = net.ec2
    small = ec2.subnet(net.vpc, "10.0.2.0/28")
    for _ in range(11):
        ec2.create_network_interface(SubnetId=small)
    assert ec2.store.snapshot().get(Subnet, ec2.account, ec2.region, small).cidr == "10.0.2.0/28"
    made = net.create(SubnetId=small)
    assert net.shown(made["NatGatewayId"])["FailureCode"] == "InsufficientFreeAddressesInSubnet"


def test_a_public_gateway_has_a_second_address_until_it_has_drained(net):
    ec2 = net.ec2
    second = ec2.allocate_address()
    id = net.create(SecondaryAllocationIds=[second["AllocationId"]])["NatGatewayId"]
    first, more = net.shown(id)["NatGatewayAddresses"]
    assert (first["IsPrimary"], more["IsPrimary"], more["Status"]) == (True, False, "associating")
    assert (more["AllocationId"], more["PublicIp"]) == (second["AllocationId"], second["PublicIp"])
    assert (more["PrivateIp"], more["NetworkInterfaceId"]) == ("10.0.1.5", first["NetworkInterfaceId"])
    third = ec2.allocate_address()["AllocationId"]
    full = ec2.refused("associate_nat_gateway_address", NatGatewayId=id, AllocationIds=[third])
    assert full[0] == "AddressLimitExceeded"  # two are the default quota
    primary = ec2.refused("disassociate_nat_gateway_address", NatGatewayId=id, AssociationIds=[first["AssociationId"]])
    assert primary[0] == "InvalidParameterValue"
    gone = ec2.disassociate_nat_gateway_address(NatGatewayId=id, AssociationIds=[more["AssociationId"]])
    assert [each["Status"] for each in gone["NatGatewayAddresses"]] == ["disassociating"]
    sweeper = NatAddressSweeper(ec2.store, ec2.clock)
    assert sweeper.sweep() == ec2.clock.now() + 350
    assert len(net.shown(id)["NatGatewayAddresses"]) == 2
    ec2.clock.advance(350)
    assert sweeper.sweep() is None
    assert len(net.shown(id)["NatGatewayAddresses"]) == 1
    ec2.release_address(AllocationId=second["AllocationId"])
    added = ec2.associate_nat_gateway_address(NatGatewayId=id, AllocationIds=[third])["NatGatewayAddresses"]
    assert [each["AllocationId"] for each in added] == [third]
    taken = ec2.refused("associate_nat_gateway_address", NatGatewayId=id, AllocationIds=[third])
    assert taken[0] == "AddressLimitExceeded"
    ec2.delete_nat_gateway(NatGatewayId=id)
    for each in (net.allocation, third):
        ec2.release_address(AllocationId=each)


def test_a_private_gateway_has_as_many_addresses_as_it_is_given(net):
    ec2 = net.ec2
    private = {"ConnectivityType": "private", "AllocationId": None}
    id = net.create(**private, SecondaryPrivateIpAddressCount=2)["NatGatewayId"]

    def held():
        return [(each["PrivateIp"], each["Status"]) for each in net.shown(id)["NatGatewayAddresses"]][1:]

    assert held() == [("10.0.1.5", "assigning"), ("10.0.1.6", "assigning")]
    wanted = {"NatGatewayId": id, "PrivateIpAddresses": ["10.0.1.9"]}
    assert len(ec2.assign_private_nat_gateway_address(**wanted)["NatGatewayAddresses"]) == 1
    assert ec2.refused("assign_private_nat_gateway_address", **wanted)[0] == "InvalidIPAddress.InUse"
    for count in (5, 9):
        refused = ec2.refused("assign_private_nat_gateway_address", NatGatewayId=id, PrivateIpAddressCount=count)
        assert refused[0] == "AddressLimitExceeded"
    ec2.unassign_private_nat_gateway_address(**wanted, MaxDrainDurationSeconds=10)
    assert held()[-1] == ("10.0.1.9", "unassigning")
    ec2.clock.advance(11)
    NatAddressSweeper(ec2.store, ec2.clock).sweep()
    assert [address for address, _ in held()] == ["10.0.1.5", "10.0.1.6"]
    for operation, more in (
        ("associate_nat_gateway_address", {"AllocationIds": [net.allocation]}),
        ("disassociate_nat_gateway_address", {"AssociationIds": ["eipassoc-1"]}),
        ("unassign_private_nat_gateway_address", {"PrivateIpAddresses": ["10.0.1.4"]}),
        ("unassign_private_nat_gateway_address", {"PrivateIpAddresses": ["10.0.1.77"]}),
    ):
        assert ec2.refused(operation, NatGatewayId=id, **more)[0] == "InvalidParameterValue"
