"""What changes behind and before a Network Load Balancer while flows pass: weights, health, subnets, lives, names."""

from __future__ import annotations

import os
import signal
from collections import Counter


def forward(*weighted):
    shares = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weighted]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}]


def test_tcp_and_udp_on_one_port_are_shared_by_the_weights_of_groups(front):
    one, two, balancer = front.target("one"), front.target("two"), front.balancer(Subnets=front.subnets[:1])
    first, second = front.group(one, Protocol="TCP_UDP"), front.group(two, Protocol="TCP_UDP")
    listener = front.listen(balancer, first, Protocol="TCP_UDP", DefaultActions=forward((first, 1), (second, 0)))
    front.wait_for(first, "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    own = client.tell(address=True)["said"]
    assert {client.ask(name)[0] for _ in range(8)} == {"one"}
    assert client.tell(datagrams=[name, 80], times=8)["said"] == [["one", own]] * 8

    front.elb.modify_listener(ListenerArn=listener, DefaultActions=forward((first, 1), (second, 3)))
    front.wait_for(second, "healthy")
    front.until(lambda: "two" in {client.ask(name)[0] for _ in range(8)}, "the new weights")
    connections = Counter(client.ask(name)[0] for _ in range(200))
    datagrams = Counter(each for each, _ in client.tell(datagrams=[name, 80], times=200)["said"])
    for counted in (connections, datagrams):  # 150 wanted; further off than this once in a million runs
        assert 118 < counted["two"] < 182, (connections, datagrams)

    front.elb.modify_listener(ListenerArn=listener, DefaultActions=forward((first, 0), (second, 1)))
    front.until(lambda: {client.ask(name)[0] for _ in range(4)} == {"two"}, "the second group alone")
    assert {each for each, _ in client.tell(datagrams=[name, 80], times=4)["said"]} == {"two"}


def test_flows_to_an_ill_target_go_on_for_the_draining_interval_and_to_a_deregistered_one_for_the_delay(front):
    one, two, balancer = front.target("one"), front.target("two"), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one, two, attributes={
        "target_health_state__unhealthy__connection_termination__enabled": "false",
        "target_health_state__unhealthy__draining_interval_seconds": "60",
        "deregistration_delay__connection_termination__enabled": "true",
        "deregistration_delay__timeout_seconds": "40",
    })  # fmt: skip
    front.listen(balancer, group)
    front.wait_for(group, "healthy", "healthy")
    front.wait_active(balancer)
    client, name = front.client(), balancer["DNSName"]
    front.until(lambda: front.addresses(name), "the name")
    connections = [client.keep(name) for _ in range(24)]
    kept = {target: number for number, target in connections}

    one.do("close 80")
    front.wait_for(group, "healthy", "unhealthy.draining")
    assert client.repeats(kept["one"]) is True
    front.until(lambda: {client.ask(name)[0] for _ in range(8)} == {"two"}, "new flows at the other target")
    front.wait_for(group, "healthy", "unhealthy")  # three real seconds later
    assert client.tell(wait=kept["one"]) == {"error": "ConnectionResetError"}

    front.elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": two.address}])
    front.wait_for(group, "draining", "unhealthy")
    assert client.repeats(kept["two"]) is True
    assert client.tell(wait=kept["two"]) == {"error": "ConnectionResetError"}, "ended with the delay"
    front.wait_for(group, "unhealthy")


def test_set_subnets_moves_nodes_and_ends_flows_of_those_that_go(front):
    one, balancer = front.target("one"), front.balancer(Subnets=front.subnets)
    group = front.group(one, attributes={"load_balancing__cross_zone__enabled": "true"})
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    client, name, arn = front.client(), balancer["DNSName"], balancer["LoadBalancerArn"]
    front.until(lambda: len(front.addresses(name)) == 2, "both zones in DNS")
    own = {zone: front.addresses(f"{zone}.{name}")[0] for zone in front.zones}
    staying, going = (client.keep(own[zone], timeout=1)[0] for zone in front.zones)

    shown = front.elb.set_subnets(LoadBalancerArn=arn, Subnets=front.subnets[:1])["AvailabilityZones"]
    assert [each["ZoneName"] for each in shown] == front.zones[:1]
    front.until(lambda: front.addresses(name) == [own[front.zones[0]]], "one zone in DNS")
    assert client.repeats(going) == "TimeoutError", "nobody has the address any more"
    assert client.repeats(staying) is True
    assert client.ask(own[front.zones[1]], timeout=0.3) == "TimeoutError"
    front.elb.set_subnets(LoadBalancerArn=arn, Subnets=front.subnets)
    front.until(lambda: len(front.addresses(name)) == 2, "both zones again")
    added = next(each for each in front.addresses(name) if each != own[front.zones[0]])
    front.until(lambda: client.ask(added, timeout=1)[0] == "one", "the new node")
    assert client.repeats(staying) is True


def test_an_alias_that_evaluates_health_leaves_a_balancer_without_healthy_targets(front):
    one, balancer = front.target("one"), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one)
    front.listen(balancer, group)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    zone = front.route53.create_hosted_zone(Name="flows.test", CallerReference="1")["HostedZone"]["Id"]
    alias = {
        "HostedZoneId": balancer["CanonicalHostedZoneId"], "DNSName": balancer["DNSName"], "EvaluateTargetHealth": True,
    }  # fmt: skip
    named = {"Name": "www.flows.test", "Type": "A"}
    records = [
        {**named, "SetIdentifier": "balancer", "Weight": 255, "AliasTarget": alias},
        {**named, "SetIdentifier": "elsewhere", "Weight": 0, "TTL": 0, "ResourceRecords": [{"Value": "198.19.0.10"}]},
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in records]
    front.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    server = front.route53.get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"][0]

    def answer():
        asked = front.kunren.exec("dig", "+short", "+norecurse", f"@{server}", "www.flows.test")
        return asked.stdout.split()

    front.until(lambda: answer() == front.addresses(balancer["DNSName"]), "the balancer's address")
    assert front.client().ask("www.flows.test")[0] == "one"
    one.do("close 80")
    front.until(lambda: answer() == ["198.19.0.10"], "the record of weight 0, since no other is healthy")
    one.do("open 80")
    front.until(lambda: answer() == front.addresses(balancer["DNSName"]), "the balancer again")


def test_flows_pass_again_after_a_kill_9(own_kunren, front_of, until):
    own_kunren.up("--speed", "20")
    front = front_of(own_kunren, "000000000000")
    one, balancer = front.target("one", 0, 80, 53), front.balancer(Subnets=front.subnets[:1])
    group = front.group(one, attributes={"preserve_client_ip__enabled": "true", "stickiness__enabled": "true"})
    datagrams = front.group(one, Protocol="UDP", Port=53, HealthCheckPort="80")
    proxied = front.group(one, attributes={"proxy_protocol_v2__enabled": "true"})
    front.listen(balancer, group)
    front.listen(balancer, datagrams, 53, Protocol="UDP")
    front.listen(balancer, proxied, 81)
    name, address = balancer["DNSName"], one.address

    def passes(life):
        front.elb, client = own_kunren.client("elbv2"), front.client()
        own = client.tell(address=True)["said"]
        front.wait_for(group, "healthy")
        until(lambda: client.ask(name, timeout=1) == [life, own], "TCP", 10)
        until(lambda: client.tell(datagrams=[name, 53], timeout=1).get("said") == [[life, own]], "UDP", 10)
        until(lambda: client.ask(name, 81, timeout=1)[0] == life, "the PROXY protocol's listener", 10)

    passes("one")
    os.kill(own_kunren.pid, signal.SIGKILL)
    one.process.wait(10)
    own_kunren.up("--speed", "20")
    front.target("two", 0, 80, 53, address=address)
    passes("two")


def test_network_acls_see_flows_at_both_subnets_with_the_addresses_of_the_wire(front):
    one, balancer = front.target("one", 1), front.balancer()
    group = front.group(one, attributes={"load_balancing__cross_zone__enabled": "true"})
    front.listen(balancer, group, 8080)
    front.wait_for(group, "healthy")
    front.wait_active(balancer)
    name, client = f"{front.zones[0]}.{balancer['DNSName']}", front.client()
    front.until(lambda: front.addresses(name), "the name")
    (name,) = front.addresses(name)  # which may leave DNS as its health checks fail
    assert client.ask(name, 8080)[0] == "one"
    shown = front.ec2.describe_subnets(SubnetIds=front.subnets)["Subnets"]
    near, far = (next(each["CidrBlock"] for each in shown if each["SubnetId"] == id) for id in front.subnets)

    def guard(subnet):
        """A new ACL of the subnet, by which everything may leave and nothing may come in."""
        acl = front.ec2.create_network_acl(VpcId=front.vpc)["NetworkAcl"]["NetworkAclId"]
        allow(acl, 1, "0.0.0.0/0", (0, 65535), egress=True)
        wanted = [{"Name": "association.subnet-id", "Values": [subnet]}]
        (before,) = front.ec2.describe_network_acls(Filters=wanted)["NetworkAcls"]
        (old,) = [each for each in before["Associations"] if each["SubnetId"] == subnet]
        front.ec2.replace_network_acl_association(AssociationId=old["NetworkAclAssociationId"], NetworkAclId=acl)
        return acl

    def allow(acl, number, cidr, ports, *, egress=False, action="allow"):
        front.ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=number, Protocol="6", RuleAction=action, Egress=egress, CidrBlock=cidr,
            PortRange={"From": ports[0], "To": ports[1]},
        )  # fmt: skip

    def passes():
        return client.ask(name, 8080, timeout=0.5)[0] == "one"

    of_node, of_target = guard(front.subnets[0]), guard(front.subnets[1])
    allow(of_target, 10, near, (80, 80))  # the node's address, the target's port
    allow(of_node, 10, "198.18.0.0/15", (8080, 8080))
    front.until(lambda: not passes(), "the target's answers kept out of the node's subnet")
    allow(of_node, 20, far, (1024, 65535))
    front.until(passes, "both ways open")
    allow(of_node, 5, "198.18.0.0/15", (8080, 8080), action="deny")
    front.until(lambda: not passes(), "clients kept out of the node's subnet")
    front.ec2.delete_network_acl_entry(NetworkAclId=of_node, RuleNumber=5, Egress=False)
    front.until(passes, "open again")
    front.tune(group, preserve_client_ip__enabled="true")
    front.until(lambda: not passes(), "clients' own addresses kept out of the target's subnet")
    allow(of_target, 20, "198.18.0.0/15", (80, 80))
    front.until(passes, "clients' own addresses let in")
