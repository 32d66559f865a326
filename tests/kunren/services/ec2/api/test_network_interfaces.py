import pytest

from kunren.services.ec2 import interfaces
from kunren.services.ec2.model import InterfaceStatus, NetworkInterface


@pytest.fixture
def subnet(ec2):
    return ec2.subnet(ec2.vpc())


def held(ec2, subnet, **more) -> NetworkInterface:
    """An interface as a load balancer makes it."""
    with ec2.store.write() as tx:
        return interfaces.create_interface(
            tx,
            ec2.api.entropy,
            ec2.api.spec,
            account=ec2.account,
            region=ec2.region,
            subnet_id=subnet,
            groups=(),
            description="ELB app/one/1234",
            attachment="node",
            attachment_id="ela-attach-1",
            requester_id="amazon-elb",
            requester_managed=True,
            attach_time=1_750_000_000.0,
            **more,
        )


def test_an_interface_has_all_that_aws_shows(ec2, subnet):
    made = ec2.create_network_interface(SubnetId=subnet, Description="mine", PrivateIpAddress="10.0.1.77")
    shown = ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    assert shown == made["NetworkInterface"]
    assert (shown["PrivateIpAddress"], shown["Status"], shown["AvailabilityZone"]) == (
        "10.0.1.77",
        "available",
        "us-east-1a",
    )
    assert [each["GroupName"] for each in shown["Groups"]] == ["default"]
    assert (shown["Attachment"], shown["Association"]) == (None, None)
    assert shown["MacAddress"].startswith("02:")
    assert shown["TagSet"] == []


def test_no_public_address_by_the_api_even_on_a_public_subnet(ec2):
    subnet = ec2.default_subnets()[0]["SubnetId"]
    assert ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["Association"] is None


def test_status_is_what_the_data_plane_reports(ec2, subnet):
    node = held(ec2, subnet, public=True)

    def shown():
        return ec2.describe_network_interfaces(NetworkInterfaceIds=[node.id])["NetworkInterfaces"][0]

    assert (shown()["Status"], shown()["Attachment"]["Status"]) == ("attaching", "attaching")
    with ec2.store.write() as tx:
        tx.put(
            InterfaceStatus(
                account=node.account, region=node.region, id=node.id, vpc_id=node.vpc_id, private_ip=node.private_ip
            )
        )
    assert (shown()["Status"], shown()["Attachment"]["Status"]) == ("in-use", "attached")
    assert shown()["Attachment"]["InstanceOwnerId"] == "amazon-elb"
    assert shown()["Association"] == {
        "IpOwnerId": "amazon",
        "PublicIp": "198.19.0.16",
        "PublicDnsName": "",
    }
    found = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["ELB app/*"]}])
    assert [each["NetworkInterfaceId"] for each in found["NetworkInterfaces"]] == [node.id]


def test_an_interface_of_a_load_balancer_is_not_the_users(ec2, subnet):
    node = held(ec2, subnet)
    assert ec2.refused("delete_network_interface", NetworkInterfaceId=node.id) == (
        "InvalidParameterValue",
        f"Network interface '{node.id}' is currently in use.",
    )
    assert ec2.refused(
        "modify_network_interface_attribute", NetworkInterfaceId=node.id, Description={"Value": "x"}
    ) == ("AuthFailure", "You do not have permission to access the specified resource.")


def test_attributes(ec2, subnet):
    one = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    group = ec2.group(one["VpcId"])
    id = one["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Groups=[group])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Description={"Value": "new"})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, SourceDestCheck={"Value": False})

    def shown(attribute):
        return ec2.describe_network_interface_attribute(NetworkInterfaceId=id, Attribute=attribute)

    assert shown("groupSet")["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    assert shown("description")["Description"] == {"Value": "new"}
    assert shown("sourceDestCheck")["SourceDestCheck"] == {"Value": False}
    ec2.reset_network_interface_attribute(NetworkInterfaceId=id, SourceDestCheck="true")
    assert shown("sourceDestCheck")["SourceDestCheck"] == {"Value": True}
    other = ec2.group(ec2.vpc("10.1.0.0/16"), "other")
    assert ec2.refused("modify_network_interface_attribute", NetworkInterfaceId=id, Groups=[other])[0] == (
        "InvalidParameterValue"
    )
    many = [ec2.group(one["VpcId"], f"g{number}") for number in range(6)]
    assert ec2.refused("modify_network_interface_attribute", NetworkInterfaceId=id, Groups=many)[0] == (
        "SecurityGroupsPerInterfaceLimitExceeded"
    )


def test_what_is_refused_at_creation(ec2, subnet):
    def refused(**params):
        return ec2.refused("create_network_interface", **{"SubnetId": subnet, **params})

    assert refused(SubnetId="subnet-0") == ("InvalidSubnetID.NotFound", "The subnet ID 'subnet-0' does not exist")
    assert refused(Groups=["sg-0"]) == ("InvalidGroup.NotFound", "The security group 'sg-0' does not exist")
    assert refused(PrivateIpAddress="10.0.1.1") == (
        "InvalidParameterValue",
        "Address is in subnet's reserved address range",
    )
    ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.0.1.9")
    assert refused(PrivateIpAddresses=[{"Primary": True, "PrivateIpAddress": "10.0.1.9"}]) == (
        "InvalidIPAddress.InUse",
        "Address 10.0.1.9 is in use.",
    )


def test_the_same_client_token_makes_one_interface(ec2, subnet):
    made = [ec2.create_network_interface(SubnetId=subnet, ClientToken="t")["NetworkInterface"] for _ in range(2)]
    assert made[0] == made[1]
    assert ec2.refused("create_network_interface", SubnetId=subnet, Description="x", ClientToken="t")[0] == (
        "IdempotentParameterMismatch"
    )


def test_another_account_may_give_an_interface_its_address_where_it_is_permitted(ec2):
    vpc = ec2.vpc()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made = ec2.create_network_interface(SubnetId=ec2.subnet(vpc))["NetworkInterface"]["NetworkInterfaceId"]
    other = ec2.elsewhere(account="210987654321")
    allocation = other.allocate_address()["AllocationId"]
    asked = {"AllocationId": allocation, "NetworkInterfaceId": made}
    assert other.refused("associate_address", **asked)[0] == "InvalidNetworkInterfaceID.NotFound"
    granted = {"NetworkInterfaceId": made, "AwsAccountId": other.account}
    ec2.create_network_interface_permission(**granted, Permission="INSTANCE-ATTACH")
    assert other.refused("associate_address", **asked)[0] == "InvalidNetworkInterfaceID.NotFound"
    permission = ec2.create_network_interface_permission(**granted, Permission="EIP-ASSOCIATE")["InterfacePermission"]
    id = permission["NetworkInterfacePermissionId"]
    assert permission == {
        **granted, "NetworkInterfacePermissionId": id, "Permission": "EIP-ASSOCIATE",
        "PermissionState": {"State": "GRANTED"},
    }  # fmt: skip
    twice = ec2.refused("create_network_interface_permission", **granted, Permission="EIP-ASSOCIATE")
    assert twice[0] == "InvalidParameterValue"
    by_kind = [{"Name": "network-interface-permission.permission", "Values": ["EIP-ASSOCIATE"]}]
    for wanted in ({"NetworkInterfacePermissionIds": [id]}, {"Filters": by_kind}):
        assert ec2.describe_network_interface_permissions(**wanted)["NetworkInterfacePermissions"] == [permission]

    association = other.associate_address(**asked)["AssociationId"]
    (shown,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[made])["NetworkInterfaces"]
    assert (shown["Association"]["IpOwnerId"], shown["Association"]["AllocationId"]) == (other.account, allocation)
    (address,) = other.describe_addresses()["Addresses"]
    assert (address["NetworkInterfaceOwnerId"], address["PrivateIpAddress"]) == (ec2.account, shown["PrivateIpAddress"])
    ec2.delete_network_interface_permission(NetworkInterfacePermissionId=id)
    assert other.describe_addresses()["Addresses"] == [address]  # what was done stays done
    other.disassociate_address(AssociationId=association)
    assert other.refused("associate_address", **asked)[0] == "InvalidNetworkInterfaceID.NotFound"
    ec2.delete_network_interface(NetworkInterfaceId=made)
    assert ec2.describe_network_interface_permissions()["NetworkInterfacePermissions"] == []
    assert ec2.refused("delete_network_interface_permission", NetworkInterfacePermissionId=id)[0] == (
        "InvalidPermissionID.NotFound"
    )
