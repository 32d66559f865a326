"""Certificates: AWS::CertificateManager::Certificate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Tagging, pairs
from kunren.services.cloudformation.resources.route53 import in_sync
from kunren.services.cloudformation.work import Failed, Work


def _request(work: Work) -> Mapping[str, Any]:
    options = [
        {"DomainName": each["DomainName"], "ValidationDomain": each["ValidationDomain"]}
        for each in work.get("DomainValidationOptions") or []
        if "ValidationDomain" in each
    ]
    logging = work.get("CertificateTransparencyLoggingPreference")
    return {
        "IdempotencyToken": re.sub(r"\W", "", work.token)[:32],
        "ValidationMethod": work.get("ValidationMethod", "EMAIL"),
        **({"DomainValidationOptions": options} if options else {}),
        **({"Options": {"CertificateTransparencyLoggingPreference": logging}} if logging else {}),
    }


def _change_tags(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if removed:
        params = {"CertificateArn": work.physical, "Tags": [{"Key": key} for key in removed]}
        calls.append(("RemoveTagsFromCertificate", params))
    if added:
        calls.append(("AddTagsToCertificate", {"CertificateArn": work.physical, "Tags": pairs(added)}))
    return calls


class Certificate(Declared):
    """Complete when it is issued. Where the options name a hosted zone, the validation's records are put there; they
    stay when the certificate goes, as on AWS."""

    async def settle(self, work: Work) -> None:
        zones = {
            each["DomainName"]: each["HostedZoneId"]
            for each in work.get("DomainValidationOptions") or []
            if "HostedZoneId" in each
        }
        if zones and work.row.attempt is not None and work.row.attempt.action == "create":
            await self._prove(work, zones)
        await super().settle(work)

    async def _prove(self, work: Work, zones: Mapping[str, str]) -> None:
        async def options() -> list[dict[str, Any]] | None:
            item = await self.item_of(work) or {}
            found: list[dict[str, Any]] = item.get("DomainValidationOptions", [])
            return found if found and all("ResourceRecord" in each for each in found) else None

        done: dict[tuple[str, str], None] = {}
        for each in await work.until(options):
            zone = zones.get(each["DomainName"]) or zones.get(each["DomainName"].removeprefix("*."))
            name, value = each["ResourceRecord"]["Name"], each["ResourceRecord"]["Value"]
            if zone is None or (zone, name) in done:
                continue
            done[zone, name] = None
            record = {"Name": name, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": value}]}
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
            id = await work.write(
                "route53", "ChangeResourceRecordSets", {"HostedZoneId": zone, "ChangeBatch": batch}, "ChangeInfo.Id"
            )
            await in_sync(work, id)

    async def update(self, work: Work) -> None:
        if work.changed("CertificateTransparencyLoggingPreference"):
            raise Failed("Kunren does not implement changes of CertificateTransparencyLoggingPreference yet.")
        await super().update(work)


KINDS: tuple[Kind, ...] = (
    Certificate(
        "AWS::CertificateManager::Certificate",
        "acm",
        create="RequestCertificate",
        takes="DomainName SubjectAlternativeNames KeyAlgorithm",
        extra=_request,
        made="CertificateArn",
        key="CertificateArn",
        also="CertificateTransparencyLoggingPreference DomainValidationOptions ValidationMethod",
        describe="DescribeCertificate",
        item="Certificate",
        ready="Status == 'ISSUED'",
        broken="Status == 'FAILED' && FailureReason || Status == 'VALIDATION_TIMED_OUT' && Status",
        gives={"CertificateArn": "CertificateArn", "Id": "CertificateArn"},
        tags=Tagging(lambda work: {"Tags": pairs(work.tags)} if work.tags else {}, _change_tags),
        delete="DeleteCertificate",
    ),
)
