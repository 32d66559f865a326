"""What is behind an accelerator without a public address, and who it sees."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

EVERYTHING = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture
def private(kunren, account):
    """A VPC of two subnets, whose route tables lead nowhere."""
    ec2 = kunren.client("ec2", account)
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.77.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    return ec2, vpc, [each["SubnetId"] for each in subnets]


def test_an_internal_load_balancer_is_reached_in_its_private_subnets_by_clients_that_its_groups_know(
    kunren, account, front, private, running, until, accelerated
):
    ec2, vpc, subnets = private
    elb = kunren.client("elbv2", account)
    group = ec2.create_security_group(GroupName="inner", Description="inner", VpcId=vpc)["GroupId"]
    made = elb.create_load_balancer(Name="inner", Subnets=subnets, SecurityGroups=[group], Scheme="internal")
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    says = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "inner"}
    action = {"Type": "fixed-response", "FixedResponseConfig": says}
    elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=[action])
    listener = accelerated.listen((80, 81))
    with pytest.raises(ClientError, match="has no internet gateway attached"):
        accelerated.group(listener, "us-east-1", arn)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with pytest.raises(ClientError, match="always enabled"):
        accelerated.group(listener, "us-east-1", {"EndpointId": arn, "ClientIPPreservationEnabled": False})
    with pytest.raises(ClientError, match="The instance ID 'i-0123456789abcdef0' does not exist"):
        accelerated.group(listener, "us-east-1", "i-0123456789abcdef0")
    made = accelerated.group(listener, "us-east-1", arn)
    shown = accelerated.api.describe_endpoint_group(EndpointGroupArn=made)["EndpointGroup"]["EndpointDescriptions"]
    assert shown[0]["ClientIPPreservationEnabled"] is True
    until(lambda: accelerated.health(made) == ["HEALTHY"], "a healthy endpoint")
    accelerated.deployed()

    kinds = [{"Name": "interface-type", "Values": ["global_accelerator_managed"]}]
    interfaces = ec2.describe_network_interfaces(Filters=kinds)["NetworkInterfaces"]
    assert sorted(each["SubnetId"] for each in interfaces) == sorted(subnets)
    assert {each["Status"] for each in interfaces} == {"in-use"}
    assert all(each["RequesterManaged"] for each in interfaces)
    [managed] = {each["Groups"][0]["GroupId"] for each in interfaces}
    assert interfaces[0]["Groups"][0]["GroupName"] == "GlobalAccelerator"

    client, address = running.client(kunren, "virginia"), accelerated.addresses[0]
    url = f"http://{address}/"
    assert "body" not in client.get(url, timeout=0.5), "no rule lets it in"
    own = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": f"{client.get_address()}/32"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[own])
    until(lambda: client.get(url, timeout=1).get("body") == "inner", "the client's own address let in")
    other = running.client(kunren, "tokyo")
    assert "body" not in other.get(url, timeout=0.5), "another client's is not"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[own])
    until(lambda: "body" not in client.get(url, timeout=0.5), "nobody let in")
    by_accelerator = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": managed}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[by_accelerator])
    until(lambda: other.get(url, timeout=1).get("body") == "inner", "whoever comes by the accelerator")

    # A Network Load Balancer with groups, internet-facing, whose client is in the same region.
    target = front.target("one", 0, 81)
    balancer = front.balancer("guarded", Subnets=front.subnets[:1], SecurityGroups=[front.open])
    forward = front.group(target, Port=81, attributes={"preserve_client_ip__enabled": "true"})
    front.listen(balancer, forward, 81)
    front.wait_active(balancer)
    front.wait_for(forward, "healthy")
    preserved = {"EndpointId": balancer["LoadBalancerArn"], "ClientIPPreservationEnabled": True}
    accelerated.api.update_endpoint_group(EndpointGroupArn=made, EndpointConfigurations=[preserved])
    until(lambda: accelerated.health(made) == ["HEALTHY"], "a healthy endpoint")
    accelerated.deployed()
    far, near = front.client("--from", "london"), front.client("--subnet", front.subnets[1])
    until(lambda: far.ask(address, 81)[0] == "one", "the Network Load Balancer")
    assert far.ask(address, 81)[1] == far.tell(address=True)["said"]
    assert near.ask(address, 81)[0] == "one"
    assert near.ask(address, 81)[1].startswith("198.19.")
    until(
        lambda: (
            {each["SubnetId"] for each in ec2.describe_network_interfaces(Filters=kinds)["NetworkInterfaces"]}
            == {front.subnets[0]}
        ),
        "managed interfaces where they are needed",
    )
