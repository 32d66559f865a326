"""Elastic IPs and secondary private addresses as the Api has them; packets are in test_addresses_in_the_world.py."""

import asyncio

import pytest

from kunren.control.store import Store
from kunren.services.ec2 import interfaces
from kunren.services.ec2.model import ElasticIp, NetworkInterface
from kunren.services.ec2.reverse_names import ReverseNames


@pytest.fixture
def subnet(ec2):
    """Of a VPC with an internet gateway."""
    vpc = ec2.vpc()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return ec2.subnet(vpc)


def new_interface(ec2, subnet, **more):
    return ec2.create_network_interface(SubnetId=subnet, **more)["NetworkInterface"]["NetworkInterfaceId"]


def interface(ec2, id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]


def address(ec2, allocation):
    return ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]


def present(shown):
    return {key: value for key, value in shown.items() if value is not None}


def test_an_allocated_address_is_public_and_the_accounts(ec2):
    name = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "Name", "Value": "front"}]}]
    made = ec2.allocate_address(Domain="vpc", TagSpecifications=name)
    assert made["AllocationId"].startswith("eipalloc-")
    assert made["PublicIp"] == "198.19.0.16"
    assert (made["Domain"], made["PublicIpv4Pool"], made["NetworkBorderGroup"]) == ("vpc", "amazon", "us-east-1")
    assert present(address(ec2, made["AllocationId"])) == {**made, "Tags": [{"Key": "Name", "Value": "front"}]}
    assert ec2.allocate_address()["PublicIp"] == "198.19.0.17"
    assert ec2.describe_addresses(PublicIps=["198.19.0.17"])["Addresses"][0]["PublicIp"] == "198.19.0.17"
    assert len(ec2.describe_addresses(Filters=[{"Name": "tag:Name", "Values": ["front"]}])["Addresses"]) == 1
    named = ec2.describe_addresses_attribute(AllocationIds=[made["AllocationId"]], Attribute="domain-name")
    assert named["Addresses"] == []  # it has no reverse name
    assert ec2.elsewhere(account="210987654321").describe_addresses() == {"Addresses": []}


def test_five_addresses_are_the_quota_and_a_released_one_is_free_again(ec2):
    made = [ec2.allocate_address()["AllocationId"] for _ in range(5)]
    assert ec2.refused("allocate_address") == (
        "AddressLimitExceeded",
        "The maximum number of addresses has been reached.",
    )
    ec2.release_address(AllocationId=made[0])
    ec2.allocate_address()
    assert ec2.refused("release_address", AllocationId=made[0]) == (
        "InvalidAllocationID.NotFound",
        f"The allocation ID '{made[0]}' does not exist",
    )


def test_an_association_is_shown_on_both_sides(ec2, subnet):
    made, id = ec2.allocate_address(), new_interface(ec2, subnet)
    association = ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=id)["AssociationId"]
    shown = interface(ec2, id)
    assert shown["Association"] == shown["PrivateIpAddresses"][0]["Association"]
    assert shown["Association"] == {
        "AllocationId": made["AllocationId"],
        "AssociationId": association,
        "IpOwnerId": "123456789012",
        "PublicIp": made["PublicIp"],
        "PublicDnsName": "",
    }
    told = present(address(ec2, made["AllocationId"]))
    assert (told["AssociationId"], told["NetworkInterfaceId"], told["PrivateIpAddress"], told["SubnetId"]) == (
        association, id, "10.0.1.4", subnet,
    )  # fmt: skip
    for name, value in (
        ("association-id", association), ("network-interface-id", id), ("private-ip-address", "10.0.1.4"),
        ("network-interface-owner-id", "123456789012"), ("domain", "vpc"), ("public-ip", made["PublicIp"]),
    ):  # fmt: skip
        assert len(ec2.describe_addresses(Filters=[{"Name": name, "Values": [value]}])["Addresses"]) == 1
    again = ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=id)
    assert again["AssociationId"] == association
    assert ec2.refused("release_address", AllocationId=made["AllocationId"]) == (
        "InvalidIPAddress.InUse",
        f"Address {made['PublicIp']} is in use.",
    )
    vpc = shown["VpcId"]
    gateway = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])
    gateway_id = gateway["InternetGateways"][0]["InternetGatewayId"]
    assert ec2.refused("detach_internet_gateway", InternetGatewayId=gateway_id, VpcId=vpc)[0] == "DependencyViolation"
    ec2.disassociate_address(AssociationId=association)
    assert interface(ec2, id)["Association"] is None
    assert "AssociationId" not in present(address(ec2, made["AllocationId"]))
    assert ec2.refused("disassociate_address", AssociationId=association)[0] == "InvalidAssociationID.NotFound"
    ec2.disassociate_address(PublicIp=made["PublicIp"])  # no error: it is in no use already
    ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)


def test_an_address_moves_unless_that_is_forbidden(ec2, subnet):
    made = ec2.allocate_address()["AllocationId"]
    one, two = new_interface(ec2, subnet), new_interface(ec2, subnet)
    first = ec2.associate_address(AllocationId=made, NetworkInterfaceId=one)["AssociationId"]
    assert ec2.refused("associate_address", AllocationId=made, NetworkInterfaceId=two, AllowReassociation=False) == (
        "Resource.AlreadyAssociated",
        f"resource {made} is already associated with associate-id {first}",
    )
    second = ec2.associate_address(AllocationId=made, NetworkInterfaceId=two)["AssociationId"]
    assert first != second
    assert interface(ec2, one)["Association"] is None
    assert interface(ec2, two)["Association"]["AllocationId"] == made
    # another address on the same private one pushes the first off, which stays allocated
    other = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=other, NetworkInterfaceId=two)
    assert interface(ec2, two)["Association"]["AllocationId"] == other
    assert "AssociationId" not in present(address(ec2, made))
    ec2.delete_network_interface(NetworkInterfaceId=two)
    assert "AssociationId" not in present(address(ec2, other))


def test_what_cannot_be_associated(ec2, subnet):
    made, id = ec2.allocate_address()["AllocationId"], new_interface(ec2, subnet)
    lonely = new_interface(ec2, ec2.subnet(ec2.vpc("10.9.0.0/16"), "10.9.0.0/24"))

    def refused(**params):
        return ec2.refused("associate_address", **{"AllocationId": made, "NetworkInterfaceId": id, **params})

    assert refused(AllocationId="eipalloc-0")[0] == "InvalidAllocationID.NotFound"
    assert refused(NetworkInterfaceId="eni-0")[0] == "InvalidNetworkInterfaceID.NotFound"
    assert refused(PrivateIpAddress="10.0.1.99")[0] == "InvalidParameterValue"
    assert refused(InstanceId="i-0")[0] == "InvalidInstanceID.NotFound"
    code, text = refused(NetworkInterfaceId=lonely)
    assert (code, text.endswith("is not attached to any internet gateway")) == ("Gateway.NotAttached", True)
    assert ec2.refused("associate_address", AllocationId=made)[0] == "MissingParameter"
    assert ec2.refused("associate_address", PublicIp="198.19.0.99", NetworkInterfaceId=id)[0] == (
        "InvalidAddress.NotFound"
    )
    assert ec2.refused("release_address", PublicIp="198.19.0.16") == (
        "InvalidParameterValue",
        "You must specify an allocation id when releasing a VPC elastic IP address",
    )
    assert ec2.refused("describe_addresses", PublicIps=["198.19.0.99"])[0] == "InvalidAddress.NotFound"
    for params in ({"Address": "198.19.0.20"}, {"PublicIpv4Pool": "ipv4pool-ec2-1"}, {"IpamPoolId": "ipam-pool-1"}):
        assert ec2.refused("allocate_address", **params)[0] == "NotImplemented"


def test_a_load_balancers_address_is_not_the_users(ec2, subnet):
    made = ec2.allocate_address()
    with ec2.store.write() as tx:
        node = interfaces.create_interface(
            tx, ec2.api.entropy, ec2.api.spec, account=ec2.account, region=ec2.region, subnet_id=subnet, groups=(),
            attachment="node", requester_managed=True,
        )  # fmt: skip
        node = interfaces.bind_elastic_ip(tx, ec2.api.entropy, node, made["AllocationId"])
    assert node.public_ip == made["PublicIp"]
    assert ec2.refused("disassociate_address", PublicIp=made["PublicIp"])[0] == "AuthFailure"
    mine = new_interface(ec2, subnet)
    refused = ec2.refused("associate_address", AllocationId=made["AllocationId"], NetworkInterfaceId=mine)
    assert refused[0] == "AuthFailure"
    with ec2.store.write() as tx:
        interfaces.delete_interface(tx, node)
    ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=mine)


def test_secondary_addresses_come_and_go_with_elastic_ips_of_their_own(ec2, subnet):
    id = new_interface(ec2, subnet, SecondaryPrivateIpAddressCount=1)
    given = ec2.assign_private_ip_addresses(NetworkInterfaceId=id, PrivateIpAddresses=["10.0.1.50"])
    assert given["AssignedPrivateIpAddresses"] == [{"PrivateIpAddress": "10.0.1.50"}]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=id, SecondaryPrivateIpAddressCount=1)
    made = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=made, NetworkInterfaceId=id, PrivateIpAddress="10.0.1.50")
    shown = interface(ec2, id)["PrivateIpAddresses"]
    assert [(each["PrivateIpAddress"], each["Primary"], bool(each["Association"])) for each in shown] == [
        ("10.0.1.4", True, False),
        ("10.0.1.5", False, False),
        ("10.0.1.50", False, True),
        ("10.0.1.6", False, False),
    ]
    assert ec2.refused("assign_private_ip_addresses", NetworkInterfaceId=id, PrivateIpAddresses=["10.0.1.50"])[0] == (
        "InvalidIPAddress.InUse"
    )
    refused = ec2.refused("unassign_private_ip_addresses", NetworkInterfaceId=id, PrivateIpAddresses=["10.0.1.4"])
    assert refused[0] == "InvalidParameterValue"
    assert ec2.refused("assign_private_ip_addresses", NetworkInterfaceId=id, SecondaryPrivateIpAddressCount=50) == (
        "PrivateIpAddressLimitExceeded",
        "The maximum number of private IP addresses for this network interface has been reached.",
    )
    other = new_interface(ec2, subnet)
    ec2.assign_private_ip_addresses(NetworkInterfaceId=other, PrivateIpAddresses=["10.0.1.50"], AllowReassignment=True)
    assert len(interface(ec2, id)["PrivateIpAddresses"]) == 3
    assert "AssociationId" not in present(address(ec2, made))
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=id, PrivateIpAddresses=["10.0.1.5", "10.0.1.6"])
    assert len(interface(ec2, id)["PrivateIpAddresses"]) == 1
    named = [{"PrivateIpAddress": "10.0.1.5", "Primary": True}, {"PrivateIpAddress": "10.0.1.6", "Primary": False}]
    assert [
        each["PrivateIpAddress"]
        for each in interface(ec2, new_interface(ec2, subnet, PrivateIpAddresses=named))["PrivateIpAddresses"]
    ] == ["10.0.1.5", "10.0.1.6"]


def test_addresses_are_still_taken_after_a_restart(new_caller, tmp_path):
    ec2 = new_caller(Store(tmp_path / "k.db"))
    subnet = ec2.default_subnets()[0]["SubnetId"]
    made = ec2.allocate_address()
    id = new_interface(ec2, subnet, SecondaryPrivateIpAddressCount=1)
    ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=id)
    ec2.store.close()
    again = new_caller(Store(tmp_path / "k.db"))
    assert again.allocate_address()["PublicIp"] != made["PublicIp"]
    held = again.store.snapshot().get(NetworkInterface, again.account, again.region, id)
    new = interface(again, new_interface(again, subnet))["PrivateIpAddress"]
    assert new not in (held.private_ip, held.secondary[0].private_ip)
    again.delete_network_interface(NetworkInterfaceId=id)
    again.release_address(AllocationId=made["AllocationId"])
    again.store.close()


def test_a_reverse_name_is_had_once_it_leads_to_the_address(ec2):
    made = ec2.allocate_address()
    id, forward, published = made["AllocationId"], {}, {}

    async def lookup(name):
        return forward.get(name, [])

    class Dns:
        def publish_names(self, owner, names):
            published.update(names) if names else published.clear()

    def settle():
        async def main():
            names = ReverseNames(ec2.store, ec2.clock, lookup, Dns())
            for key in [each.key for each in ec2.store.snapshot().every(ElasticIp)]:
                for _ in range(2):
                    await names._reconcile("|".join((key.account, key.region, key.id)))

        asyncio.run(main())

    def shown():
        found = ec2.describe_addresses_attribute(AllocationIds=[id], Attribute="domain-name")["Addresses"]
        return [(each["PtrRecord"], each["PtrRecordUpdate"]) for each in found]

    ec2.modify_address_attribute(AllocationId=id, DomainName="mail.example.test")
    assert shown() == [(None, {"Value": "mail.example.test.", "Status": "PENDING", "Reason": None})]
    ec2.clock.advance(601)
    settle()
    assert shown()[0][1]["Status"] == "FAILED"
    forward["mail.example.test"] = [made["PublicIp"]]
    ec2.modify_address_attribute(AllocationId=id, DomainName="mail.example.test")
    settle()
    assert shown() == [("mail.example.test.", None)]
    ((name, records),) = published.items()
    assert (name, records.ptr) == ("16.0.19.198.in-addr.arpa", ("mail.example.test",))
    assert ec2.refused("release_address", AllocationId=id)[0] == "InvalidAddress.Locked"
    ec2.reset_address_attribute(AllocationId=id, Attribute="domain-name")
    assert shown() == []
    ec2.release_address(AllocationId=id)
