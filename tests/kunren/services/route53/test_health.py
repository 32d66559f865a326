"""The rules of "How Amazon Route 53 determines whether a health check is healthy", case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.dataplane.health.endpoint import Finding
from kunren.services.route53 import health
from kunren.services.route53.health import Opinion
from kunren.services.route53.model import HealthCheck, HealthCheckConfig, HealthCheckStatus
from kunren.services.route53.store import GLOBAL, Route53Store

ACCOUNT = "000000000000"
GOOD, BAD = Finding("status", 200, "OK"), Finding("refused")


def config(**settings: Any) -> HealthCheckConfig:
    defaults = {
        "type": "HTTP", "ip_address": "198.19.0.16", "port": 80, "request_interval_s": 30, "failure_threshold": 3,
        "enable_sni": False,
    }  # fmt: skip
    return HealthCheckConfig(**{**defaults, **settings})


def check(id: str = "one", **settings: Any) -> HealthCheck:
    return HealthCheck(account=ACCOUNT, region=GLOBAL, id=id, caller_reference=id, config=config(**settings))


def test_a_new_check_is_healthy_until_data_arrives_and_unhealthy_if_inverted() -> None:
    store = Store(None)
    Route53Store(store, SimClock(), Entropy(seed=1))
    with store.write() as tx:
        tx.put(check("one"))
        tx.put(check("two", inverted=True))
    assert health.is_healthy(store.snapshot(), ACCOUNT, "one")
    assert not health.is_healthy(store.snapshot(), ACCOUNT, "two")
    assert health.is_healthy(store.snapshot(), ACCOUNT, "gone")
    with store.write() as tx:
        tx.put(HealthCheckStatus(account=ACCOUNT, region=GLOBAL, id="one", healthy=False))
    assert not health.is_healthy(store.snapshot(), ACCOUNT, "one")


def opinions(findings: list[Finding], threshold: int = 3) -> list[bool]:
    opinion, seen = Opinion(), []
    for number, finding in enumerate(findings):
        opinion = health.judged(opinion, finding, threshold, float(number))
        seen.append(opinion.healthy)
    return seen


def test_a_checker_changes_its_mind_after_consecutive_probes_only() -> None:
    assert opinions([BAD, BAD, GOOD, BAD, BAD, BAD]) == [True, True, True, True, True, False]
    assert opinions([BAD, BAD, BAD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD])[2:] == [False] * 6 + [True]
    assert opinions([BAD, GOOD], threshold=1) == [False, True]


@given(st.lists(st.booleans()), st.integers(1, 10))
def test_a_mind_is_changed_exactly_by_a_run_of_the_threshold(goods: list[bool], threshold: int) -> None:
    seen = opinions([GOOD if each else BAD for each in goods], threshold)
    before = True
    for number, now in enumerate(seen):
        run = goods[max(0, number + 1 - threshold) : number + 1]
        contrary = len(run) == threshold and all(each != before for each in run)
        assert (now != before) == contrary
        before = now


def test_the_last_failure_stays_when_the_endpoint_is_well_again() -> None:
    opinion = health.judged(health.judged(Opinion(), BAD, 3, 5.0), GOOD, 3, 6.0)
    assert (opinion.status, opinion.checked_at) == ("Success: HTTP Status Code 200, OK", 6.0)
    assert opinion.failure is not None and opinion.failure.startswith("Failure: Connection refused")
    assert opinion.failed_at == 5.0


@pytest.mark.parametrize(
    ("healthy", "of", "verdict"), [(0, 16, False), (2, 16, False), (3, 16, True), (1, 6, False), (2, 6, True), (0, 0, True)]
)  # fmt: skip
def test_more_than_18_percent_of_the_checkers_make_it_healthy(healthy: int, of: int, verdict: bool) -> None:
    assert health.enough_healthy([True] * healthy + [False] * (of - healthy)) is verdict


@pytest.mark.parametrize(
    ("disabled", "inverted", "of_a_healthy_one", "of_an_unhealthy_one"),
    [(False, False, True, False), (False, True, False, True), (True, False, True, True), (True, True, False, False)],
)
def test_disabled_counts_as_healthy_and_is_then_inverted(
    disabled: bool, inverted: bool, of_a_healthy_one: bool, of_an_unhealthy_one: bool
) -> None:
    switched = config(disabled=disabled, inverted=inverted)
    assert health.with_switches(switched, True) is of_a_healthy_one
    assert health.with_switches(switched, False) is of_an_unhealthy_one


def test_a_calculated_check_of_threshold_zero_is_always_healthy_and_of_more_than_there_are_never() -> None:
    def calculated(threshold: int, *children: bool) -> bool:
        return health.calculated(config(type="CALCULATED", health_threshold=threshold), children)

    assert calculated(0, False, False) and calculated(1, False, True) and not calculated(2, False, True)
    assert not calculated(3, True, True)


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("status", 200, "OK"), "Success: HTTP Status Code 200, OK"),
        (Finding("status", 302, "Found"), "Success: HTTP Status Code 302, Found"),
        (Finding("status", 404, "Not Found"), "Failure: HTTP Status Code 404, Not Found"),
        (
            Finding("status", 503, "Service Temporarily Unavailable", "198.19.0.16"),
            "Failure: HTTP Status Code 503, Service Temporarily Unavailable. Resolved IP: 198.19.0.16",
        ),
        (
            Finding("closed", resolved="198.19.0.16"),
            "Failure: Resolved IP: 198.19.0.16. The connection was closed by the endpoint.",
        ),
        (
            Finding("timeout"),
            "Failure: Connection timed out. The endpoint or the internet connection is down, or requests are being "
            "blocked by your firewall. See "
            "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-router-firewall-rules.html",
        ),
        (Finding("tls", phrase="handshake_failure"), "Failure: SSL alert handshake_failure"),
        (Finding("unresolved", 3), "Failure: DNS resolution failed: Rcode NXDomain(3)"),
    ],
)
def test_statuses_are_told_in_aws_words(finding: Finding, text: str) -> None:
    assert health.in_words(finding) == (text.startswith("Success"), text)


@pytest.mark.parametrize("kind", ["refused", "unreachable", "silent", "malformed", "forbidden", "unmatched", "tls"])
def test_every_other_finding_is_a_failure_with_a_text(kind: str) -> None:
    good, text = health.in_words(Finding(kind, 200))
    assert not good and text.startswith("Failure: ") and len(text) > 20


def test_checkers_are_two_in_each_of_the_regions() -> None:
    assert len(health.checkers_of(config())) == 16
    chosen = health.checkers_of(config(regions=("us-east-1", "eu-west-1", "sa-east-1")))
    assert [region for region, _ in chosen] == ["us-east-1"] * 2 + ["eu-west-1"] * 2 + ["sa-east-1"] * 2
    assert len({address for _, address in chosen}) == 6
    assert health.checkers_of(config(disabled=True)) == []
    assert health.checkers_of(config(type="CALCULATED")) == []


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({"domain_name": "a.test"}, "a.test"),
        ({"domain_name": "a.test", "port": 443}, "a.test:443"),
        ({"domain_name": "a.test", "port": 443, "type": "HTTPS"}, "a.test"),
        ({"domain_name": "a.test", "port": 80, "type": "HTTPS_STR_MATCH", "search_string": "x"}, "a.test:80"),
        ({}, "198.19.0.16"),
        ({"port": 8080}, "198.19.0.16:8080"),
        ({"ip_address": "2600::1"}, "[2600::1]"),
    ],
)
def test_the_host_header_is_made_as_documented(settings: dict[str, Any], host: str) -> None:
    checker = ("us-east-1", "198.18.2.10")
    assert health.endpoint_of(check(**settings), checker).host == host


def test_an_endpoint_has_aws_user_agent_and_the_server_name_only_with_sni() -> None:
    checker = ("us-east-1", "198.18.2.10")
    made = health.endpoint_of(check("id-1", domain_name="a.test", type="HTTPS", enable_sni=True), checker)
    assert (
        made.user_agent == "Amazon-Route53-Health-Check-Service (ref id-1; report http://amzn.to/1vsZADi)"
    )  # fmt: skip
    assert (made.namespace, made.source, made.server_name) == ("checkers-us-east-1", "198.18.2.10", "a.test")
    assert health.endpoint_of(check(domain_name="a.test", type="HTTPS"), checker).server_name == ""
    assert health.endpoint_of(check(resource_path="status?x=1"), checker).path == "/status?x=1"


def test_only_what_a_user_sees_is_news() -> None:
    first = health.judged(Opinion(), BAD, 3, 1.0)
    assert health.is_news(Opinion(), first)
    assert not health.is_news(first, health.judged(first, BAD, 3, 2.0))
    stored = health.view_of(("us-east-1", "198.18.2.10"), first)
    assert not health.is_news(first, health.opinion_of(stored))
