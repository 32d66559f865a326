"""Origin access controls and origin access identities: in whose name the edge asks origins.

Quotas, "General quotas on distributions".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.cloudfront import errors
from kunren.services.cloudfront.api.configured import Configured, ConfiguredResources, Kind
from kunren.services.cloudfront.checks import items
from kunren.services.cloudfront.model import Distribution, OriginAccessControl, OriginAccessIdentity
from kunren.services.cloudfront.origin_access.rules import IDENTITY

CONTROLS_MAX = IDENTITIES_MAX = 100  # per account
NAME_MAX = 64


class OriginAccess(ConfiguredResources):
    def create_origin_access_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._create_configured(CONTROL, ctx, params)

    def get_origin_access_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_configured(CONTROL, ctx, params)

    def get_origin_access_control_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_config(CONTROL, ctx, params)

    def list_origin_access_controls(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"OriginAccessControlList": self._list_configured(CONTROL, ctx, params)}

    def update_origin_access_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_configured(CONTROL, ctx, params)

    def delete_origin_access_control(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_configured(CONTROL, ctx, params)

    def create_cloud_front_origin_access_identity(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The same request once more gets the identity that the first one made."""
        config = params["CloudFrontOriginAccessIdentityConfig"]
        for each in self._store.snapshot().list(OriginAccessIdentity, ctx.account, ""):
            if each.config == config:
                return self._get_configured(IDENTITIES, ctx, {"Id": each.id})
        return self._create_configured(IDENTITIES, ctx, params)

    def get_cloud_front_origin_access_identity(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._get_configured(IDENTITIES, ctx, params)

    def get_cloud_front_origin_access_identity_config(
        self, ctx: RequestContext, params: dict[str, Any]
    ) -> dict[str, Any]:
        return self._get_config(IDENTITIES, ctx, params)

    def list_cloud_front_origin_access_identities(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"CloudFrontOriginAccessIdentityList": self._list_configured(IDENTITIES, ctx, params)}

    def update_cloud_front_origin_access_identity(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._update_configured(IDENTITIES, ctx, params)

    def delete_cloud_front_origin_access_identity(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        self._delete_configured(IDENTITIES, ctx, params)


def _check_control(tx: Tx, account: str, given: Mapping[str, Any], before: Configured | None) -> dict[str, Any]:
    config = {"Description": "", **given}
    if not 0 < len(config["Name"]) <= NAME_MAX:
        raise errors.InvalidArgument("The parameter Name is not valid.")
    lambdas_only = config["SigningBehavior"] == "always-amz-auth"
    if lambdas_only and config["OriginAccessControlOriginType"] != "lambda":
        raise errors.InvalidArgument("The signing behavior always-amz-auth is valid with Lambda origins only.")
    if lambdas_only or config["SigningProtocol"] == "sigv4a":
        raise errors.NotHere("Kunren signs for origins by sigv4 with always, never or no-override.")
    others = [each for each in tx.list(OriginAccessControl, account, "") if before is None or each.id != before.id]
    if any(each.config["Name"] == config["Name"] for each in others):
        raise errors.OriginAccessControlAlreadyExists
    if before is None and len(others) >= CONTROLS_MAX:
        raise errors.TooManyOriginAccessControls
    kind = "OriginAccessControlOriginType"
    if before is not None and config[kind] != before.config[kind] and _controlled(tx, before):
        raise errors.IllegalUpdate("The origin type of an origin access control that is in use cannot be changed.")
    return config


def _check_identity(tx: Tx, account: str, given: Mapping[str, Any], before: Configured | None) -> dict[str, Any]:
    if before is not None:
        if given["CallerReference"] != before.config["CallerReference"]:
            raise errors.IllegalUpdate("The caller reference of an origin access identity cannot be changed.")
        return dict(given)
    existing = tx.list(OriginAccessIdentity, account, "")
    if any(each.config["CallerReference"] == given["CallerReference"] for each in existing):
        raise errors.CloudFrontOriginAccessIdentityAlreadyExists
    if len(existing) >= IDENTITIES_MAX:
        raise errors.TooManyCloudFrontOriginAccessIdentities
    return dict(given)


def _controlled(tx: Tx, control: Configured) -> bool:
    return any(
        origin.get("OriginAccessControlId") == control.id
        for each in tx.list(Distribution, control.account, "")
        for origin in items(each.config["Origins"])
    )


def _check_control_is_free(tx: Tx, control: Configured) -> None:
    if _controlled(tx, control):
        raise errors.OriginAccessControlInUse


def _check_identity_is_free(tx: Tx, identity: Configured) -> None:
    for each in tx.list(Distribution, identity.account, ""):
        for origin in items(each.config["Origins"]):
            if (origin.get("S3OriginConfig") or {}).get("OriginAccessIdentity") == IDENTITY + identity.id:
                raise errors.CloudFrontOriginAccessIdentityInUse


def _shown_identity(identity: Configured) -> dict[str, Any]:
    assert isinstance(identity, OriginAccessIdentity)
    return {
        "Id": identity.id,
        "S3CanonicalUserId": identity.canonical_user,
        "CloudFrontOriginAccessIdentityConfig": identity.config,
    }


def _identity_summary(identity: Configured) -> dict[str, Any]:
    assert isinstance(identity, OriginAccessIdentity)
    return {
        "Id": identity.id, "S3CanonicalUserId": identity.canonical_user, "Comment": identity.config["Comment"],
    }  # fmt: skip


def _new_id(entropy: Entropy) -> str:
    return "E" + entropy.upper(13)


CONTROL = Kind(
    OriginAccessControl, "OriginAccessControl", "origin-access-control", errors.NoSuchOriginAccessControl, _new_id,
    _check_control, _check_control_is_free, lambda each: {"Id": each.id, "OriginAccessControlConfig": each.config},
    lambda each: {"Id": each.id, **each.config}, marked=True,
)  # fmt: skip
IDENTITIES = Kind(
    OriginAccessIdentity, "CloudFrontOriginAccessIdentity", "origin-access-identity/cloudfront",
    errors.NoSuchCloudFrontOriginAccessIdentity, _new_id, _check_identity, _check_identity_is_free, _shown_identity,
    _identity_summary, marked=True,
)  # fmt: skip
