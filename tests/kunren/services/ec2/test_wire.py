"""The same service through the real gateway, asked by boto3."""

import asyncio

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.gateway.gateway import Gateway
from kunren.services.ec2.api import Ec2Api
from kunren.settings import Settings
from kunren.world.spec import Place, Region, WorldSpec

SPEC = WorldSpec((Place("virginia", 39, -77, "US", "NA"),), (Region("us-east-1", "abc", 39, -77),))
CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10)


def tell(tmp_path, story) -> None:
    """Run `story(client)` in a thread against a gateway with ec2 on a free port."""

    async def main() -> None:
        settings = Settings(state_dir=tmp_path, port=0)
        store, clock, entropy = Store(settings.database), SystemClock(), Entropy(seed=3)
        services = {"ec2": Ec2Api(store, clock, entropy, SPEC)}
        gateway = Gateway(settings, store, clock, entropy, services, None, None)
        await gateway.serve_host()
        client = boto3.client(
            "ec2",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{gateway.port}",
            aws_access_key_id="123456789012",
            aws_secret_access_key="x",
            config=CONFIG,
        )
        try:
            await asyncio.to_thread(story, client)
        finally:
            await gateway.stop()
            store.close()

    asyncio.run(main())


def error_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_a_vpc_with_everything_built_and_taken_down_by_boto3(tmp_path):
    def story(ec2):
        vpc = ec2.create_vpc(
            CidrBlock="10.0.0.0/16",
            TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "one"}]}],
        )["Vpc"]["VpcId"]
        ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]
        assert (table["Tags"], table["PropagatingVgws"]) == ([], [])
        assert ec2.create_route(
            RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
        )["Return"]
        association = ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=subnet)["AssociationId"]
        group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
        http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        rules = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[http])["SecurityGroupRules"]
        shown = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        assert shown["IpPermissions"] == [{**http, "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}]
        assert "Tags" not in shown
        interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
        assert interface["PrivateIpAddress"] == "10.0.1.4"
        assert "Attachment" not in interface
        assert ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["o*"]}])["Vpcs"][0]["VpcId"] == vpc
        assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"] == {
            "Value": True
        }

        ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])
        ec2.delete_security_group(GroupId=group)
        ec2.disassociate_route_table(AssociationId=association)
        ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
        ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_vpc(VpcId=vpc)
        assert error_of(ec2.describe_vpcs, VpcIds=[vpc]) == (
            "InvalidVpcID.NotFound",
            f"The vpc ID '{vpc}' does not exist",
            400,
        )

    tell(tmp_path, story)


def test_errors_have_awss_code_text_and_status(tmp_path):
    def story(ec2):
        assert error_of(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True) == (
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
            412,
        )
        assert error_of(ec2.create_vpc, CidrBlock="10.0.0.0/8")[::2] == ("InvalidVpc.Range", 400)
        assert error_of(ec2.describe_vpcs, Filters=[{"Name": "x", "Values": ["y"]}]) == (
            "InvalidParameterValue",
            "The filter 'x' is invalid",
            400,
        )
        code, text, status = error_of(ec2.create_ipam)
        assert (code, status) == ("NotImplemented", 501)
        assert "CreateIpam" in text

    tell(tmp_path, story)


def test_everything_is_there_again_after_a_restart(tmp_path):
    seen = {}

    def everything(ec2):
        return [
            ec2.describe_vpcs()["Vpcs"],
            ec2.describe_subnets()["Subnets"],
            ec2.describe_route_tables()["RouteTables"],
            ec2.describe_security_groups()["SecurityGroups"],
            ec2.describe_security_group_rules()["SecurityGroupRules"],
            ec2.describe_internet_gateways()["InternetGateways"],
            ec2.describe_network_interfaces()["NetworkInterfaces"],
            ec2.describe_network_acls()["NetworkAcls"],
            ec2.describe_dhcp_options()["DhcpOptions"],
            ec2.describe_tags()["Tags"],
        ]

    def before(ec2):
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        ec2.create_network_interface(SubnetId=subnet)
        ec2.create_tags(Resources=[subnet], Tags=[{"Key": "a", "Value": "1"}])
        seen["all"] = everything(ec2)

    def after(ec2):
        assert everything(ec2) == seen["all"]

    tell(tmp_path, before)
    tell(tmp_path, after)


def test_paginators_walk_to_the_end(tmp_path):
    def story(ec2):
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        made = {
            ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(12)
        }
        pages = list(ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5}))
        assert [len(each["NetworkInterfaces"]) for each in pages] == [5, 5, 2]
        assert {each["NetworkInterfaceId"] for page in pages for each in page["NetworkInterfaces"]} == made

    tell(tmp_path, story)
