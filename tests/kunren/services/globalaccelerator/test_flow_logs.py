"""Records and file names of flow logs ("Flow log record syntax", "Flow logs files")."""

from __future__ import annotations

from kunren.dataplane.anycast.flow_counts import Flow, parsed, since
from kunren.services.globalaccelerator.flow_logs import object_key
from kunren.services.globalaccelerator.model import Accelerator

NOVEMBER_23_2018_0005 = 1542931500.0
LISTED = """ingress_tcp_0 {
    elements = { 139.162.106.181 . 37760 . 80 . 198.18.32.1 . 8080 counter packets 5 bytes 300 expires 9s }
}"""
SOURCES = "{ 139.162.106.181 . 37760 . 80 . 198.18.128.10 . 1024 counter packets 5 bytes 300 expires 9s }"
FLOW = Flow("139.162.106.181", 37760, "198.18.192.1", 80, "198.18.32.1", 8080, "198.18.128.10", 1024, 6)


def accelerator(prefix):
    return Accelerator(
        account="123456789012", region="", id="arn:aws:globalaccelerator::123456789012:accelerator/1234abcd",
        name="a", enabled=True, number=0, addresses=("198.18.192.1", "198.18.224.1"), dns_name="a.test",
        created_time=0.0, modified_time=0.0, flow_logs=True, flow_logs_bucket="b", flow_logs_prefix=prefix,
    )  # fmt: skip


def test_a_file_is_named_as_in_the_developer_guide():
    key = object_key(accelerator("prefix1"), NOVEMBER_23_2018_0005, "1fb1234")
    assert key == (
        "prefix1/AWSLogs/123456789012/globalaccelerator/us-west-2/2018/11/23/"
        "123456789012_globalaccelerator_1234abcd_20181123T0005Z_1fb1234.log.gz"
    )


def test_a_slash_for_a_prefix_makes_a_double_slash_in_the_bucket():
    assert object_key(accelerator("/"), 0.0, "1").startswith("/AWSLogs/123456789012/")


def test_counts_are_read_with_the_source_that_the_endpoint_sees():
    found = parsed({"ingress_tcp_0": LISTED, "as_tcp_0": SOURCES}, ("198.18.192.1", "198.18.224.1"))
    assert found == {("ingress", FLOW): (5, 300)}


def test_what_was_read_before_is_not_told_again_and_a_forgotten_flow_counts_anew():
    key = ("ingress", FLOW)
    assert since({key: (5, 300)}, {key: (5, 300)}) == {}
    assert since({key: (5, 300)}, {key: (7, 420)}) == {key: (2, 120)}
    assert since({key: (5, 300)}, {key: (1, 60)}) == {key: (1, 60)}
