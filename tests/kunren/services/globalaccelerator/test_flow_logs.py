"""Records and file names of flow logs ("Flow log record syntax", "Flow logs files")."""

from __future__ import annotations

import asyncio
import gzip

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.dataplane.anycast import flow_counts
from kunren.dataplane.anycast.flow_counts import Flow, parsed, since
from kunren.services.ec2 import store as ec2
from kunren.services.globalaccelerator import flow_logs
from kunren.services.globalaccelerator.flow_logs import AcceleratorFlowLogs, object_key
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    Attachment,
    CustomGroup,
    EndpointGroup,
    EndpointHealth,
    Listener,
)
from kunren.world.flow_counts import Count
from kunren.world.spec import Place, Region, WorldSpec

NOVEMBER_23_2018_0005 = 1542931500.0
SPEC = WorldSpec((Place("tokyo", 35, 139, "JP", "AS"),), (Region("us-east-1", "ab", 39, -77),))
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
    assert found == ({("ingress", FLOW): (5, 300)}, False)


def test_a_full_set_is_known():
    element = "{} . {} . 80 . 198.18.32.1 . 8080 counter packets 5 bytes 300 expires 9s"
    elements = [element.format("139.162.106.181", port) for port in range(65535)]
    for kind in ("ingress", "egress", "as"):
        assert parsed({f"{kind}_udp_1": ", ".join(elements)}, ("198.18.192.1", "198.18.224.1"))[1]
        assert not parsed({f"{kind}_udp_1": ", ".join(elements[1:])}, ("198.18.192.1", "198.18.224.1"))[1]


def test_what_was_read_before_is_not_told_again_and_a_forgotten_flow_counts_anew():
    key = ("ingress", FLOW)
    before = {key: Count(5, 300)}
    assert since(before, {key: Count(5, 300)}) == {}
    assert since(before, {key: Count(7, 420)}) == {key: (2, 120)}
    assert since(before, {key: Count(1, 60)}) == {key: (1, 60)}


class World:
    """One edge location, whose set of flows is as a test says."""

    def __init__(self, *elements):
        self.elements = elements

    def edges_in_use(self):
        return ["tokyo"]

    async def counts(self, namespace, table):
        return {"ingress_tcp_0": ", ".join(self.elements)}


def written(monkeypatch, elements, lines_max):
    """The files of an accelerator whose edge location counted that."""
    monkeypatch.setattr(flow_logs, "LINES_MAX", lines_max)
    store = Store(None)
    ec2.register(store)
    store.register(Accelerator, AcceleratorStatus, Listener, EndpointGroup, CustomGroup, Attachment, EndpointHealth)
    with store.write() as tx:
        tx.put(accelerator(""))
    files = []

    async def call(account, region, service, operation, params):
        files.append(gzip.decompress(params["Body"]).decode().splitlines())

    clock = SimClock(60.0)
    logs = AcceleratorFlowLogs(store, clock, Entropy(7), World(*elements), SPEC, call, lambda *flow: None)
    asyncio.run(logs.tick(300.0))
    return files


ELEMENTS = [
    f"139.162.106.181 . {port} . 80 . 198.18.32.1 . 8080 counter packets 5 bytes 300 expires 9s" for port in (1, 2, 3)
]
SKIPPED = "1.0 123456789012 1234abcd - - - - - - - - - - 60 300 - SKIPDATA - - - NRT57-2 - - -"


def test_records_that_find_no_room_in_the_file_are_told_of(monkeypatch):
    ((_, *told),) = written(monkeypatch, ELEMENTS, 2)
    assert [each.split()[16] for each in told] == ["OK", "OK", "SKIPDATA"]
    assert told[-1] == SKIPPED
    ((_, *told),) = written(monkeypatch, ELEMENTS, 3)
    assert [each.split()[16] for each in told] == ["OK", "OK", "OK"]


def test_flows_that_find_no_room_to_be_counted_in_are_told_of(monkeypatch):
    monkeypatch.setattr(flow_counts, "FLOWS_MAX", 3)
    ((_, *told),) = written(monkeypatch, ELEMENTS, 100)
    assert [each.split()[16] for each in told] == ["OK", "OK", "OK", "SKIPDATA"]
