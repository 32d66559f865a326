"""Where listeners send the traffic: by weights whatever their protocol, and rules only where there are any."""

import asyncio

import pytest

from kunren.services.codedeploy.model import Deployment
from kunren.services.codedeploy.platforms.listeners import has_rules, route

DEPLOYMENT = Deployment(
    account="1", region="us-east-1", id="d-1", application="a", group="g", platform="ECS", config="c", created_at=0.0,
    revision={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "asks_for_rules"), [("HTTP", True), ("HTTPS", True), ("TCP", False), ("TLS", False)]
)
def test_a_listener_shares_its_traffic_by_weights(protocol, asks_for_rules):
    asked = {}

    async def call(account, region, service, operation, params):
        asked[operation] = params
        shown = {"Protocol": protocol, "DefaultActions": [{"Type": "forward", "TargetGroupArn": "blue", "Order": 1}]}
        return {"DescribeListeners": {"Listeners": [shown]}, "DescribeRules": {"Rules": []}}.get(operation, {})

    weights = {"blue": 90, "green": 10}
    assert asyncio.run(route(call, DEPLOYMENT, "listener", ("blue", "green"), weights))
    groups = [{"TargetGroupArn": "blue", "Weight": 90}, {"TargetGroupArn": "green", "Weight": 10}]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}, "Order": 1}
    assert asked["ModifyListener"] == {"ListenerArn": "listener", "DefaultActions": [action]}
    assert ("DescribeRules" in asked) == asks_for_rules
    assert asyncio.run(has_rules(call, DEPLOYMENT, "listener")) == asks_for_rules
