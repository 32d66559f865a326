"""Route 53 from end to end: boto3 over the gateway on one side, packets on port 53 on the other."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.control.store import Store
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.aws_names import name_server_address
from kunren.dataplane.dns.server import DnsServer
from kunren.gateway.gateway import Gateway
from kunren.services.route53.api import Route53Api
from kunren.services.route53.controllers import Route53Controller
from kunren.services.route53.store import Route53Store
from kunren.settings import Settings
from kunren.world.spec import Region, WorldSpec

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abcdef", 0, 0),))
CONFIG = Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10)
Story = Callable[[Any, Any], None]


def _dns_conftest() -> ModuleType:
    path = Path(__file__).parents[2] / "dataplane" / "dns" / "conftest.py"
    spec = importlib.util.spec_from_file_location("dns_namespace", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def namespace() -> Iterator[Any]:
    opener = _dns_conftest().NamespaceOpener()
    yield opener
    opener.close()


def tell(tmp_path: Path, namespace: Any, story: Story) -> None:
    async def main() -> None:
        settings = Settings(state_dir=tmp_path, port=0)
        store, clock, entropy = Store(settings.database), SystemClock(), Entropy(seed=3)
        dns = DnsServer(namespace, clock, entropy, SPEC)
        await dns.start()
        records = Route53Store(store, clock, entropy)
        controller = Route53Controller(records, dns, clock)
        running = asyncio.ensure_future(controller.run())
        services = {"route53": Route53Api(records, clock, entropy, dns)}
        gateway = Gateway(settings, store, clock, entropy, services, None, None)
        await gateway.serve_host()
        client = boto3.client(
            "route53",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{gateway.port}",
            aws_access_key_id="123456789012",
            aws_secret_access_key="x",
            config=CONFIG,
        )
        try:
            await asyncio.to_thread(story, client, namespace)
        finally:
            running.cancel()
            await gateway.stop()
            await dns.stop()
            store.close()

    asyncio.run(main())


def record(name: str, rtype: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": each} for each in values], **more}


def batch(*changes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"Changes": [{"Action": action, "ResourceRecordSet": given} for action, given in changes]}


def test_records_made_by_boto3_are_answered_to_dig(tmp_path: Path, namespace: Any) -> None:
    def story(route53: Any, namespace: Any) -> None:
        made = route53.create_hosted_zone(Name="example-one.test", CallerReference="1")
        zone = made["HostedZone"]["Id"]
        assert made["HostedZone"]["Config"] == {"PrivateZone": False, "HostedZoneTier": "STANDARD"}
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
        assert made["Location"].endswith(zone)
        changes = [
            ("CREATE", record("www.example-one.test", "CNAME", "app.example-one.test")),
            ("CREATE", record("app.example-one.test", "A", "198.19.0.16", "198.19.0.17")),
            ("CREATE", record("*.example-one.test", "TXT", '"any"')),
        ]
        info = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch(*changes))["ChangeInfo"]
        waiter = route53.get_waiter("resource_record_sets_changed")
        waiter.wait(Id=info["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 5})
        for server in ("198.18.0.2", name_server_address(made["DelegationSet"]["NameServers"][0])):
            answer = namespace.dig(f"@{server}", "+short", "www.example-one.test").split()
            assert answer[0] == "app.example-one.test." and sorted(answer[1:]) == ["198.19.0.16", "198.19.0.17"]
        assert namespace.dig("@198.18.0.2", "+short", "x.example-one.test", "TXT").split() == ['"any"']
        listed = route53.list_resource_record_sets(HostedZoneId=zone)
        assert listed["ResourceRecordSets"][2] == record("\\052.example-one.test.", "TXT", '"any"')
        assert "NextRecordName" not in listed and listed["MaxItems"] == "300"
        asked = {"HostedZoneId": zone, "RecordName": "app.example-one.test", "RecordType": "A"}
        assert sorted(route53.test_dns_answer(**asked)["RecordData"]) == ["198.19.0.16", "198.19.0.17"]
        assert len(list(route53.get_paginator("list_hosted_zones").paginate().search("HostedZones"))) == 1

    tell(tmp_path, namespace, story)


def test_a_change_is_answered_by_the_name_servers_when_the_call_returns_or_soon_after(
    tmp_path: Path, namespace: Any
) -> None:
    def story(route53: Any, namespace: Any) -> None:
        made = route53.create_hosted_zone(Name="example-one.test", CallerReference="1")
        zone, server = made["HostedZone"]["Id"], name_server_address(made["DelegationSet"]["NameServers"][0])
        for value in ("198.19.0.16", "198.19.0.17", "198.19.0.18"):
            change = ("UPSERT", record("a.example-one.test", "A", value))
            info = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch(change))["ChangeInfo"]
            while route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] != "INSYNC":
                pass
            assert namespace.dig(f"@{server}", "+short", "a.example-one.test").split() == [value]

    tell(tmp_path, namespace, story)


def test_errors_have_awss_code_status_and_text_on_the_wire(tmp_path: Path, namespace: Any) -> None:
    def error(call: Any, **params: Any) -> tuple[str, str, int]:
        with pytest.raises(ClientError) as caught:
            call(**params)
        answer = caught.value.response
        return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]

    def story(route53: Any, namespace: Any) -> None:
        zone = route53.create_hosted_zone(Name="example-one.test", CallerReference="1")["HostedZone"]["Id"]
        assert error(route53.create_hosted_zone, Name="example-one.test", CallerReference="1") == (
            "HostedZoneAlreadyExists",
            "A hosted zone has already been created with the specified caller reference.",
            409,
        )
        assert error(route53.get_hosted_zone, Id="Z123") == (
            "NoSuchHostedZone", "No hosted zone found with ID: Z123", 404,
        )  # fmt: skip
        bad = batch(("CREATE", record("a.example-one.test", "A", "1.2.3")))
        assert error(route53.change_resource_record_sets, HostedZoneId=zone, ChangeBatch=bad) == (
            "InvalidChangeBatch",
            "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) "
            "encountered with '1.2.3'']",
            400,
        )
        calculated = {"Type": "CALCULATED", "ChildHealthChecks": []}
        assert error(route53.create_health_check, CallerReference="1", HealthCheckConfig=calculated) == (
            "InvalidInput",
            "Invalid parameter : Calculated health checks must have a health threshold specified.",
            400,
        )
        assert error(route53.update_hosted_zone_features, HostedZoneId=zone, EnableAcceleratedRecovery=True)[2] == 501

    tell(tmp_path, namespace, story)
