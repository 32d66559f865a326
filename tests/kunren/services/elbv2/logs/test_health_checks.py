"""Lines of health check logs, by the guide's fields and reason codes."""

from __future__ import annotations

import pytest

from kunren.dataplane.health.prober import Outcome
from kunren.services.elbv2.logs.health_checks import line
from kunren.services.elbv2.model import HealthCheck, Matcher, TargetGroup

SCOPE = {"account": "123456789012", "region": "us-east-2"}
BEGAN = 1_761_914_699.875678  # 2025-10-31T12:44:59.875678Z
FUNCTION = "arn:aws:lambda:us-east-2:123456789012:function:f"


def group(protocol="HTTP", **given):
    port, matcher = given.pop("port", "traffic-port"), given.pop("matcher", Matcher(http_code="200"))
    check = HealthCheck(
        enabled=True, protocol=protocol, port=port, path="/", interval=30, timeout=5, healthy_threshold=5,
        unhealthy_threshold=2, matcher=matcher,
    )  # fmt: skip
    return TargetGroup(id="arn", name="HCLogsTestIPs", health_check=check, **SCOPE, **{"target_type": "ip", **given})


def told(of, kind="status", code=200, target="172.31.20.97", port=80):
    key = (*SCOPE.values(), "arn", target, port, 0.0, "eni-1")
    return line(key, of, Outcome(kind, code, BEGAN, 0.019584011), "app/web/1234567890abcdef", "198.18.0.9")


def test_the_guide_s_example_and_the_two_newer_fields():
    assert told(group()) == (
        "http 2025-10-31T12:44:59.875678Z 0.019584011 172.31.20.97:80 HCLogsTestIPs PASS 200 - "
        "app/web/1234567890abcdef 198.18.0.9"
    )


GRPC = {"protocol_version": "GRPC", "matcher": Matcher(grpc_code="0")}


@pytest.mark.parametrize(
    ("of", "outcome", "expected"),
    [
        (group("HTTPS"), {"code": 502}, ("https", "172.31.20.97:80", "FAIL", "502", "TargetError")),
        (group(), {"code": 404}, ("http", "172.31.20.97:80", "FAIL", "404", "ResponseCodeMismatch")),
        (group(port="8080"), {"kind": "timeout"}, ("http", "172.31.20.97:8080", "FAIL", "-", "TimedOut")),
        (group(), {"kind": "failed"}, ("http", "172.31.20.97:80", "FAIL", "-", "ConnectionReset")),
        (group(protocol_version="HTTP2"), {}, ("h2", "172.31.20.97:80", "PASS", "200", "-")),
        (group(**GRPC), {"kind": "grpc", "code": 0}, ("grpc", "172.31.20.97:80", "PASS", "0", "-")),
        (
            group(**GRPC), {"kind": "grpc", "code": 14},
            ("grpc", "172.31.20.97:80", "FAIL", "14", "GRPCUnexpectedStatus"),
        ),
        (
            group(**GRPC), {"kind": "grpc-empty", "code": 0},
            ("grpc", "172.31.20.97:80", "FAIL", "-", "GRPCStatusHeaderEmpty"),
        ),
        (
            group(target_type="lambda"), {"target": FUNCTION, "port": None, "code": 500},
            ("lambda", FUNCTION, "FAIL", "500", "TargetError"),
        ),
    ],
)  # fmt: skip
def test_types_codes_and_reasons(of, outcome, expected):
    words = told(of, **outcome).split(" ")
    assert (words[0], words[3], *words[5:8]) == expected
