"""Where logs go: keys as AWS lays them out, and whether a bucket's policy lets Elastic Load Balancing write there.

"Access log files", "Health check log files" and "Enable access logs for your Application Load Balancer".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.services.elbv2.model import LoadBalancer

DELIVERY = ("logdelivery.elasticloadbalancing.amazonaws.com", "delivery.logs.amazonaws.com")
# The accounts of Elastic Load Balancing whose roots older bucket policies name.
ACCOUNTS = {
    "us-east-1": "127311923021", "us-east-2": "033677994240", "us-west-1": "027434742980",
    "us-west-2": "797873946194", "af-south-1": "098369216593", "ap-east-1": "754344448648",
    "ap-south-1": "718504428378", "ap-northeast-1": "582318560864", "ap-northeast-2": "600734575887",
    "ap-northeast-3": "383597477331", "ap-southeast-1": "114774131450", "ap-southeast-2": "783225319266",
    "ap-southeast-3": "589379963580", "ca-central-1": "985666609251", "eu-central-1": "054676820928",
    "eu-north-1": "897822967062", "eu-south-1": "635631232127", "eu-west-1": "156460612806",
    "eu-west-2": "652711504416", "eu-west-3": "009996457667", "me-south-1": "076674570225",
    "sa-east-1": "507241528517",
}  # fmt: skip
TEST_FILES = {
    "access": "ELBAccessLogTestFile", "connection": "ELBConnectionLogTestFile",
    "health_check": "ELBHealthCheckLogTestFile",
}  # fmt: skip
_NAMES = {"access": "", "connection": "conn_log.", "health_check": "health_check_log_"}


def short_name(balancer: LoadBalancer) -> str:
    """`app/NAME/ID`."""
    return balancer.id.partition(":loadbalancer/")[2]


def folder(balancer: LoadBalancer, prefix: str) -> str:
    return f"{prefix.strip('/')}/AWSLogs/{balancer.account}/".lstrip("/")


def object_key(balancer: LoadBalancer, kind: str, prefix: str, node: str, end: float, random: str) -> str:
    """The key of a node's log of the five minutes before `end` (AWS time)."""
    day = datetime.fromtimestamp(end, UTC)
    name = short_name(balancer).replace("/", ".")
    owner, region = balancer.account, balancer.region
    file = f"{_NAMES[kind]}{owner}_elasticloadbalancing_{region}_{name}_{day:%Y%m%dT%H%MZ}_{node}_{random}.log.gz"
    return f"{folder(balancer, prefix)}elasticloadbalancing/{region}/{day:%Y/%m/%d}/{file}"


def lets_in(policy: str, balancer: LoadBalancer, bucket: str, key: str) -> bool:
    """Whether the bucket policy (JSON) allows the delivery of that key, and denies it nowhere."""
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return False
    given = [statements] if isinstance(statements, dict) else statements
    matching = [each for each in given if isinstance(each, dict) and _applies(each, balancer, bucket, key)]
    effects = {each.get("Effect") for each in matching}
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Mapping[str, Any], balancer: LoadBalancer, bucket: str, key: str) -> bool:
    return (
        _is_delivery(statement.get("Principal"), balancer.region)
        and any(_like("s3:PutObject", each, re.IGNORECASE) for each in _listed(statement.get("Action")))
        and any(_like(f"arn:aws:s3:::{bucket}/{key}", each) for each in _listed(statement.get("Resource")))
        and _conditions_hold(statement.get("Condition") or {}, balancer)
    )


def _is_delivery(principal: Any, region: str) -> bool:
    if not isinstance(principal, dict):
        return bool(principal == "*")
    account = ACCOUNTS.get(region, ACCOUNTS["us-east-1"])
    roots = (account, f"arn:aws:iam::{account}:root", "*")
    services = set(_listed(principal.get("Service")))
    return bool(services & set(DELIVERY)) or any(each in roots for each in _listed(principal.get("AWS")))


def _conditions_hold(conditions: Mapping[str, Any], balancer: LoadBalancer) -> bool:
    facts = {
        "aws:sourceaccount": balancer.account,
        "aws:sourcearn": balancer.id,
        "s3:x-amz-acl": "bucket-owner-full-control",
        "aws:securetransport": "true",
    }
    for operator, wanted in conditions.items():
        positive = operator.removesuffix("IfExists") in ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool")
        for key, patterns in wanted.items():
            fact = facts.get(key.lower())
            if not positive or fact is None or not any(_like(fact, str(each)) for each in _listed(patterns)):
                return False
    return True


def _like(text: str, pattern: str, flags: int = 0) -> bool:
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text, flags | re.DOTALL) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
