"""VPC peering as the Api has it; that packets pass is in test_peering_in_the_world.py."""

import pytest

from kunren.services.ec2 import interfaces
from kunren.services.ec2.model import PeeringStatus

OTHER = "210987654321"
DAY_S = 24 * 3600.0


def present(shown):
    return {key: value for key, value in shown.items() if value is not None}


@pytest.fixture
def pair(ec2):
    return Pair(ec2)


class Pair:
    """Two VPCs: one here, one of another account in another region."""

    def __init__(self, ec2):
        self.here, self.there = ec2, ec2.elsewhere(OTHER, "ap-northeast-1")
        self.mine = self.here.vpc("10.0.0.0/16")
        self.theirs = self.there.vpc("10.1.0.0/16")

    def request(self, **params):
        asked = {"VpcId": self.mine, "PeerVpcId": self.theirs, "PeerOwnerId": OTHER, "PeerRegion": "ap-northeast-1"}
        return self.here.create_vpc_peering_connection(**{**asked, **params})["VpcPeeringConnection"]


def shown(ec2, id):
    return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[id])["VpcPeeringConnections"][0]


def status(ec2, id):
    return tuple(shown(ec2, id)["Status"].values())


def test_a_request_waits_for_the_other_owner_who_accepts_it(pair):
    named = [{"ResourceType": "vpc-peering-connection", "Tags": [{"Key": "Name", "Value": "both"}]}]
    made = pair.request(TagSpecifications=named)
    id = made["VpcPeeringConnectionId"]
    assert made["Status"] == {"Code": "initiating-request", "Message": f"Initiating Request to {OTHER}"}
    assert made["AccepterVpcInfo"] == {"OwnerId": OTHER, "VpcId": pair.theirs, "Region": "ap-northeast-1"}
    assert made["RequesterVpcInfo"]["CidrBlockSet"] == [{"CidrBlock": "10.0.0.0/16"}]
    assert made["ExpirationTime"] == pair.here.clock.now() + 7 * DAY_S
    for each in (pair.here, pair.there):
        assert status(each, id) == ("pending-acceptance", f"Pending Acceptance by {OTHER}")
    assert shown(pair.here, id)["Tags"] == [{"Key": "Name", "Value": "both"}]
    assert shown(pair.there, id)["Tags"] == []  # each side has its own

    assert pair.here.refused("accept_vpc_peering_connection", VpcPeeringConnectionId=id) == (
        "OperationNotPermitted",
        f"User 123456789012 cannot accept peering {id}",
    )
    code, _ = pair.there.elsewhere(OTHER, "us-east-1").refused(
        "accept_vpc_peering_connection", VpcPeeringConnectionId=id
    )
    assert code == "InvalidVpcPeeringConnectionID.NotFound"
    accepted = pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=id)["VpcPeeringConnection"]
    assert accepted["Status"]["Code"] == "provisioning"
    for each in (pair.here, pair.there):
        told = shown(each, id)
        assert told["Status"] == {"Code": "active", "Message": "Active"}  # nothing answers in either VPC
        assert told["ExpirationTime"] is None
        assert told["AccepterVpcInfo"]["CidrBlock"] == "10.1.0.0/16"
        assert told["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is False
    assert pair.there.refused("accept_vpc_peering_connection", VpcPeeringConnectionId=id) == (
        "InvalidStateTransition",
        f"Invalid state transition for {id}, attempted to transition from active to active",
    )
    assert pair.there.delete_vpc_peering_connection(VpcPeeringConnectionId=id) == {"Return": True}
    assert status(pair.here, id) == ("deleted", f"Deleted by {OTHER}")
    assert pair.here.refused("delete_vpc_peering_connection", VpcPeeringConnectionId=id)[0] == "InvalidStateTransition"
    pair.here.clock.advance(2 * 3600 + 1)
    assert pair.there.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    assert status(pair.here, id)[0] == "deleted"
    pair.here.clock.advance(2 * DAY_S)
    assert pair.here.describe_vpc_peering_connections()["VpcPeeringConnections"] == []


def test_active_is_what_the_data_plane_reports_where_something_answers(pair):
    subnet = pair.here.subnet(pair.mine, "10.0.1.0/24")
    with pair.here.store.write() as tx:
        interfaces.create_interface(
            tx, pair.here.api.entropy, pair.here.api.spec, account=pair.here.account, region=pair.here.region,
            subnet_id=subnet, groups=(), attachment="workload",
        )  # fmt: skip
    id = pair.request()["VpcPeeringConnectionId"]
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    assert status(pair.there, id) == ("provisioning", "Provisioning")
    link = PeeringStatus(account=pair.here.account, region=pair.here.region, id=f"{id}|{pair.mine}")
    with pair.here.store.write() as tx:
        tx.put(link)
    assert status(pair.there, id) == ("active", "Active")
    pair.here.delete_vpc_peering_connection(VpcPeeringConnectionId=id)
    assert status(pair.there, id)[0] == "deleting"
    with pair.here.store.write() as tx:
        tx.delete(link)
    assert status(pair.there, id)[0] == "deleted"


def test_a_request_is_rejected_withdrawn_or_expires(pair):
    rejected = pair.request()["VpcPeeringConnectionId"]
    pair.there.reject_vpc_peering_connection(VpcPeeringConnectionId=rejected)
    assert status(pair.here, rejected) == ("rejected", f"Rejected by {OTHER}")
    withdrawn = pair.request()["VpcPeeringConnectionId"]
    assert pair.there.refused("delete_vpc_peering_connection", VpcPeeringConnectionId=withdrawn)[0] == (
        "OperationNotPermitted"
    )
    pair.here.delete_vpc_peering_connection(VpcPeeringConnectionId=withdrawn)
    assert status(pair.there, withdrawn) == ("deleted", "Deleted by 123456789012")
    late = pair.request()["VpcPeeringConnectionId"]
    pair.here.clock.advance(7 * DAY_S + 1)
    assert status(pair.there, late) == ("expired", "Expired")
    assert pair.there.refused("accept_vpc_peering_connection", VpcPeeringConnectionId=late)[0] == (
        "InvalidStateTransition"
    )


def test_overlapping_blocks_and_unknown_vpcs_of_others_fail(pair):
    same = pair.there.vpc("10.0.128.0/20")
    failed = ("failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range")
    for peer in (same, "vpc-0123456789abcdef0"):
        id = pair.request(PeerVpcId=peer)["VpcPeeringConnectionId"]
        assert status(pair.here, id) == failed
        assert pair.there.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    beside = pair.here.vpc("10.0.0.0/16")
    id = pair.request(PeerVpcId=beside, PeerOwnerId="123456789012", PeerRegion="us-east-1")["VpcPeeringConnectionId"]
    assert status(pair.here, id) == failed


def test_what_is_refused(pair):
    def refused(**params):
        asked = {"VpcId": pair.mine, "PeerVpcId": pair.theirs, "PeerOwnerId": OTHER, "PeerRegion": "ap-northeast-1"}
        asked = {key: value for key, value in {**asked, **params}.items() if value is not None}
        return pair.here.refused("create_vpc_peering_connection", **asked)

    assert refused(VpcId="vpc-0")[0] == "InvalidVpcID.NotFound"
    assert refused(PeerVpcId="vpc-0", PeerOwnerId=None, PeerRegion=None)[0] == "InvalidVpcID.NotFound"
    assert refused(PeerVpcId=None)[0] == "MissingParameter"
    assert refused(PeerRegion="mars-1")[0] == "InvalidParameterValue"
    id = pair.request()["VpcPeeringConnectionId"]
    assert refused() == (
        "VpcPeeringConnectionAlreadyExists",
        "A VPC peering connection between the VPCs already exists.",
    )
    options = {"AllowDnsResolutionFromRemoteVpc": False}
    modify = {"VpcPeeringConnectionId": id, "RequesterPeeringConnectionOptions": options}
    assert pair.here.refused("modify_vpc_peering_connection_options", **modify)[0] == "OperationNotPermitted"
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    assert pair.here.modify_vpc_peering_connection_options(**modify)["RequesterPeeringConnectionOptions"] == {
        "AllowDnsResolutionFromRemoteVpc": False,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": False,
        "AllowEgressFromLocalVpcToRemoteClassicLink": False,
    }
    modify["RequesterPeeringConnectionOptions"] = {"AllowDnsResolutionFromRemoteVpc": True}
    told = pair.here.modify_vpc_peering_connection_options(**modify)["RequesterPeeringConnectionOptions"]
    assert told["AllowDnsResolutionFromRemoteVpc"] is True
    shown = pair.there.describe_vpc_peering_connections()["VpcPeeringConnections"][0]
    assert shown["RequesterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is True
    assert shown["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is False
    assert pair.there.refused("modify_vpc_peering_connection_options", **modify)[0] == "OperationNotPermitted"


def test_a_vpc_takes_its_peering_connections_with_it(pair):
    id = pair.request()["VpcPeeringConnectionId"]
    pair.there.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    table = pair.here.create_route_table(VpcId=pair.mine)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "10.1.0.0/16", "VpcPeeringConnectionId": id}
    pair.here.create_route(**route)

    def to_peer():
        tables = pair.here.describe_route_tables(Filters=[{"Name": "route.vpc-peering-connection-id", "Values": [id]}])
        routes = tables["RouteTables"][0]["Routes"]
        return present(next(each for each in routes if each["DestinationCidrBlock"] == "10.1.0.0/16"))

    assert to_peer() == {
        "DestinationCidrBlock": "10.1.0.0/16", "VpcPeeringConnectionId": id, "Origin": "CreateRoute", "State": "active",
    }  # fmt: skip
    pair.there.delete_vpc(VpcId=pair.theirs)
    assert status(pair.here, id) == ("deleted", f"Deleted by {OTHER}")
    assert to_peer()["State"] == "blackhole"
    elsewhere = pair.here.create_route_table(VpcId=pair.here.vpc("10.5.0.0/16"))["RouteTable"]["RouteTableId"]
    assert pair.here.refused("create_route", **{**route, "RouteTableId": elsewhere})[0] == "InvalidParameterValue"
    pair.here.delete_route(RouteTableId=table, DestinationCidrBlock="10.1.0.0/16")
    assert pair.here.refused("create_route", **route)[0] == "InvalidVpcPeeringConnectionID.NotFound"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status-code", "pending-acceptance"), ("accepter-vpc-info.owner-id", OTHER), ("tag:Name", "x"),
        ("requester-vpc-info.cidr-block", "10.0.0.0/16"), ("accepter-vpc-info.cidr-block", "10.1.0.0/16"),
        ("status-message", "Pending*"),
    ],
)  # fmt: skip
def test_filters(pair, name, value):
    id = pair.request()["VpcPeeringConnectionId"]
    pair.here.create_tags(Resources=[id], Tags=[{"Key": "Name", "Value": "x"}])
    wanted = [{"Name": name, "Values": [value]}]
    found = pair.here.describe_vpc_peering_connections(Filters=wanted)["VpcPeeringConnections"]
    assert [each["VpcPeeringConnectionId"] for each in found] == [id]


def test_rules_that_name_a_peers_group_are_known_on_its_side_and_go_stale(ec2):
    mine, theirs = ec2.vpc("10.0.0.0/16"), ec2.vpc("10.1.0.0/16")
    id = ec2.create_vpc_peering_connection(VpcId=mine, PeerVpcId=theirs)["VpcPeeringConnection"][
        "VpcPeeringConnectionId"
    ]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=id)
    group, peer = ec2.group(mine), ec2.group(theirs)
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": peer}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    reference = {"GroupId": peer, "ReferencingVpcId": mine, "VpcPeeringConnectionId": id}
    assert ec2.describe_security_group_references(GroupId=[peer])["SecurityGroupReferenceSet"] == [reference]
    assert ec2.describe_security_group_references(GroupId=[group])["SecurityGroupReferenceSet"] == []
    assert ec2.describe_stale_security_groups(VpcId=mine)["StaleSecurityGroupSet"] == []

    ec2.delete_security_group(GroupId=peer)
    (stale,) = ec2.describe_stale_security_groups(VpcId=mine)["StaleSecurityGroupSet"]
    assert (stale["GroupId"], stale["StaleIpPermissionsEgress"]) == (group, [])
    (permission,) = stale["StaleIpPermissions"]
    (pair,) = permission["UserIdGroupPairs"]
    assert (permission["IpProtocol"], permission["FromPort"], permission["ToPort"]) == ("tcp", 80, 80)
    assert (pair["GroupId"], pair["VpcId"], pair["VpcPeeringConnectionId"]) == (peer, theirs, id)
    assert pair["PeeringStatus"] == "active"
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=id)
    (stale,) = ec2.describe_stale_security_groups(VpcId=mine)["StaleSecurityGroupSet"]
    assert stale["StaleIpPermissions"][0]["UserIdGroupPairs"][0]["PeeringStatus"] == "deleted"
