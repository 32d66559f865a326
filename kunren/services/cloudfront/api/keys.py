"""Public keys and key groups: who may sign URLs and cookies.

Developer Guide, "Specify signers that can create signed URLs and signed cookies"; Quotas, "Quotas on key groups".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.dataplane.edge.signatures import public_key
from kunren.services.cloudfront import errors
from kunren.services.cloudfront.api.configured import Configured, ConfiguredResources, Kind
from kunren.services.cloudfront.checks import behaviours_of, items
from kunren.services.cloudfront.model import Distribution, KeyGroup, PublicKey

PUBLIC_KEYS_MAX, KEY_GROUPS_MAX, KEYS_PER_GROUP_MAX = 10, 10, 5


class Keys(ConfiguredResources):
    def create_public_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_configured(PUBLIC_KEY, ctx, params)

    def get_public_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_configured(PUBLIC_KEY, ctx, params)

    def get_public_key_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_config(PUBLIC_KEY, ctx, params)

    def list_public_keys(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"PublicKeyList": self._list_configured(PUBLIC_KEY, ctx, params)}

    def update_public_key(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_configured(PUBLIC_KEY, ctx, params)

    def delete_public_key(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_configured(PUBLIC_KEY, ctx, params)

    def create_key_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_configured(KEY_GROUP, ctx, params)

    def get_key_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_configured(KEY_GROUP, ctx, params)

    def get_key_group_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_config(KEY_GROUP, ctx, params)

    def list_key_groups(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"KeyGroupList": self._list_configured(KEY_GROUP, ctx, params)}

    def update_key_group(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_configured(KEY_GROUP, ctx, params)

    def delete_key_group(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_configured(KEY_GROUP, ctx, params)


def _check_public_key(tx: Tx, account: str, given: Mapping[str, Any], before: Configured | None) -> dict[str, Any]:
    config = {"Comment": "", **given}
    if before is not None:
        if any(config[member] != before.config[member] for member in ("CallerReference", "Name", "EncodedKey")):
            raise errors.CannotChangeImmutablePublicKeyFields
        return config
    existing = tx.list(PublicKey, account, "")
    for member in ("CallerReference", "Name"):
        if any(each.config[member] == config[member] for each in existing):
            raise errors.PublicKeyAlreadyExists
    if len(existing) >= PUBLIC_KEYS_MAX:
        raise errors.TooManyPublicKeys
    if public_key(config["EncodedKey"]) is None:
        raise errors.InvalidArgument("Your request contains empty/invalid/out of limits RSA Encoded Key")
    return config


def _check_key_group(tx: Tx, account: str, given: Mapping[str, Any], before: Configured | None) -> dict[str, Any]:
    config = {"Comment": "", **given}
    others = [each for each in tx.list(KeyGroup, account, "") if before is None or each.id != before.id]
    if any(each.config["Name"] == config["Name"] for each in others):
        raise errors.KeyGroupAlreadyExists
    if before is None and len(others) >= KEY_GROUPS_MAX:
        raise errors.TooManyKeyGroups
    if len(config["Items"]) > KEYS_PER_GROUP_MAX:
        raise errors.TooManyPublicKeysInKeyGroup
    if not config["Items"] or len(set(config["Items"])) < len(config["Items"]):
        raise errors.InvalidArgument("A key group must have at least one public key, and each of them once.")
    for each in config["Items"]:
        if tx.get(PublicKey, account, "", each) is None:
            raise errors.InvalidArgument(f"The public key {each} does not exist.")
    return config


def _check_key_is_free(tx: Tx, key: Configured) -> None:
    if any(key.id in each.config["Items"] for each in tx.list(KeyGroup, key.account, "")):
        raise errors.PublicKeyInUse


def _check_group_is_free(tx: Tx, group: Configured) -> None:
    for distribution in tx.list(Distribution, group.account, ""):
        if any(group.id in items(each["TrustedKeyGroups"]) for each in behaviours_of(distribution.config)):
            raise errors.ResourceInUse


def _shown_key(key: Configured) -> dict[str, Any]:
    return {"Id": key.id, "CreatedTime": key.created_time, "PublicKeyConfig": key.config}


def _key_summary(key: Configured) -> dict[str, Any]:
    shown = {member: key.config[member] for member in ("Name", "EncodedKey", "Comment")}
    return {"Id": key.id, "CreatedTime": key.created_time, **shown}


def _shown_group(group: Configured) -> dict[str, Any]:
    return {"Id": group.id, "LastModifiedTime": group.modified_time, "KeyGroupConfig": group.config}


PUBLIC_KEY = Kind(
    PublicKey, "PublicKey", "public-key", errors.NoSuchPublicKey, lambda entropy: "K" + entropy.upper(13),
    _check_public_key, _check_key_is_free, _shown_key, _key_summary,
)  # fmt: skip
KEY_GROUP = Kind(
    KeyGroup, "KeyGroup", "key-group", errors.NoSuchResource, Entropy.uuid,
    _check_key_group, _check_group_is_free, _shown_group, lambda group: {"KeyGroup": _shown_group(group)},
)  # fmt: skip
