"""Operations on external account bindings, and on the accounts that clients register with them (ACM User Guide,
"External account bindings")."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.acm.acme import jws, views
from kunren.services.acm.acme.base import AcmeBase, acme_tags, page_of, replayed
from kunren.services.acm.acme.model import REVOKED, AcmeAccount, AcmeEndpoint, AcmeExternalAccountBinding
from kunren.services.acm.errors import AcmeResourceNotFound, ServiceQuotaExceededException

BINDINGS_MAX = 1000  # "Number of external account bindings per ACME endpoint"
MAC_KEY_BYTES = 32
_SECONDS = {"MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86400.0}


class BindingOperations(AcmeBase):
    def create_acme_external_account_binding(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        arn, role, token = params["AcmeEndpointArn"], params["RoleArn"], params.get("IdempotencyToken")
        tags, now = acme_tags({}, params.get("Tags")), self._clock.now()
        lasts = params.get("Expiration")
        with self._store.write() as tx:
            endpoint = self._endpoint(tx, ctx, arn)
            rows = [r for r in tx.list(AcmeExternalAccountBinding, ctx.account, ctx.region) if r.endpoint_arn == arn]
            known = replayed(rows, token, lambda row: row.role_arn == role)
            if known is not None:
                return {"ExternalAccountBinding": views.binding(known)}
            if len(rows) >= BINDINGS_MAX:
                raise ServiceQuotaExceededException(
                    f"You have reached your limit of {BINDINGS_MAX} external account bindings of an ACME endpoint."
                )
            made = AcmeExternalAccountBinding(
                account=ctx.account,
                region=ctx.region,
                id=f"{endpoint.id}/acme-external-account-binding/{self._entropy.uuid()}",
                endpoint_arn=arn,
                role_arn=role,
                key_id=self._entropy.uuid(),
                mac_key=_mac_key(self._entropy),
                created_at=now,
                updated_at=now,
                expires_at=now + lasts["Value"] * _SECONDS[lasts["Type"]] if lasts is not None else None,
                idempotency_token=token or "",
                tags=tags,
            )
            tx.put(made)
        return {"ExternalAccountBinding": views.binding(made)}

    def describe_acme_external_account_binding(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"ExternalAccountBinding": views.binding(self._binding(self._store.snapshot(), ctx, params))}

    def list_acme_external_account_bindings(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, arn = self._store.snapshot(), params["AcmeEndpointArn"]
        self._endpoint(snapshot, ctx, arn)
        rows = snapshot.list(AcmeExternalAccountBinding, ctx.account, ctx.region)
        shown, token = page_of([row for row in rows if row.endpoint_arn == arn], params)
        return {"ExternalAccountBindings": [views.binding(row) for row in shown], "NextToken": token}

    def get_acme_external_account_binding_credentials(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        row = self._binding(self._store.snapshot(), ctx, params)
        return {"KeyId": row.key_id, "MacKey": row.mac_key}

    def revoke_acme_external_account_binding(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row, now = self._binding(tx, ctx, params), self._clock.now()
            if row.revoked_at is None:
                tx.put(msgspec.structs.replace(row, revoked_at=now, updated_at=now))

    def delete_acme_external_account_binding(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        arn = params["AcmeExternalAccountBindingArn"]
        with self._store.write() as tx:
            found = tx.get(AcmeExternalAccountBinding, ctx.account, ctx.region, arn)
            if found is not None:
                tx.delete(found)

    # --- accounts

    def describe_acme_account(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        row, endpoint = self._account(self._store.snapshot(), ctx, params)
        return {"AcmeAccount": views.account(row, endpoint)}

    def list_acme_accounts(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        endpoint = self._endpoint(snapshot, ctx, params["AcmeEndpointArn"])
        rows = [r for r in snapshot.list(AcmeAccount, ctx.account, ctx.region) if r.endpoint_arn == endpoint.id]
        shown, token = page_of(rows, params)
        return {"AcmeAccounts": [views.account(row, endpoint) for row in shown], "NextToken": token}

    def revoke_acme_account(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            row, _ = self._account(tx, ctx, params)
            tx.put(msgspec.structs.replace(row, status=REVOKED))

    def _binding(
        self, reader: Snapshot | Tx, ctx: RequestContext, params: dict[str, Any]
    ) -> AcmeExternalAccountBinding:
        return self._resource(reader, ctx, AcmeExternalAccountBinding, params["AcmeExternalAccountBindingArn"])

    def _account(
        self, reader: Snapshot | Tx, ctx: RequestContext, params: dict[str, Any]
    ) -> tuple[AcmeAccount, AcmeEndpoint]:
        url = params["AccountUrl"]
        endpoint = self._endpoint(reader, ctx, params["AcmeEndpointArn"])
        row = reader.get(AcmeAccount, ctx.account, ctx.region, url.rpartition("/")[2])
        if row is None or row.endpoint_arn != endpoint.id or endpoint.url(f"acct/{row.id}") != url:
            raise AcmeResourceNotFound(url, ctx.account)
        return row, endpoint


def _mac_key(entropy: Entropy) -> str:
    """A secret in base64url. None begins with a hyphen: behind `--eab-hmac-key` it would look like an option."""
    while True:
        key = jws.encode(bytes.fromhex(entropy.hex(2 * MAC_KEY_BYTES)))
        if not key.startswith("-"):
            return key
