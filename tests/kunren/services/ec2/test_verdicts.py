"""Verdicts on a flow in words, and always those of the rules that the kernel gets."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2.dataplane import _acl, firewall
from kunren.services.ec2.model import AclEntry, NetworkAcl, NetworkInterface, SecurityGroup, SecurityGroupRule
from kunren.services.ec2.verdicts import network_acl, route, security_groups
from kunren.world.network import Route

HERE = {"account": "", "region": ""}


def group(name, *rules):
    return SecurityGroup(**HERE, id=f"sg-{name}", vpc_id="vpc-1", name=name, description="", rules=rules)


def rule(egress=False, protocol="tcp", ports=(80, 80), **peer):
    return SecurityGroupRule(
        id="sgr-1", egress=egress, protocol=protocol, from_port=ports[0], to_port=ports[1], **(peer or {"cidr_v4": "0.0.0.0/0"})
    )  # fmt: skip


def acl(*entries):
    return NetworkAcl(**HERE, id="acl-1", vpc_id="vpc-1", entries=entries)


def entry(number, allow, ports=None, cidr="0.0.0.0/0", egress=False):
    low, high = ports or (None, None)
    protocol = "6" if ports else "-1"
    return AclEntry(
        number=number, egress=egress, allow=allow, protocol=protocol, cidr_v4=cidr, from_port=low, to_port=high
    )  # fmt: skip


def test_the_rule_that_lets_a_connection_in_is_named():
    groups = [group("web", rule(ports=(22, 22)), rule(ports=(80, 443)))]
    verdict = security_groups(groups, {}, egress=False, port=443, peer="198.18.64.10")
    assert (verdict.allowed, verdict.because) == (True, "security group web: TCP 80-443 from 0.0.0.0/0")
    refused = security_groups(groups, {}, egress=False, port=8080, peer="198.18.64.10")
    assert (refused.allowed, refused.because) == (
        False, "no rule of security group web (sg-web) allows TCP 8080 from 198.18.64.10",
    )  # fmt: skip
    assert refused.considered == ("web: TCP 22 from 0.0.0.0/0", "web: TCP 80-443 from 0.0.0.0/0")


def test_a_group_as_peer_is_the_addresses_of_its_members():
    groups = [group("back", rule(group_id="sg-front"))]
    members = {"sg-front": ("10.0.0.4/32",)}
    assert security_groups(groups, members, egress=False, port=80, peer="10.0.0.4").allowed
    assert not security_groups(groups, members, egress=False, port=80, peer="10.0.0.5").allowed


def test_the_first_entry_of_an_acl_that_matches_decides():
    rules = acl(entry(10, False, (80, 80), "198.18.0.0/16"), entry(20, True))
    denied = network_acl(rules, egress=False, ports=(80, 80), peer="198.18.64.10")
    assert (denied.allowed, denied.because) == (False, "network ACL acl-1 rule 10: deny TCP 80-80 from 198.18.0.0/16")
    assert network_acl(rules, egress=False, ports=(443, 443), peer="198.18.64.10").allowed
    none = network_acl(acl(), egress=True, ports=(32768, 60999), peer="198.18.64.10")
    assert none.because == "network ACL acl-1 allows no TCP 32768-60999 to 198.18.64.10"
    assert network_acl(None, egress=False, ports=(80, 80), peer="198.18.64.10").allowed


def test_the_most_specific_route_is_taken():
    routes = [Route("0.0.0.0/0", "internet"), Route("10.0.0.0/8", "local"), Route("10.1.0.0/16", "blackhole")]
    assert route(routes, "10.1.2.3") == routes[2]
    assert route(routes, "198.18.64.10") == routes[0]
    assert route(routes[1:], "198.18.64.10") is None


PEERS = st.sampled_from(["10.0.0.4", "10.0.1.4", "198.18.64.10"])
CIDRS = st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "198.18.64.10/32"])
PORTS = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted).map(tuple) | st.just((-1, -1)) | st.just((0, 65535))
PROTOCOLS = st.sampled_from(["tcp", "udp", "-1", "icmp", "50"])
PEER = st.builds(lambda each: {"cidr_v4": each}, CIDRS) | st.sampled_from(
    [{"group_id": "sg-x"}, {"prefix_list_id": "pl-x"}]
)
RULES = st.lists(
    st.builds(lambda egress, protocol, ports, peer: rule(egress, protocol, ports, **peer), st.booleans(), PROTOCOLS, PORTS, PEER),
    max_size=5,
)  # fmt: skip


@given(RULES, RULES, st.booleans(), st.integers(1, 7), PEERS)
def test_security_groups_pass_exactly_what_their_firewall_passes(first, second, egress, port, peer):
    groups = [group("a", *first), group("b", *second)]
    members, lists = {"sg-x": ("10.0.0.4",)}, {"pl-x": ("10.0.1.0/24",)}
    interface = NetworkInterface(
        **HERE, id="eni-1", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="z", private_ip="10.0.0.9", mac="",
        groups=("sg-a", "sg-b"),
    )  # fmt: skip
    made = firewall(interface, {each.id: each for each in groups}, members, lists)
    passes = any(
        each.protocol in ("tcp", "-1")
        and (each.protocol == "-1" or (each.from_port <= 0 and each.to_port in (-1, 65535)) or each.from_port <= port <= each.to_port)
        and any(ip_address(peer) in ip_network(cidr) for cidr in each.cidrs)
        for each in (made.egress if egress else made.ingress)
    )  # fmt: skip
    blocks = {"sg-x": ("10.0.0.4/32",), **lists}
    assert security_groups(groups, blocks, egress=egress, port=port, peer=peer).allowed == passes


ENTRIES = st.lists(
    st.tuples(st.booleans(), st.none() | st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted).map(tuple), CIDRS),
    max_size=5,
)


@given(ENTRIES, st.integers(0, 7), PEERS)
def test_an_acl_decides_as_the_rules_that_are_made_of_it(given_entries, port, peer):
    rules = acl(*(entry(number, *each) for number, each in enumerate(given_entries)))
    made = _acl(rules, False)
    matching = (
        each.allow
        for each in (made.ingress if made is not None else ())
        if (each.protocol == "-1" or each.from_port <= port <= each.to_port) and ip_address(peer) in ip_network(each.cidr)
    )  # fmt: skip
    # without a value the default denies; an ACL that lets everything pass is made into none
    wanted = next(matching, False) if made is not None else True
    if made is None:
        wanted = next(iter(each[0] for each in given_entries), False)
    assert network_acl(rules, egress=False, ports=(port, port), peer=peer).allowed == wanted
