"""Accelerators: two static addresses and a name, for as long as they exist."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.globalaccelerator import endpoints, views
from kunren.services.globalaccelerator.api.base import Base, Reader, check_region, one_page, same_request
from kunren.services.globalaccelerator.errors import (
    AcceleratorNotDisabledException,
    AssociatedListenerFoundException,
    AttachmentNotFoundException,
    InvalidArgumentException,
    LimitExceededException,
    NotHere,
)
from kunren.services.globalaccelerator.model import (
    Accelerator,
    AcceleratorStatus,
    Attachment,
    CustomGroup,
    EndpointGroup,
    Listener,
)
from kunren.world import addresses6
from kunren.world.addresses import ANYCAST_PAIRS_MAX, anycast_pair

ACCELERATORS_MAX = 20  # Quotas for AWS Global Accelerator, per account
TAGS_MAX = 50
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_NO_IPV6 = "There is no IPv6 in this world: leave IpAddressType out, or pass IPV4."
_NO_SIX_HERE = "A custom routing accelerator can't be dual-stack."


class Accelerators(Base):
    def create_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create(ctx, params)

    def create_custom_routing_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create(ctx, params, custom=True)

    def _create(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> dict[str, Any]:
        check_region(ctx)
        name = checked_name(params["Name"])
        six = self._address_type(params, custom=custom) == "DUAL_STACK"
        tags = checked_tags({}, params.get("Tags"))
        enabled = params.get("Enabled", True)
        token = params["IdempotencyToken"]
        with self._store.write() as tx:
            existing = tx.list(Accelerator, ctx.account, "")
            known = same_request(existing, token, lambda each: (each.name, each.custom) == (name, custom))
            if known is not None:
                return {"Accelerator": self._accelerator_shown(tx, known)}
            if len(existing) >= ACCELERATORS_MAX:
                raise LimitExceededException(f"The account has reached its quota of {ACCELERATORS_MAX} accelerators.")
            number = _free_number(tx)
            now = self._clock.now()
            made = Accelerator(
                account=ctx.account,
                region="",
                id=build_arn("globalaccelerator", "", ctx.account, f"accelerator/{self._entropy.uuid()}"),
                name=name,
                enabled=enabled,
                number=number,
                addresses=anycast_pair(number),
                addresses6=addresses6.anycast_pair(number) if six else (),
                dns_name=f"a{self._entropy.hex(16)}.awsglobalaccelerator.com",
                created_time=now,
                modified_time=now,
                custom=custom,
                idempotency_token=token,
                tags=tags,
            )
            tx.put(made)
            return {"Accelerator": self._accelerator_shown(tx, made)}

    def describe_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._describe(ctx, params)

    def describe_custom_routing_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._describe(ctx, params, custom=True)

    def _describe(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        found = self._accelerator(snapshot, ctx, params["AcceleratorArn"], custom=custom)
        return {"Accelerator": self._accelerator_shown(snapshot, found)}

    def list_accelerators(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._list(ctx, params)

    def list_custom_routing_accelerators(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._list(ctx, params, custom=True)

    def _list(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> dict[str, Any]:
        snapshot = self._snapshot(ctx)
        every = [each for each in snapshot.list(Accelerator, ctx.account, "") if each.custom == custom]
        found, token = one_page(every, params)
        return {"Accelerators": [self._accelerator_shown(snapshot, each) for each in found], "NextToken": token}

    def update_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update(ctx, params)

    def update_custom_routing_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update(ctx, params, custom=True)

    def _update(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> dict[str, Any]:
        wanted = self._address_type(params, custom=custom)
        with self._store.write() as tx:
            before = self._accelerator(tx, ctx, params["AcceleratorArn"], custom=custom)
            name = checked_name(params["Name"]) if params.get("Name") is not None else before.name
            enabled = params["Enabled"] if params.get("Enabled") is not None else before.enabled
            six = before.addresses6
            if wanted is not None:
                six = addresses6.anycast_pair(before.number) if wanted == "DUAL_STACK" else ()
            after = msgspec.structs.replace(before, name=name, enabled=enabled, addresses6=six)
            if six and not before.addresses6:
                for group in tx.list(EndpointGroup, ctx.account, ""):
                    for each in group.endpoints if group.accelerator_arn == before.id else ():
                        endpoints.check_dual_stack(tx, endpoints.owner(group, each), group.group_region, each)
            tx.put(after)
            self._touch(tx, ctx.account, before.id)
            return {"Accelerator": self._accelerator_shown(tx, self._accelerator(tx, ctx, before.id, custom=custom))}

    def delete_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete(ctx, params)

    def delete_custom_routing_accelerator(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete(ctx, params, custom=True)

    def _delete(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> None:
        with self._store.write() as tx:
            found = self._accelerator(tx, ctx, params["AcceleratorArn"], custom=custom)
            if found.enabled:
                raise AcceleratorNotDisabledException
            if any(each.accelerator_arn == found.id for each in tx.list(Listener, ctx.account, "")):
                raise AssociatedListenerFoundException
            tx.delete(found)
            status = tx.get(AcceleratorStatus, ctx.account, "", found.id)
            if status is not None:
                tx.delete(status)

    def describe_accelerator_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._attributes(ctx, params)

    def describe_custom_routing_accelerator_attributes(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        return self._attributes(ctx, params, custom=True)

    def _attributes(self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False) -> dict[str, Any]:
        found = self._accelerator(self._store.snapshot(), ctx, params["AcceleratorArn"], custom=custom)
        return {"AcceleratorAttributes": views.attributes(found)}

    def update_accelerator_attributes(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_attributes(ctx, params)

    def update_custom_routing_accelerator_attributes(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        return self._update_attributes(ctx, params, custom=True)

    def _update_attributes(
        self, ctx: RequestContext, params: dict[str, Any], *, custom: bool = False
    ) -> dict[str, Any]:
        with self._store.write() as tx:
            before = self._accelerator(tx, ctx, params["AcceleratorArn"], custom=custom)
            asked = params.get("FlowLogsEnabled")
            bucket, prefix = params.get("FlowLogsS3Bucket"), params.get("FlowLogsS3Prefix")
            after = msgspec.structs.replace(
                before,
                flow_logs=before.flow_logs if asked is None else asked,
                flow_logs_bucket=before.flow_logs_bucket if bucket is None else bucket,
                flow_logs_prefix=before.flow_logs_prefix if prefix is None else prefix,
            )
            if after.flow_logs and not (after.flow_logs_bucket and after.flow_logs_prefix):
                raise InvalidArgumentException("FlowLogsS3Bucket and FlowLogsS3Prefix are required for flow logs.")
            tx.put(after)
            self._touch(tx, ctx.account, before.id)
        return {"AcceleratorAttributes": views.attributes(after)}

    # --- tags: accelerators and attachments have them

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceArn"])
            tx.put(msgspec.structs.replace(found, tags=checked_tags(found.tags, params["Tags"])))
        return {}

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceArn"])
            kept = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(msgspec.structs.replace(found, tags=kept))
        return {}

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, arn = self._snapshot(ctx), params["ResourceArn"]
        if "/endpoint-group/" in arn:
            if snapshot.get(CustomGroup, ctx.account, "", arn) is None:
                self._group(snapshot, ctx, arn)
            return {"Tags": []}
        if "/listener/" in arn:
            self._listener(snapshot, ctx, arn, custom=None)
            return {"Tags": []}
        return {"Tags": tags_to_wire(self._tagged(snapshot, ctx, arn).tags)}

    def _tagged(self, reader: Reader, ctx: RequestContext, arn: str) -> Accelerator | Attachment:
        if ":attachment/" in arn:
            found = reader.get(Attachment, ctx.account, "", arn)
            if found is None:
                raise AttachmentNotFoundException
            return found
        return self._accelerator(reader, ctx, arn, custom=None)

    def _address_type(self, params: dict[str, Any], *, custom: bool) -> str | None:
        """The address type that is asked for. Raises InvalidArgumentException, NotHere."""
        check_addresses(params)
        wanted: str | None = params.get("IpAddressType")
        if wanted == "DUAL_STACK" and custom:
            raise InvalidArgumentException(_NO_SIX_HERE)
        if wanted == "DUAL_STACK" and not self._spec.ipv6:
            raise NotHere(_NO_IPV6)
        return wanted

    def _accelerator_shown(self, reader: Reader, accelerator: Accelerator) -> dict[str, Any]:
        status = reader.get(AcceleratorStatus, accelerator.account, "", accelerator.id)
        return views.accelerator(accelerator, status.revision if status is not None else 0)


def _free_number(tx: Tx) -> int:
    """Of a pair of addresses that no accelerator of any account has."""
    taken = {each.number for each in tx.every(Accelerator)}
    if len(taken) >= ANYCAST_PAIRS_MAX:
        raise LimitExceededException("Every static address of this world is taken.")
    return next(number for number in range(ANYCAST_PAIRS_MAX) if number not in taken)


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidArgumentException(
            "The name can have a maximum of 64 characters, must contain only alphanumeric characters, periods (.), or "
            "hyphens (-), and must not begin or end with a hyphen or period."
        )
    return name


def check_addresses(params: dict[str, Any]) -> None:
    if params.get("IpAddresses"):
        addresses = ", ".join(params["IpAddresses"])
        raise InvalidArgumentException(
            f"{addresses}: not in an address range that this account brought to AWS (BYOIP)."
        )


def checked_tags(before: dict[str, str], added: list[dict[str, Any]] | None) -> dict[str, str]:
    tags = {**before, **tags_from_wire(added)}
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidArgumentException("Tag keys that begin with aws: are reserved.")
    if len(tags) > TAGS_MAX:
        raise InvalidArgumentException(f"A resource can have at most {TAGS_MAX} tags.")
    return tags
