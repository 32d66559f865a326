"""Rule actions: what is refused, with AWS's words, and that echoing is stable."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import AwsError
from kunren.services.elbv2.actions import check_listener, normalise, target_groups

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/app/{:016x}"
LOOP = "The redirect configuration is not valid because it creates a loop."


def refused(*actions: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        normalise(actions, "CreateRule")
    return caught.value.code, caught.value.message


def redirect(**config: str) -> dict[str, Any]:
    return {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **config}}


def test_a_redirect_names_every_component() -> None:
    assert normalise([redirect(Host="example.com")], "CreateRule") == (
        {
            "Type": "redirect",
            "RedirectConfig": {
                "Protocol": "#{protocol}",
                "Port": "#{port}",
                "Host": "example.com",
                "Path": "/#{path}",
                "Query": "#{query}",
                "StatusCode": "HTTP_301",
            },
        },
    )


def test_an_empty_query_stays_empty() -> None:
    assert normalise([redirect(Host="example.com", Query="")], "CreateRule")[0]["RedirectConfig"]["Query"] == ""


def test_a_forward_to_one_group_has_both_forms_and_to_several_only_the_config() -> None:
    one, two = GROUP.format(1), GROUP.format(2)
    config = {"TargetGroups": [{"TargetGroupArn": one, "Weight": 1}], "TargetGroupStickinessConfig": {"Enabled": False}}
    single = ({"Type": "forward", "TargetGroupArn": one, "ForwardConfig": config},)
    assert normalise([{"Type": "forward", "TargetGroupArn": one}], "CreateRule") == single
    listed = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": one}]}}
    assert normalise([listed], "CreateRule") == single
    listed["ForwardConfig"] = {"TargetGroups": [{"TargetGroupArn": one, "Weight": 0}, {"TargetGroupArn": two}]}
    both = normalise([listed], "CreateRule")
    assert "TargetGroupArn" not in both[0]
    assert [group["Weight"] for group in both[0]["ForwardConfig"]["TargetGroups"]] == [0, 1]
    assert target_groups(both) == (one, two)


@pytest.mark.parametrize(
    ("action", "code", "text"),
    [
        (
            {"Type": "redirect"},
            "InvalidLoadBalancerAction",
            "For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'",
        ),
        (
            {"Type": "fixed-response"},
            "InvalidLoadBalancerAction",
            "For actions of type 'fixed-response', you must specify the following fields: 'FixedResponseConfig'",
        ),
        (
            {"Type": "forward"},
            "InvalidLoadBalancerAction",
            "For actions of type 'forward', you must specify the following fields: 'TargetGroupArn'",
        ),
        (
            redirect(Path="#{path}"),
            "InvalidLoadBalancerAction",
            "The Path parameter must be a valid path, should start with a '/', and may contain up to one of each of"
            " these placeholders: '#{path}', '#{host}', '#{port}'.",
        ),
        (redirect(Path="/#{path}/#{path}"), "InvalidLoadBalancerAction", "The Path parameter"),
        (redirect(Path="/#{query}"), "InvalidLoadBalancerAction", "The Path parameter"),
        (redirect(Host="#{path}"), "InvalidLoadBalancerAction", "The Host parameter"),
        (redirect(Host="a b"), "InvalidLoadBalancerAction", "The Host parameter"),
        (redirect(Query="?a=b"), "InvalidLoadBalancerAction", "The Query parameter"),
        (redirect(Port="65536"), "InvalidLoadBalancerAction", "The Port parameter"),
        (redirect(Protocol="FTP"), "InvalidLoadBalancerAction", "The Protocol parameter"),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "ContentType": "image/png"}},
            "InvalidLoadBalancerAction",
            "The ContentType must be one of:'text/html', 'application/json', 'application/javascript', 'text/css',"
            " 'text/plain'",
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "301"}},
            "InvalidLoadBalancerAction",
            "The StatusCode must be a 2XX, 4XX or 5XX code",
        ),
        (
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "x" * 1025}},
            "InvalidLoadBalancerAction",
            "The MessageBody is too long; the limit is '1024'",
        ),
        (
            {**redirect(Host="a.b"), "TargetGroupArn": GROUP.format(1)},
            "InvalidLoadBalancerAction",
            "For actions of type 'redirect', you cannot specify the following fields: 'TargetGroupArn'",
        ),
        (
            {
                "Type": "forward",
                "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP.format(1), "Weight": 1000}]},
            },
            "ValidationError",
            "'Weight' value '1000' must be between '0-999' inclusive",
        ),
        (
            {
                "Type": "forward",
                "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP.format(n)} for n in range(6)]},
            },
            "InvalidLoadBalancerAction",
            "A forward action can only have '5' target groups",
        ),
        ({"Type": "authenticate-cognito"}, "NotImplemented", "authenticate-cognito"),
    ],
)
def test_actions_that_aws_refuses(action: dict[str, Any], code: str, text: str) -> None:
    found = refused(action)
    assert found[0] == code
    assert text in found[1]


def test_a_rule_has_one_routing_action() -> None:
    assert refused(redirect(Host="a.b"), redirect(Host="c.d"))[0] == "TooManyActions"
    assert refused()[0] == "ValidationError"


def test_sticky_groups_need_a_duration_of_up_to_a_week() -> None:
    groups = [{"TargetGroupArn": GROUP.format(1)}]
    for sticky in ({"Enabled": True}, {"Enabled": True, "DurationSeconds": 604_801}):
        config = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
        assert refused({"Type": "forward", "ForwardConfig": config})[0] == "ValidationError"


@pytest.mark.parametrize(
    ("protocol", "port", "config", "loops"),
    [
        ("HTTP", 80, {"Protocol": "HTTPS", "Port": "443"}, False),
        ("HTTPS", 443, {"Protocol": "HTTPS", "Port": "443"}, True),
        ("HTTP", 80, {}, True),
        ("HTTP", 80, {"Query": "a=b"}, True),
        ("HTTP", 80, {"Port": "8080"}, False),
        ("HTTP", 80, {"Path": "/new/#{path}"}, False),
        ("HTTP", 80, {"Host": "www.#{host}"}, False),
    ],
)
def test_a_redirect_must_change_something_besides_the_query(
    protocol: str, port: int, config: dict[str, str], loops: bool
) -> None:
    actions = normalise([redirect(**config)], "CreateRule")
    if not loops:
        check_listener(actions, protocol, port)
        return
    with pytest.raises(AwsError) as caught:
        check_listener(actions, protocol, port)
    assert (caught.value.code, caught.value.message) == ("InvalidLoadBalancerAction", LOOP)


_text = st.text(string.ascii_letters + string.digits + "-.", min_size=1, max_size=20)
_maybe = st.none() | _text
_redirects = st.builds(
    lambda host, path, query, order: {
        "Type": "redirect",
        **({"Order": order} if order else {}),
        "RedirectConfig": {
            "StatusCode": "HTTP_302",
            **({"Host": f"{host}.#{{host}}"} if host else {}),
            **({"Path": f"/{path}/#{{path}}"} if path else {}),
            **({"Query": f"#{{query}}&a={query}"} if query else {}),
        },
    },
    _maybe,
    _maybe,
    _maybe,
    st.none() | st.integers(1, 50_000),
)
_fixed = st.builds(
    lambda status, body: {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": str(status), **({"MessageBody": body} if body else {})},
    },
    st.sampled_from([200, 404, 503]),
    _maybe,
)
_forwards = st.builds(
    lambda numbers, weight, seconds: {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": GROUP.format(number), "Weight": weight} for number in numbers],
            **({"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": seconds}} if seconds else {}),
        },
    },
    st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True),
    st.integers(0, 999),
    st.none() | st.integers(1, 604_800),
)


@given(st.one_of(_redirects, _fixed, _forwards))
def test_what_was_echoed_can_be_sent_again_and_is_echoed_the_same(action: dict[str, Any]) -> None:
    once = normalise([action], "CreateRule")
    assert normalise(once, "CreateRule") == once
