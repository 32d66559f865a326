"""A function's resource policy: statements as AddPermission makes them, and who may invoke it by them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kunren.control.store import Snapshot
from kunren.core.policies import Asker, allowed
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from kunren.services.lambda_.lookup import find, find_function
from kunren.services.lambda_.names import split_arn

ELB = "elasticloadbalancing.amazonaws.com"
CLOUDFRONT = "cloudfront.amazonaws.com"
INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"
POLICY_BYTES_MAX = 20_480
DEFAULT_HEAD = {"Version": "2012-10-17", "Id": "default"}
_ACCOUNT = re.compile(r"\d{12}")
_ROOT = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazon(aws)?\.com(\.cn)?")


def build_statement(params: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """The statement that AddPermission adds, in AWS's order of members. Raises InvalidParameterValueException."""
    statement: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(params["Principal"]),
        "Action": params["Action"],
        "Resource": resource,
    }
    condition: dict[str, dict[str, str]] = {}
    if account := params.get("SourceAccount"):
        condition.setdefault("StringEquals", {})["AWS:SourceAccount"] = account
    if token := params.get("EventSourceToken"):
        condition.setdefault("StringEquals", {})["lambda:EventSourceToken"] = token
    if organization := params.get("PrincipalOrgID"):
        condition.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = organization
    if auth := params.get("FunctionUrlAuthType"):
        condition.setdefault("StringEquals", {})["lambda:FunctionUrlAuthType"] = auth
    if params.get("InvokedViaFunctionUrl") is not None:
        condition.setdefault("Bool", {})["lambda:InvokedViaFunctionUrl"] = str(params["InvokedViaFunctionUrl"]).lower()
    if source := params.get("SourceArn"):
        condition.setdefault("ArnLike", {})["AWS:SourceArn"] = source
    if condition:
        statement["Condition"] = condition
    return statement


def _principal(told: str) -> Any:
    if told == "*":
        return "*"
    if _ACCOUNT.fullmatch(told):
        return {"AWS": f"arn:aws:iam::{told}:root"}
    if _ROOT.fullmatch(told):
        return {"AWS": told}
    if _SERVICE.fullmatch(told):
        return {"Service": told}
    raise InvalidParameterValueException(
        "The provided principal was invalid. Please check the principal and try again."
    )


def document(statements: Iterable[Mapping[str, Any]], head: Mapping[str, str] = DEFAULT_HEAD) -> dict[str, Any]:
    """The whole policy, as GetPolicy shows it; `head` are its Version and Id."""
    return {**head, "Statement": list(statements)}


def service_may_invoke(
    statements: Iterable[Mapping[str, Any]], *, service: str, source_arn: str, source_account: str
) -> bool:
    """Whether a service, acting for that resource of that account, may invoke the function."""
    known = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account, "aws:principalservicename": service}
    return allowed(statements, Asker(service=service), INVOKE, known)


def distribution_may_ask(statements: Iterable[Mapping[str, Any]], auth: str, arn: str, account: str) -> bool:
    """Whether CloudFront may ask a function URL with that auth type for that distribution."""
    known = {"aws:sourcearn": arn, "aws:sourceaccount": account, "aws:principalservicename": CLOUDFRONT}
    told = {**known, "lambda:functionurlauthtype": auth, "lambda:invokedviafunctionurl": "true"}
    return allowed(statements, Asker(service=CLOUDFRONT), INVOKE_URL, told)


def url_may_be_invoked(statements: Iterable[Mapping[str, Any]], auth: str, caller: str | None, owner: str) -> bool:
    """Whether a function URL with that auth type may be asked by an account (None: by anybody). The owner's own account
    needs no statement where it signs: its identities' policies are IAM's to judge; but a statement may deny it."""
    known = {"lambda:functionurlauthtype": auth, "lambda:invokedviafunctionurl": "true"}
    if caller is not None:
        known["aws:principalaccount"] = caller
    own = ({"Effect": "Allow", "Principal": "*", "Action": INVOKE_URL},) if caller == owner else ()
    return allowed((*statements, *own), Asker(account=caller), INVOKE_URL, known)


def policy_of(snapshot: Snapshot, arn: str) -> tuple[dict[str, Any], ...]:
    """The statements that concern a function's ARN, with or without qualifier; none where there is no such function."""
    name = split_arn(arn)
    if name is None:
        return ()
    try:
        return tuple(find_function(snapshot, name).policies.get(name.qualifier, ()))
    except ResourceNotFoundException:
        return ()


def may_invoke(snapshot: Snapshot, function_arn: str, source_arn_target_group: str) -> bool | None:
    """Whether a load balancer may invoke the function for that target group; None when there is no such function."""
    name = split_arn(function_arn)
    if name is None:
        return None
    try:
        find(snapshot, name)
    except ResourceNotFoundException:
        return None
    statements = find_function(snapshot, name).policies.get(name.qualifier, ())
    account = source_arn_target_group.split(":")[4] if source_arn_target_group.count(":") >= 5 else ""
    return service_may_invoke(statements, service=ELB, source_arn=source_arn_target_group, source_account=account)
