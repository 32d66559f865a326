"""Whole resource policies by ARN: GetResourcePolicy, PutResourcePolicy, DeleteResourcePolicy.

The same policies as AddPermission's and GetPolicy's, written and read in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.permissions import PermissionOperations, policy_text
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.model import LATEST
from kunren.services.lambda_.names import FunctionName, split_arn
from kunren.services.lambda_.policy import POLICY_BYTES_MAX, document
from kunren.services.lambda_.statements import check_statements


class ResourcePolicyOperations(PermissionOperations):
    def get_resource_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        policy, revision = self._policy(self._store.snapshot(), _named(ctx, params))
        return {"Policy": policy, "RevisionId": revision}

    def put_resource_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = _named(ctx, params)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        head, statements = _parse(params["Policy"], name)
        with self._store.write() as tx:
            function, guarded = self._function(tx, name), self._qualified(tx, name)
            self._guard_revision(guarded, params)
            text = policy_text(document(statements, head))
            if len(text) > POLICY_BYTES_MAX:
                raise PolicyLengthExceededException(
                    f"The final policy size ({len(text)}) is bigger than the limit ({POLICY_BYTES_MAX})."
                )
            revision = self._put_policy(tx, function, guarded, name.qualifier, statements, head)
        return {"Policy": text, "RevisionId": revision}

    def delete_resource_policy(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        name = _named(ctx, params)
        with self._store.write() as tx:
            self._policy(tx, name)
            function, guarded = self._function(tx, name), self._qualified(tx, name)
            self._guard_revision(guarded, params)
            self._put_policy(tx, function, guarded, name.qualifier, ())


def _named(ctx: RequestContext, params: Mapping[str, Any]) -> FunctionName:
    """The function, version or alias. Raises ResourceNotFoundException for what is none, or another region's."""
    name = split_arn(params["ResourceArn"])
    if name is None or name.region != ctx.region:
        raise ResourceNotFoundException("The resource you requested does not exist.")
    return name


def _parse(text: str, name: FunctionName) -> tuple[dict[str, str], tuple[dict[str, Any], ...]]:
    """Version and Id, and the statements. Raises InvalidParameterValueException."""
    try:
        told = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParameterValueException("The provided policy document is not valid JSON.") from None
    if not isinstance(told, dict) or set(told) - {"Version", "Id", "Statement"}:
        raise InvalidParameterValueException(
            "The provided policy document is invalid: it is a JSON object of Version, Id and Statement."
        )
    if told.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17") or not isinstance(told.get("Id", ""), str):
        raise InvalidParameterValueException("The provided policy document is invalid: Version is 2012-10-17.")
    head = {member: told[member] for member in ("Version", "Id") if member in told}
    return head, check_statements(told.get("Statement"), name.qualified_arn)
