"""A function's resource policy: statements as AddPermission makes them, and whether they let somebody in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from kunren.control.store import Snapshot
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException
from kunren.services.lambda_.lookup import find, find_function
from kunren.services.lambda_.names import split_arn

ELB = "elasticloadbalancing.amazonaws.com"
INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"
POLICY_BYTES_MAX = 20_480
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


def document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole policy, as GetPolicy shows it."""
    return {"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}


def service_may_invoke(
    statements: Iterable[Mapping[str, Any]], *, service: str, source_arn: str, source_account: str
) -> bool:
    """Whether a service, acting for that resource of that account, may invoke the function."""
    return any(_allows(each, service, source_arn, source_account) for each in statements)


def url_may_be_invoked(statements: Iterable[Mapping[str, Any]], auth: str, caller: str | None, owner: str) -> bool:
    """Whether a function URL with that auth type may be asked by an account (None: by anybody). The owner's own account
    needs no statement where it signs: its identities' policies are IAM's to judge."""
    if caller == owner:
        return True
    known = {"lambda:functionurlauthtype": auth, "lambda:invokedviafunctionurl": "true"}
    return any(_is_principal(each["Principal"], caller) and _permits(each, INVOKE_URL, known) for each in statements)


def _is_principal(principal: Any, caller: str | None) -> bool:
    told = principal.get("AWS") if isinstance(principal, Mapping) else principal
    if told == "*":
        return True
    return caller is not None and isinstance(told, str) and told.split(":")[4:5] == [caller]


def _allows(statement: Mapping[str, Any], service: str, source_arn: str, source_account: str) -> bool:
    principal = statement["Principal"]
    if principal != "*" and not (isinstance(principal, Mapping) and principal.get("Service") == service):
        return False
    return _permits(statement, INVOKE, {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account})


def _permits(statement: Mapping[str, Any], action: str, known: Mapping[str, str]) -> bool:
    """Whether action and conditions fit; `known` are the condition keys' values, by lower-case name."""
    if not _like(statement["Action"].lower(), action.lower()):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        for name, value in wanted.items():
            have = known.get(name.lower())
            if have is None:
                return False
            if have != value and not (operator == "ArnLike" and _like(value, have)):
                return False
    return True


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.compile("".join(parts), re.DOTALL)


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
