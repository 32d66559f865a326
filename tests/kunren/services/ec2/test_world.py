"""EC2's resources as the kernel has them: packets between a client place and workloads, in a world of its own."""

from kunren.services.ec2.workloads import namespace_of

HTTP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
ANYWHERE = {**HTTP, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def test_two_programs_on_port_80_and_the_groups_and_routes_that_lead_to_them(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc, subnet, route, gateway = lab.public_subnet()
        ec2.create_route(**route, GatewayId=gateway)
        group = ec2.group(vpc)
        one = await lab.workload(subnet, b"one", groups=[group])
        two = await lab.workload(subnet, b"two", groups=[group])
        client = await lab.world.ensure_place("virginia")
        assert await lab.ask(client, one.public_ip) is None  # nothing is let in yet

        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
        await lab.controller.settled()
        assert await lab.hear(client, one.public_ip) == b"one"
        assert await lab.hear(client, two.public_ip) == b"two"
        assert await lab.hear(namespace_of(one), two.private_ip) == b"two"

        ec2.delete_route(**route)
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) is None
        assert await lab.hear(namespace_of(one), two.private_ip) == b"two"
        ec2.create_route(**route, GatewayId=gateway)
        await lab.controller.settled()
        assert await lab.hear(client, one.public_ip) == b"one"

        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
        await lab.controller.settled()
        assert await lab.ask(client, one.public_ip) is None
        assert await lab.ask(namespace_of(one), two.private_ip) is None

    lab(story)


def test_a_group_as_peer_lets_its_members_in_as_they_come_and_go(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc = ec2.vpc()
        first = ec2.subnet(vpc, "10.0.1.0/24", AvailabilityZone="us-east-1a")
        second = ec2.subnet(vpc, "10.0.2.0/24", AvailabilityZone="us-east-1b")
        web, db = ec2.group(vpc, "web"), ec2.group(vpc, "db")
        from_web = {**HTTP, "UserIdGroupPairs": [{"GroupId": web}]}
        ec2.authorize_security_group_ingress(GroupId=db, IpPermissions=[from_web])
        database = await lab.workload(second, b"data", groups=[db])
        stranger = await lab.workload(first, groups=[db])
        member = await lab.workload(first, groups=[web])
        await lab.controller.settled()
        assert await lab.hear(namespace_of(member), database.private_ip) == b"data"
        assert await lab.ask(namespace_of(stranger), database.private_ip) is None

    lab(story)


def test_two_vpcs_with_equal_blocks_do_not_see_each_other(lab):
    async def story(lab):
        answers = {}
        for name in (b"one", b"two"):
            vpc, subnet, route, gateway = lab.public_subnet()
            lab.ec2.create_route(**route, GatewayId=gateway)
            group = lab.ec2.group(vpc)
            lab.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ANYWHERE])
            await lab.controller.settled()
            answers[name] = await lab.workload(subnet, name, groups=[group])
        one, two = answers.values()
        assert one.private_ip == two.private_ip == "10.0.0.4"
        client = await lab.world.ensure_place("virginia")
        assert await lab.hear(client, one.public_ip) == b"one"
        assert await lab.hear(client, two.public_ip) == b"two"
        assert await lab.hear(namespace_of(one), two.public_ip) == b"two"  # out through one gateway, in by the other

    lab(story)
