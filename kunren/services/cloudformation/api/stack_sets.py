"""Stack sets: one template as stacks of several accounts and Regions. Accounts are named, organizations not asked."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.cloudformation import errors, modules, parameters, structure, template
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.model import SetOperation, StackInstance, StackSet
from kunren.services.cloudformation.transforms import transforms_of

_PAGE = 100
_BUSY = ("RUNNING", "STOPPING")


def set_named(snapshot: Snapshot | Tx, ctx: RequestContext, name: str) -> StackSet:
    """By name, id or ARN. Raises StackSetNotFoundException."""
    for each in snapshot.list(StackSet, ctx.account, ctx.region):
        if name in (each.id, each.arn) or (each.name == name and each.status == "ACTIVE"):
            return each
    raise errors.StackSetNotFoundException(f"StackSet {name} not found")


class StackSets(Base):
    async def create_stack_set(self, ctx: RequestContext, params: Params) -> Result:
        self._self_managed(params)
        if params.get("StackId"):
            raise errors.not_implemented("stack sets from stacks of CloudFormation")
        name = self.checked_name(params["StackSetName"])
        text = await self._template(ctx, params, None)
        with self.store.write() as tx:
            for each in tx.list(StackSet, ctx.account, ctx.region):
                if each.name == name and each.status == "ACTIVE":
                    if params.get("ClientRequestToken") and each.token == params["ClientRequestToken"]:
                        return {"StackSetId": each.id}
                    raise errors.NameAlreadyExistsException("The name StackSet " + name + " already exists")
            made = StackSet(
                account=ctx.account, region=ctx.region, id=f"{name}:{self.entropy.uuid()}", name=name, template=text,
                description=params.get("Description", ""), parameters=_texts(params, {}),
                capabilities=tuple(params.get("Capabilities") or ()), tags=tags_from_wire(params.get("Tags")),
                admin_role=params.get("AdministrationRoleARN", ""), execution_role=params.get("ExecutionRoleName", ""),
                token=params.get("ClientRequestToken", ""),
            )  # fmt: skip
            tx.put(made)
        return {"StackSetId": made.id}

    async def _template(self, ctx: RequestContext, params: Params, before: str | None) -> str:
        if before is not None and params.get("UsePreviousTemplate"):
            return before
        text = await self.template_text(ctx, params)
        parsed = template.parse(text)
        if not transforms_of(parsed) and not modules.used(parsed):
            structure.check_sections(parsed)
        return text

    def _self_managed(self, params: Params) -> None:
        targets = params.get("DeploymentTargets") or {}
        if params.get("PermissionModel") == "SERVICE_MANAGED" or targets.get("OrganizationalUnitIds"):
            raise errors.not_implemented("stack sets with service-managed permissions in CloudFormation")

    def _instances(self, snapshot: Snapshot | Tx, found: StackSet) -> list[StackInstance]:
        held = snapshot.list(StackInstance, found.account, found.region)
        return [each for each in held if each.stack_set == found.id]

    def describe_stack_set(self, ctx: RequestContext, params: Params) -> Result:
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        declared = template.parse(found.template).get("Parameters") or {}
        shown: Result = {
            **_summary(found),
            "TemplateBody": found.template,
            "Parameters": parameters.shown(declared, found.parameters, {}),
            "Capabilities": list(found.capabilities),
            "Tags": tags_to_wire(found.tags),
            "StackSetARN": found.arn,
            "OrganizationalUnitIds": [],
            "Regions": sorted({each.target_region for each in self._instances(self.store.snapshot(), found)}),
        }
        roles = {"AdministrationRoleARN": found.admin_role, "ExecutionRoleName": found.execution_role}
        return {"StackSet": {**shown, **{key: value for key, value in roles.items() if value}}}

    def list_stack_sets(self, ctx: RequestContext, params: Params) -> Result:
        wanted = params.get("Status")
        held = self.store.snapshot().list(StackSet, ctx.account, ctx.region)
        chosen, token = self.paged(
            [each for each in held if wanted in (None, each.status)], params, _PAGE, lambda each: each.id
        )
        return {"Summaries": [_summary(each) for each in chosen], **token}

    def delete_stack_set(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            found = set_named(tx, ctx, params["StackSetName"])
            if self._instances(tx, found):
                raise errors.StackSetNotEmptyException("StackSet is not empty")
            self._nothing_runs(tx, found)
            tx.put(replace(found, status="DELETED"))
        return {}

    async def update_stack_set(self, ctx: RequestContext, params: Params) -> Result:
        self._self_managed(params)
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        text = await self._template(ctx, params, found.template)
        with self.store.write() as tx:
            found = set_named(tx, ctx, found.id)
            changed = replace(
                found, template=text, description=params.get("Description", found.description),
                parameters=_texts(params, found.parameters), capabilities=tuple(params.get("Capabilities") or ()),
                tags=tags_from_wire(params["Tags"]) if "Tags" in params else found.tags,
                admin_role=params.get("AdministrationRoleARN", found.admin_role),
                execution_role=params.get("ExecutionRoleName", found.execution_role),
            )  # fmt: skip
            held = self._instances(tx, found)
            accounts, regions = set(params.get("Accounts") or ()), set(params.get("Regions") or ())
            chosen = [
                each
                for each in held
                if (not accounts or each.target_account in accounts) and (not regions or each.target_region in regions)
            ]
            operation = self._begin(tx, ctx, params, found, "UPDATE", chosen)
            tx.put(changed)
            for each in held:
                tx.put(replace(each, status="OUTDATED", detail="PENDING" if each in chosen else each.detail))
        return {"OperationId": operation}

    def create_stack_instances(self, ctx: RequestContext, params: Params) -> Result:
        self._self_managed(params)
        with self.store.write() as tx:
            found = set_named(tx, ctx, params["StackSetName"])
            held = {(each.target_account, each.target_region): each for each in self._instances(tx, found)}
            chosen = []
            for account, region in self._targets(params):
                if self.spec.region(region) is None:
                    raise errors.ValidationError(f"Region {region} is not supported")
                instance = held.get((account, region)) or StackInstance(
                    account=ctx.account, region=ctx.region, id=f"{found.id}/{account}/{region}", stack_set=found.id,
                    target_account=account, target_region=region,
                    stack_name=f"StackSet-{found.name}-{self.entropy.uuid()}"[:128],
                )  # fmt: skip
                chosen.append(replace(instance, overrides=_texts({"Parameters": params.get("ParameterOverrides")}, {})))
            operation = self._begin(tx, ctx, params, found, "CREATE", chosen)
            for each in chosen:
                tx.put(each)
        return {"OperationId": operation}

    def update_stack_instances(self, ctx: RequestContext, params: Params) -> Result:
        self._self_managed(params)
        with self.store.write() as tx:
            found = set_named(tx, ctx, params["StackSetName"])
            overrides = params.get("ParameterOverrides")
            chosen = [
                replace(
                    each, overrides=_texts({"Parameters": overrides}, each.overrides) if overrides else each.overrides
                )
                for each in self._chosen(tx, params, found)
            ]
            operation = self._begin(tx, ctx, params, found, "UPDATE", chosen)
            for each in chosen:
                tx.put(replace(each, detail="PENDING"))
        return {"OperationId": operation}

    def delete_stack_instances(self, ctx: RequestContext, params: Params) -> Result:
        self._self_managed(params)
        with self.store.write() as tx:
            found = set_named(tx, ctx, params["StackSetName"])
            operation = self._begin(tx, ctx, params, found, "DELETE", self._chosen(tx, params, found))
        return {"OperationId": operation}

    def _targets(self, params: Params) -> list[tuple[str, str]]:
        accounts = params.get("Accounts") or (params.get("DeploymentTargets") or {}).get("Accounts") or []
        if not accounts:
            raise errors.ValidationError("Accounts must be specified")
        return [(account, region) for region in params["Regions"] for account in accounts]

    def _chosen(self, tx: Tx, params: Params, found: StackSet) -> list[StackInstance]:
        held = {(each.target_account, each.target_region): each for each in self._instances(tx, found)}
        return [held[target] for target in self._targets(params) if target in held]

    def _nothing_runs(self, tx: Tx, found: StackSet) -> None:
        for each in tx.list(SetOperation, found.account, found.region):
            if each.stack_set == found.id and each.status in _BUSY:
                raise errors.OperationInProgressException(f"Another Operation on StackSet {found.arn} is in progress")

    def _begin(
        self, tx: Tx, ctx: RequestContext, params: Params, found: StackSet, action: str, chosen: list[StackInstance]
    ) -> str:
        id = params.get("OperationId") or self.entropy.uuid()
        if tx.get(SetOperation, ctx.account, ctx.region, f"{found.id}/{id}") is not None:
            raise errors.OperationIdAlreadyExistsException(f"The operation {id} exists already")
        self._nothing_runs(tx, found)
        tx.put(
            SetOperation(
                account=ctx.account, region=ctx.region, id=f"{found.id}/{id}", stack_set=found.id, action=action,
                targets=tuple((each.target_account, each.target_region) for each in chosen), created=self.clock.now(),
                preferences=dict(params.get("OperationPreferences") or {}), retain=bool(params.get("RetainStacks")),
            )
        )  # fmt: skip
        return str(id)

    # -- what is asked of them ---------------------------------------------------------------------------------------

    def describe_stack_instance(self, ctx: RequestContext, params: Params) -> Result:
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        account, region = params["StackInstanceAccount"], params["StackInstanceRegion"]
        held = self.store.snapshot().get(StackInstance, ctx.account, ctx.region, f"{found.id}/{account}/{region}")
        if held is None:
            raise errors.StackInstanceNotFoundException(f"StackInstance not found for {account} in {region}")
        shown = [{"ParameterKey": key, "ParameterValue": value} for key, value in held.overrides.items()]
        return {"StackInstance": {**_instance(held), "ParameterOverrides": shown}}

    def list_stack_instances(self, ctx: RequestContext, params: Params) -> Result:
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        account, region = params.get("StackInstanceAccount"), params.get("StackInstanceRegion")
        held = [
            each
            for each in self._instances(self.store.snapshot(), found)
            if account in (None, each.target_account) and region in (None, each.target_region)
        ]
        chosen, token = self.paged(sorted(held, key=lambda each: each.id), params, _PAGE, lambda each: each.id)
        return {"Summaries": [_instance(each) for each in chosen], **token}

    def _operation(self, ctx: RequestContext, params: Params) -> SetOperation:
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        held = self.store.snapshot().get(SetOperation, ctx.account, ctx.region, f"{found.id}/{params['OperationId']}")
        if held is None:
            raise errors.OperationNotFoundException(f"Operation {params['OperationId']} not found")
        return held

    def describe_stack_set_operation(self, ctx: RequestContext, params: Params) -> Result:
        held = self._operation(ctx, params)
        shown = {**_operation(held), "StackSetId": held.stack_set, "OperationPreferences": held.preferences}
        return {"StackSetOperation": {**shown, **({"RetainStacks": held.retain} if held.action == "DELETE" else {})}}

    def list_stack_set_operations(self, ctx: RequestContext, params: Params) -> Result:
        found = set_named(self.store.snapshot(), ctx, params["StackSetName"])
        held = [
            each
            for each in self.store.snapshot().list(SetOperation, ctx.account, ctx.region)
            if each.stack_set == found.id
        ]
        key = lambda each: f"{10**14 - int(each.created * 1000):015d}/{each.id}"  # noqa: E731
        chosen, token = self.paged(sorted(held, key=key), params, _PAGE, key)
        return {"Summaries": [_operation(each) for each in chosen], **token}

    def list_stack_set_operation_results(self, ctx: RequestContext, params: Params) -> Result:
        held = self._operation(ctx, params)
        shown = []
        for account, region in sorted(held.targets):
            status, reason = held.results.get(f"{account}/{region}", ("PENDING", ""))
            one: dict[str, Any] = {"Account": account, "Region": region, "Status": status}
            shown.append({**one, **({"StatusReason": reason} if reason else {})})
        chosen, token = self.paged(shown, params, _PAGE, lambda each: f"{each['Account']}/{each['Region']}")
        return {"Summaries": chosen, **token}

    def stop_stack_set_operation(self, ctx: RequestContext, params: Params) -> Result:
        held = self._operation(ctx, params)
        if held.status != "RUNNING":
            raise errors.ValidationError(f"Operation {params['OperationId']} is not running")
        with self.store.write() as tx:
            tx.put(replace(held, status="STOPPING"))
        return {}


def _texts(params: Params, before: dict[str, str]) -> dict[str, str]:
    given = params.get("Parameters")
    return before if given is None else parameters.given_values(given, before)


def _summary(found: StackSet) -> Result:
    shown = {
        "StackSetName": found.name, "StackSetId": found.id, "Status": found.status, "PermissionModel": "SELF_MANAGED",
    }  # fmt: skip
    return {**shown, **({"Description": found.description} if found.description else {})}


def _instance(held: StackInstance) -> Result:
    shown: Result = {
        "StackSetId": held.stack_set, "Account": held.target_account, "Region": held.target_region,
        "Status": held.status,
        "StackInstanceStatus": {"DetailedStatus": held.detail}, "DriftStatus": held.drift,
    }  # fmt: skip
    optional = {"StackId": held.stack_arn, "StatusReason": held.reason, "LastOperationId": held.operation,
                "LastDriftCheckTimestamp": held.drift_checked}  # fmt: skip
    return {**shown, **{key: value for key, value in optional.items() if value}}


def _operation(held: SetOperation) -> Result:
    shown: Result = {
        "OperationId": held.id.rpartition("/")[2], "Action": held.action, "Status": held.status,
        "CreationTimestamp": held.created,
    }  # fmt: skip
    return {**shown, **({"EndTimestamp": held.ended} if held.ended is not None else {})}
