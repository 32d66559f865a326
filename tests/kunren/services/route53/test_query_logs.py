from __future__ import annotations

import json
from typing import Any

import pytest

from kunren.dataplane.dns import names
from kunren.dataplane.dns.geography import Location
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.server import Asked
from kunren.services.route53.query_logs import edge_location, line, log_group, permits

ARN = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/route53/example.com"
NOW = 1513152962.130  # 2017-12-13T08:16:02.130Z


def policy(resource: str = ARN + ":*", principal: Any = "route53.amazonaws.com", action: Any = "logs:*") -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def asked(rtype: int = 1, rcode: int = 0, tcp: bool = False, subnet: str | None = None) -> Asked:
    client = Client("192.168.1.1", subnet, Location("frankfurt"))
    return Asked("Z123412341234", names.to_wire("example.com"), rtype, rcode, client, tcp)


def test_lines_are_as_the_developer_guide_shows_them() -> None:
    assert line(asked(), "FRA6", NOW) == (
        "1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A NOERROR UDP FRA6 192.168.1.1 -"
    )
    assert line(asked(28, 3, tcp=True, subnet="192.168.222.0/24"), "IAD12", NOW) == (
        "1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com AAAA NXDOMAIN TCP IAD12 192.168.1.1 192.168.222.0/24"
    )
    assert line(asked(999), "FRA6", NOW).split()[4] == "TYPE999"
    assert line(asked(48), "FRA6", NOW).split()[4] == "DNSKEY"


def test_edge_locations_are_three_letters_and_a_number() -> None:
    assert [edge_location(each) for each in ("tokyo", "kyoto", "us-east-1", "x")] == ["NRT1", "KYO1", "USE1", "XXX1"]


def test_the_log_groups_name_comes_from_its_arn() -> None:
    assert log_group(ARN) == log_group(ARN + ":*") == "/aws/route53/example.com"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (policy(), True),
        (policy("arn:aws:logs:us-east-1:000000000000:log-group:/aws/route53/*"), True),
        (
            policy("*", ["x.amazonaws.com", "route53.amazonaws.com"], ["logs:CreateLogStream", "logs:PutLogEvents"]),
            True,
        ),
        (policy(action="logs:PutLogEvents"), False),
        (policy(principal="lambda.amazonaws.com"), False),
        (policy("arn:aws:logs:us-east-1:000000000000:log-group:/other:*"), False),
        ("nonsense", False),
    ],
)
def test_a_resource_policy_must_let_route_53_write(text: str, allowed: bool) -> None:
    assert permits([text], ARN) is allowed
