"""Functions in VPCs: their interfaces, what they reach from there and what not, and how all of it goes again."""

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"
SOURCE = """
import socket, urllib.request
def handler(event, context):
    try:
        if "resolve" in event:
            return socket.gethostbyname(event["resolve"])
        with urllib.request.urlopen(event["url"], timeout=2) as answer:
            return answer.read().decode()
    except OSError as error:
        return type(getattr(error, "reason", error)).__name__
"""


def package(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    return out.getvalue()


class Network:
    """A VPC with a public and a private subnet, a target in each, and the clients."""

    def __init__(self, kunren, account):
        self.kunren = kunren
        self.ec2, self.functions = kunren.client("ec2", account), kunren.client("lambda", account)
        self.route53 = kunren.client("route53", account)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnets = [self.subnet(f"10.7.{number}.0/24", zone) for number, zone in enumerate("ab")]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        self.internet(self.subnets[0], GatewayId=gateway)

    def subnet(self, cidr, zone):
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=f"us-east-1{zone}")
        return made["Subnet"]["SubnetId"]

    def internet(self, subnet, **target):
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)

    def group(self, name, *sources):
        group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        for source in sources:
            rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": source}]}
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
        return group

    def function(self, name, subnets, groups, **params):
        told = self.functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Timeout=30,
            Code={"ZipFile": package(SOURCE)}, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups}, **params,
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        return told

    def name(self, name, address):
        """A record in a private zone of the VPC."""
        zone = self.route53.create_hosted_zone(
            Name=name.partition(".")[2], CallerReference=name, VPC={"VPCRegion": "us-east-1", "VPCId": self.vpc}
        )["HostedZone"]["Id"]
        record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]}
        change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)

    def ask(self, name, **event):
        told = self.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(told["Payload"].read())

    def interfaces(self):
        filters = [{"Name": "vpc-id", "Values": [self.vpc]}, {"Name": "interface-type", "Values": ["lambda"]}]
        return self.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]


@pytest.fixture
def net(kunren, account):
    return Network(kunren, account)


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_function_lives_behind_its_interface_and_reaches_what_its_groups_and_routes_let_it(
    net, running, kunren, until
):
    caller, stranger = net.group("caller"), net.group("stranger")
    server = net.group("server", caller)
    target = running.target(kunren, "inside", (80,), net.subnets[0], server)
    made = net.function("caller", [net.subnets[1]], [caller])
    assert (made["State"], made["VpcConfig"]["VpcId"]) == ("Pending", net.vpc)
    (interface,) = net.interfaces()
    assert interface["Description"].startswith("AWS Lambda VPC ENI-caller-")
    assert len(interface["Description"]) == len("AWS Lambda VPC ENI-caller-") + 36
    shown = {name: interface[name] for name in ("Status", "SubnetId", "RequesterManaged", "InterfaceType")}
    assert shown == {
        "Status": "in-use",
        "SubnetId": net.subnets[1],
        "RequesterManaged": True,
        "InterfaceType": "lambda",
    }
    assert (interface["Attachment"]["InstanceOwnerId"], interface["Groups"][0]["GroupId"]) == ("amazon-aws", caller)
    assert "Association" not in interface

    url = f"http://{target.address}/"
    answer = json.loads(net.ask("caller", url=url))
    assert (answer["name"], answer["peer"]) == ("inside", interface["PrivateIpAddress"])
    net.function("stranger", [net.subnets[1]], [stranger])
    assert net.ask("stranger", url=url) in ("TimeoutError", "timeout")
    assert len(net.interfaces()) == 2

    net.name("target.inner.test", target.address)
    assert until(lambda: net.ask("caller", resolve="target.inner.test") == target.address, "the private name")

    outside = running.target(kunren, "outside", (80,), *default_network(kunren))
    public = f"http://{outside.public_address}/"
    assert net.ask("caller", url=public) in ("TimeoutError", "timeout")  # no route
    net.functions.update_function_configuration(
        FunctionName="caller", VpcConfig={"SubnetIds": [net.subnets[0]], "SecurityGroupIds": [caller]}
    )
    net.functions.get_waiter("function_updated_v2").wait(FunctionName="caller", WaiterConfig={"Delay": 0.1})
    assert net.ask("caller", url=public) in ("TimeoutError", "timeout")  # a route, and no public address
    nat = net.ec2.create_nat_gateway(SubnetId=net.subnets[0], AllocationId=net.ec2.allocate_address()["AllocationId"])[
        "NatGateway"
    ]["NatGatewayId"]
    net.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 1})
    net.internet(net.subnets[1], NatGatewayId=nat)
    answer = until(lambda: net.ask("stranger", url=public).startswith("{") and net.ask("stranger", url=public), "NAT")
    assert json.loads(answer)["name"] == "outside"


def default_network(kunren):
    """A public subnet elsewhere and a group that lets the world in."""
    ec2 = kunren.client("ec2", "000000000000")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="vpc-functions", Description="open", VpcId=subnet["VpcId"])["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return subnet["SubnetId"], group


def test_interfaces_are_shared_by_subnet_and_groups_and_gone_with_the_last_function(net, until):
    one, two = net.group("one"), net.group("two")
    net.function("first", net.subnets, [one, two])
    made = {each["NetworkInterfaceId"] for each in net.interfaces()}
    assert {each["SubnetId"] for each in net.interfaces()} == set(net.subnets)
    net.function("second", [net.subnets[0]], [two, one])
    net.function("third", [net.subnets[0]], [one])
    assert len({each["NetworkInterfaceId"] for each in net.interfaces()} - made) == 1
    used = next(iter(made))
    in_use = ("InvalidParameterValue", f"Network interface '{used}' is currently in use.")
    assert refusal(net.ec2.delete_network_interface, NetworkInterfaceId=used) == in_use
    assert refusal(net.ec2.delete_security_group, GroupId=two)[0] == "DependencyViolation"
    assert refusal(net.ec2.delete_subnet, SubnetId=net.subnets[1])[0] == "DependencyViolation"

    version = net.functions.publish_version(FunctionName="first")["Version"]
    outside = {"SubnetIds": [], "SecurityGroupIds": []}
    assert "VpcConfig" not in net.functions.update_function_configuration(FunctionName="first", VpcConfig=outside)
    net.functions.get_waiter("function_updated_v2").wait(FunctionName="first", WaiterConfig={"Delay": 0.1})
    net.functions.delete_function(FunctionName="second")
    net.functions.delete_function(FunctionName="third")
    until(lambda: {each["NetworkInterfaceId"] for each in net.interfaces()} == made, "the version's interfaces alone")
    told = net.functions.get_function_configuration(FunctionName="first", Qualifier=version)["VpcConfig"]
    assert (told["SubnetIds"], told["SecurityGroupIds"]) == (net.subnets, [one, two])
    net.functions.delete_function(FunctionName="first")
    until(lambda: not net.interfaces(), "the end of all interfaces")
    net.ec2.delete_security_group(GroupId=two)
    net.ec2.delete_subnet(SubnetId=net.subnets[1])


def test_nothing_of_the_vpc_gets_into_a_function(net, running, kunren):
    group = net.group("open")
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    net.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=everything)
    net.function("hears", [net.subnets[0]], [group])
    (interface,) = net.interfaces()
    shell = running.shell(kunren, "--subnet", net.subnets[0], "--security-group", group)
    for port in (8000, 9001):  # its own, and that of the Runtime API
        tried = shell.run("curl", "-sm", "1", f"http://{interface['PrivateIpAddress']}:{port}/")
        assert tried["code"] == 28, tried


def test_what_is_not_there_or_does_not_belong_together_is_refused(net):
    group = net.group("group")
    other = Network(net.kunren, "199999999999")

    def asked(subnets, groups):
        config = {"SubnetIds": subnets, "SecurityGroupIds": groups}
        return refusal(
            net.functions.create_function, FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="app.handler",
            Code={"ZipFile": package(SOURCE)}, VpcConfig=config,
        )  # fmt: skip

    invalid = "InvalidParameterValueException"
    assert asked(net.subnets, []) == (invalid, "SubnetIds and SecurityIds must coexist or be both empty list.")
    assert asked(["subnet-0abc"], [group]) == (
        invalid,
        "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet "
        "ID 'subnet-0abc' does not exist",
    )
    assert asked(net.subnets, ["sg-0abc"]) == (
        invalid,
        "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The "
        "security group 'sg-0abc' does not exist",
    )
    far = net.ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    elsewhere = net.ec2.create_security_group(GroupName="far", Description="far", VpcId=far)["GroupId"]
    assert asked(net.subnets, [elsewhere]) == (invalid, "Security Groups are required to be in the same VPC.")
    assert asked(other.subnets, [group])[1].startswith("Error occurred while DescribeSubnets.")


def test_a_restart_finds_the_function_and_its_interface_again(own_kunren, running):
    own_kunren.up()
    net = Network(own_kunren, "000000000000")
    caller = net.group("caller")
    net.function("again", [net.subnets[1]], [caller])
    before = [each["NetworkInterfaceId"] for each in net.interfaces()]
    own_kunren.run("down", check=True)
    own_kunren.up()
    net.ec2, net.functions = own_kunren.client("ec2"), own_kunren.client("lambda")
    target = running.target(own_kunren, "inside", (80,), net.subnets[0], net.group("server", caller))
    assert json.loads(net.ask("again", url=f"http://{target.address}/"))["name"] == "inside"
    assert [each["NetworkInterfaceId"] for each in net.interfaces()] == before
