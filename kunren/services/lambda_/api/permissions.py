"""Who may invoke a function: AddPermission, RemovePermission, GetPolicy."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.model import LATEST, Alias, Function, PublishedVersion
from kunren.services.lambda_.policy import POLICY_BYTES_MAX, build_statement, document

Guarded = Function | PublishedVersion | Alias


class PermissionOperations(ApiBase):
    def add_permission(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        with self._store.write() as tx:
            function, guarded = self._function(tx, name), self._qualified(tx, name)
            self._guard_revision(guarded, params)
            statement = build_statement(params, name.qualified_arn)
            statements = function.policies.get(name.qualifier, ())
            if any(each["Sid"] == statement["Sid"] for each in statements):
                raise ResourceConflictException(
                    f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement "
                    "id, or remove the existing statement."
                )
            policy = (*statements, statement)
            size = len(_text(document(policy)))
            if size > POLICY_BYTES_MAX:
                raise PolicyLengthExceededException(
                    f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
                )
            self._put_policy(tx, function, guarded, name.qualifier, policy)
        return {"Statement": _text(statement)}

    def remove_permission(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        name = self._name(ctx, params)
        with self._store.write() as tx:
            function, guarded = self._function(tx, name), self._qualified(tx, name)
            statements = function.policies.get(name.qualifier, ())
            if not statements:
                raise ResourceNotFoundException("No policy is associated with the given resource.")
            self._guard_revision(guarded, params)
            sid = params["StatementId"]
            policy = tuple(each for each in statements if each["Sid"] != sid)
            if len(policy) == len(statements):
                raise ResourceNotFoundException(f"Statement {sid} is not found in resource policy.")
            self._put_policy(tx, function, guarded, name.qualifier, policy)

    def _put_policy(
        self, tx: Tx, function: Function, guarded: Guarded, qualifier: str, policy: tuple[dict[str, Any], ...]
    ) -> None:
        """Put a policy, and a new revision on what it guards."""
        tx.put(msgspec.structs.replace(guarded, revision_id=self._entropy.uuid()))
        function = tx.get(Function, function.account, function.region, function.id) or function
        policies = {**function.policies, qualifier: policy}
        tx.put(msgspec.structs.replace(function, policies={each: told for each, told in policies.items() if told}))

    def get_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        guarded = self._qualified(snapshot, name)
        statements = self._function(snapshot, name).policies.get(name.qualifier)
        if not statements:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return {"Policy": _text(document(statements)), "RevisionId": guarded.revision_id}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
