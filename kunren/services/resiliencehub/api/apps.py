"""Apps, and the tags of everything."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.resiliencehub import views
from kunren.services.resiliencehub.api.base import Base, Params, View, paged
from kunren.services.resiliencehub.errors import ConflictException, missing
from kunren.services.resiliencehub.model import DRAFT, App, AppVersion, Assessment, Policy


class Apps(Base):
    def create_app(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            made = self.made_with(tx, ctx, App, params.get("clientToken"))
            if made is not None:
                return {"app": views.app(tx, made)}
            if params.get("policyArn"):
                self.policy(tx, ctx, params["policyArn"])
            if any(each.name == params["name"] for each in tx.list(App, ctx.account, ctx.region)):
                raise ConflictException(f"App with name {params['name']} already exists", resourceId=params["name"])
            now = self.clock.now()
            app = App(
                account=ctx.account,
                region=ctx.region,
                id=self.arn(ctx, "app"),
                name=params["name"],
                versions=(AppVersion(version=DRAFT, created=now),),
                policy=params.get("policyArn"),
                description=params.get("description") or "",
                schedule=params.get("assessmentSchedule") or "Disabled",
                subscriptions=tuple(params.get("eventSubscriptions") or ()),
                permission_model=params.get("permissionModel"),
                tags=params.get("tags") or {},
                client_token=params.get("clientToken") or "",
                created=now,
            )
            tx.put(app)
            return {"app": views.app(tx, app)}

    def update_app(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            app = self.app(tx, ctx, params["appArn"])
            policy = None if params.get("clearResiliencyPolicyArn") else params.get("policyArn") or app.policy
            if policy is not None:
                self.policy(tx, ctx, policy)
            app = replace(
                app,
                policy=policy,
                description=params.get("description", app.description),
                schedule=params.get("assessmentSchedule") or app.schedule,
                subscriptions=tuple(params.get("eventSubscriptions", app.subscriptions)),
                permission_model=params.get("permissionModel") or app.permission_model,
            )
            tx.put(app)
            return {"app": views.app(tx, app)}

    def describe_app(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        return {"app": views.app(snapshot, self.app(snapshot, ctx, params["appArn"]))}

    def list_apps(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = [
            each
            for each in snapshot.list(App, ctx.account, ctx.region)
            if params.get("name") in (None, each.name) and params.get("appArn") in (None, each.id)
        ]
        found, more = paged(held, params, lambda each: each.id)
        return {"appSummaries": [views.summary(snapshot, each) for each in found], **more}

    def delete_app(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            app = self.app(tx, ctx, params["appArn"])
            assessed = [each for each in tx.list(Assessment, ctx.account, ctx.region) if each.app == app.id]
            if assessed and not params.get("forceDelete"):
                raise ConflictException(f"App {app.id} has assessments; force the deletion to delete them too.")
            for each in assessed:
                tx.delete(each)
            tx.delete(app)
        return {"appArn": app.id}

    # -- tags --------------------------------------------------------------------------------------------------------

    def list_tags_for_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"tags": self._tagged(self.store.snapshot(), ctx, params["resourceArn"]).tags}

    def tag_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            tx.put(replace(found, tags={**found.tags, **params["tags"]}))
        return {}

    def untag_resource(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            left = {key: value for key, value in found.tags.items() if key not in params["tagKeys"]}
            tx.put(replace(found, tags=left))
        return {}

    def _tagged(self, view: View, ctx: RequestContext, arn: str) -> App | Policy | Assessment:
        place = (ctx.account, ctx.region, arn)
        found = view.get(App, *place) or view.get(Policy, *place) or view.get(Assessment, *place)
        if found is None:
            raise missing("Resource", arn)
        return found
