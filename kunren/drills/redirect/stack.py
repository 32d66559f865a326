"""An architecture of the redirect service as a CloudFormation stack, from the example's template."""

from __future__ import annotations

import importlib
import json
from typing import Any

from kunren.drills import stacks
from kunren.drills.stacks import Progress

MARK = "redirect"
"""Of the drill's stacks, also of those that the CDK makes for it."""


def deploy(session: Any, architecture: str, name: str, redirects: list[Any], progress: Progress) -> None:
    """Raises DrillFailed, and the document module's BadDocument."""
    template = importlib.import_module("template").template(architecture, redirects)
    given = _network(session) if "Vpc" in template["Parameters"] else {}
    what = f"The template of {architecture}"
    stacks.create(session.client("cloudformation"), name, MARK, json.dumps(template), given, progress, what)


def _network(session: Any) -> dict[str, str]:
    """The default VPC and two of its subnets, as the scripts take them."""
    found = session.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return {"Vpc": found[0]["VpcId"], "Subnets": ",".join(each["SubnetId"] for each in found[:2])}
