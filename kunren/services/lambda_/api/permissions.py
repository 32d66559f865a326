"""Who may invoke a function: AddPermission, RemovePermission, GetPolicy."""

from __future__ import annotations

import json
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.model import LATEST
from kunren.services.lambda_.policy import POLICY_BYTES_MAX, build_statement, document


class PermissionOperations(ApiBase):
    def add_permission(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        with self._store.write() as tx:
            function = self._get(tx, name)
            self._guard_revision(function, params)
            statement = build_statement(params, function.arn)
            if any(each["Sid"] == statement["Sid"] for each in function.policy):
                raise ResourceConflictException(
                    f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement "
                    "id, or remove the existing statement."
                )
            policy = (*function.policy, statement)
            size = len(_text(document(policy)))
            if size > POLICY_BYTES_MAX:
                raise PolicyLengthExceededException(
                    f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
                )
            tx.put(self._revised(function, policy=policy))
        return {"Statement": _text(statement)}

    def remove_permission(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            function = self._get(tx, self._name(ctx, params))
            if not function.policy:
                raise ResourceNotFoundException("No policy is associated with the given resource.")
            self._guard_revision(function, params)
            sid = params["StatementId"]
            policy = tuple(each for each in function.policy if each["Sid"] != sid)
            if len(policy) == len(function.policy):
                raise ResourceNotFoundException(f"Statement {sid} is not found in resource policy.")
            tx.put(self._revised(function, policy=policy))

    def get_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        function = self._get(self._store.snapshot(), self._name(ctx, params))
        if not function.policy:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return {"Policy": _text(document(function.policy)), "RevisionId": function.revision_id}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
