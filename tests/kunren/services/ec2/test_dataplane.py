"""VPC networks from resources made through the Api."""

import pytest

from kunren.services.ec2 import interfaces
from kunren.services.ec2.dataplane import OPEN, is_used, vpc_network
from kunren.services.ec2.model import Vpc
from kunren.world.network import FirewallRule, Route


@pytest.fixture
def net(ec2):
    return Net(ec2)


class Net:
    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc = ec2.vpc()
        self.subnet = ec2.subnet(self.vpc)

    def attach(self, attachment="workload", groups=(), **more):
        with self.ec2.store.write() as tx:
            return interfaces.create_interface(
                tx,
                self.ec2.api.entropy,
                self.ec2.api.spec,
                account=self.ec2.account,
                region=self.ec2.region,
                subnet_id=self.subnet,
                groups=tuple(groups),
                attachment=attachment,
                **more,
            )

    def network(self):
        snapshot = self.ec2.store.snapshot()
        vpc = snapshot.get(Vpc, self.ec2.account, self.ec2.region, self.vpc)
        return vpc_network(snapshot, self.ec2.api.spec, vpc)

    def used(self):
        snapshot = self.ec2.store.snapshot()
        return is_used(snapshot, snapshot.get(Vpc, self.ec2.account, self.ec2.region, self.vpc))


def test_a_vpc_is_used_once_something_answers_in_it(net):
    assert not net.used()
    net.ec2.create_network_interface(SubnetId=net.subnet)
    assert not net.used()
    net.attach()
    assert net.used()


def test_nodes_and_workloads_are_told_apart_and_idle_interfaces_left_out(net):
    net.ec2.create_network_interface(SubnetId=net.subnet)
    node, workload = net.attach("node"), net.attach("workload")
    network = net.network()
    assert [(each.id, each.address) for each in network.nodes] == [(node.id, node.private_ip)]
    assert [(each.id, each.address, each.mac) for each in network.workloads] == [
        (workload.id, workload.private_ip, workload.mac)
    ]
    assert network.cidrs == ("10.0.0.0/16",)
    assert [(each.id, each.cidr, each.availability_zone) for each in network.subnets] == [
        (net.subnet, "10.0.1.0/24", "us-east-1a")
    ]


def test_a_peer_that_is_a_group_becomes_the_addresses_of_its_members(net):
    web, db = net.ec2.group(net.vpc, "web"), net.ec2.group(net.vpc, "db")
    asked = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": web}]}
    net.ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[asked])
    net.attach("workload", [db])
    assert net.network().workloads[0].firewall.ingress == ()  # nobody is in the group: nothing passes
    members = [net.attach("node", [web]), net.attach("workload", [web])]
    firewall = next(each for each in net.network().workloads if each.address == "10.0.1.4").firewall
    peers = tuple(sorted(f"{each.private_ip}/32" for each in members))
    assert firewall.ingress == (FirewallRule("tcp", 5432, 5432, peers),)
    assert firewall.egress == (FirewallRule("-1", -1, -1, ("0.0.0.0/0",)),)


def test_what_a_network_load_balancer_hands_on_is_known_to_groups_that_name_its_own(net):
    front, back = net.ec2.group(net.vpc, "front"), net.ec2.group(net.vpc, "back")
    nlb = net.attach("node", (front,), interface_type="network_load_balancer", public=True)
    net.attach("workload", (back,))
    assert net.network().nodes[0].mac == "", "no group names the balancer's"
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": front}]}
    for group in (back, front):
        net.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    alb = net.attach("node", (back,))
    network = net.network()
    by_address = FirewallRule("tcp", 80, 80, (f"{nlb.private_ip}/32",))
    handed_on = FirewallRule("tcp", 80, 80, (), macs=(nlb.mac,))
    assert network.workloads[0].firewall.ingress == (by_address, handed_on)
    nodes = {each.id: each for each in network.nodes}
    addressed = FirewallRule("tcp", 80, 80, tuple(sorted((nlb.private_ip, nlb.public_ip))), entered=True)
    assert nodes[alb.id].firewall.ingress == (by_address, addressed) and nodes[alb.id].mac == ""
    assert nodes[nlb.id].firewall.ingress == (by_address,), "not itself: anybody could enter"
    assert nodes[nlb.id].mac == nlb.mac


def test_a_firewall_is_the_union_of_the_groups(net):
    one, two = net.ec2.group(net.vpc, "one"), net.ec2.group(net.vpc, "two")
    http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    net.ec2.authorize_security_group_ingress(
        GroupId=one, IpPermissions=[{**http, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
    )
    net.ec2.authorize_security_group_ingress(
        GroupId=two,
        IpPermissions=[
            {**http, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
            {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        ],
    )
    net.attach("workload", [one, two])
    assert net.network().workloads[0].firewall.ingress == (
        FirewallRule("icmp", 8, -1, ("0.0.0.0/0",)),
        FirewallRule("tcp", 80, 80, ("10.0.0.0/8", "::/0")),
    )


def test_a_node_without_groups_has_no_firewall(net):
    net.attach("node")
    assert net.network().nodes[0].firewall == OPEN


def test_public_addresses_and_routes_need_the_attached_gateway(net):
    node = net.attach("node", public=True)
    gateway = net.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    assert (net.network().internet_gateway, net.network().public) == (False, {})
    net.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=net.vpc)
    table = net.ec2.create_route_table(VpcId=net.vpc)["RouteTable"]["RouteTableId"]
    net.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    local = Route("10.0.0.0/16", "local")
    assert net.network().subnets[0].routes == (local,)  # the subnet still has the main table
    net.ec2.associate_route_table(RouteTableId=table, SubnetId=net.subnet)
    assert net.network().subnets[0].routes == (local, Route("0.0.0.0/0", "internet"))
    assert net.network().public == {node.public_ip: node.private_ip}
    with net.ec2.store.write() as tx:
        interfaces.delete_interface(tx, node)
    net.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=net.vpc)
    assert net.network().subnets[0].routes == (local, Route("0.0.0.0/0", "blackhole"))
    assert net.network().public == {}


def test_equal_state_gives_an_equal_value(net):
    net.attach("node", public=True)
    assert net.network() == net.network()


def test_a_prefix_list_becomes_its_blocks_and_a_written_route_goes_before_it(net):
    made = net.ec2.create_managed_prefix_list(
        PrefixListName="office",
        AddressFamily="IPv4",
        MaxEntries=3,
        Entries=[{"Cidr": "192.0.2.0/24"}, {"Cidr": "198.51.100.0/24"}],
    )["PrefixList"]["PrefixListId"]
    group = net.ec2.group(net.vpc)
    asked = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [{"PrefixListId": made}]}
    net.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[asked])
    gateway = net.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    net.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=net.vpc)
    table = net.ec2.create_route_table(VpcId=net.vpc)["RouteTable"]["RouteTableId"]
    net.ec2.associate_route_table(RouteTableId=table, SubnetId=net.subnet)
    net.ec2.create_route(RouteTableId=table, DestinationPrefixListId=made, GatewayId=gateway)
    net.attach("workload", [group])
    blocks = ("192.0.2.0/24", "198.51.100.0/24")
    assert net.network().workloads[0].firewall.ingress == (FirewallRule("tcp", 80, 80, blocks),)
    assert net.network().subnets[0].routes[1:] == tuple(Route(each, "internet") for each in blocks)
