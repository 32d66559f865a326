"""Assessments: what they found, against the policy, and what they recommend."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.resiliencehub import advice, views
from kunren.services.resiliencehub.api.base import Base, Params, paged
from kunren.services.resiliencehub.errors import ConflictException
from kunren.services.resiliencehub.model import DRAFT, Assessment


class Assessments(Base):
    def start_app_assessment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            made = self.made_with(tx, ctx, Assessment, params.get("clientToken"))
            if made is not None:
                return {"assessment": views.assessment(made)}
            app = self.app(tx, ctx, params["appArn"])
            version = self.version(app, params["appVersion"])
            if version.version == DRAFT:
                raise ConflictException(f"The draft of {app.id} cannot be assessed: publish it first.")
            held = [each for each in tx.list(Assessment, ctx.account, ctx.region) if each.app == app.id]
            if any(each.status in ("Pending", "InProgress") for each in held):
                raise ConflictException(f"App {app.id} is being assessed.", resourceId=app.id)
            assessment = Assessment(
                account=ctx.account,
                region=ctx.region,
                id=self.arn(ctx, "app-assessment"),
                name=params["assessmentName"],
                app=app.id,
                version=version.version,
                version_name=version.name,
                policy=self.policy(tx, ctx, app.policy) if app.policy is not None else None,
                tags=params.get("tags") or {},
                client_token=params.get("clientToken") or "",
                started=self.clock.now(),
            )
            tx.put(assessment)
        return {"assessment": views.assessment(assessment)}

    def describe_app_assessment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"assessment": views.assessment(self._found(ctx, params))}

    def list_app_assessments(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = [
            each
            for each in self.store.snapshot().list(Assessment, ctx.account, ctx.region)
            if params.get("appArn") in (None, each.app)
            and params.get("assessmentName") in (None, each.name)
            and params.get("invoker") in (None, each.invoker)
            and each.status in (params.get("assessmentStatus") or (each.status,))
        ]
        shown = [views.assessment_summary(each) for each in held]
        wanted = params.get("complianceStatus")
        shown = [each for each in shown if wanted in (None, each.get("complianceStatus"))]
        found, more = paged(shown, params, lambda each: f"{each['startTime']:020.3f} {each['assessmentArn']}")
        return {"assessmentSummaries": found, **more}

    def delete_app_assessment(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            assessment = self.assessment(tx, ctx, params["assessmentArn"])
            if assessment.status in ("Pending", "InProgress"):
                raise ConflictException(f"Assessment {assessment.id} is not over.", resourceId=assessment.id)
            tx.delete(assessment)
        return {"assessmentArn": assessment.id, "assessmentStatus": assessment.status}

    def list_app_component_compliances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        assessment = self._found(ctx, params)
        listed = [views.component(each, assessment.policy) for each in assessment.components]
        found, more = paged(listed, params, lambda each: each["appComponentName"])
        return {"componentCompliances": found, **more}

    def list_app_component_recommendations(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        assessment = self._found(ctx, params)
        listed = [advice.recommendation(each, assessment.policy) for each in assessment.components]
        found, more = paged(listed, params, lambda each: each["appComponentName"])
        return {"componentRecommendations": found, **more}

    def list_app_assessment_compliance_drifts(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        found, more = paged(self._found(ctx, params).drifts, params, lambda each: each["entityId"])
        return {"complianceDrifts": found, **more}

    def _found(self, ctx: RequestContext, params: Params) -> Assessment:
        return self.assessment(self.store.snapshot(), ctx, params["assessmentArn"])
