"""Operations on ACME endpoints, and the tags of all that belongs to them (ACM User Guide, "ACME endpoints")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import build_arn, parse_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.acm.acme import views
from kunren.services.acm.acme.base import AcmeBase, acme_tags, page_of, replayed
from kunren.services.acm.acme.model import (
    AcmeAccount,
    AcmeDomainValidation,
    AcmeEndpoint,
    AcmeExternalAccountBinding,
    AcmeOrder,
)
from kunren.services.acm.errors import AcmeResourceNotFound, ServiceQuotaExceededException, ValidationException

ENDPOINTS_MAX = 50  # "Number of ACME endpoints", per account and region
Belonging = AcmeDomainValidation | AcmeExternalAccountBinding | AcmeAccount | AcmeOrder
_BELONGINGS: tuple[type[Belonging], ...] = (AcmeDomainValidation, AcmeExternalAccountBinding, AcmeAccount, AcmeOrder)
Tagged = AcmeEndpoint | AcmeDomainValidation | AcmeExternalAccountBinding

_TAGGED: dict[tuple[str, ...], type[Tagged]] = {
    ("acme-endpoint",): AcmeEndpoint,
    ("acme-endpoint", "acme-domain-validation"): AcmeDomainValidation,
    ("acme-endpoint", "acme-external-account-binding"): AcmeExternalAccountBinding,
}


class EndpointOperations(AcmeBase):
    def create_acme_endpoint(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        algorithms = _allowed(params["CertificateAuthority"])
        contact = params.get("Contact") or "NOT_REQUIRED"
        tags, issued_with = acme_tags({}, params.get("Tags")), acme_tags({}, params.get("CertificateTags"))
        token, now = params.get("IdempotencyToken"), self._clock.now()
        with self._store.write() as tx:
            rows = tx.list(AcmeEndpoint, ctx.account, ctx.region)
            known = replayed(
                rows,
                token,
                lambda row: (
                    (row.contact, row.key_algorithms, row.certificate_tags) == (contact, algorithms, issued_with)
                ),
            )
            if known is not None:
                return {"AcmeEndpointArn": known.id}
            if len(rows) >= ENDPOINTS_MAX:
                raise ServiceQuotaExceededException(f"You have reached your limit of {ENDPOINTS_MAX} ACME endpoints.")
            made = AcmeEndpoint(
                account=ctx.account,
                region=ctx.region,
                id=build_arn("acm", ctx.region, ctx.account, f"acme-endpoint/{self._entropy.uuid()}"),
                contact=contact,
                key_algorithms=algorithms,
                certificate_tags=issued_with,
                created_at=now,
                updated_at=now,
                idempotency_token=token or "",
                tags=tags,
            )
            tx.put(made)
        return {"AcmeEndpointArn": made.id}

    def describe_acme_endpoint(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"AcmeEndpoint": views.endpoint(self._endpoint(self._store.snapshot(), ctx, params["AcmeEndpointArn"]))}

    def list_acme_endpoints(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        shown, token = page_of(self._store.snapshot().list(AcmeEndpoint, ctx.account, ctx.region), params)
        return {"AcmeEndpoints": [views.endpoint(row) for row in shown], "NextToken": token}

    def update_acme_endpoint(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._endpoint(tx, ctx, params["AcmeEndpointArn"])
            algorithms = row.key_algorithms
            if params.get("CertificateAuthority") is not None:
                algorithms = _allowed(params["CertificateAuthority"])
            tx.put(
                msgspec.structs.replace(
                    row,
                    contact=params.get("Contact") or row.contact,
                    key_algorithms=algorithms,
                    updated_at=self._clock.now(),
                )
            )

    def delete_acme_endpoint(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        """With all that belongs to it. An endpoint that is not there is deleted (the model has no error for it)."""
        arn = params["AcmeEndpointArn"]
        with self._store.write() as tx:
            found = tx.get(AcmeEndpoint, ctx.account, ctx.region, arn)
            if found is None:
                return
            tx.delete(found)
            for kind in _BELONGINGS:
                for each in tx.list(kind, ctx.account, ctx.region):
                    if each.endpoint_arn == arn:
                        tx.delete(each)

    # --- tags

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._tagged(tx, ctx, params["ResourceArn"])
            tx.put(msgspec.structs.replace(row, tags=acme_tags(row.tags, params["Tags"])))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row = self._tagged(tx, ctx, params["ResourceArn"])
            kept = {key: value for key, value in row.tags.items() if key not in params["TagKeys"]}
            tx.put(msgspec.structs.replace(row, tags=kept))

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        row = self._tagged(self._store.snapshot(), ctx, params["ResourceArn"])
        return {"Tags": tags_to_wire(row.tags) or None}

    def _tagged(self, reader: Snapshot | Tx, ctx: RequestContext, arn: str) -> Tagged:
        parts = parse_arn(arn)
        resource = parts.resource.split("/") if parts is not None else []
        if resource[:1] == ["certificate"]:
            raise ValidationException("Certificates are tagged with AddTagsToCertificate.")
        kind = _TAGGED.get(tuple(resource[::2]))
        if kind is None:
            raise AcmeResourceNotFound(arn, ctx.account)
        return self._resource(reader, ctx, kind, arn)


def _allowed(authority: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The key algorithms that a CertificateAuthority allows; None for all. Raises ValidationException."""
    public = authority.get("PublicCertificateAuthority")
    if public is None:
        raise ValidationException("CertificateAuthority must have exactly one member.")
    return tuple(dict.fromkeys(public.get("AllowedKeyAlgorithms") or ())) or None
