"""Target account configurations: by which role an experiment acts in which account."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.fis import errors, views
from kunren.services.fis.api.base import Base, Params, paged
from kunren.services.fis.model import Described

ACCOUNTS_MAX = 40


class Accounts(Base):
    async def create_target_account_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        account = params["accountId"]
        if not (len(account) == 12 and account.isdecimal()):
            raise errors.ValidationException(f"{account} is not the id of an account.")
        await self.check_role(params["roleArn"])
        with self.store.write() as tx:
            template = self.template(tx, ctx, params["experimentTemplateId"])
            if template.options.get("accountTargeting") != "multi-account":
                raise errors.ValidationException(
                    f"Experiment template {template.id} targets a single account, so it has no target accounts."
                )
            if account in template.accounts:
                raise errors.ConflictException(f"The account {account} is configured for {template.id} already.")
            if len(template.accounts) >= ACCOUNTS_MAX:
                raise errors.ServiceQuotaExceededException(f"A template can have at most {ACCOUNTS_MAX} accounts.")
            given = {key: params[key] for key in ("roleArn", "description") if params.get(key) is not None}
            tx.put(replace(template, accounts={**template.accounts, account: given}))
        return {"targetAccountConfiguration": views.account(account, given)}

    async def update_target_account_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        if params.get("roleArn"):
            await self.check_role(params["roleArn"])
        with self.store.write() as tx:
            template = self.template(tx, ctx, params["experimentTemplateId"])
            before = _of(template, params["accountId"])
            given = {**before, **{key: params[key] for key in ("roleArn", "description") if key in params}}
            tx.put(replace(template, accounts={**template.accounts, params["accountId"]: given}))
        return {"targetAccountConfiguration": views.account(params["accountId"], given)}

    def delete_target_account_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        account = params["accountId"]
        with self.store.write() as tx:
            template = self.template(tx, ctx, params["experimentTemplateId"])
            given = _of(template, account)
            tx.put(replace(template, accounts={id: each for id, each in template.accounts.items() if id != account}))
        return {"targetAccountConfiguration": views.account(account, given)}

    def get_target_account_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        template = self.template(self.store.snapshot(), ctx, params["experimentTemplateId"])
        return {"targetAccountConfiguration": views.account(params["accountId"], _of(template, params["accountId"]))}

    def list_target_account_configurations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return _listed(self.template(self.store.snapshot(), ctx, params["experimentTemplateId"]), params)

    def get_experiment_target_account_configuration(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        experiment = self.experiment(self.store.snapshot(), ctx, params["experimentId"])
        return {"targetAccountConfiguration": views.account(params["accountId"], _of(experiment, params["accountId"]))}

    def list_experiment_target_account_configurations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return _listed(self.experiment(self.store.snapshot(), ctx, params["experimentId"]), params)


def _of(held: Described, account: str) -> dict[str, str]:
    if account not in held.accounts:
        raise errors.ResourceNotFoundException(f"The account {account} is not configured for {held.id}.")
    return held.accounts[account]


def _listed(held: Described, params: Params) -> dict[str, Any]:
    every = [views.account(id, each) for id, each in sorted(held.accounts.items())]
    found, more = paged(every, params, "targetAccountConfigurations", lambda each: each["accountId"])
    return {"targetAccountConfigurations": found, **more}
