"""Cross-account attachments: endpoints that other accounts may put behind their accelerators."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import build_arn, parse_arn
from kunren.core.context import RequestContext
from kunren.core.pagination import InvalidToken, page
from kunren.services.globalaccelerator import attachments, views
from kunren.services.globalaccelerator.api.accelerators import checked_tags
from kunren.services.globalaccelerator.api.base import DEFAULT_PAGE, Base, Reader, check_region, one_page, same_request
from kunren.services.globalaccelerator.errors import (
    AccessDeniedException,
    AttachmentNotFoundException,
    InvalidArgumentException,
    InvalidNextTokenException,
    NotHere,
)
from kunren.services.globalaccelerator.model import Attachment, SharedResource

_ACCOUNT = re.compile(r"\d{12}")
_NO_CIDRS = "Kunren has no addresses of one's own (BYOIP), so an attachment can share endpoints only."


class Attachments(Base):
    def create_cross_account_attachment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        check_region(ctx)
        token = params["IdempotencyToken"]
        with self._store.write() as tx:
            known = same_request(tx.list(Attachment, ctx.account, ""), token, lambda each: each.name == params["Name"])
            if known is not None:
                return {"CrossAccountAttachment": views.attachment(known)}
            now = self._clock.now()
            made = Attachment(
                account=ctx.account,
                region="",
                id=build_arn("globalaccelerator", "", ctx.account, f"attachment/{self._entropy.uuid()}"),
                name=params["Name"],
                principals=_principals(params.get("Principals") or ()),
                resources=_resources(ctx.account, params.get("Resources") or ()),
                created_time=now,
                modified_time=now,
                idempotency_token=token,
                tags=checked_tags({}, params.get("Tags")),
            )
            tx.put(made)
        return {"CrossAccountAttachment": views.attachment(made)}

    def describe_cross_account_attachment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._attachment(self._snapshot(ctx), ctx, params["AttachmentArn"])
        return {"CrossAccountAttachment": views.attachment(found)}

    def list_cross_account_attachments(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found, token = one_page(self._snapshot(ctx).list(Attachment, ctx.account, ""), params)
        return {"CrossAccountAttachments": [views.attachment(each) for each in found], "NextToken": token}

    def update_cross_account_attachment(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._attachment(tx, ctx, params["AttachmentArn"])
            gone = set(params.get("RemovePrincipals") or ())
            principals = [each for each in before.principals if each not in gone]
            principals += _principals(params.get("AddPrincipals") or ())
            ended = {each.get("EndpointId") for each in params.get("RemoveResources") or ()}
            resources = [each for each in before.resources if each.endpoint_id not in ended]
            resources += _resources(ctx.account, params.get("AddResources") or ())
            after = msgspec.structs.replace(
                before,
                name=params.get("Name") or before.name,
                principals=tuple(dict.fromkeys(principals)),
                resources=tuple({each.endpoint_id: each for each in resources}.values()),
                modified_time=self._clock.now(),
            )
            tx.put(after)
            self._revoke(tx)
        return {"CrossAccountAttachment": views.attachment(after)}

    def delete_cross_account_attachment(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._attachment(tx, ctx, params["AttachmentArn"]))
            self._revoke(tx)

    def list_cross_account_resource_accounts(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        owners = {each.account for each in attachments.shared_with(self._snapshot(ctx), ctx.account, None)}
        return {"ResourceOwnerAwsAccountIds": sorted(owners)}

    def list_cross_account_resources(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, arn = self._snapshot(ctx), params.get("AcceleratorArn")
        if arn:
            self._accelerator(snapshot, ctx, arn, custom=None)
        found = [
            {"EndpointId": resource.endpoint_id, "AttachmentArn": each.id}
            for each in attachments.shared_with(snapshot, ctx.account, arn)
            if each.account == params["ResourceOwnerAwsAccountId"]
            for resource in each.resources
        ]
        found.sort(key=_key)
        try:
            shown, token = page(found, params.get("NextToken"), params.get("MaxResults") or DEFAULT_PAGE, _key)
        except InvalidToken:
            raise InvalidNextTokenException from None
        return {"CrossAccountResources": shown, "NextToken": token}

    def _attachment(self, reader: Reader, ctx: RequestContext, arn: str) -> Attachment:
        check_region(ctx)
        parsed = parse_arn(arn)
        if parsed is None or parsed.service != "globalaccelerator" or not parsed.resource.startswith("attachment/"):
            raise InvalidArgumentException(f"{arn} is not a valid ARN.")
        if parsed.account != ctx.account:
            raise AccessDeniedException
        found = reader.get(Attachment, ctx.account, "", arn)
        if found is None:
            raise AttachmentNotFoundException
        return found

    def _revoke(self, tx: Tx) -> None:
        for account, arn in attachments.revoke(tx):
            self._touch(tx, account, arn)


def _key(shown: dict[str, Any]) -> str:
    return f"{shown['EndpointId']} {shown['AttachmentArn']}"


def _principals(given: Iterable[str]) -> tuple[str, ...]:
    for each in given:
        parsed = parse_arn(each)
        if not _ACCOUNT.fullmatch(each) and not (
            parsed is not None and parsed.service == "globalaccelerator" and parsed.resource.startswith("accelerator/")
        ):
            raise InvalidArgumentException(f"{each} is neither an account nor the ARN of an accelerator.")
    return tuple(dict.fromkeys(given))


def _resources(account: str, given: Iterable[dict[str, Any]]) -> tuple[SharedResource, ...]:
    found = {}
    for each in given:
        if each.get("Cidr"):
            raise NotHere(_NO_CIDRS)
        identity = each.get("EndpointId") or ""
        parsed = parse_arn(identity)
        if not identity or (parsed is not None and parsed.account != account):
            raise InvalidArgumentException(f"{identity or 'A resource without EndpointId'} is not of this account.")
        if parsed is None and not each.get("Region"):
            raise InvalidArgumentException(f"Region is required for {identity}.")
        found[identity] = SharedResource(endpoint_id=identity, region=each.get("Region"))
    return tuple(found.values())
