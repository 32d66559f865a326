import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.services.ec2.api.base import Limits


def test_a_vpc_has_all_that_aws_shows(ec2):
    made = ec2.create_vpc(
        CidrBlock="10.0.0.1/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "one"}]}],
    )["Vpc"]
    shown = ec2.describe_vpcs(VpcIds=[made["VpcId"]])["Vpcs"][0]
    assert shown == made
    assert shown["CidrBlock"] == "10.0.0.0/16"
    assert shown["CidrBlockAssociationSet"][0]["CidrBlockState"] == {"State": "associated"}
    assert shown["Tags"] == [{"Key": "Name", "Value": "one"}]
    assert (shown["IsDefault"], shown["InstanceTenancy"], shown["OwnerId"]) == (False, "default", "123456789012")
    options = ec2.describe_dhcp_options(DhcpOptionsIds=[shown["DhcpOptionsId"]])["DhcpOptions"][0]
    assert options["DhcpConfigurations"][0]["Values"] == [{"Value": "ec2.internal"}]


@pytest.mark.parametrize("block", ["10.0.0.0/15", "10.0.0.0/29", "127.0.0.0/16"])
def test_blocks_out_of_range(ec2, block):
    assert ec2.refused("create_vpc", CidrBlock=block) == ("InvalidVpc.Range", f"The CIDR '{block}' is invalid.")


def test_what_is_no_block(ec2):
    assert ec2.refused("create_vpc", CidrBlock="ten") == (
        "InvalidParameterValue",
        "Value (ten) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
    )
    assert ec2.refused("create_vpc")[0] == "MissingParameter"


def test_what_kunren_has_not_is_named_and_not_done(ec2):
    code, text = ec2.refused("create_vpc", Ipv4IpamPoolId="ipam-pool-1", Ipv4NetmaskLength=24)
    assert (code, text) == ("NotImplemented", "Kunren's ec2 has no IP address manager (IPAM) yet.")


def test_five_vpcs_in_a_region_with_the_default_one(ec2):
    for number in range(4):
        ec2.vpc(f"10.{number}.0.0/16")
    assert ec2.refused("create_vpc", CidrBlock="10.9.0.0/16") == (
        "VpcLimitExceeded",
        "The maximum number of VPCs has been reached.",
    )
    ec2.elsewhere(region="ap-northeast-1").vpc()


def test_dry_run_changes_nothing_and_refuses_what_would_be_refused(ec2):
    assert ec2.refused("create_vpc", CidrBlock="10.0.0.0/16", DryRun=True) == (
        "DryRunOperation",
        "Request would have succeeded, but DryRun flag is set.",
    )
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1
    assert ec2.refused("describe_vpcs", DryRun=True)[0] == "DryRunOperation"
    assert ec2.refused("create_vpc", CidrBlock="10.0.0.0/8", DryRun=True)[0] == "InvalidVpc.Range"


def test_unknown_and_malformed_ids(ec2):
    assert ec2.refused("describe_vpcs", VpcIds=["vpc-0123"]) == (
        "InvalidVpcID.NotFound",
        "The vpc ID 'vpc-0123' does not exist",
    )
    assert ec2.refused("delete_vpc", VpcId="foo") == (
        "InvalidVpcID.Malformed",
        'Invalid id: "foo" (expecting "vpc-...")',
    )
    assert ec2.elsewhere(account="999999999999").refused("delete_vpc", VpcId=ec2.default_vpc()["VpcId"])[0] == (
        "InvalidVpcID.NotFound"
    )


def test_filters(ec2):
    one, two = ec2.vpc("10.0.0.0/16"), ec2.vpc("10.1.0.0/16")
    ec2.create_tags(Resources=[two], Tags=[{"Key": "Name", "Value": "two"}])

    def found(name: str, *values: str) -> set[str]:
        return {each["VpcId"] for each in ec2.describe_vpcs(Filters=[{"Name": name, "Values": list(values)}])["Vpcs"]}

    assert found("cidr", "10.*") == {one, two}
    assert found("vpc-id", one) == {one}
    assert found("tag:Name", "t?o") == {two}
    assert found("is-default", "false") == found("isDefault", "false") == {one, two}
    assert found("cidr-block-association.cidr-block", "10.1.0.0/16") == {two}
    assert ec2.refused("describe_vpcs", Filters=[{"Name": "x", "Values": ["1"]}]) == (
        "InvalidParameterValue",
        "The filter 'x' is invalid",
    )


def test_pages(new_caller):
    ec2 = new_caller(limits=Limits(vpcs=20))
    made = {ec2.vpc(f"10.{number}.0.0/16") for number in range(11)} | {ec2.default_vpc()["VpcId"]}
    seen, token, sizes = [], None, []
    while True:
        more = {"NextToken": token} if token else {}
        page = ec2.describe_vpcs(MaxResults=5, **more)
        seen += [each["VpcId"] for each in page["Vpcs"]]
        sizes.append(len(page["Vpcs"]))
        token = page["NextToken"]
        if token is None:
            break
    assert sizes == [5, 5, 2]
    assert (set(seen), len(seen)) == (made, 12)
    assert ec2.refused("describe_vpcs", NextToken="nonsense")[0] == "InvalidNextToken"
    assert ec2.refused("describe_vpcs", MaxResults=5, VpcIds=[seen[0]])[0] == "InvalidParameterCombination"


def test_attributes_one_at_a_time(ec2):
    vpc = ec2.vpc()
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    shown = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")
    assert shown == {"VpcId": vpc, "EnableDnsSupport": {"Value": False}}
    both = {"EnableDnsSupport": {"Value": True}, "EnableDnsHostnames": {"Value": True}}
    assert ec2.refused("modify_vpc_attribute", VpcId=vpc, **both)[0] == "InvalidParameterCombination"


def test_a_vpc_in_use_is_not_deleted(ec2):
    vpc = ec2.vpc()
    text = f"The vpc '{vpc}' has dependencies and cannot be deleted."
    subnet = ec2.subnet(vpc)
    assert ec2.refused("delete_vpc", VpcId=vpc) == ("DependencyViolation", text)
    ec2.delete_subnet(SubnetId=subnet)
    group = ec2.group(vpc)
    assert ec2.refused("delete_vpc", VpcId=vpc) == ("DependencyViolation", text)
    ec2.delete_security_group(GroupId=group)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    assert ec2.refused("delete_vpc", VpcId=vpc) == ("DependencyViolation", text)
    ec2.delete_route_table(RouteTableId=table)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert ec2.refused("delete_vpc", VpcId=vpc) == ("DependencyViolation", text)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    assert ec2.describe_route_tables(Filters=of_vpc)["RouteTables"] == []
    assert ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"] == []
    assert ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"] == []


def test_a_secondary_block_gives_room_for_subnets_and_goes_when_it_is_free(ec2):
    vpc = ec2.vpc()
    assert ec2.refused("create_subnet", VpcId=vpc, CidrBlock="10.1.0.0/24")[0] == "InvalidSubnet.Range"
    made = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    subnet = ec2.subnet(vpc, "10.1.0.0/24")
    routes = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["Routes"]
    assert {each["DestinationCidrBlock"] for each in routes} == {"10.0.0.0/16", "10.1.0.0/16"}
    assert ec2.refused("disassociate_vpc_cidr_block", AssociationId=made["AssociationId"])[0] == (
        "InvalidCidrBlock.InUse"
    )
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=made["AssociationId"])
    assert len(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"]) == 1


def test_secondary_blocks_that_may_not_join(ec2):
    vpc = ec2.vpc()
    code, text = ec2.refused("associate_vpc_cidr_block", VpcId=vpc, CidrBlock="192.168.0.0/16")
    assert code == "InvalidVpc.Range"
    assert text.startswith("The CIDR '192.168.0.0/16' is restricted. Use a CIDR from the same private address range")
    assert ec2.refused("associate_vpc_cidr_block", VpcId=vpc, CidrBlock="10.0.128.0/20")[0] == "InvalidVpc.Range"
    primary = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"][0]["AssociationId"]
    assert ec2.refused("disassociate_vpc_cidr_block", AssociationId=primary)[0] == "OperationNotPermitted"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(18, 28)), min_size=1, max_size=12))
def test_subnets_of_a_vpc_never_share_an_address(wanted):
    from ipaddress import IPv4Network

    from kunren.core.errors import AwsError

    ec2 = _caller()
    vpc = ec2.vpc()
    held: list[IPv4Network] = []
    for third, prefix in wanted:
        block = IPv4Network((f"10.0.{third}.0", prefix), strict=False)
        try:
            ec2.subnet(vpc, str(block))
        except AwsError as error:
            assert error.code == "InvalidSubnet.Conflict"
            assert error.message == f"The CIDR '{block}' conflicts with another subnet"
            assert any(each.overlaps(block) for each in held)
        else:
            assert not any(each.overlaps(block) for each in held)
            held.append(block)


_MADE: list = []


@pytest.fixture(autouse=True)
def _remember(new_caller):
    _MADE[:] = [new_caller]


def _caller():
    return _MADE[0]()
