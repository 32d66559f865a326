"""Elastic IPs and secondary private addresses met by real packets."""

from kunren.services.ec2.workloads import namespace_of


def test_an_elastic_ip_takes_the_place_of_the_public_address_and_moves(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc, subnet, route, gateway = lab.public_subnet()
        ec2.create_route(**route, GatewayId=gateway)
        group = lab.open_group(vpc)
        one = await lab.workload(subnet, b"one", groups=[group])
        two = await lab.workload(subnet, None, groups=[group])
        client = await lab.world.ensure_place("virginia")
        assert await lab.hear(client, one.public_ip) == b"one"
        made = ec2.allocate_address()
        assert await lab.ask(client, made["PublicIp"]) is None  # allocated is not associated
        ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=one.id)
        await lab.controller.settled()
        assert await lab.hear(client, made["PublicIp"]) == b"one"
        assert await lab.ask(client, one.public_ip) is None
        # what it sends to the internet comes from there
        assert await lab.ask(namespace_of(one), two.public_ip) == made["PublicIp"].encode()
        assert await lab.ask(namespace_of(one), two.private_ip) == one.private_ip.encode()

        ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=two.id)
        await lab.controller.settled()
        assert await lab.hear(client, made["PublicIp"]) == b"198.18.64.10"
        assert await lab.ask(namespace_of(one), made["PublicIp"]) is None  # no public address: no way out
        ec2.disassociate_address(PublicIp=made["PublicIp"])
        await lab.controller.settled()
        assert await lab.ask(client, made["PublicIp"]) is None

    lab(story)


def test_secondary_addresses_answer_inside_and_by_elastic_ips_of_their_own(lab):
    async def story(lab):
        ec2 = lab.ec2
        vpc, subnet, route, gateway = lab.public_subnet()
        ec2.create_route(**route, GatewayId=gateway)
        group = lab.open_group(vpc)
        one = await lab.workload(subnet, b"one", groups=[group])
        two = await lab.workload(subnet, None, groups=[group])
        client = await lab.world.ensure_place("virginia")
        assert await lab.ask(namespace_of(two), "10.0.0.77") is None
        ec2.assign_private_ip_addresses(NetworkInterfaceId=one.id, PrivateIpAddresses=["10.0.0.77"])
        made = ec2.allocate_address()
        ec2.associate_address(
            AllocationId=made["AllocationId"], NetworkInterfaceId=one.id, PrivateIpAddress="10.0.0.77"
        )
        await lab.controller.settled()
        for _ in range(5):  # until the kernel asks once more who has the address, which nobody had
            if (heard := await lab.ask(namespace_of(two), "10.0.0.77")) is not None:
                break
        assert heard == b"one"
        assert await lab.hear(client, made["PublicIp"]) == b"one"
        assert await lab.hear(client, one.public_ip) == b"one"
        assert await lab.ask(namespace_of(one), two.private_ip) == one.private_ip.encode()  # the primary one
        bound = await lab.world.open_socket(namespace_of(one), bind=("10.0.0.77", 0))
        assert await lab.ask(namespace_of(one), two.public_ip, sock=bound) == made["PublicIp"].encode()
        ec2.unassign_private_ip_addresses(NetworkInterfaceId=one.id, PrivateIpAddresses=["10.0.0.77"])
        await lab.controller.settled()
        assert await lab.ask(namespace_of(two), "10.0.0.77") is None
        assert await lab.ask(client, made["PublicIp"]) is None
        assert await lab.hear(client, one.public_ip) == b"one"

    lab(story)
