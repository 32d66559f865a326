import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kunren.services.ec2 import permissions
from kunren.services.ec2.errors import InvalidParameterValue, MissingParameterText, PermissionDuplicate

OWNER = "123456789012"
RANGES = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(sorted)
V4 = st.builds(lambda a, b, p: f"{a}.{b}.0.0/{p}", st.integers(1, 223), st.integers(0, 255), st.integers(0, 32))
PERMISSIONS = st.lists(
    st.builds(
        lambda protocol, ports, cidrs, groups: {
            "IpProtocol": protocol,
            "FromPort": ports[0],
            "ToPort": ports[1],
            "IpRanges": [{"CidrIp": each} for each in cidrs],
            "UserIdGroupPairs": [{"GroupId": f"sg-{each}"} for each in groups],
        },
        st.sampled_from(["tcp", "udp", "6", "17", "TCP", "-1", "50"]),
        RANGES,
        st.lists(V4, min_size=1, max_size=3),
        st.lists(st.integers(1, 4), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


def rules_of(asked, egress=False):
    return permissions.from_permissions(asked, egress=egress, group_of=lambda pair: (pair["GroupId"], None))


def one(**permission):
    return rules_of([{"IpRanges": [{"CidrIp": "0.0.0.0/0"}], **permission}])[0]


def unique(rules):
    found = {permissions.identity(each): each for each in rules}
    return [replace(each, id=f"sgr-{number}") for number, each in enumerate(found.values())]


@given(PERMISSIONS, PERMISSIONS)
def test_authorize_then_revoke_gives_back_the_same(first, second):
    have = unique(rules_of(first))
    known = {permissions.identity(each) for each in have}
    more = [each for each in unique(rules_of(second)) if permissions.identity(each) not in known]
    together = permissions.added(have, more)
    gone, unknown = permissions.removed(together, more)
    left = [each for each in together if each not in gone]
    assert left == have
    assert unknown == []


@given(PERMISSIONS)
def test_what_describe_shows_is_understood_as_the_same_rules(asked):
    rules = unique(rules_of(asked))
    shown = permissions.to_permissions(rules, OWNER)
    again = rules_of(shown)
    assert {permissions.identity(each) for each in again} == {permissions.identity(each) for each in rules}


def test_numbers_are_names_and_host_bits_are_cleared():
    assert one(IpProtocol="6", FromPort=80, ToPort=80, IpRanges=[{"CidrIp": "100.68.0.18/18"}]) == one(
        IpProtocol="tcp", FromPort=80, ToPort=80, IpRanges=[{"CidrIp": "100.68.0.0/18"}]
    )


def test_ports_mean_nothing_for_all_protocols():
    assert (one(IpProtocol="-1", FromPort=80, ToPort=90).from_port, one(IpProtocol="-1").to_port) == (-1, -1)


@pytest.mark.parametrize(
    ("permission", "text"),
    [
        (
            {"IpProtocol": "tcp"},
            "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        ),
        ({"IpProtocol": "tcp", "FromPort": -1, "ToPort": -1}, "TCP/UDP (from) port (-1) out of range"),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65536}, "TCP/UDP (to) port (65536) out of range"),
        ({"IpProtocol": "udp", "FromPort": 443, "ToPort": 80}, "Invalid TCP/UDP port range (443:80)"),
        ({"IpProtocol": "all"}, "Invalid value 'all' for IP protocol. Unknown protocol."),
        ({"IpProtocol": "256"}, "Invalid value '256' for IP protocol. Unknown protocol."),
        (
            {"IpProtocol": "icmp"},
            "Invalid value for portRange. Must specify both from and to ports with ICMP.",
        ),
        ({"IpProtocol": "icmp", "FromPort": 8, "ToPort": 65535}, "ICMP code (65535) out of range"),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "::/0"}]}, "CIDR block ::/0 is malformed"),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "1.2.3.4"}]}, "CIDR block 1.2.3.4 is malformed"),
        ({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "1::/200"}]}, "CIDR block 1::/200 is malformed"),
    ],
)
def test_malformed_permissions_are_refused_with_awss_texts(permission, text):
    with pytest.raises(InvalidParameterValue) as caught:
        one(**permission)
    assert caught.value.message == text


def test_a_permission_without_peers_is_refused():
    with pytest.raises(MissingParameterText):
        rules_of([{"IpProtocol": "-1"}])


@pytest.mark.parametrize("text", ["x" * 256, "naïve", "a\nb", "<b>"])
def test_descriptions_have_255_plain_characters(text):
    with pytest.raises(InvalidParameterValue, match="Invalid rule description"):
        one(IpProtocol="-1", IpRanges=[{"CidrIp": "0.0.0.0/0", "Description": text}])


def test_duplicates_are_named_in_awss_words():
    rule = one(IpProtocol="tcp", FromPort=80, ToPort=80)
    with pytest.raises(PermissionDuplicate) as caught:
        permissions.added([rule], [rule])
    assert caught.value.message == (
        'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists'
    )
    with pytest.raises(InvalidParameterValue, match="The same permission must not appear multiple times"):
        permissions.added([], [rule, rule])


def test_rules_in_words():
    assert permissions.in_words(one(IpProtocol="-1")) == "peer: 0.0.0.0/0, ALL, ALLOW"
    assert permissions.in_words(one(IpProtocol="icmp", FromPort=8, ToPort=-1)) == (
        "peer: 0.0.0.0/0, ICMP, type: 8, code: -1, ALLOW"
    )


def test_the_flat_members_are_one_permission():
    asked = permissions.flat({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"})
    assert rules_of(asked) == [one(IpProtocol="tcp", FromPort=22, ToPort=22, IpRanges=[{"CidrIp": "10.0.0.0/8"}])]
    assert permissions.flat({}) == []
    named = permissions.flat({"SourceSecurityGroupName": "web"})
    assert (named[0]["IpProtocol"], named[0]["UserIdGroupPairs"][0]["GroupName"]) == ("-1", "web")


def test_permissions_of_one_port_range_are_shown_together():
    rules = rules_of(
        [
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": "sg-1"}]},
            {"IpProtocol": "icmpv6", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        ]
    )
    shown = permissions.to_permissions(rules, OWNER)
    assert [each["IpProtocol"] for each in shown] == ["tcp", "icmpv6"]
    assert shown[0]["UserIdGroupPairs"] == [{"GroupId": "sg-1", "UserId": OWNER, "Description": None}]
    assert shown[0]["Ipv6Ranges"] == []
