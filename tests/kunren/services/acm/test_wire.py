"""acm through boto3 and the gateway: what the wire makes of results and refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.gateway.gateway import Gateway
from kunren.services.acm.api import AcmApi
from kunren.services.acm.controllers import CertificateController
from kunren.settings import Settings


def story(acm: Any, dns: dict[str, list[str]]) -> None:
    """A script as a user writes it: request, create the record, wait with botocore's waiter, use, delete."""
    asked = {"DomainName": "example.test", "SubjectAlternativeNames": ["*.example.test"], "ValidationMethod": "DNS"}
    arn = acm.request_certificate(**asked, Tags=[{"Key": "team", "Value": "edge"}])["CertificateArn"]
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert detail["Status"] == "PENDING_VALIDATION"
    assert "NotAfter" not in detail
    record = detail["DomainValidationOptions"][0]["ResourceRecord"]
    dns[record["Name"]] = [record["Value"]]
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (detail["NotAfter"] - detail["NotBefore"]).days == 197
    assert detail["CreatedAt"] <= detail["IssuedAt"]
    got = acm.get_certificate(CertificateArn=arn)
    assert got["CertificateChain"].count("BEGIN CERTIFICATE") == 2
    (listed,) = acm.list_certificates(CertificateStatuses=["ISSUED"])["CertificateSummaryList"]
    assert (listed["CertificateArn"], listed["InUse"]) == (arn, False)
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "team", "Value": "edge"}]
    with pytest.raises(acm.exceptions.ResourceNotFoundException):
        acm.describe_certificate(CertificateArn=arn[:-1] + "x")
    with pytest.raises(ClientError, match="ValidationException"):
        acm.describe_certificate(CertificateArn="not an arn, but long enough")
    with pytest.raises(ClientError, match="ValidationMethod=DNS") as caught:
        acm.request_certificate(DomainName="example.test")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    acm.delete_certificate(CertificateArn=arn)
    assert acm.list_certificates()["CertificateSummaryList"] == []


def test_a_script_gets_a_certificate_by_dns_validation(tmp_path: Path) -> None:
    async def main() -> None:
        settings, clock, entropy = Settings(state_dir=tmp_path, port=0), SystemClock(), Entropy(7)
        store, dns = Store(tmp_path / "state.db"), dict[str, list[str]]()
        api = AcmApi(store, clock, entropy)

        async def lookup(name: str) -> list[str]:
            return dns.get(name, [])

        controller = CertificateController(store, clock, CertificateAuthority.open(tmp_path / "ca", clock), lookup)
        running = asyncio.ensure_future(controller.run())
        gateway = Gateway(settings, store, clock, entropy, {"acm": api}, None, None)
        await gateway.serve_host()
        client = boto3.client(
            "acm",
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{gateway.port}",
            aws_access_key_id="test",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}),
        )
        try:
            await asyncio.to_thread(story, client, dns)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await gateway.stop()
            store.close()

    asyncio.run(main())
