"""Drift: whether resources are still as their stack made them. Only properties that a template states are compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.cloudformation import modules
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.engine import rows_of
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.model import Detection, Stack, StackResource
from kunren.services.cloudformation.parameters import HIDDEN, secrets
from kunren.services.cloudformation.records import masked
from kunren.services.cloudformation.resources import kind_of
from kunren.services.cloudformation.resources.kind import Unreadable
from kunren.services.cloudformation.schemas import coerced, schema
from kunren.services.cloudformation.work import Failed

_DRIFTED = ("MODIFIED", "DELETED")
_GONE = ("", "DELETE_COMPLETE", "DELETE_SKIPPED")


def differences(stated: Any, found: Any, at: str = "") -> Iterator[dict[str, str]]:
    """What is otherwise than stated, as PropertyDifferences; what is not stated does not count. Pure."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for key, value in stated.items():
            if key in found:
                yield from differences(value, found[key], f"{at}/{key}")
            else:
                yield {
                    "PropertyPath": f"{at}/{key}",
                    "ExpectedValue": _text(value),
                    "ActualValue": "null",
                    "DifferenceType": "REMOVE",
                }
    elif not _same(stated, found):
        told = {"ExpectedValue": _text(stated), "ActualValue": _text(found), "DifferenceType": "NOT_EQUAL"}
        yield {"PropertyPath": at or "/", **told}


def _same(stated: Any, found: Any) -> bool:
    if isinstance(stated, list) and isinstance(found, list):
        return sorted(map(_text, stated)) == sorted(map(_text, found))
    return bool(stated == found) or _text(stated) == _text(found)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    """With whole numbers as whole numbers: 2 and 2.0 are the same."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Drift(Base):
    async def detect_stack_drift(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        if stack.status.endswith("IN_PROGRESS") or stack.status == "DELETE_COMPLETE":
            raise ValidationError(
                f"Drift detection cannot be performed on stack [{stack.name}] in {stack.status} state."
            )
        wanted = set(params.get("LogicalResourceIds") or ())
        rows = [each for each in rows_of(self.store.snapshot(), stack).values() if each.status not in _GONE]
        for row in rows:
            if not wanted or row.logical in wanted:
                await self._detect(ctx, stack, row)
        now = self.clock.now()
        with self.store.write() as tx:
            held = rows_of(self.store.snapshot(), stack).values()
            drifted = sum(each.drift in _DRIFTED for each in held)
            status = "DRIFTED" if drifted else "IN_SYNC"
            row_now = tx.get(Stack, stack.account, stack.region, stack.id) or stack
            tx.put(replace(row_now, drift=status, drift_checked=now))
            found = Detection(
                account=ctx.account, region=ctx.region, id=self.entropy.uuid(), stack=stack.id, status=status,
                drifted=drifted, at=now,
            )  # fmt: skip
            tx.put(found)
        return {"StackDriftDetectionId": found.id}

    async def detect_stack_resource_drift(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        row = rows_of(self.store.snapshot(), stack).get(params["LogicalResourceId"])
        if row is None or row.status in _GONE:
            raise ValidationError(f"Resource {params['LogicalResourceId']} does not exist for stack {stack.name}")
        return {"StackResourceDrift": self._shown(stack, await self._detect(ctx, stack, row))}

    async def _detect(self, ctx: RequestContext, stack: Stack, row: StackResource) -> StackResource:
        try:
            found = await kind_of(row.type).read(self.looking_at(ctx, stack, row))
        except (Unreadable, Failed, AwsError):
            return self._keep(row, "NOT_CHECKED", None)
        if found is None:
            return self._keep(row, "DELETED", None)
        published = schema(row.type)
        actual = coerced(published, dict(found)) if published is not None else dict(found)
        compared = {key: value for key, value in row.properties.items() if key in actual}
        seen = {key: actual[key] for key in compared}
        drifted = any(differences(compared, seen))
        return self._keep(row, "MODIFIED" if drifted else "IN_SYNC", {**row.properties, **seen})

    def _keep(self, row: StackResource, status: str, actual: dict[str, Any] | None) -> StackResource:
        with self.store.write() as tx:
            now = tx.get(StackResource, row.account, row.region, row.id) or row
            kept = replace(now, drift=status, drift_checked=self.clock.now(), drift_actual=actual)
            tx.put(kept)
        return kept

    def describe_stack_drift_detection_status(self, ctx: RequestContext, params: Params) -> Result:
        id = params["StackDriftDetectionId"]
        found = self.store.snapshot().get(Detection, ctx.account, ctx.region, id)
        if found is None:
            raise ValidationError(f"No drift detection status found for ID [{id}]")
        stack = self.stack(self.store.snapshot(), ctx, f"arn:/{found.stack}")
        return {
            "StackId": stack.arn, "StackDriftDetectionId": id, "StackDriftStatus": found.status,
            "DetectionStatus": "DETECTION_COMPLETE", "DriftedStackResourceCount": found.drifted, "Timestamp": found.at,
        }  # fmt: skip

    def describe_stack_resource_drifts(self, ctx: RequestContext, params: Params) -> Result:
        stack = self.stack(self.store.snapshot(), ctx, params["StackName"], "Stack [{}] does not exist")
        wanted = set(params.get("StackResourceDriftStatusFilters") or ())
        rows = [each for each in rows_of(self.store.snapshot(), stack).values() if each.drift_checked is not None]
        rows = [each for each in rows if not wanted or each.drift in wanted]
        chosen, token = self.paged(sorted(rows, key=lambda each: each.logical), params, 100, lambda each: each.logical)
        return {"StackResourceDrifts": [self._shown(stack, each) for each in chosen], **token}

    def _shown(self, stack: Stack, row: StackResource) -> Result:
        """Without what nobody is to see."""
        revision = self.revision_of(self.store.snapshot(), stack)
        declared = json.loads(revision.processed).get("Parameters", {}) if revision is not None else {}
        texts = secrets(declared, revision.texts) if revision is not None else ()
        hidden = {**row.secrets, **dict.fromkeys(texts, HIDDEN)}
        seen = masked(row.drift_actual, hidden) if row.drift_actual is not None else None
        return _shown(stack, replace(row, properties=masked(row.properties, hidden), drift_actual=seen))


def _shown(stack: Stack, row: StackResource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StackId": stack.arn, "LogicalResourceId": row.logical, "PhysicalResourceId": row.physical,
        "ResourceType": row.type, "StackResourceDriftStatus": row.drift, "Timestamp": row.drift_checked,
        "ExpectedProperties": json.dumps(row.properties), **modules.info(row.metadata),
    }  # fmt: skip
    if row.drift_actual is not None:
        actual: Mapping[str, Any] = row.drift_actual
        stated = {key: value for key, value in row.properties.items() if key in actual}
        found["ActualProperties"] = json.dumps(actual)
        found["PropertyDifferences"] = list(differences(stated, actual))
    return found
