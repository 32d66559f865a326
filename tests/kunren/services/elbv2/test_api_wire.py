"""The whole way: boto3, the query protocol, the gateway, this API, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.gateway.gateway import Gateway
from kunren.settings import Settings


def through_the_gateway(elb: Any, state_dir: Path, story: Callable[[Any], None]) -> None:
    """Run `story` with a boto3 client, in a thread beside the gateway's loop."""

    async def main() -> None:
        settings = Settings(state_dir=state_dir, port=0)
        gateway = Gateway(settings, elb.store, elb.clock, elb.entropy, {"elbv2": elb.api}, None, None)
        await gateway.serve_host()
        client = boto3.client(
            "elbv2",
            endpoint_url=f"http://127.0.0.1:{gateway.port}",
            region_name="us-east-1",
            aws_access_key_id="123456789012",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, proxies={}),
        )
        try:
            await asyncio.to_thread(story, client)
        finally:
            client.close()
            await gateway.stop()

    asyncio.run(main())


def test_boto3_builds_a_load_balancer_and_reads_it_back(elb: Any, tmp_path: Path) -> None:
    def story(client: Any) -> None:
        account = client.describe_account_limits()["Limits"]
        assert {"Name": "application-load-balancers", "Max": "50"} in account
        subnets = [subnet.id for subnet in elb.subnets[:2]]
        made = client.create_load_balancer(Name="web", Subnets=subnets, Tags=[{"Key": "a", "Value": "b"}])
        balancer = made["LoadBalancers"][0]
        assert balancer["CreatedTime"] == datetime.fromtimestamp(elb.clock.now(), UTC)
        assert balancer["State"] == {"Code": "provisioning"}
        assert balancer["AvailabilityZones"][0]["LoadBalancerAddresses"] == []
        group = client.create_target_group(
            Name="app", Protocol="HTTP", Port=80, VpcId=balancer["VpcId"], TargetType="ip"
        )
        arn = group["TargetGroups"][0]["TargetGroupArn"]
        listener = client.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )["Listeners"][0]
        assert "Certificates" not in listener
        rule = client.create_rule(
            ListenerArn=listener["ListenerArn"],
            Priority=1,
            Conditions=[{"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "x"}]}}],
            Actions=[{"Type": "forward", "TargetGroupArn": arn}],
        )["Rules"][0]
        assert rule["Conditions"] == [{"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "x"}]}}]
        assert rule["Actions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": False}
        pages = client.get_paginator("describe_rules").paginate(ListenerArn=listener["ListenerArn"], PageSize=1)
        assert [each["Priority"] for page in pages for each in page["Rules"]] == ["1", "default"]
        client.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
        client.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[balancer["LoadBalancerArn"]])

    through_the_gateway(elb, tmp_path, story)


def test_errors_have_awss_code_status_and_text(elb: Any, tmp_path: Path) -> None:
    def story(client: Any) -> None:
        with pytest.raises(client.exceptions.LoadBalancerNotFoundException) as caught:
            client.describe_load_balancers(Names=["gone"])
        answer = caught.value.response
        assert answer["Error"]["Code"] == "LoadBalancerNotFound"
        assert answer["Error"]["Message"] == "One or more load balancers not found"
        assert answer["Error"]["Type"] == "Sender"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        with pytest.raises(ClientError) as refused:
            client.create_load_balancer(Name="net", Type="gateway")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501

    through_the_gateway(elb, tmp_path, story)
