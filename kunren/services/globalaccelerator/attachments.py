"""Who may use whose endpoints: cross-account attachments. Pure reads, and what is taken back with a permission.

"Working with cross-account attachments and resources": an account or an accelerator that an attachment names may use
the resources that it lists. An endpoint that no attachment gives access to any more is removed from its endpoint
groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.services.globalaccelerator.errors import AccessDeniedException, AttachmentNotFoundException
from kunren.services.globalaccelerator.model import Attachment, CustomGroup, EndpointGroup

View = Snapshot | Tx


def owner(view: View, account: str, accelerator_arn: str, endpoint_id: str, attachment_arn: str) -> str:
    """The account that shares an endpoint by this attachment. Raises AttachmentNotFoundException,
    AccessDeniedException."""
    found = next((each for each in view.every(Attachment) if each.id == attachment_arn), None)
    if found is None:
        raise AttachmentNotFoundException
    if found.account != account and not _gives(found, account, accelerator_arn, endpoint_id):
        raise AccessDeniedException
    return found.account


def shared_with(view: View, account: str, accelerator_arn: str | None) -> Iterator[Attachment]:
    """The attachments of others that name an account, or this accelerator of its."""
    for each in view.every(Attachment):
        arns = [accelerator_arn] if accelerator_arn else [p for p in each.principals if f"::{account}:" in p]
        if each.account != account and (account in each.principals or any(arn in each.principals for arn in arns)):
            yield each


def revoke(tx: Tx) -> set[tuple[str, str]]:
    """Remove every endpoint whose owner does not share it any more; the accelerators (account, ARN) that had one."""
    changed = set()
    groups: list[EndpointGroup | CustomGroup] = [*tx.every(EndpointGroup), *tx.every(CustomGroup)]
    for group in groups:
        kept = tuple(
            each
            for each in group.endpoints
            if not each.owner or _is_shared(tx, group.account, group.accelerator_arn, each.id, each.owner)
        )
        if len(kept) < len(group.endpoints):
            tx.put(msgspec.structs.replace(group, endpoints=kept))
            changed.add((group.account, group.accelerator_arn))
    return changed


def _is_shared(view: View, account: str, accelerator_arn: str, endpoint_id: str, owner: str) -> bool:
    return any(_gives(each, account, accelerator_arn, endpoint_id) for each in view.list(Attachment, owner, ""))


def _gives(attachment: Attachment, account: str, accelerator_arn: str, endpoint_id: str) -> bool:
    named = account in attachment.principals or accelerator_arn in attachment.principals
    return named and any(each.endpoint_id == endpoint_id for each in attachment.resources)
