"""What Envoy counted, as CloudWatch's metrics."""

import asyncio

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.dataplane.envoy.counters import added, parsed, times
from kunren.services.elbv2 import model
from kunren.services.elbv2.metrics import BalancerMetrics, failures

CLUSTER = "web/f435dc2eaf720b55/us-east-1a/good/e88009e5621bb3d9"
ARN = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/web/f435dc2eaf720b55"
BALANCER = "app/web/f435dc2eaf720b55"
TEXT = f"""\
cluster.{CLUSTER}.external.upstream_rq_2xx: 2
cluster.{CLUSTER}.upstream_rq_2xx: 2
cluster.{CLUSTER}.upstream_rq_4xx: 1
cluster.{CLUSTER}.upstream_rq_5xx: 3
cluster.{CLUSTER}.upstream_rq_total: 5
cluster.{CLUSTER}.upstream_cx_destroy_remote_with_active_rq: 1
cluster.{CLUSTER}.upstream_cx_none_healthy: 1
http.{BALANCER}.downstream_rq_2xx: 2
http.{BALANCER}.downstream_rq_4xx: 1
http.{BALANCER}.downstream_rq_5xx: 4
http.{BALANCER}.downstream_cx_total: 7
http.{BALANCER}.downstream_cx_active: 2
http.{BALANCER}.downstream_cx_rx_bytes_total: 1000
cluster.{CLUSTER}.upstream_rq_time: B0.5(0,1) B1.5(0,1) B2.5(0,2) B3(0,2) B300(0,4)
"""


def test_envoys_text_becomes_counters_by_subject():
    found = parsed(TEXT)
    assert set(found) == {CLUSTER, BALANCER}
    assert found[CLUSTER]["upstream_rq_2xx"] == 2.0 and found[CLUSTER]["time<2.5"] == 2.0


def test_a_counter_that_shrank_began_anew():
    assert added({"a": 5.0, "b": 7.0, "c": 1.0}, {"a": 8.0, "b": 2.0, "c": 1.0}) == {"a": 3.0, "b": 2.0, "c": 0.0}


def test_response_times_are_the_middles_of_their_buckets():
    assert list(times(parsed(TEXT)[CLUSTER])) == [(0.00025, 1.0), (0.002, 1.0), (0.1515, 2.0)]


def test_what_envoy_answered_itself_is_known_by_code():
    grown = {"upstream_cx_connect_timeout": 1.0, "upstream_rq_pending_failure_eject": 3.0, "upstream_rq_timeout": 2.0}
    assert failures(grown) == {"502": 2.0, "503": 0.0, "504": 3.0}


def test_codes_are_the_targets_or_the_load_balancers():
    told = {}

    async def call(account, region, service, operation, params):
        assert (account, region, service, operation) == ("1", "us-east-1", "cloudwatch", "PutMetricData")
        for each in params["MetricData"]:
            key = (each["MetricName"], *(one["Name"] for one in each["Dimensions"]))
            told[key] = dict(zip(each["Values"], each["Counts"], strict=True))
        return {}

    async def ask(pattern):
        return TEXT

    async def story():
        store = Store(None)
        store.register(*model.KINDS)
        balancer = model.LoadBalancer(
            account="1", region="us-east-1", id=ARN, name="web", type="application", scheme="internal", vpc_id="vpc-1",
            ip_address_type="ipv4", zones=(), dns_name="web", canonical_hosted_zone_id="Z1", created_time=0.0,
        )  # fmt: skip
        with store.write() as tx:
            tx.put(balancer)
        metrics = BalancerMetrics(store, SimClock(), call, ask)
        await metrics.before("PutMetricData")
        assert told == {}
        await metrics.before("GetMetricData")
        first = dict(told)
        told.clear()
        await metrics.before("GetMetricData")
        assert set(told) == {("ActiveConnectionCount", "LoadBalancer")}
        return first

    found = asyncio.run(story())
    counts = {name: values for (name, *dimensions), values in found.items() if dimensions == ["LoadBalancer"]}
    assert counts == {
        "RequestCount": {1.0: 5.0}, "HTTPCode_Target_2XX_Count": {1.0: 2.0}, "HTTPCode_Target_4XX_Count": {1.0: 1.0},
        "HTTPCode_Target_5XX_Count": {1.0: 1.0}, "HTTPCode_ELB_5XX_Count": {1.0: 3.0},
        "HTTPCode_ELB_502_Count": {1.0: 1.0}, "HTTPCode_ELB_503_Count": {1.0: 1.0}, "NewConnectionCount": {1.0: 7.0},
        "ActiveConnectionCount": {2.0: 1.0}, "ProcessedBytes": {1000.0: 1.0},
        "TargetResponseTime": {0.00025: 1.0, 0.002: 1.0, 0.1515: 2.0},
    }  # fmt: skip
    assert found["RequestCount", "TargetGroup", "LoadBalancer"] == {1.0: 5.0}
