"""Flow logs of real packets: what the kernel lets pass and drops, at security groups and network ACLs."""

import asyncio
from collections import defaultdict

from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.ec2.flow_logs.delivery import FlowLogDelivery
from kunren.services.ec2.workloads import namespace_of

FORMAT = "${interface-id} ${flow-direction} ${srcaddr} ${dstaddr} ${dstport} ${protocol} ${packets} ${action}"
ROLE = "arn:aws:iam::123456789012:role/flow-logs"


class Logs:
    """CloudWatch Logs as far as flow logs go, and the delivery to it. A tick is an aggregation interval of a minute."""

    def __init__(self, lab):
        self.streams = defaultdict(list)
        ec2 = lab.ec2
        self._delivery = FlowLogDelivery(
            ec2.store, SimClock(), Entropy(seed=1), lab.world, lab.controller.network, self._call
        )
        self._now = (ec2.clock.now() // 60 + 1) * 60
        self._lab = lab

    async def _call(self, account, region, service, operation, params):
        assert (service, operation) == ("logs", "PutLogEvents")
        self.streams[params["logStreamName"]] += [each["message"] for each in params["logEvents"]]
        return {}

    def create(self, kind, *ids, **more):
        asked = {
            "ResourceType": kind, "ResourceIds": ids, "TrafficType": "ALL", "LogGroupName": "flows",
            "DeliverLogsPermissionArn": ROLE, "MaxAggregationInterval": 60, "LogFormat": FORMAT, **more,
        }  # fmt: skip
        (made,) = self._lab.ec2.create_flow_logs(**asked)["FlowLogIds"]
        return made

    async def minute(self):
        """The new records of each stream."""
        await self._lab.controller.settled()
        self.streams.clear()
        await self._delivery.tick(self._now)
        self._now += 60
        return dict(self.streams)


def without_counts(records):
    """Fields but the number of packets, which is TCP's business."""
    return sorted([*each.split()[1:6], each.split()[7]] for each in records)


def ports_of(records):
    return {tuple(each.split()[index] for index in (1, 4, 7)) for each in records}


def test_security_groups_and_network_acls_say_what_they_let_pass_and_what_they_drop(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc = ec2.vpc()
        near, far = ec2.subnet(vpc, "10.0.0.0/24"), ec2.subnet(vpc, "10.0.1.0/24")
        web = ec2.group(vpc, "web")
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[rule])
        client = await lab.workload(near, groups=[web])
        server = await lab.workload(far, b"hello", groups=[web])
        logs = Logs(lab)
        logs.create("VPC", vpc)
        await logs.minute()
        here, ours, theirs = namespace_of(client), client.private_ip, server.private_ip

        assert await lab.hear(here, theirs) == b"hello"
        assert await lab.ask(here, theirs, 81) is None
        found = await logs.minute()
        at_server = found[f"{server.id}-all"]
        assert ["ingress", ours, theirs, "80", "6", "ACCEPT"] in without_counts(at_server)
        assert ["ingress", ours, theirs, "81", "6", "REJECT"] in without_counts(at_server)
        assert len(at_server) == 3  # and the answers from port 80
        assert {each[5] for each in without_counts(found[f"{client.id}-all"])} == {"ACCEPT"}
        assert {each[0] for each in without_counts(found[f"{client.id}-all"])} == {"ingress", "egress"}
        # all that went was seen at both ends
        packets = [
            int(each.split()[6]) for name in found for each in found[name] if "ingress" in each and " 80 " in each
        ]
        sent = [int(each.split()[6]) for name in found for each in found[name] if "egress" in each and " 80 " in each]
        assert packets == sent

        # a network ACL at the server's subnet drops what comes in, so the server's firewall never sees it
        acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
        for egress in (True, False):
            ec2.create_network_acl_entry(
                NetworkAclId=acl, RuleNumber=100, Egress=egress, RuleAction="allow", Protocol="17", CidrBlock="0.0.0.0/0",
                PortRange={"From": 0, "To": 65535},
            )  # fmt: skip
        (association,) = (
            each["NetworkAclAssociationId"]
            for shown in ec2.describe_network_acls()["NetworkAcls"]
            for each in shown["Associations"]
            if each["SubnetId"] == far
        )
        ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)
        await logs.minute()
        assert await lab.ask(here, theirs) is None
        assert await lab.ask(namespace_of(server), ours) is None
        found = await logs.minute()
        assert without_counts(found[f"{server.id}-all"]) == [
            ["egress", theirs, ours, "80", "6", "REJECT"],
            ["ingress", ours, theirs, "80", "6", "REJECT"],
        ]
        assert without_counts(found[f"{client.id}-all"]) == [["egress", ours, theirs, "80", "6", "ACCEPT"]]

    lab(story)


def test_a_log_of_one_interface_and_one_action_has_records_of_nothing_else(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc = ec2.vpc()
        subnet = ec2.subnet(vpc, "10.0.0.0/24")
        closed = ec2.group(vpc, "closed")
        one = await lab.workload(subnet, groups=[lab.open_group(vpc)])
        two = await lab.workload(subnet, b"two", groups=[closed])
        logs = Logs(lab)
        log = logs.create("NetworkInterface", two.id, TrafficType="REJECT")
        assert await logs.minute() == {f"{two.id}-reject": [f"{two.id} - - - - - - -"]}
        assert await lab.ask(namespace_of(one), two.private_ip) is None
        assert not await lab.ping(namespace_of(one), two.private_ip)
        assert await lab.hear(namespace_of(two), one.private_ip) == b""
        found = await logs.minute()
        assert list(found) == [f"{two.id}-reject"]
        assert without_counts(found[f"{two.id}-reject"]) == [
            ["ingress", one.private_ip, two.private_ip, "0", "1", "REJECT"],
            ["ingress", one.private_ip, two.private_ip, "80", "6", "REJECT"],
        ]
        shown = ec2.describe_flow_logs()["FlowLogs"][0]
        assert (shown["DeliverLogsStatus"], shown["FlowLogStatus"]) == ("SUCCESS", "ACTIVE")
        # nothing is counted where nobody watches
        ec2.delete_flow_logs(FlowLogIds=[log])
        await lab.controller.settled()
        assert await lab.world.flow_counts(lab.controller.network(vpc)) == {}
        assert await logs.minute() == {}

    lab(story)


def test_a_second_log_begins_with_its_own_first_minute(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc = ec2.vpc()
        subnet = ec2.subnet(vpc, "10.0.0.0/24")
        group = lab.open_group(vpc)
        one, two = [await lab.workload(subnet, b"x", groups=[group]) for _ in range(2)]
        logs = Logs(lab)
        logs.create("Subnet", subnet, TrafficType="ACCEPT")
        await logs.minute()
        assert await lab.hear(namespace_of(one), two.private_ip) == b"x"
        await asyncio.sleep(0)
        ec2.clock.advance(1)
        logs.create("NetworkInterface", two.id, LogGroupName="other")
        found = await logs.minute()
        assert ports_of(found[f"{two.id}-accept"]) >= {("ingress", "80", "ACCEPT")}
        assert found[f"{two.id}-all"] == [f"{two.id} - - - - - - -"]
        found = await logs.minute()
        assert found[f"{two.id}-accept"] == [f"{two.id} - - - - - - -"]

    lab(story)


def test_a_nat_gateway_shows_both_halves_of_what_it_translates(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc, public, route, gateway = lab.public_subnet()
        ec2.create_route(**route, GatewayId=gateway)
        private = ec2.subnet(vpc, "10.0.1.0/24")
        allocation = ec2.allocate_address()["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=public, AllocationId=allocation)["NatGateway"]
        address = nat["NatGatewayAddresses"][0]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=private)
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat["NatGatewayId"])
        inside = await lab.workload(private, groups=[lab.open_group(vpc)])
        logs = Logs(lab)
        logs.create(
            "NetworkInterface", address["NetworkInterfaceId"],
            LogFormat="${flow-direction} ${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${protocol} ${action}",
        )  # fmt: skip
        await logs.minute()
        assert await lab.ping(namespace_of(inside), "198.18.0.1")
        (found,) = (await logs.minute()).values()
        own, client, router = address["PrivateIp"], inside.private_ip, "198.18.0.1"
        assert sorted(found) == sorted([
            f"ingress {client} {own} {client} {router} 1 ACCEPT",
            f"egress {own} {router} {own} {router} 1 ACCEPT",
            f"ingress {router} {own} {router} {own} 1 ACCEPT",
            f"egress {own} {client} {router} {client} 1 ACCEPT",
        ])  # fmt: skip

    lab(story)
