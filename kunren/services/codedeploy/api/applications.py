"""Applications and tags."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.codedeploy import errors, views
from kunren.services.codedeploy.api.base import ApiBase, Params, Result, check_batch, find_application, find_group, page
from kunren.services.codedeploy.model import ACTIVE, SERVER, Application, Deployment, Group, Revision

_TAGS_MAX = 50


class Applications(ApiBase):
    def create_application(self, ctx: RequestContext, params: Params) -> Result:
        name = params["applicationName"]
        with self._store.write() as tx:
            if tx.get(Application, ctx.account, ctx.region, name) is not None:
                raise errors.ApplicationAlreadyExistsException(f"Application already exists: {name}")
            made = Application(
                account=ctx.account, region=ctx.region, id=name, application_id=self._entropy.uuid(),
                platform=params.get("computePlatform") or SERVER, created_at=self._clock.now(),
                tags=_checked(tags_from_wire(params.get("tags"))),
            )  # fmt: skip
            tx.put(made)
        return {"applicationId": made.application_id}

    def get_application(self, ctx: RequestContext, params: Params) -> Result:
        found = find_application(self._store.snapshot(), ctx, params["applicationName"])
        return {"application": views.application(found)}

    def batch_get_applications(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["applicationNames"], 100)
        snapshot = self._store.snapshot()
        found = [find_application(snapshot, ctx, each) for each in params["applicationNames"]]
        return {"applicationsInfo": [views.application(each) for each in found]}

    def list_applications(self, ctx: RequestContext, params: Params) -> Result:
        names = [each.id for each in self._store.snapshot().list(Application, ctx.account, ctx.region)]
        shown, token = page(names, params.get("nextToken"), str)
        return {"applications": shown, "nextToken": token}

    def update_application(self, ctx: RequestContext, params: Params) -> None:
        """Another name for it, and so for what is its own."""
        name, new = params.get("applicationName") or "", params.get("newApplicationName")
        with self._store.write() as tx:
            found = find_application(tx, ctx, name)
            if not new or new == name:
                return
            if tx.get(Application, ctx.account, ctx.region, new) is not None:
                raise errors.ApplicationAlreadyExistsException(f"Application already exists: {new}")
            tx.delete(found)
            tx.put(replace(found, id=new))
            for each in _of(tx, ctx, name):
                tx.delete(each)
                tx.put(replace(each, id=f"{new}/{each.id.partition('/')[2]}", application=new))
            for run in tx.list(Deployment, ctx.account, ctx.region):
                if run.application == name:
                    tx.put(replace(run, application=new))

    def delete_application(self, ctx: RequestContext, params: Params) -> None:
        name = params["applicationName"]
        with self._store.write() as tx:
            found = tx.get(Application, ctx.account, ctx.region, name)
            if found is None:
                return
            tx.delete(found)
            for each in _of(tx, ctx, name):
                tx.delete(each)
            for run in tx.list(Deployment, ctx.account, ctx.region):
                if run.application == name and run.status in ACTIVE:
                    tx.put(replace(run, stopping="request", rolls_back_when_stopped=False))

    # -- tags --------------------------------------------------------------------------------------------------------

    def tag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceArn"])
            tx.put(replace(found, tags=_checked({**found.tags, **tags_from_wire(params["Tags"])})))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = _tagged(tx, ctx, params["ResourceArn"])
            kept = {key: value for key, value in found.tags.items() if key not in params["TagKeys"]}
            tx.put(replace(found, tags=kept))
        return {}

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            return {"Tags": tags_to_wire(_tagged(tx, ctx, params["ResourceArn"]).tags)}


def _of(tx: Tx, ctx: RequestContext, name: str) -> list[Group | Revision]:
    groups = [each for each in tx.list(Group, ctx.account, ctx.region) if each.application == name]
    revisions = [each for each in tx.list(Revision, ctx.account, ctx.region) if each.application == name]
    return [*groups, *revisions]


def _tagged(tx: Tx, ctx: RequestContext, arn: str) -> Application | Group:
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "codedeploy":
        raise errors.InvalidArnException(f"The specified ARN is not in a valid format: {arn}")
    kind, _, name = parsed.resource.partition(":")
    if kind == "application":
        return find_application(tx, ctx, name)
    if kind == "deploymentgroup":
        return find_group(tx, ctx, *name.split("/", 1)) if "/" in name else find_group(tx, ctx, name, "")
    raise errors.ArnNotSupportedException(f"The specified ARN is not supported: {arn}")


def _checked(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _TAGS_MAX:
        raise errors.InvalidTagsToAddException(f"The maximum number of tags is {_TAGS_MAX}")
    if any(not key or key.lower().startswith("aws:") for key in tags):
        raise errors.InvalidTagsToAddException("A tag's key must not be empty or start with aws:")
    return tags
