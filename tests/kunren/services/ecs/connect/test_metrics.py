"""Metrics of Service Connect: what Envoy counted at the proxies of tasks that serve."""

import asyncio
from types import SimpleNamespace

from msgspec.structs import replace

from kunren.core.clock import SimClock
from kunren.services.ecs.connect.metrics import ConnectMetrics, Inward, Value, values
from kunren.services.ecs.connect.model import Offer

WEB = Offer(
    port_name="web", discovery_name="orders", registry="srv-1", dns_name="orders", port=80, protocol="grpc",
    container_port=8000, ingress_port=8000, idle_s=300.0, request_s=15.0,
)  # fmt: skip
TASK = SimpleNamespace(account="1", region="r", cluster="shop", group="service:web")
FIRST = """\
http.connect/t1/in/8000.downstream_rq_total: 4
http.connect/t1/in/8000.downstream_cx_total: 1
cluster.connect/t1/in/8000.upstream_rq_2xx: 4
"""
SECOND = """\
http.connect/t1/in/8000.downstream_rq_total: 10
http.connect/t1/in/8000.downstream_cx_total: 3
http.connect/t1/in/8000.downstream_cx_rx_bytes_total: 500
cluster.connect/t1/in/8000.upstream_rq_2xx: 9
cluster.connect/t1/in/8000.upstream_rq_5xx: 1
cluster.connect/t1/in/8000.upstream_cx_active: 2
cluster.connect/t1/in/8000.upstream_rq_time: B10(6,10) B20(0,10)
"""


def test_what_was_added_is_told_by_name_and_by_service():
    told, texts = {}, iter([FIRST, SECOND])

    async def call(account, region, service, operation, params):
        assert (account, params["Namespace"]) == ("1", "AWS/ECS")
        for each in params["MetricData"]:
            named = ",".join(f"{one['Name']}={one['Value']}" for one in each["Dimensions"])
            told[each["MetricName"], named] = (each["Values"], each["Counts"])
        return {}

    async def ask(pattern):
        return next(texts)

    inward = [Inward(f"connect/{id}/in/8000", TASK, WEB) for id in ("t1", "t2")]
    metrics = ConnectMetrics(SimClock(), call, lambda: inward, ask)

    async def play():
        await metrics.before("GetMetricData")
        told.clear()
        await metrics.before("GetMetricData")

    asyncio.run(play())
    whole = "ServiceName=web,ClusterName=shop"
    assert told["RequestCount", "DiscoveryName=orders"] == ([1.0], [6.0])
    assert told["GrpcRequestCount", f"DiscoveryName=orders,{whole}"] == ([1.0], [6.0])
    assert told["NewConnectionCount", f"DiscoveryName=orders,{whole}"] == ([1.0], [2.0])
    assert told["HTTPCode_Target_2XX_Count", f"TargetDiscoveryName=orders,{whole}"] == ([1.0], [5.0])
    assert told["HTTPCode_Target_5XX_Count", "TargetDiscoveryName=orders"] == ([1.0], [1.0])
    assert told["RequestCountPerTarget", "TargetDiscoveryName=orders"] == ([3.0], [1.0])
    assert told["TargetResponseTime", "TargetDiscoveryName=orders"] == ([5.0], [10.0])
    assert told["ActiveConnectionCount", "DiscoveryName=orders"] == ([2.0], [1.0])
    assert told["ProcessedBytes", "DiscoveryName=orders"] == ([500.0], [1.0])


def test_of_tcp_there_are_connections_and_bytes_alone():
    grown = {"downstream_cx_total": 2.0, "upstream_cx_tx_bytes_total": 7.0, "upstream_rq_2xx": 3.0}
    assert list(values(replace(WEB, protocol="tcp"), grown, {}, 1)) == [
        Value("NewConnectionCount", 1.0, 2.0), Value("TargetProcessedBytes", 7.0, unit="Bytes", target=True)
    ]  # fmt: skip
