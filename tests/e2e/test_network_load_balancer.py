"""Network Load Balancers as their users see them: boto3 makes them, sockets in the world use them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def test_connections_are_spread_stay_and_end_as_targets_come_and_go(front):
    one, two, balancer = front.target("one"), front.target("two", 1), front.balancer()
    assert balancer["DNSName"].startswith("flows-")
    assert balancer["DNSName"].endswith(".elb.us-east-1.amazonaws.com")
    assert (balancer["CanonicalHostedZoneId"], "SecurityGroups" in balancer) == ("Z26RNL4JYFTOTI", False)
    front.elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}],
    )
    group = front.group(one, two)
    front.listen(balancer, group)
    front.wait_for(group, "healthy", "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: len(front.addresses(name)) == 2, "both zones in DNS")

    said = [client.ask(name) for _ in range(24)]
    assert Counter(each[0] for each in said).keys() == {"one", "two"}
    nodes = {each["PrivateIpAddress"] for each in front.ec2.describe_network_interfaces(
        Filters=[{"Name": "requester-id", "Values": ["amazon-elb"]}])["NetworkInterfaces"]}  # fmt: skip
    assert {each[1] for each in said} <= nodes, "an ip target sees the node"

    connections = [client.keep(name) for _ in range(16)]
    to_one = next(number for number, target in connections if target == "one")
    to_two = next(number for number, target in connections if target == "two")
    one.do("close 80")  # the health check fails, the connections would go on
    front.wait_for(group, "healthy", "unhealthy")
    assert client.tell(wait=to_one) == {"error": "ConnectionResetError"}, "unhealthy: ended by default"
    assert client.repeats(to_two) is True
    front.until(lambda: {client.ask(name)[0] for _ in range(8)} == {"two"}, "new flows at the other target")

    front.tune(group, deregistration_delay__timeout_seconds="0")
    one.do("open 80")
    front.wait_for(group, "healthy", "healthy")
    front.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": two.address}])
    front.until(lambda: {client.ask(name)[0] for _ in range(4)} == {"one"}, "the other target alone")
    assert client.repeats(to_two) is True, "deregistered: goes on by default"


def test_without_cross_zone_each_node_has_its_own_zone_and_leaves_dns_when_that_is_ill(front):
    one, two, balancer = front.target("one"), front.target("two", 1), front.balancer()
    group = front.group(one, two)
    front.listen(balancer, group)
    front.wait_for(group, "healthy", "healthy")
    front.wait_active(balancer)
    name, client = balancer["DNSName"], front.client()
    front.until(lambda: len(front.addresses(name)) == 2, "both zones in DNS")
    own = {zone: front.addresses(f"{zone}.{name}") for zone in front.zones}
    assert sorted(address for each in own.values() for address in each) == front.addresses(name)
    for zone, target in zip(front.zones, ("one", "two"), strict=True):
        assert {client.ask(own[zone][0])[0] for _ in range(4)} == {target}

    one.do("close 80")
    front.wait_for(group, "healthy", "unhealthy")
    front.until(lambda: front.addresses(name) == own[front.zones[1]], "the ill zone out of DNS")
    two.do("close 80")
    front.wait_for(group, "unhealthy", "unhealthy")
    front.until(lambda: len(front.addresses(name)) == 2, "all zones again, since none is well")


def test_clients_of_a_vpc_get_the_address_of_their_own_zone_where_the_routing_policy_says_so(front):
    balancer = front.balancer("near", Scheme="internal")
    group = front.group()
    front.listen(balancer, group)
    front.wait_active(balancer)
    name = balancer["DNSName"]
    front.until(lambda: len(front.addresses(name)) == 2, "both zones in DNS")
    own = [front.addresses(f"{zone}.{name}") for zone in front.zones]

    def asked(zone):
        where = ("--subnet", front.subnets[zone], "--security-group", front.open)
        told = front.kunren.run("exec", *where, "--", "dig", "+short", name, check=True)
        return sorted(line for line in told.stdout.split() if line[0].isdigit())

    assert asked(0) == front.addresses(name)
    front.elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Attributes=[{"Key": "dns_record.client_routing_policy", "Value": "availability_zone_affinity"}],
    )
    front.until(lambda: asked(0) == own[0], "the own zone alone")
    assert asked(1) == own[1]
    assert len(front.addresses(name)) == 2, "elsewhere as ever"


def test_udp_reaches_targets_with_the_clients_address(front):
    one, balancer = front.target("one", 0, 53, 80), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one, Protocol="UDP", Port=53, HealthCheckPort="80")
    front.listen(balancer, group, 53, Protocol="UDP")
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    own = client.tell(address=True)["said"]
    assert client.tell(datagrams=[name, 53], times=3)["said"] == [["one", own]] * 3
    assert client.tell(datagrams=[name, 54], timeout=0.3) == {"error": "TimeoutError"}


def test_quic_follows_the_server_id_in_its_connection_ids(front):
    one, two, balancer = front.target("one", 0, 443, 80), front.target("two", 1, 443, 80), front.balancer()
    group = front.group(
        Protocol="TCP_QUIC", Port=443, HealthCheckPort="80", attributes={"load_balancing__cross_zone__enabled": "true"}
    )
    ids = ("0x0011223344556677", "0xfedcba9876543210")
    targets = [{"Id": each.address, "QuicServerId": id} for each, id in zip((one, two), ids, strict=True)]
    front.elb.register_targets(TargetGroupArn=group, Targets=targets)
    front.listen(balancer, group, 443, Protocol="TCP_QUIC")
    front.wait_for(group, "healthy", "healthy")
    shown = front.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert {each["Target"]["QuicServerId"] for each in shown} == set(ids)
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")

    def answering(packet, times=6):
        return {each[0] for each in client.tell(datagrams=[name, 443], times=times, hex=packet)["said"]}

    initial = "c0 00000001 08 aabbccddeeff0011 00" + "00" * 20
    assert answering(initial, 32) == {"one", "two"}, "a client's own connection id says nothing"
    for target, id in zip(("one", "two"), ids, strict=True):
        named = "07" + id[2:] + "c0ffee"
        assert answering("40" + named + "00" * 20) == {target}
        assert answering("e0 00000001 0c" + named + "00" + "00" * 20) == {target}
    unknown = "40" + "07" + "ff" * 8 + "00" * 20
    assert client.tell(datagrams=[name, 443], hex=unknown, timeout=0.5) == {"error": "TimeoutError"}
    assert client.ask(name, 443)[0] in ("one", "two"), "TCP as ever"


def test_an_internal_balancer_with_chosen_addresses_and_groups_preserves_addresses_on_request(front):
    one = front.target("one", 1)
    subnet = front.ec2.describe_subnets(SubnetIds=front.subnets[:1])["Subnets"][0]
    address = subnet["CidrBlock"].rpartition(".")[0] + ".200"
    guarded = front.security_group("inside", "172.31.0.0/16")
    balancer = front.balancer(
        "inside", Scheme="internal", SecurityGroups=[guarded], Subnets=[],
        SubnetMappings=[
            {"SubnetId": front.subnets[0], "PrivateIPv4Address": address}, {"SubnetId": front.subnets[1]},
        ],
    )  # fmt: skip
    assert balancer["SecurityGroups"] == [guarded]
    shown = [each["LoadBalancerAddresses"] for each in balancer["AvailabilityZones"]]
    assert shown == [[{"PrivateIPv4Address": address}], []]
    group = front.group(one, attributes={
        "preserve_client_ip__enabled": "true", "load_balancing__cross_zone__enabled": "true",
    })  # fmt: skip
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client = front.client("--subnet", front.subnets[0], "--security-group", front.open)
    own = client.tell(address=True)["said"]
    assert client.ask(address) == ["one", own]
    front.elb.set_security_groups(
        LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=[front.security_group("nobody", "192.0.2.0/24")]
    )
    front.until(lambda: client.ask(address, timeout=0.3) == "TimeoutError", "the group to keep the client out")


def test_secondary_addresses_share_the_connections_to_targets(front):
    one, balancer = front.target("one"), front.balancer("many", Subnets=front.subnets[:1])

    def spread(count):
        attribute = {"Key": "secondary_ips.auto_assigned.per_subnet", "Value": count}
        front.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=[attribute])

    spread("2")
    group = front.group(one)
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    named = [{"Name": "description", "Values": ["ELB net/many/*"]}]
    shown = front.ec2.describe_network_interfaces(Filters=named)["NetworkInterfaces"][0]["PrivateIpAddresses"]
    addresses = {each["PrivateIpAddress"] for each in shown}
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    assert len(addresses) == 3 and {client.ask(name)[1] for _ in range(9)} == addresses
    inside = front.client("--subnet", front.subnets[0], "--security-group", front.open)
    spare = next(each["PrivateIpAddress"] for each in shown if not each["Primary"])
    assert inside.ask(spare, timeout=0.5) == "TimeoutError", "nobody is served there"
    with pytest.raises(front.elb.exceptions.InvalidConfigurationRequestException, match="cannot be decreased"):
        spread("1")


def test_a_targets_group_that_names_the_balancers_lets_in_what_it_hands_on(front):
    guard, other = front.security_group("balancer", "0.0.0.0/0"), front.security_group("other", "0.0.0.0/0")
    only = front.ec2.create_security_group(GroupName="target", Description="target", VpcId=front.vpc)["GroupId"]
    allowed = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": guard}]}
    front.ec2.authorize_security_group_ingress(GroupId=only, IpPermissions=[allowed])
    one = front.target("one", 0, 80, 53, group=only)
    balancer = front.balancer(Subnets=front.subnets[:1], SecurityGroups=[guard])
    stranger = front.balancer("stranger", Subnets=front.subnets[:1], SecurityGroups=[other])
    keeps = {"preserve_client_ip__enabled": "true"}
    flows = front.group(one, attributes=keeps)
    datagrams = front.group(one, Protocol="UDP", Port=53, HealthCheckPort="80")
    foreign = front.group(one, attributes=keeps)
    certificate, key = self_signed("flows.example")
    arn = front.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    front.listen(balancer, flows)
    front.listen(balancer, flows, 443, Protocol="TLS", Certificates=[{"CertificateArn": arn}])
    front.listen(balancer, datagrams, 53, Protocol="UDP")
    front.listen(stranger, foreign)
    front.wait_for(flows, "healthy")
    front.wait_for(datagrams, "healthy")
    for each in (balancer, stranger):
        front.wait_active(each)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name) and front.addresses(stranger["DNSName"]), "the names")
    own = client.tell(address=True)["said"]
    assert client.ask(name) == ["one", own]
    assert client.ask(name, 443, tls=[]) == ["one", own]
    assert client.tell(datagrams=[name, 53], times=3)["said"] == [["one", own]] * 3
    kept, _ = client.keep(name)
    assert client.repeats(kept) is True
    assert client.ask(stranger["DNSName"], timeout=0.5) == "TimeoutError", "another load balancer is kept out"
    inside = front.client("--subnet", front.subnets[1], "--security-group", front.open)
    assert inside.ask(one.address, timeout=0.5) == "TimeoutError", "others are kept out"
    assert inside.ask(name)[0] == "one"
    front.ec2.revoke_security_group_ingress(GroupId=only, IpPermissions=[allowed])
    front.until(lambda: client.ask(name, timeout=0.5) == "TimeoutError", "nobody let in any more")


def test_tls_ends_at_the_balancer_with_its_certificate_and_alpn_policy(front):
    one, balancer = front.target("one"), front.balancer(Subnets=front.subnets[:1])
    certificate, key = self_signed("flows.example")
    arn = front.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    group = front.group(one)
    secure = {"Protocol": "TLS", "Certificates": [{"CertificateArn": arn}]}
    listener = front.listen(balancer, group, 443, AlpnPolicy=["HTTP2Preferred"], **secure)
    shown = front.elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]
    assert (shown["AlpnPolicy"], shown["SslPolicy"]) == (["HTTP2Preferred"], "ELBSecurityPolicy-2016-08")
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    answer = client.tell(open=[name, 443], tls=["http/1.1", "h2"])
    assert (answer["said"][0], answer["alpn"]) == ("one", "h2")
    assert client.repeats(answer["id"]) is True
    front.elb.modify_listener(
        ListenerArn=listener, AlpnPolicy=["HTTP1Only"], SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06"
    )
    front.until(
        lambda: client.tell(open=[name, 443], tls=["h2", "http/1.1"]).get("alpn") == "http/1.1", "the new policy"
    )
    assert client.tell(open=[name, 443], tls=[])["tls"] == "TLSv1.3"

    front.tune(group, preserve_client_ip__enabled="true")
    own = client.tell(address=True)["said"]
    front.until(lambda: client.ask(name, 443, tls=[]) == ["one", own], "the client's own address")
    kept, _ = client.keep(name, 443, tls=[])
    one.do("close 80")
    front.wait_for(group, "unhealthy")
    assert client.tell(wait=kept) in ({"said": []}, {"error": "ConnectionResetError"}), "unhealthy: ended"


def test_a_tls_group_is_spoken_to_in_tls(front, tmp_path):
    certificate, key = self_signed("flows.example")
    (tmp_path / "pem").write_bytes(certificate + key)
    one, balancer = front.target("one", secure=(443, tmp_path / "pem")), front.balancer(Subnets=front.subnets[:1])
    arn = front.acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    group = front.group(one, Protocol="TLS", Port=443, HealthCheckProtocol="TCP")
    front.listen(balancer, group, 443, Protocol="TLS", Certificates=[{"CertificateArn": arn}])
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    front.until(lambda: client.ask(name, 443, tls=[])[::2] == ["one", "TLSv1.3"], "TLS on both sides")


def test_targets_read_the_client_from_the_proxy_protocol(front):
    one, balancer = front.target("one"), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one, attributes={"proxy_protocol_v2__enabled": "true"})
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    own = client.tell(address=True)["said"]
    answer = client.tell(open=[name, 80])
    said = answer["said"] + client.tell(send=answer["id"], text="x")["said"]  # the header is sent without waiting
    assert (said[0], said[2:4]) == ("one", ["proxy", own])


def test_an_application_load_balancer_as_a_target_sees_clients_addresses(front, site):
    listener = site.listen(site.fixed("from the application load balancer"))
    del listener
    site.wait_active()
    balancer = front.balancer(Subnets=front.subnets[:1])
    group = front.group(TargetType="alb", HealthCheckProtocol="HTTP", Matcher={"HttpCode": "200"})
    front.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": site.arn}])
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    name, client = balancer["DNSName"], site.client()
    front.until(lambda: front.addresses(name), "the name")
    assert client.get(f"http://{name}/")["body"] == "from the application load balancer"
    with pytest.raises(front.elb.exceptions.ResourceInUseException):
        front.elb.delete_load_balancer(LoadBalancerArn=site.arn)
    front.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": site.arn}])
    front.tune(group, deregistration_delay__timeout_seconds="0")


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A certificate for the name and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)


def test_elastic_ips_are_the_addresses_of_the_nodes(front):
    allocated = front.ec2.allocate_address(Domain="vpc")
    one = front.target("one")
    mapping = {"SubnetId": front.subnets[0], "AllocationId": allocated["AllocationId"]}
    balancer = front.balancer("static", Subnets=[], SubnetMappings=[mapping])
    given = {"IpAddress": allocated["PublicIp"], "AllocationId": allocated["AllocationId"]}
    assert balancer["AvailabilityZones"][0]["LoadBalancerAddresses"] == [given]
    group = front.group(one)
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    assert front.client().ask(allocated["PublicIp"])[0] == "one"
    with pytest.raises(front.elb.exceptions.ResourceInUseException):
        front.balancer("again", Subnets=[], SubnetMappings=[mapping])
