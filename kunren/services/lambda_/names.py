"""How callers name functions: a name, `account:function:name`, or an ARN, each perhaps with a qualifier. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from kunren.core.arn import build_arn
from kunren.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException

_FORM = re.compile(
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?"
    r"(?:function:)?(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
NAME_MAX = 64


class FunctionName(NamedTuple):
    """Where a function is looked for, and which version of it was asked for ("" when none)."""

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        return function_arn(self.account, self.region, self.name)

    @property
    def qualified_arn(self) -> str:
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def function_arn(account: str, region: str, name: str) -> str:
    """The ARN without qualifier."""
    return build_arn("lambda", region, account, f"function:{name}")


def parse_function_name(told: str, account: str, region: str, qualifier: str | None = None) -> FunctionName:
    """What `told` names for a caller of that account and region. Raises InvalidParameterValueException, and
    ResourceNotFoundException for a function of another region."""
    match = _FORM.fullmatch(told)
    if match is None:
        raise InvalidParameterValueException(f"Invalid function name: {told}")
    own = match["qualifier"] or ""
    if own and qualifier and own != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    found = FunctionName(match["account"] or account, match["region"] or region, match["name"], own or qualifier or "")
    if found.region != region:
        raise ResourceNotFoundException(
            f"Functions from '{found.region}' are not reachable in this region ('{region}')"
        )
    return found


def split_arn(arn: str) -> FunctionName | None:
    """The parts of a function's ARN (with or without qualifier), or None for anything else."""
    match = _FORM.fullmatch(arn)
    if match is None or not (match["partition"] and match["region"] and match["account"]):
        return None
    return FunctionName(match["account"], match["region"], match["name"], match["qualifier"] or "")
