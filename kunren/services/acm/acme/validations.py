"""Operations on ACME domain validations (ACM User Guide, "ACME domain validation"). They only write what is wanted;
`controllers.py` looks for the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.acm.acme import views
from kunren.services.acm.acme.base import AcmeBase, acme_tags, page_of, replayed
from kunren.services.acm.acme.model import INVALID, VALIDATING, AcmeDomainValidation, DomainScope
from kunren.services.acm.acme.scope import validation_record
from kunren.services.acm.errors import ConflictException, ServiceQuotaExceededException, ValidationException
from kunren.services.acm.names import belongs_to_amazon

VALIDATIONS_MAX = 1500  # "Number of domain validations per ACME endpoint"


class DomainValidationOperations(AcmeBase):
    def create_acme_domain_validation(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        arn, domain = params["AcmeEndpointArn"], params["DomainName"]
        scope, zone = _prevalidation(params["PrevalidationOptions"])
        tags, token, now = acme_tags({}, params.get("Tags")), params.get("IdempotencyToken"), self._clock.now()
        with self._store.write() as tx:
            endpoint = self._endpoint(tx, ctx, arn)
            rows = [row for row in tx.list(AcmeDomainValidation, ctx.account, ctx.region) if row.endpoint_arn == arn]
            known = replayed(
                rows, token, lambda row: (row.domain_name, row.scope, row.hosted_zone_id) == (domain, scope, zone)
            )
            if known is not None:
                return {"AcmeDomainValidationArn": known.id}
            if any(row.domain_name == domain for row in rows):
                raise ConflictException(f"The ACME endpoint already has a domain validation for {domain}.")
            if len(rows) >= VALIDATIONS_MAX:
                raise ServiceQuotaExceededException(
                    f"You have reached your limit of {VALIDATIONS_MAX} domain validations of an ACME endpoint."
                )
            record_name, record_value = validation_record(arn, domain)
            reason, message = _refusal(domain)
            made = AcmeDomainValidation(
                account=ctx.account,
                region=ctx.region,
                id=f"{endpoint.id}/acme-domain-validation/{self._entropy.uuid()}",
                endpoint_arn=arn,
                domain_name=domain,
                scope=scope,
                hosted_zone_id=zone,
                record_name=record_name,
                record_value=record_value,
                created_at=now,
                updated_at=now,
                validating_since=now,
                status=VALIDATING if reason is None else INVALID,
                failure_reason=reason,
                failure_message=message,
                idempotency_token=token or "",
                tags=tags,
            )
            tx.put(made)
        return {"AcmeDomainValidationArn": made.id}

    def describe_acme_domain_validation(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        row = self._resource(self._store.snapshot(), ctx, AcmeDomainValidation, params["AcmeDomainValidationArn"])
        return {"AcmeDomainValidation": views.domain_validation(row)}

    def list_acme_domain_validations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, arn = self._store.snapshot(), params["AcmeEndpointArn"]
        self._endpoint(snapshot, ctx, arn)
        rows = [row for row in snapshot.list(AcmeDomainValidation, ctx.account, ctx.region) if row.endpoint_arn == arn]
        shown, token = page_of(rows, params)
        return {"AcmeDomainValidations": [views.domain_validation(row) for row in shown], "NextToken": token}

    def update_acme_domain_validation(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        """A new scope holds at once. A hosted zone begins the validation anew, unless the record was seen already."""
        with self._store.write() as tx:
            row = self._resource(tx, ctx, AcmeDomainValidation, params["AcmeDomainValidationArn"])
            if params.get("PrevalidationOptions") is None:
                return
            scope, zone = _prevalidation(params["PrevalidationOptions"])
            now = self._clock.now()
            changed = msgspec.structs.replace(row, scope=scope, updated_at=now)
            if zone is not None and (zone != row.hosted_zone_id or row.status == INVALID):
                changed = msgspec.structs.replace(changed, hosted_zone_id=zone)
                if row.status in (VALIDATING, INVALID) and _refusal(row.domain_name)[0] is None:
                    changed = msgspec.structs.replace(
                        changed,
                        status=VALIDATING,
                        recorded=False,
                        validating_since=now,
                        failure_reason=None,
                        failure_message=None,
                    )
            tx.put(changed)

    def delete_acme_domain_validation(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = tx.get(AcmeDomainValidation, ctx.account, ctx.region, params["AcmeDomainValidationArn"])
            if found is not None:
                tx.delete(found)


def _prevalidation(options: Mapping[str, Any]) -> tuple[DomainScope, str | None]:
    """The scope and the hosted zone that PrevalidationOptions say. Raises ValidationException."""
    dns = options.get("DnsPrevalidation")
    if dns is None:
        raise ValidationException("PrevalidationOptions must have exactly one member.")
    given = dns.get("DomainScope") or {}
    scope = DomainScope(
        exact_domain=given.get("ExactDomain") == "ENABLED",
        subdomains=given.get("Subdomains") == "ENABLED",
        wildcards=given.get("Wildcards") == "ENABLED",
    )
    if scope == DomainScope():
        raise ValidationException("DomainScope must enable at least one of ExactDomain, Subdomains and Wildcards.")
    return scope, dns.get("HostedZoneId")


def _refusal(domain: str) -> tuple[str | None, str | None]:
    """Why no certificate is ever issued for a domain: reason and message."""
    if belongs_to_amazon(domain):
        return "DOMAIN_NOT_ALLOWED", f"The domain {domain} is not permitted for issuance."
    if "." not in domain:
        return "INVALID_PUBLIC_DOMAIN", f"The domain {domain} is not a public domain."
    return None, None
