"""Network ACLs met by real packets: at the border of a subnet, stateless, for workloads and load balancer nodes."""

import asyncio

import pytest

from kunren.services.ec2 import interfaces
from kunren.services.ec2.workloads import namespace_of


def new_acl(ec2, subnet, *entries):
    """A network ACL of these (number, direction, action, protocol, block, rest) entries, in place of the subnet's."""
    found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
    (association,) = [each for each in found[0]["Associations"] if each["SubnetId"] == subnet]
    acl = ec2.create_network_acl(VpcId=found[0]["VpcId"])["NetworkAcl"]["NetworkAclId"]
    for each in entries:
        ec2.create_network_acl_entry(NetworkAclId=acl, **entry(*each))
    ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
    return acl


def entry(number, direction, action, protocol="-1", block="0.0.0.0/0", **rest):
    return {
        "RuleNumber": number, "Egress": direction == "out", "RuleAction": action, "Protocol": protocol,
        "CidrBlock": block, **rest,
    }  # fmt: skip


def ports(low, high=None):
    return {"PortRange": {"From": low, "To": high or low}}


EVERYTHING = ((100, "in", "allow"), (100, "out", "allow"))


@pytest.fixture
def two_subnets(lab):
    """A story with one workload on each of two subnets of a VPC, both answering on port 80 and open to all."""

    def run(story):
        async def main(lab):
            ec2 = lab.ec2
            vpc, public, route, gateway = lab.public_subnet()
            ec2.create_route(**route, GatewayId=gateway)
            private = ec2.subnet(vpc, "10.0.1.0/24")
            group = lab.open_group(vpc)
            front = await lab.workload(public, b"front", groups=[group])
            back = await lab.workload(private, b"back", groups=[group])
            await story(lab, public, private, front, back, group)

        lab(main)

    return run


def test_the_first_rule_by_number_decides_and_answers_need_rules_of_their_own(two_subnets):
    async def story(lab, public, private, front, back, group):
        ec2, here = lab.ec2, namespace_of(front)
        acl = new_acl(ec2, private)
        await lab.controller.settled()
        assert await lab.ask(here, back.private_ip) is None  # a new network ACL denies everything
        assert not await lab.ping(here, back.private_ip)

        ec2.create_network_acl_entry(NetworkAclId=acl, **entry(100, "in", "allow", "tcp", "10.0.0.0/24", **ports(80)))
        await lab.controller.settled()
        assert await lab.ask(here, back.private_ip) is None  # let in, but no answer goes out
        ec2.create_network_acl_entry(
            NetworkAclId=acl, **entry(100, "out", "allow", "tcp", "10.0.0.0/24", **ports(1024, 65535))
        )
        await lab.controller.settled()
        assert await lab.hear(here, back.private_ip) == b"back"
        assert not await lab.ping(here, back.private_ip)

        # a lower number comes first, whenever it was made; a higher one never comes into play
        ec2.create_network_acl_entry(NetworkAclId=acl, **entry(110, "in", "deny"))
        await lab.controller.settled()
        assert await lab.hear(here, back.private_ip) == b"back"
        ec2.create_network_acl_entry(
            NetworkAclId=acl, **entry(90, "in", "deny", "6", f"{front.private_ip}/32", **ports(80))
        )
        await lab.controller.settled()
        assert await lab.ask(here, back.private_ip) is None
        ec2.replace_network_acl_entry(
            NetworkAclId=acl, **entry(90, "in", "deny", "6", f"{front.private_ip}/32", **ports(81, 90))
        )
        await lab.controller.settled()
        assert await lab.hear(here, back.private_ip) == b"back"

    two_subnets(story)


def test_a_change_cuts_flows_that_are_established(two_subnets):
    async def story(lab, public, private, front, back, group):
        loop = asyncio.get_running_loop()
        listener = await lab.world.open_socket(namespace_of(back), bind=("0.0.0.0", 90), listen=1)
        acl = new_acl(lab.ec2, private, *EVERYTHING)
        await lab.controller.settled()
        near = await lab.connect(namespace_of(front), back.private_ip, 90)
        far, _ = await loop.sock_accept(listener)
        with near, far, listener:
            await loop.sock_sendall(near, b"before")
            assert await loop.sock_recv(far, 100) == b"before"
            lab.ec2.create_network_acl_entry(NetworkAclId=acl, **entry(50, "in", "deny", "tcp", **ports(90)))
            await lab.controller.settled()
            await loop.sock_sendall(near, b"after")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await loop.sock_recv(far, 100)
            lab.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Egress=False)
            await lab.controller.settled()
            async with asyncio.timeout(5):  # TCP sends it again
                assert await loop.sock_recv(far, 100) == b"after"

    two_subnets(story)


def test_traffic_within_a_subnet_is_never_filtered_and_that_from_the_internet_is(two_subnets):
    async def story(lab, public, private, front, back, group):
        ec2 = lab.ec2
        beside = await lab.workload(public, b"beside", groups=[group])
        client = await lab.world.ensure_place("virginia")
        assert await lab.hear(client, front.public_ip) == b"front"
        acl = new_acl(ec2, public)
        await lab.controller.settled()
        assert await lab.ask(client, front.public_ip) is None
        assert await lab.hear(namespace_of(front), beside.private_ip) == b"beside"
        assert await lab.ask(namespace_of(front), back.private_ip) is None
        # the client's own address is what the rules see, on both ways
        for direction, what in (("in", ports(80)), ("out", ports(1024, 65535))):
            ec2.create_network_acl_entry(
                NetworkAclId=acl, **entry(1, direction, "allow", "tcp", "198.18.64.10/32", **what)
            )
        await lab.controller.settled()
        assert await lab.hear(client, front.public_ip) == b"front"
        assert await lab.ask(namespace_of(back), front.private_ip) is None

    two_subnets(story)


def test_icmp_types_are_told_apart(two_subnets):
    async def story(lab, public, private, front, back, group):
        def icmp(kind):
            return {"IcmpTypeCode": {"Type": kind, "Code": -1}}

        acl = new_acl(lab.ec2, private, (100, "out", "allow"))
        lab.ec2.create_network_acl_entry(NetworkAclId=acl, **entry(1, "in", "allow", "icmp", **icmp(8)))
        await lab.controller.settled()
        assert await lab.ping(namespace_of(front), back.private_ip)
        assert not await lab.ping(namespace_of(back), front.private_ip)  # the echo reply is type 0
        lab.ec2.create_network_acl_entry(NetworkAclId=acl, **entry(2, "in", "allow", "1", **icmp(0)))
        await lab.controller.settled()
        assert await lab.ping(namespace_of(back), front.private_ip)

    two_subnets(story)


def test_a_load_balancer_node_stands_in_its_subnet(two_subnets):
    async def story(lab, public, private, front, back, group):
        ec2, store = lab.ec2, lab.ec2.store
        with store.write() as tx:
            node = interfaces.create_interface(
                tx, ec2.api.entropy, ec2.api.spec, account=ec2.account, region=ec2.region, subnet_id=public,
                groups=(group,), attachment="node",
            )  # fmt: skip
        await lab.controller.applied(node.id)
        router = front.vpc_id
        listener = await lab.world.open_socket(router, bind=(node.private_ip, 80), listen=16)

        async def answer(reader, writer):
            writer.write(b"node")
            writer.close()

        lab.listening.append(await asyncio.start_server(answer, sock=listener))
        client = await lab.world.ensure_place("virginia")

        async def from_node(address):
            with await lab.world.open_socket(router, bind=(node.private_ip, 0)) as sock:
                return await lab.ask(router, address, sock=sock)

        everyone = (namespace_of(front), namespace_of(back), client)

        async def reached():
            addresses = (node.private_ip, node.private_ip, node.public_ip)
            return [await lab.ask(*each) for each in zip(everyone, addresses, strict=True)]

        assert await reached() == [b"node"] * 3
        assert [await from_node(each.private_ip) for each in (front, back)] == [b"front", b"back"]
        acl = new_acl(ec2, public)
        await lab.controller.settled()
        assert await reached() == [b"node", None, None]
        assert [await from_node(each.private_ip) for each in (front, back)] == [b"front", None]
        for each in EVERYTHING:
            ec2.create_network_acl_entry(NetworkAclId=acl, **entry(*each))
        new_acl(ec2, private)
        await lab.controller.settled()
        assert await reached() == [b"node", None, b"node"]
        assert [await from_node(each.private_ip) for each in (front, back)] == [b"front", None]

    two_subnets(story)
