"""What is behind an accelerator without a public address, and who it sees."""

from __future__ import annotations

import json

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


def test_a_custom_routing_accelerators_ports_lead_to_addresses_of_subnets(
    kunren, account, front, private, programs, until
):
    ec2, vpc, subnets = private
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    group = ec2.create_security_group(GroupName="game", Description="game", VpcId=vpc)["GroupId"]
    client = front.client("--from", "london")
    own = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": f"{client.tell(address=True)['said']}/32"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[own])
    for name, address, subnet in (("ten", "10.77.0.10", 0), ("eleven", "10.77.1.11", 1)):
        where = ("--subnet", subnets[subnet], "--address", address, "--security-group", group)
        programs(kunren, "flow_target.py", name, "81", "82", where=where).hear_until("ready")

    api = kunren.client("globalaccelerator", account, "us-west-2")
    made = api.create_custom_routing_accelerator(Name="game", IdempotencyToken="1")["Accelerator"]
    arn, addresses = made["AcceleratorArn"], made["IpSets"][0]["IpAddresses"]

    def deployed():
        def status():
            return api.describe_custom_routing_accelerator(AcceleratorArn=arn)["Accelerator"]["Status"]

        until(lambda: status() == "DEPLOYED", "the accelerator deployed")

    def refused(call, **given):
        with pytest.raises(ClientError) as caught:
            call(**given)
        return caught.value.response["Error"]["Code"]

    few = [{"FromPort": 10001, "ToPort": 10015}]
    given = {"AcceleratorArn": arn, "IdempotencyToken": "1"}
    assert refused(api.create_custom_routing_listener, PortRanges=few, **given) == "InvalidPortRangeException"
    ranges = [{"FromPort": 10001, "ToPort": 10900}]
    listener = api.create_custom_routing_listener(PortRanges=ranges, **given)["Listener"]["ListenerArn"]
    endpoints = api.create_custom_routing_endpoint_group(
        ListenerArn=listener, EndpointGroupRegion="us-east-1", IdempotencyToken="1",
        DestinationConfigurations=[
            {"FromPort": 81, "ToPort": 81, "Protocols": ["TCP", "UDP"]},
            {"FromPort": 82, "ToPort": 82, "Protocols": ["TCP"]},
        ],
    )["EndpointGroup"]["EndpointGroupArn"]  # fmt: skip
    added = api.add_custom_routing_endpoints(
        EndpointGroupArn=endpoints, EndpointConfigurations=[{"EndpointId": subnets[0]}]
    )
    assert added == {
        "EndpointDescriptions": [{"EndpointId": subnets[0]}], "EndpointGroupArn": endpoints,
        "ResponseMetadata": added["ResponseMetadata"],
    }  # fmt: skip
    second = {"EndpointGroupArn": endpoints, "EndpointConfigurations": [{"EndpointId": subnets[1]}]}
    assert refused(api.add_custom_routing_endpoints, **second) == "LimitExceededException", "502 ports are needed"
    smaller = [{"FromPort": 10001, "ToPort": 10800}]
    update = api.update_custom_routing_listener
    assert refused(update, ListenerArn=listener, PortRanges=smaller) == "InvalidPortRangeException"
    update(ListenerArn=listener, PortRanges=[{"FromPort": 10001, "ToPort": 20040}])
    api.add_custom_routing_endpoints(**second)
    assert refused(api.add_custom_routing_endpoints, **second) == "EndpointAlreadyExistsException"

    # The Developer Guide's example: the first address, first port, and so on; five addresses of a subnet are kept.
    pages = api.get_paginator("list_custom_routing_port_mappings").paginate(
        AcceleratorArn=arn, PaginationConfig={"PageSize": 400}
    )
    mapped = list(pages.search("PortMappings"))
    assert len(mapped) == 2 * 2 * 251
    assert mapped[0] == {
        "AcceleratorPort": 10001, "EndpointGroupArn": endpoints, "EndpointId": subnets[0],
        "DestinationSocketAddress": {"IpAddress": "10.77.0.4", "Port": 81}, "Protocols": ["TCP", "UDP"],
        "DestinationTrafficState": "DENY",
    }  # fmt: skip
    assert mapped[13]["DestinationSocketAddress"] == {"IpAddress": "10.77.0.10", "Port": 82}
    by_destination = api.list_custom_routing_port_mappings_by_destination(
        EndpointId=subnets[1], DestinationAddress="10.77.1.11"
    )["DestinationPortMappings"]
    assert by_destination[0]["AcceleratorSocketAddresses"] == [
        {"IpAddress": address, "Port": 10001 + 502 + 14} for address in addresses
    ]
    ten, eleven = 10001 + 12, 10001 + 502 + 14

    deployed()
    assert client.ask(addresses[0], ten, timeout=0.4) == "TimeoutError", "denied by default"
    sole = {"EndpointGroupArn": endpoints, "EndpointId": subnets[0]}
    api.allow_custom_routing_traffic(**sole, DestinationAddresses=["10.77.0.10"], DestinationPorts=[81])
    api.allow_custom_routing_traffic(EndpointGroupArn=endpoints, EndpointId=subnets[1], AllowAllTrafficToEndpoint=True)
    deployed()
    for address in addresses:
        said = client.ask(address, ten)
        assert said[0] == "ten"
        assert said[1] == client.tell(address=True)["said"], "the client's address is preserved"
        assert client.tell(datagrams=[address, ten])["said"][0][0] == "ten"
        assert client.ask(address, eleven)[0] == "eleven"
        assert client.ask(address, eleven + 1)[0] == "eleven"
    assert client.ask(addresses[0], ten + 1, timeout=0.4) == "TimeoutError", "the other port is denied"
    for port, chosen, because in (
        (ten, "10.77.0.10:81", "to where traffic is allowed"), (ten + 1, "dropped", "to where no traffic is allowed"),
    ):  # fmt: skip
        traced = kunren.run("trace", "--json", "--from", "london", f"tcp://{addresses[0]}:{port}")
        report = json.loads(traced.stdout)
        step = report["steps"][-1]
        assert (traced.returncode, step["chosen"], step["because"].rpartition(", ")[2]) == (0, chosen, because)
        assert report["observed"]["outcome"] == ("timeout" if chosen == "dropped" else "connected")
    drawn = kunren.run("graph", "--name", made["DnsName"], check=True).stdout
    assert "endpoint group us-east-1  destinations 81-81 TCP/UDP, 82-82 TCP" in drawn
    assert "ports 10001-10502  → " in drawn
    assert client.tell(datagrams=[addresses[0], eleven + 1], timeout=0.4).get("error") == "TimeoutError", "TCP only"
    other = front.client("--from", "tokyo")
    assert other.ask(addresses[0], ten, timeout=0.4) == "TimeoutError", "the security group knows it not"
    api.deny_custom_routing_traffic(
        EndpointGroupArn=endpoints, EndpointId=subnets[1], DestinationAddresses=["10.77.1.11"]
    )
    deployed()
    assert client.ask(addresses[0], eleven, timeout=0.4) == "TimeoutError"
    assert client.ask(addresses[0], ten)[0] == "ten"
    outside = {"DestinationAddresses": ["10.77.1.3"]}
    assert refused(api.deny_custom_routing_traffic, **{**sole, **outside}) == "InvalidArgumentException"

    assert refused(api.delete_custom_routing_listener, ListenerArn=listener) == "AssociatedEndpointGroupFoundException"
    assert refused(api.describe_accelerator, AcceleratorArn=arn) == "AcceleratorNotFoundException"
    assert [each["Name"] for each in api.list_custom_routing_accelerators()["Accelerators"]] == ["game"]
    assert api.list_accelerators()["Accelerators"] == []
    api.remove_custom_routing_endpoints(EndpointGroupArn=endpoints, EndpointIds=[subnets[1]])
    left = api.describe_custom_routing_endpoint_group(EndpointGroupArn=endpoints)["EndpointGroup"]
    assert left["EndpointDescriptions"] == [{"EndpointId": subnets[0]}]
    api.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "game"}])
    assert api.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "game"}]
    api.delete_custom_routing_endpoint_group(EndpointGroupArn=endpoints)
    api.delete_custom_routing_listener(ListenerArn=listener)
    assert refused(api.delete_custom_routing_accelerator, AcceleratorArn=arn) == "AcceleratorNotDisabledException"
    api.update_custom_routing_accelerator(AcceleratorArn=arn, Enabled=False)
    api.delete_custom_routing_accelerator(AcceleratorArn=arn)
    kinds = [{"Name": "interface-type", "Values": ["global_accelerator_managed"]}]
    until(lambda: not ec2.describe_network_interfaces(Filters=kinds)["NetworkInterfaces"], "no managed interface left")
    named = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    assert sorted(each["GroupName"] for each in named) == ["GlobalAccelerator", "default", "game"], "it stays"


def test_an_endpoint_of_another_account_needs_an_attachment_and_goes_with_it(kunren, account, site, until, accelerator):
    site.listen(site.fixed("shared"))
    site.wait_active()
    customer = f"2{account[1:]}"
    accelerated = accelerator(kunren, customer)
    owner = kunren.client("globalaccelerator", account, "us-west-2")
    listener = accelerated.listen((80, 80))
    given = {"EndpointId": site.arn}
    made = accelerated.group(listener, "us-east-1")

    def refused(call, **wanted):
        with pytest.raises(ClientError) as caught:
            call(**wanted)
        return caught.value.response["Error"]["Code"]

    add = {"EndpointGroupArn": made}
    assert refused(accelerated.api.add_endpoints, **add, EndpointConfigurations=[given]) == "AccessDeniedException"
    resources = [{"EndpointId": site.arn, "Region": "us-east-1"}]
    shared = owner.create_cross_account_attachment(
        Name="shared", Principals=[accelerated.arn], Resources=[], IdempotencyToken="1"
    )["CrossAccountAttachment"]
    given["AttachmentArn"] = shared["AttachmentArn"]
    assert refused(accelerated.api.add_endpoints, **add, EndpointConfigurations=[given]) == "AccessDeniedException"
    update = {"AttachmentArn": shared["AttachmentArn"]}
    owner.update_cross_account_attachment(**update, AddResources=resources)
    assert accelerated.api.list_cross_account_resource_accounts()["ResourceOwnerAwsAccountIds"] == [account]
    seen = accelerated.api.list_cross_account_resources(
        ResourceOwnerAwsAccountId=account, AcceleratorArn=accelerated.arn
    )["CrossAccountResources"]
    assert seen == [{"EndpointId": site.arn, "AttachmentArn": shared["AttachmentArn"]}]
    accelerated.api.add_endpoints(**add, EndpointConfigurations=[given])
    accelerated.deployed()
    client = site.client("virginia")
    until(lambda: client.get(f"http://{accelerated.addresses[0]}/").get("body") == "shared", "the other's endpoint")
    kinds = [{"Name": "interface-type", "Values": ["global_accelerator_managed"]}]
    assert len(site.ec2.describe_network_interfaces(Filters=kinds)["NetworkInterfaces"]) == 2, "in its owner's account"

    again = owner.create_cross_account_attachment(
        Name="whole account", Principals=[customer], Resources=resources, IdempotencyToken="2"
    )["CrossAccountAttachment"]["AttachmentArn"]
    owner.update_cross_account_attachment(**update, RemovePrincipals=[accelerated.arn])
    assert len(accelerated.health(made)) == 1, "another attachment gives access"
    listed = owner.list_cross_account_attachments()["CrossAccountAttachments"]
    assert sorted(each["Name"] for each in listed) == ["shared", "whole account"]
    owner.delete_cross_account_attachment(AttachmentArn=again)
    assert accelerated.health(made) == []
    accelerated.deployed()
    assert "body" not in client.get(f"http://{accelerated.addresses[0]}/", timeout=0.5)
    assert refused(owner.describe_cross_account_attachment, AttachmentArn=again) == "AttachmentNotFoundException"
    owner.tag_resource(ResourceArn=shared["AttachmentArn"], Tags=[{"Key": "team", "Value": "edge"}])
    tags = owner.list_tags_for_resource(ResourceArn=shared["AttachmentArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "edge"}]
