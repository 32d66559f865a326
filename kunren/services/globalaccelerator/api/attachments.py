"""Cross-account attachments: there are none yet, since none can be made (CreateCrossAccountAttachment gets 501)."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.globalaccelerator.api.base import Base


class Attachments(Base):
    def list_cross_account_resources(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """What other accounts let this one use as endpoints: nothing. (Terraform asks for each endpoint group.)"""
        reader = self._snapshot(ctx)
        if arn := params.get("AcceleratorArn"):
            self._accelerator(reader, ctx, arn)
        return {"CrossAccountResources": []}
