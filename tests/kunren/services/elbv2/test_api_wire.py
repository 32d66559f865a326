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


def test_every_paginator_walks_to_the_end(elb: Any, client_authority: Any, tmp_path: Path) -> None:
    authority = client_authority()
    elb.objects["trust", "ca.pem"] = authority.pem.encode()
    for number in (1, 2):
        elb.objects["trust", f"{number}.crl"] = authority.revoked(number)
    certificates = [elb.certificate(number) for number in range(4)]

    def story(client: Any) -> None:
        subnets = [subnet.id for subnet in elb.subnets[:2]]
        fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        balancers = [
            client.create_load_balancer(Name=f"web-{number}", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
            for number in range(3)
        ]
        bundle = {"CaCertificatesBundleS3Bucket": "trust", "CaCertificatesBundleS3Key": "ca.pem"}
        stores = [
            client.create_trust_store(Name=f"store-{number}", **bundle)["TrustStores"][0]["TrustStoreArn"]
            for number in range(3)
        ]
        for number in (1, 2):
            given = [{"S3Bucket": "trust", "S3Key": f"{number}.crl"}]
            client.add_trust_store_revocations(TrustStoreArn=stores[0], RevocationContents=given)
        for number in range(3):
            client.create_target_group(
                Name=f"app-{number}", Protocol="HTTP", Port=80, VpcId=elb.vpc.id, TargetType="ip"
            )
        verify = {"Mode": "verify", "TrustStoreArn": stores[0]}
        listeners = [
            client.create_listener(
                LoadBalancerArn=balancer, Protocol="HTTPS", Port=port, MutualAuthentication=verify,
                Certificates=[{"CertificateArn": certificates[0]}], DefaultActions=fixed,
            )["Listeners"][0]["ListenerArn"]
            for balancer, port in ((balancers[0], 443), (balancers[0], 444), (balancers[1], 443))
        ]  # fmt: skip
        more = [{"CertificateArn": each} for each in certificates[1:]]
        client.add_listener_certificates(ListenerArn=listeners[0], Certificates=more)
        for priority in (1, 2, 3):
            path = [{"Field": "path-pattern", "Values": [f"/{priority}"]}]
            client.create_rule(ListenerArn=listeners[0], Priority=priority, Conditions=path, Actions=fixed)

        for operation, result, params, count in (
            ("describe_load_balancers", "LoadBalancers", {}, 3),
            ("describe_target_groups", "TargetGroups", {}, 3),
            ("describe_listeners", "Listeners", {"LoadBalancerArn": balancers[0]}, 2),
            ("describe_listener_certificates", "Certificates", {"ListenerArn": listeners[0]}, 4),
            ("describe_rules", "Rules", {"ListenerArn": listeners[0]}, 4),
            ("describe_ssl_policies", "SslPolicies", {}, None),
            ("describe_account_limits", "Limits", {}, None),
            ("describe_trust_stores", "TrustStores", {}, 3),
            ("describe_trust_store_associations", "TrustStoreAssociations", {"TrustStoreArn": stores[0]}, 2),
            ("describe_trust_store_revocations", "TrustStoreRevocations", {"TrustStoreArn": stores[0]}, 2),
        ):
            whole = getattr(client, operation)(**params)
            assert "NextMarker" not in whole and len(whole[result]) == (count or len(whole[result])) > 1, operation
            size = 1 if count else 7
            pages = list(client.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": size}))
            assert [each for page in pages for each in page[result]] == whole[result], operation
            assert {len(page[result]) for page in pages[:-1]} == {size} and 1 <= len(pages[-1][result]) <= size
            with pytest.raises(ClientError) as caught:
                getattr(client, operation)(**params, Marker="nonsense")
            assert caught.value.response["Error"]["Code"] == "ValidationError", operation

    through_the_gateway(elb, tmp_path, story)
