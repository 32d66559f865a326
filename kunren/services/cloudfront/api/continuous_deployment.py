"""Continuous deployment: policies, copies of distributions to try changes on, and their promotion."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.cloudfront.api.base import API, matched, page
from kunren.services.cloudfront.api.distributions import Distributions
from kunren.services.cloudfront.checks import check
from kunren.services.cloudfront.continuous import attached, check_distribution, check_policy, find_policy
from kunren.services.cloudfront.errors import (
    ContinuousDeploymentPolicyInUse,
    IllegalUpdate,
    InvalidArgument,
    TooManyContinuousDeploymentPolicies,
)
from kunren.services.cloudfront.model import ContinuousDeploymentPolicy

POLICIES_MAX = 20  # Quotas, per account
_OWN = ("Aliases", "ContinuousDeploymentPolicyId", "CallerReference", "Staging", "Enabled")
"""What a primary distribution keeps when a staging distribution's configuration is promoted to it."""


class ContinuousDeployment(Distributions):
    def create_continuous_deployment_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = params["ContinuousDeploymentPolicyConfig"]
        with self._store.write() as tx:
            if len(tx.list(ContinuousDeploymentPolicy, ctx.account, "")) >= POLICIES_MAX:
                raise TooManyContinuousDeploymentPolicies
            check_policy(tx, ctx.account, config, None)
            now = self._clock.now()
            made = ContinuousDeploymentPolicy(
                account=ctx.account,
                region="",
                id=self._entropy.uuid(),
                config=config,
                etag=self._new_id(),
                modified_time=now,
                sessions_since=now,
            )
            tx.put(made)
        return {**_shown(made), "Location": f"{API}/continuous-deployment-policy/{made.id}"}

    def get_continuous_deployment_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(find_policy(self._store.snapshot(), ctx.account, params["Id"]))

    def get_continuous_deployment_policy_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = find_policy(self._store.snapshot(), ctx.account, params["Id"])
        return {"ContinuousDeploymentPolicyConfig": found.config, "ETag": found.etag}

    def list_continuous_deployment_policies(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().list(ContinuousDeploymentPolicy, ctx.account, "")
        shown, members = page(found, params, lambda each: each.id)
        items = [{"ContinuousDeploymentPolicy": _shown(each)["ContinuousDeploymentPolicy"]} for each in shown]
        return {"ContinuousDeploymentPolicyList": {**members, **({"Items": items} if items else {})}}

    def update_continuous_deployment_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        config = params["ContinuousDeploymentPolicyConfig"]
        with self._store.write() as tx:
            before = find_policy(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), before.etag)
            check_policy(tx, ctx.account, config, before.id)
            return _shown(self._changed(tx, before, config))

    def delete_continuous_deployment_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = find_policy(tx, ctx.account, params["Id"])
            matched(params.get("IfMatch"), found.etag)
            if attached(tx, ctx.account, found.id):
                raise ContinuousDeploymentPolicyInUse
            tx.delete(found)

    def _changed(
        self, tx: Tx, before: ContinuousDeploymentPolicy, config: dict[str, Any]
    ) -> ContinuousDeploymentPolicy:
        """The policy with another configuration, which its primary distribution has to deploy."""
        now = self._clock.now()
        after = msgspec.structs.replace(
            before,
            config=config,
            etag=self._new_id(),
            modified_time=now,
            sessions_since=before.sessions_since if _sessions(before.config) == _sessions(config) else now,
        )
        tx.put(after)
        for primary in attached(tx, before.account, before.id):
            tx.put(msgspec.structs.replace(primary, revision=primary.revision + 1))
        return after

    # --- staging distributions

    async def copy_distribution(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if not params.get("Staging"):
            raise InvalidArgument("A distribution can be copied to a staging distribution only.")
        primary = self._distribution(self._store.snapshot(), ctx.account, params["PrimaryDistributionId"])
        matched(params.get("IfMatch"), primary.etag)
        if primary.config["Staging"]:
            raise InvalidArgument("A staging distribution cannot be copied.")
        config = {
            **primary.config,
            "CallerReference": params["CallerReference"],
            "Aliases": {"Quantity": 0},
            "ContinuousDeploymentPolicyId": "",
            "Enabled": params.get("Enabled") is not False,
            "Staging": True,
        }
        return await self._create(ctx, config, {})

    def update_distribution_with_staging_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Promote: the primary gets the staging distribution's configuration, and all of its requests again."""
        etags = [each.strip() for each in (params.get("IfMatch") or "").split(",")]
        with self._store.write() as tx:
            primary = self._distribution(tx, ctx.account, params["Id"])
            if not params.get("StagingDistributionId"):
                raise InvalidArgument("The parameter StagingDistributionId is required.")
            staging = self._distribution(tx, ctx.account, params["StagingDistributionId"])
            matched(etags[0], primary.etag)
            matched(etags[1] if len(etags) == 2 else None, staging.etag)
            if primary.config["Staging"] or not staging.config["Staging"]:
                raise IllegalUpdate(
                    "Only a staging distribution can be promoted, and only to its primary distribution."
                )
            config = {**staging.config, **{member: primary.config[member] for member in _OWN}}
            check(tx, ctx.account, config, primary.id)
            check_distribution(tx, ctx.account, config, primary)
            after = self._replaced(tx, primary, config)
            for policy in tx.list(ContinuousDeploymentPolicy, ctx.account, ""):
                if policy.id == config["ContinuousDeploymentPolicyId"] and policy.config["Enabled"]:
                    self._changed(tx, policy, {**policy.config, "Enabled": False})
            return self._whole(tx, tx.get(type(after), ctx.account, "", after.id) or after)


def _sessions(config: dict[str, Any]) -> tuple[bool, bool]:
    """A change of these ends all sessions."""
    weight = (config.get("TrafficConfig") or {}).get("SingleWeightConfig") or {}
    return config["Enabled"], bool(weight.get("SessionStickinessConfig"))


def _shown(policy: ContinuousDeploymentPolicy) -> dict[str, Any]:
    shown = {
        "Id": policy.id,
        "LastModifiedTime": policy.modified_time,
        "ContinuousDeploymentPolicyConfig": policy.config,
    }
    return {"ContinuousDeploymentPolicy": shown, "ETag": policy.etag}
