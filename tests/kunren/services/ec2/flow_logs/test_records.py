"""Lines of flow logs, as "Flow log records" and its examples have them."""

from kunren.services.ec2.flow_logs.fields import format_of
from kunren.services.ec2.flow_logs.records import Window, difference, lines
from kunren.services.ec2.model import FlowLog, NetworkInterface, Subnet
from kunren.world.flow_counts import Count, Counts, Flow

HERE = {"account": "123456789010", "region": "us-east-1"}
ENI = NetworkInterface(
    **HERE, id="eni-1235b8ca123456789", vpc_id="vpc-1", subnet_id="subnet-1", availability_zone="us-east-1a",
    private_ip="172.31.16.21", mac="",
)  # fmt: skip
SUBNET = Subnet(
    **HERE, id="subnet-1", vpc_id="vpc-1", cidr="172.31.16.0/24", availability_zone="us-east-1a",
    availability_zone_id="use1-az4",
)  # fmt: skip
WINDOW = Window(1418530010.0, 1418530070.0)
SSH = Flow("ingress", "172.31.16.139", "172.31.16.21", 6, 20641, 22)
RDP = Flow("ingress", "172.31.9.69", "172.31.16.21", 6, 49761, 3389)


def told(counts, format=None, traffic_type="ALL"):
    log = FlowLog(
        **HERE, id="fl-1", resource_id="vpc-1", vpc_id="vpc-1", traffic_type=traffic_type, interval_s=60,
        format=format_of(format), created_at=0, destination_type="s3",
    )  # fmt: skip
    return lines(log, ENI, SUBNET, counts, WINDOW)


def test_accepted_and_rejected_flows_are_the_documented_examples():
    counts = Counts({SSH: Count(20, 4249)}, {RDP: Count(20, 4249)})
    assert told(counts) == [
        "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 "
        "ACCEPT OK",
        "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.16.21 49761 3389 6 20 4249 1418530010 1418530070 "
        "REJECT OK",
    ]
    assert [each.split()[12] for each in told(counts, traffic_type="REJECT")] == ["REJECT"]


def test_no_data_and_skipped_records_have_nothing_of_a_flow():
    assert told(Counts({}, {})) == ["2 123456789010 eni-1235b8ca123456789 - - - - - - - 1418530010 1418530070 - NODATA"]
    assert told(Counts({}, {}, full=True)) == [
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1418530010 1418530070 - SKIPDATA"
    ]


def test_the_version_is_the_highest_of_the_fields():
    for format, version in (("${version} ${vpc-id}", "3"), ("${version} ${az-id}", "4"), ("${version} ${action}", "2")):
        assert told(Counts({SSH: Count(1, 1)}, {}), format)[0].split()[0] == version


def test_the_difference_of_two_readings_has_only_what_came_since():
    before = Counts({SSH: Count(5, 500), RDP: Count(9, 900)}, {})
    now = Counts({SSH: Count(7, 620), RDP: Count(9, 900)}, {RDP: Count(1, 40)})
    assert difference(before, now) == Counts({SSH: Count(2, 120)}, {RDP: Count(1, 40)})
    assert difference(now, before) == Counts({}, {})
