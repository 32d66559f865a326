"""VPC endpoints: a subnet without a way to the internet reaches the services that it has endpoints for, and no others."""

import os
import signal

import pytest
from botocore.exceptions import ClientError

SCOPE = "Credential={account}/20260101/us-east-1/{service}/aws4_request"


class PrivateNetwork:
    """A VPC without internet gateway, one subnet, and a shell on it."""

    def __init__(self, kunren, account, running, until):
        self.account, self._until = account, until
        self.ec2 = kunren.client("ec2", account)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnet, self.second = (
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in (("10.0.1.0/24", "us-east-1a"), ("10.0.2.0/24", "us-east-1b"))
        )
        self.table = self.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["RouteTables"][
            0
        ]["RouteTableId"]
        self.inside = running.shell(kunren, "--subnet", self.subnet)

    def endpoint(self, service, type, **more):
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc, ServiceName=f"com.amazonaws.us-east-1.{service}", VpcEndpointType=type, **more
        )["VpcEndpoint"]["VpcEndpointId"]
        self._until(lambda: self.shown(made)["State"] == "available", "an available endpoint")
        return made

    def shown(self, id):
        return self.ec2.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]

    def call(self, service, target, host=None):
        """Status and answering address of a JSON call, as any SDK makes it; "" where nobody answers."""
        done = self.inside.run(
            "curl", "-sS", "-m", "2", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}",
            "-H", f"X-Amz-Target: {target}", "-H", "Content-Type: application/x-amz-json-1.0",
            "-H", f"Authorization: AWS4-HMAC-SHA256 {SCOPE.format(account=self.account, service=service)}, "
            "SignedHeaders=host, Signature=0",
            "-d", "{}", f"https://{host or f'{service}.us-east-1.amazonaws.com'}/",
        )  # fmt: skip
        return done["out"] if done["code"] == 0 else ""


@pytest.fixture
def net(kunren, account, running, until):
    return PrivateNetwork(kunren, account, running, until)


def tables(net):
    return net.call("dynamodb", "DynamoDB_20120810.ListTables")


def queues(net, host=None):
    return net.call("sqs", "AmazonSQS.ListQueues", host)


def test_a_gateway_endpoint_leads_a_private_subnet_to_its_service_alone(net, until):
    assert (tables(net), queues(net)) == ("", "")
    id = net.endpoint("dynamodb", "Gateway", RouteTableIds=[net.table])
    until(lambda: tables(net) == "200 198.19.0.5", "moto, which answers for DynamoDB", 60)
    assert queues(net) == ""
    assert net.shown(id)["RouteTableIds"] == [net.table]
    route = net.ec2.describe_route_tables(RouteTableIds=[net.table])["RouteTables"][0]["Routes"][1]
    list_id = net.ec2.describe_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-east-1.dynamodb"]}]
    )["PrefixLists"][0]["PrefixListId"]
    assert route == {
        "DestinationPrefixListId": list_id, "GatewayId": id, "Origin": "CreateRoute", "State": "active",
    }  # fmt: skip
    with pytest.raises(ClientError, match="cannot remove VPC endpoint route"):
        net.ec2.delete_route(RouteTableId=net.table, DestinationPrefixListId=list_id)
    net.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    until(lambda: tables(net) == "", "no way to the service")


def test_an_interface_endpoint_answers_under_the_services_own_name(net, kunren, running, until):
    web = net.ec2.create_security_group(GroupName="web", Description="web", VpcId=net.vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.1.0/24"}]}
    net.ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[rule])
    id = net.endpoint("sqs", "Interface", SubnetIds=[net.subnet], SecurityGroupIds=[web], PrivateDnsEnabled=True)
    shown = net.shown(id)
    interface = net.ec2.describe_network_interfaces(NetworkInterfaceIds=shown["NetworkInterfaceIds"])[
        "NetworkInterfaces"
    ][0]
    address = interface["PrivateIpAddress"]
    assert (interface["InterfaceType"], interface["Status"]) == ("vpc_endpoint", "in-use")
    own, zonal, private = (each["DnsName"] for each in shown["DnsEntries"])
    assert own.startswith(f"{id}-")
    assert own.endswith(".sqs.us-east-1.vpce.amazonaws.com")
    assert zonal == own.replace(".sqs", "-us-east-1a.sqs", 1)
    assert private == "sqs.us-east-1.amazonaws.com"

    for name in (own, zonal, private):
        assert net.inside.dig(name) == [address]
        until(lambda name=name: queues(net, name) == f"200 {address}", "moto, which answers for SQS", 60)
        # another service's operations are unknown there
        assert net.call("dynamodb", "DynamoDB_20120810.ListTables", name) == f"404 {address}"
    zone = {"Name": private, "CallerReference": "1", "VPC": {"VPCId": net.vpc, "VPCRegion": "us-east-1"}}
    with pytest.raises(ClientError, match="ConflictingDomainExists"):
        kunren.client("route53", net.account).create_hosted_zone(**zone)
    outside = running.shell(kunren, "--from", "tokyo")
    assert outside.dig(private) == ["198.19.0.2"]
    assert outside.dig(own) == [address]  # a name like any other, for an address that is nobody's there
    # port 80 has no rule
    assert net.inside.run("curl", "-sS", "-m", "1", f"http://{address}/")["code"] == 28
    assert tables(net) == ""

    net.ec2.modify_vpc_endpoint(VpcEndpointId=id, AddSubnetIds=[net.second], PrivateDnsEnabled=False)
    until(lambda: net.shown(id)["State"] == "available", "the second subnet")
    assert len(net.inside.dig(own)) == 2
    assert net.inside.dig(private) == ["198.19.0.2"]
    net.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    until(lambda: not net.ec2.describe_vpc_endpoints()["VpcEndpoints"], "the endpoint gone")
    assert queues(net, own) == ""  # resolvers may still know the name for its TTL
    filters = [{"Name": "interface-type", "Values": ["vpc_endpoint"]}]
    assert net.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"] == []
    net.ec2.delete_security_group(GroupId=web)


def test_a_gateway_endpoint_leads_to_buckets_and_both_kinds_outlive_a_kill_9(own_kunren, account, running, until):
    own_kunren.up()
    net = PrivateNetwork(own_kunren, account, running, until)
    s3 = own_kunren.client("s3", account)
    s3.create_bucket(Bucket="shelf", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="shelf")
    s3.put_object(Bucket="shelf", Key="book", Body=b"once upon a time", ACL="public-read")

    def read(inside, patience="10"):
        return inside.run("curl", "-sS", "-m", patience, "https://shelf.s3.us-east-1.amazonaws.com/book")["out"]

    assert read(net.inside, "2") == ""
    net.endpoint("s3", "Gateway", RouteTableIds=[net.table])
    net.endpoint("sqs", "Interface", SubnetIds=[net.subnet], PrivateDnsEnabled=True)
    assert read(net.inside) == "once upon a time"
    answered = until(lambda: queues(net), "moto, which answers for SQS and begins with the first request", 60)
    assert answered.startswith("200 10.0.1.")

    os.kill(own_kunren.pid, signal.SIGKILL)
    net.inside.process.wait(10)
    own_kunren.up()
    net.inside = running.shell(own_kunren, "--subnet", net.subnet)
    assert read(net.inside) == "once upon a time"
    until(lambda: queues(net) == answered, "moto, which answers for SQS and begins anew behind the first request", 60)


def test_a_private_subnet_reaches_the_registry_by_two_endpoints(net, kunren, until):
    registry = f"https://{net.account}.dkr.ecr.us-east-1.amazonaws.com/v2/"

    def asked(url=registry):
        done = net.inside.run("curl", "-sS", "-m", "2", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}", url)
        return done["out"] if done["code"] == 0 else ""

    assert asked() == ""
    id = net.endpoint("ecr.dkr", "Interface", SubnetIds=[net.subnet])
    names = [each["DnsName"] for each in net.shown(id)["DnsEntries"]]
    assert names[-1] == "*.dkr.ecr.us-east-1.amazonaws.com"
    assert names[0].endswith(".dkr.ecr.us-east-1.vpce.amazonaws.com")
    kunren.client("ecr", net.account).create_repository(repositoryName="web")
    until(lambda: asked().startswith("401 10.0.1."), "the registry, which asks who it is", 60)
    api = ("ecr", "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories", "api.ecr.us-east-1.amazonaws.com")
    assert net.call(*api) == ""
    net.endpoint("ecr.api", "Interface", SubnetIds=[net.subnet])
    until(lambda: net.call(*api).startswith("200 10.0.1."), "ECR's API", 60)
    assert queues(net) == ""
