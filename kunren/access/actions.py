"""Which actions on which resources an operation is, as policies name them. Pure.

Service authorization reference, "Actions, resources, and condition keys for ...". The rule is that an action is named
like its operation, and that a resource is the one whose ARN a parameter has; tables say what is otherwise. Where the
resource can't be told it is `UNKNOWN`: policies that allow the action on anything then allow it. S3 has a mapping of
its own, and asks for each (`kunren.services.s3.api.base`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from kunren.access.containers import ecs
from kunren.access.deployments import codedeploy
from kunren.access.eventing import cloudwatch, events, scheduler
from kunren.access.tables import (
    ACTIONS,
    EC2_CREATED,
    EC2_MADE,
    EC2_TYPES,
    ELSEWHERE,
    IAM_LISTED,
    PASSED,
    PREFIXES,
    RESOURCES,
    STATEMENTS,
    TRANSACTED,
    WITHOUT_RESOURCE,
    Rule,
)
from kunren.core.conditions import many
from kunren.core.policies import UNKNOWN

ALL = "*"
_EC2_ID = re.compile(r"([a-z]+(?:-[a-z]+)*)-(?:[0-9a-f]{8,17}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_PARTIQL_TABLE = re.compile(
    r"^\s*(?:select\b.*?\bfrom|insert\s+into|update|delete\s+from)\s+(?:\"([^\"]+)\"|([\w.-]+?))"
    r"(?:\.(?:\"([^\"]+)\"|([\w-]+)))?(?=\s|$)",
    re.IGNORECASE | re.DOTALL,
)
_FROM = re.compile(r"\bfrom\b", re.IGNORECASE)
_READING = ("Describe", "List", "Get", "Search")


class Asked(msgspec.Struct, frozen=True):
    """What is asked for: by whom is for others. `passed_to` is the service that a role is handed to."""

    action: str
    resource: str
    passed_to: str = ""


class Target(msgspec.Struct, frozen=True):
    """An operation and its parameters, where it is asked for; `path` is the request's."""

    service: str
    operation: str
    params: Mapping[str, Any]
    account: str
    region: str
    method: str = "POST"
    path: str = "/"

    def arn(self, service: str, rest: str, *, region: bool = True, account: bool = True) -> str:
        return f"arn:aws:{service}:{self.region if region else ''}:{self.account if account else ''}:{rest}"


def asked(target: Target, signs_as: str, ours: bool) -> list[Asked]:
    """Everything that must be allowed for the operation. `ours`: not one of moto's services."""
    way = _way(target.service, target.operation, signs_as)
    if way is None:
        return _of_several(target, signs_as, ours)
    action, own = way
    return [Asked(action, each) for each in (own(target) if own is not None else _resources(target, ours))]


@lru_cache(maxsize=4096)
def _way(service: str, operation: str, signs_as: str) -> tuple[str, Callable[[Target], list[str]] | None] | None:
    """The action, and what finds the resources where the service has rules of its own; None for operations that need
    more than one permission, or another for each request."""
    if service in ("apigateway", "apigatewayv2") or operation == "BatchGetSecretValue":
        return None
    if (service, operation) in PASSED or (service == "dynamodb" and operation in STATEMENTS):
        return None
    return f"{PREFIXES.get(service, signs_as)}:{ACTIONS.get((service, operation), operation)}", _OWN.get(service)


def _of_several(target: Target, signs_as: str, ours: bool) -> list[Asked]:
    service, operation = target.service, target.operation
    if operation == "BatchGetSecretValue":
        secrets = many(target.params.get("SecretIdList")) or [ALL]
        parts = [Asked("secretsmanager:GetSecretValue", _secret(target, each)) for each in secrets]
        return [Asked(f"secretsmanager:{operation}", ALL), *parts]
    if service in ("apigateway", "apigatewayv2"):
        path = target.path.removeprefix("/v2")
        return [Asked(f"apigateway:{target.method}", f"arn:aws:apigateway:{target.region}::{path}")]
    if service == "dynamodb" and operation in STATEMENTS and (several := list(_within(target))):
        return several
    action = f"{PREFIXES.get(service, signs_as)}:{ACTIONS.get((service, operation), operation)}"
    found = [Asked(action, each) for each in _resources(target, ours)]
    if (service, operation) not in PASSED:
        return found
    to = f"{ELSEWHERE.get((service, operation), service)}.amazonaws.com"
    passed = [each for name in PASSED[service, operation] for each in _values(target.params, name)]
    return found + [Asked("iam:PassRole", _role(target, each), to) for each in dict.fromkeys(passed) if each]


def _values(params: Any, path: str) -> Iterator[str]:
    """The texts behind a path of names, through structures and lists."""
    outer, _, inner = path.partition(".")
    for each in many(params):
        found = each.get(outer) if isinstance(each, Mapping) else None
        if inner:
            yield from _values(found, inner)
        else:
            yield from (one for one in many(found) if isinstance(one, str))


def _role(target: Target, named: str) -> str:
    """Some operations take a role by its name alone."""
    return named if named.startswith("arn:") else target.arn("iam", f"role/{named}", region=False)


def _resources(target: Target, ours: bool) -> list[str]:
    own = _OWN.get(target.service)
    if own is not None:
        return own(target)
    if (target.service, target.operation) in WITHOUT_RESOURCE:
        return [ALL]
    found = _of_table(target) or next(_arns(target.params), None)
    if found is not None:
        return [found]
    return [ALL] if ours and target.operation.startswith(_READING) else [UNKNOWN]


def _of_table(target: Target) -> str | None:
    """By the table's rules of the service: the first whose operations and parameter fit."""
    for rule in _rules(target.service, target.operation):
        value = target.params.get(rule.member)
        if not isinstance(value, str) or not value:
            continue
        if value.startswith("arn:"):
            return value
        text = rule.rest.replace("{}", value.rpartition("/")[2] if rule.last_part else value)
        return target.arn(rule.service or target.service, text, region=rule.region, account=rule.account)
    return None


@lru_cache(maxsize=4096)
def _rules(service: str, operation: str) -> tuple[Rule, ...]:
    return tuple(each for each in RESOURCES.get(service, ()) if re.search(each.operations, operation))


def _arns(params: Mapping[str, Any]) -> Iterator[str]:
    """The parameters that are an ARN, by their names."""
    for name, value in params.items():
        lowered = name.lower()
        named = lowered.endswith(("arn", "resource", "resourceidentifier")) and not lowered.endswith("rolearn")
        if named and isinstance(value, str) and value.startswith("arn:"):
            yield value


def _ec2(target: Target) -> list[str]:
    operation, params = target.operation, target.params
    if operation.startswith(("Describe", "Search", "Get")):
        return [ALL]
    kinds: tuple[str, ...] = EC2_MADE.get(operation, ())
    created = re.match(r"(?:Create|Allocate|Request)(?:Default)?([A-Z]\w+)", operation)
    if created is not None and (kind := EC2_CREATED.get(created[1])):
        kinds = (kind,)
    found = [_ec2_arn(target, kind, "*") for kind in kinds]
    source = params.get("SourceRegion") if operation.startswith("Copy") else None
    there = replace(target, region=source) if isinstance(source, str) else target
    for value in (*params.values(), [*_values(params, "BlockDeviceMappings.Ebs.SnapshotId")]):
        for each in many(value):
            named = _EC2_ID.fullmatch(each) if isinstance(each, str) else None
            if named is not None and (kind := EC2_TYPES.get(named[1])):
                found.append(_ec2_arn(there, kind, each))
    placed = params if "Placement" in operation else params.get("Placement")
    if isinstance(placed, Mapping) and isinstance(name := placed.get("GroupName"), str) and name:
        found.append(target.arn("ec2", f"placement-group/{name}"))
    return found or [UNKNOWN]


def _ec2_arn(target: Target, kind: str, id: str) -> str:
    """Images and snapshots, which others may share, are named without an account."""
    return target.arn("ec2", f"{kind}/{id}", account=kind not in ("image", "snapshot"))


def _lambda(target: Target) -> list[str]:
    params = target.params
    name = params.get("FunctionName")
    if isinstance(name, str) and name:
        return [_function_arn(target, name, params.get("Qualifier"))]
    if isinstance(layer := params.get("LayerName"), str):
        version = f":{params['VersionNumber']}" if params.get("VersionNumber") else ""
        return [layer if layer.startswith("arn:") else target.arn("lambda", f"layer:{layer}{version}")]
    if isinstance(uuid := params.get("UUID"), str):
        return [target.arn("lambda", f"event-source-mapping:{uuid}")]
    found = list(_arns(params))[:1]
    return found or [ALL if target.operation.startswith(_READING) else UNKNOWN]


def _function_arn(target: Target, name: str, qualifier: Any) -> str:
    """A function's ARN by any of its names: name, ACCOUNT:function:NAME, ARN, each perhaps with a qualifier."""
    if not name.startswith("arn:"):
        account, mark, rest = name.partition(":function:")
        if mark:
            name = f"arn:aws:lambda:{target.region}:{account}:function:{rest}"
        else:
            name = target.arn("lambda", f"function:{name.removeprefix('function:')}")
    return f"{name}:{qualifier}" if qualifier and name.count(":") == 6 else name


def _iam(target: Target) -> list[str]:
    params, operation = target.params, target.operation
    for member, kind in (("GroupName", "group"), ("UserName", "user"), ("RoleName", "role"),
                         ("InstanceProfileName", "instance-profile")):  # fmt: skip
        if isinstance(name := params.get(member), str):
            path = params.get("Path") if operation.startswith("Create") else None
            return [target.arn("iam", f"{kind}{path or '/'}{name}", region=False)]
    if isinstance(arn := params.get("PolicyArn"), str):
        return [arn]
    if operation == "CreatePolicy":
        return [target.arn("iam", f"policy{params.get('Path') or '/'}{params.get('PolicyName', '')}", region=False)]
    if operation in IAM_LISTED:
        return [target.arn("iam", f"{IAM_LISTED[operation]}/", region=False)]
    alone = operation.startswith(("Get", "List", "Generate")) or "Account" in operation
    return list(_arns(params))[:1] or [ALL if alone else UNKNOWN]


def _secret(target: Target, name: str) -> str:
    """A secret's ARN. A name lacks six letters of it; that of a secret that there is, is found out before
    (`kunren.access.named`), and a new one's, as policies are written for it, may be any."""
    return name if name == ALL or name.startswith("arn:") else target.arn("secretsmanager", f"secret:{name}-??????")


def _secrets(target: Target) -> list[str]:
    params = target.params
    name = params.get("Name") if target.operation == "CreateSecret" else params.get("SecretId")
    if isinstance(name, str):
        return [_secret(target, name)]
    return [ALL if target.operation.startswith(_READING) else UNKNOWN]


def _queue(target: Target) -> list[str]:
    """By its URL: a parameter, or with older SDKs the path that they send the request to."""
    url, name = target.params.get("QueueUrl"), target.params.get("QueueName")
    url = url or (target.path if target.path.count("/") > 1 else "")
    if isinstance(url, str) and url:
        account, _, name = url.rstrip("/").rpartition("/")
        return [f"arn:aws:sqs:{target.region}:{account.rpartition('/')[2] or target.account}:{name}"]
    if isinstance(name, str) and name:
        owner = target.params.get("QueueOwnerAWSAccountId") or target.account
        return [f"arn:aws:sqs:{target.region}:{owner}:{name}"]
    return list(_arns(target.params))[:1] or [ALL]


def _session(target: Target) -> list[str]:
    """With an instance, by a document where one is named."""
    found = [target.arn("ec2", f"instance/{target.params.get('Target')}")]
    if isinstance(document := target.params.get("DocumentName"), str):
        found.append(_document(target, document))
    return found


def _command(target: Target) -> list[str]:
    """On the document, and on each instance that is named."""
    ids = many(target.params.get("InstanceIds")) or [ALL]
    document = _document(target, str(target.params.get("DocumentName") or ""))
    return [document, *(target.arn("ec2", f"instance/{each}") for each in ids)]


def _document(target: Target, name: str) -> str:
    """Of Systems Manager, by its name or ARN; AWS's own are in no account."""
    own = not name.startswith("AWS-")
    return name if name.startswith("arn:") else target.arn("ssm", f"document/{name}", account=own)


_SSM_OF_ALL = (
    "CancelCommand", "DescribeInstanceInformation", "DescribeSessions", "GetCommandInvocation",
    "ListCommandInvocations", "ListCommands",
)  # fmt: skip


def _parameters(target: Target) -> list[str]:
    names = [each for member in ("Name", "Names", "Path") for each in many(target.params.get(member))]
    found = [
        each if each.startswith("arn:") else target.arn("ssm", f"parameter/{each.removeprefix('/')}")
        for each in names
        if isinstance(each, str)
    ]
    if target.operation in ("StartSession", "GetConnectionStatus"):
        return _session(target)
    if target.operation in ("TerminateSession", "ResumeSession"):
        return [target.arn("ssm", f"session/{target.params.get('SessionId')}")]
    if target.operation == "SendCommand":
        return _command(target)
    if target.operation in _SSM_OF_ALL:
        return [ALL]
    if "Parameter" not in target.operation:
        return [UNKNOWN]
    return [ALL] if target.operation == "DescribeParameters" else found or [UNKNOWN]


def _log_group(target: Target) -> list[str]:
    params = target.params
    group, stream = params.get("logGroupName") or params.get("logGroupIdentifier"), params.get("logStreamName") or ""
    if isinstance(group, str) and group.startswith("arn:"):
        return [f"{group.removesuffix(':*')}:log-stream:{stream}"]
    if isinstance(group, str):
        return [target.arn("logs", f"log-group:{group}:log-stream:{stream}")]
    return [UNKNOWN]


def _table(target: Target) -> list[str]:
    name, index = target.params.get("TableName"), target.params.get("IndexName")
    if isinstance(name, str):
        table = name if name.startswith("arn:") else target.arn("dynamodb", f"table/{name}")
        return [f"{table}/index/{index}" if index else table]
    batch = target.params.get("RequestItems")
    if isinstance(batch, dict) and batch:
        return [each if each.startswith("arn:") else target.arn("dynamodb", f"table/{each}") for each in batch]
    return list(_arns(target.params))[:1] or [UNKNOWN]


def _within(target: Target) -> Iterator[Asked]:
    """What DynamoDB's transactions and PartiQL ask for: each part has an action and a table of its own."""
    member = STATEMENTS[target.operation]
    for each in many(target.params.get(member)):
        text = each if isinstance(each, str) else each.get("Statement") if isinstance(each, dict) else None
        if isinstance(text, str):
            yield _of_statement(target, text)
            continue
        for kind, part in each.items() if isinstance(each, dict) else ():
            if kind in TRANSACTED and isinstance(part, dict) and isinstance(part.get("TableName"), str):
                named = replace(target, params={"TableName": part["TableName"]})
                yield Asked(f"dynamodb:{TRANSACTED[kind]}", _table(named)[0])


def _of_statement(target: Target, text: str) -> Asked:
    """A statement of PartiQL for DynamoDB: its first word says what it does, and the table stands behind another. Where
    that can't be told for sure (a text may have a `from` in it), only who may do it with all tables may."""
    verb = text.split(None, 1)[0].capitalize() if text.strip() else ""
    found = _PARTIQL_TABLE.search(text)
    table = found[1] or found[2] if found is not None else ""
    index = found[3] or found[4] if found is not None else ""
    if verb not in ("Select", "Insert", "Update", "Delete"):
        return Asked("dynamodb:PartiQLSelect", ALL)
    if not table or (verb == "Select" and len(_FROM.findall(text)) != 1):
        return Asked(f"dynamodb:PartiQL{verb}", ALL)
    named = replace(target, params={"TableName": table, "IndexName": index})
    return Asked(f"dynamodb:PartiQL{verb}", _table(named)[0])


def _repositories(target: Target) -> list[str]:
    """Those of ECR, in whosever registry they are."""
    params = target.params
    if isinstance(arn := params.get("resourceArn"), str):
        return [arn]
    if target.operation.endswith(("Token", "Registry", "RegistryPolicy", "ReplicationConfiguration")):
        return [ALL]
    account = params.get("registryId") or target.account
    if "PullThroughCacheRule" in target.operation and account == target.account:
        return [ALL]
    names = [params["repositoryName"]] if params.get("repositoryName") else many(params.get("repositoryNames")) or [ALL]
    return [f"arn:aws:ecr:{target.region}:{account}:repository/{each}" for each in names]


_OWN: dict[str, Callable[[Target], list[str]]] = {
    "ec2": _ec2,
    "lambda": _lambda,
    "iam": _iam,
    "sqs": _queue,
    "secretsmanager": _secrets,
    "ssm": _parameters,
    "logs": _log_group,
    "dynamodb": _table,
    "ecr": _repositories,
    "ecs": ecs,
    "codedeploy": codedeploy,
    "events": events,
    "cloudwatch": cloudwatch,
    "scheduler": scheduler,
}
