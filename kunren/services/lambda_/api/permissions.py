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
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import LATEST, Alias, Function, PublishedVersion
from kunren.services.lambda_.names import FunctionName
from kunren.services.lambda_.policy import DEFAULT_HEAD, POLICY_BYTES_MAX, build_statement, document

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
            if any(each.get("Sid") == statement["Sid"] for each in statements):
                raise ResourceConflictException(
                    f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement "
                    "id, or remove the existing statement."
                )
            policy = (*statements, statement)
            size = len(policy_text(document(policy, function.policy_heads.get(name.qualifier, DEFAULT_HEAD))))
            if size > POLICY_BYTES_MAX:
                raise PolicyLengthExceededException(
                    f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
                )
            self._put_policy(tx, function, guarded, name.qualifier, policy)
        return {"Statement": policy_text(statement)}

    def remove_permission(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        name = self._name(ctx, params)
        with self._store.write() as tx:
            function, guarded = self._function(tx, name), self._qualified(tx, name)
            statements = function.policies.get(name.qualifier, ())
            if not statements:
                raise ResourceNotFoundException("No policy is associated with the given resource.")
            self._guard_revision(guarded, params)
            sid = params["StatementId"]
            policy = tuple(each for each in statements if each.get("Sid") != sid)
            if len(policy) == len(statements):
                raise ResourceNotFoundException(f"Statement {sid} is not found in resource policy.")
            self._put_policy(tx, function, guarded, name.qualifier, policy)

    def _put_policy(
        self,
        tx: Tx,
        function: Function,
        guarded: Guarded,
        qualifier: str,
        policy: tuple[dict[str, Any], ...],
        head: dict[str, str] | None = None,
    ) -> str:
        """Put a policy, and a new revision on what it guards: that is returned. `head` replaces Version and Id."""
        revision = self._entropy.uuid()
        tx.put(msgspec.structs.replace(guarded, revision_id=revision))
        function = tx.get(Function, function.account, function.region, function.id) or function
        policies, heads = {**function.policies, qualifier: policy}, dict(function.policy_heads)
        if head is not None:
            heads[qualifier] = head
        if not policy:
            del policies[qualifier]
            heads.pop(qualifier, None)
        tx.put(msgspec.structs.replace(function, policies=policies, policy_heads=heads))
        return revision

    def get_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        policy, revision = self._policy(snapshot, name)
        return {"Policy": policy, "RevisionId": revision}

    def _policy(self, source: Source, name: FunctionName) -> tuple[str, str]:
        """The policy's text and revision. Raises ResourceNotFoundException."""
        guarded, function = self._qualified(source, name), self._function(source, name)
        statements = function.policies.get(name.qualifier)
        if not statements:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        head = function.policy_heads.get(name.qualifier, DEFAULT_HEAD)
        return policy_text(document(statements, head)), guarded.revision_id


def policy_text(value: Any) -> str:
    """JSON as AWS writes policies."""
    return json.dumps(value, separators=(",", ":"))
