from kunren.services.ec2 import interfaces

REGION, ACCOUNT = "us-east-1", "123456789012"


def gateway(ec2) -> str:
    return str(ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"])


def test_attach_and_detach(ec2):
    vpc, one = ec2.vpc(), gateway(ec2)
    ec2.attach_internet_gateway(InternetGatewayId=one, VpcId=vpc)
    found = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])
    assert [each["InternetGatewayId"] for each in found["InternetGateways"]] == [one]
    assert ec2.refused("attach_internet_gateway", InternetGatewayId=one, VpcId=vpc) == (
        "Resource.AlreadyAssociated",
        f"resource {one} is already attached to network {vpc}",
    )
    other = gateway(ec2)
    assert ec2.refused("attach_internet_gateway", InternetGatewayId=other, VpcId=vpc) == (
        "InvalidParameterValue",
        f"Network {vpc} already has an internet gateway attached",
    )
    assert ec2.refused("delete_internet_gateway", InternetGatewayId=one) == (
        "DependencyViolation",
        f"The internetGateway '{one}' has dependencies and cannot be deleted.",
    )
    assert ec2.refused("detach_internet_gateway", InternetGatewayId=other, VpcId=vpc) == (
        "Gateway.NotAttached",
        f"resource {other} is not attached to network {vpc}",
    )
    ec2.detach_internet_gateway(InternetGatewayId=one, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=one)
    assert ec2.refused("delete_internet_gateway", InternetGatewayId=one) == (
        "InvalidInternetGatewayID.NotFound",
        f"The internetGateway ID '{one}' does not exist",
    )


def test_a_gateway_that_carries_public_addresses_stays(ec2):
    vpc = ec2.default_vpc()["VpcId"]
    one = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    with ec2.store.write() as tx:
        interfaces.create_interface(
            tx,
            ec2.api.entropy,
            ec2.api.spec,
            account=ACCOUNT,
            region=REGION,
            subnet_id=ec2.default_subnets()[0]["SubnetId"],
            groups=(),
            attachment="workload",
        )
    assert ec2.refused("detach_internet_gateway", InternetGatewayId=one, VpcId=vpc) == (
        "DependencyViolation",
        f"Network {vpc} has some mapped public address(es). "
        "Please unmap those public address(es) before detaching the gateway.",
    )


def test_five_gateways_in_a_region(ec2):
    for _ in range(4):
        gateway(ec2)
    assert ec2.refused("create_internet_gateway")[0] == "InternetGatewayLimitExceeded"
