"""What a task needs of other services before its containers start: secrets, files of variables, log streams."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.ecs.model import Task
from kunren.services.ecs.tasks.engine import CannotStart
from kunren.services.ecs.tasks.execution import ExecutionRole
from kunren.services.ecs.tasks.plan import ContainerPlan

log = logging.getLogger(__name__)
_SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable "
    "to retrieve secret from {source}: service call has been retried 1 time(s): {error}"
)
_FILES = (
    "ResourceInitializationError: failed to download env files: file download command: non empty error stream: service "
    "call has been retried 1 time(s): {error}"
)
_LOGS = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
    "create Cloudwatch log {what}: {error} : exit status 1"
)


class Resources:
    """`execution` is asked before each call that AWS makes in the task's execution role."""

    def __init__(self, call: CallService, execution: ExecutionRole) -> None:
        self._call, self.execution = call, execution

    async def environment(self, task: Task, plan: ContainerPlan) -> dict[str, str]:
        """The variables that come from elsewhere: files first, secrets over them. Raises CannotStart."""
        found: dict[str, str] = {}
        for each in plan.environment_files:
            found |= variables(await self._file(task, each))
        found |= plan.environment
        for name, source in plan.secrets.items():
            found[name] = await self._secret(task, source)
        return found

    async def _file(self, task: Task, arn: str) -> str:
        bucket, _, key = arn.rpartition(":::")[2].partition("/")
        if (denial := await self.execution.denial(task, "s3:GetObject", arn)) is not None:
            raise CannotStart(_FILES.format(error=denial))
        try:
            told = await self._call(task.account, task.region, "s3", "GetObject", {"Bucket": bucket, "Key": key})
        except AwsError as error:
            raise CannotStart(_FILES.format(error=f"{error.code}: {error.message}")) from error
        body = told["Body"]
        raw = body if isinstance(body, bytes) else body.read()
        return bytes(raw).decode(errors="replace")

    async def _secret(self, task: Task, source: str) -> str:
        arn = parse_arn(source)
        if arn is not None and arn.service == "secretsmanager":
            kind, action, resource = "asm", "secretsmanager:GetSecretValue", ":".join(source.split(":")[:7])
        else:
            kind, action = "ssm", "ssm:GetParameters"
            named = f"arn:aws:ssm:{task.region}:{task.account}:parameter/{source.lstrip('/')}"
            resource = source if arn is not None else named
        if (denial := await self.execution.denial(task, action, resource)) is not None:
            raise CannotStart(_SECRETS.format(source=kind, error=denial))
        try:
            if arn is not None and arn.service == "secretsmanager":
                return await self._of_secrets_manager(task, source)
            name = arn.resource.removeprefix("parameter") if arn is not None else source
            wanted = {"Name": name if arn is None or "/" in name[1:] else name.lstrip("/"), "WithDecryption": True}
            told = await self._call(task.account, arn.region if arn else task.region, "ssm", "GetParameter", wanted)
        except AwsError as error:
            raise CannotStart(_SECRETS.format(source=kind, error=f"{error.code}: {error.message}")) from error
        return str(told["Parameter"]["Value"])

    async def _of_secrets_manager(self, task: Task, source: str) -> str:
        """ARN, or ARN:JSON-KEY:VERSION-STAGE:VERSION-ID."""
        parts = source.split(":")
        arn, (key, stage, version) = ":".join(parts[:7]), (*parts[7:10], "", "", "")[:3]
        wanted: dict[str, Any] = {"SecretId": arn}
        if stage:
            wanted["VersionStage"] = stage
        if version:
            wanted["VersionId"] = version
        told = await self._call(task.account, parts[3], "secretsmanager", "GetSecretValue", wanted)
        text = told.get("SecretString") or ""
        if not key:
            return str(text)
        try:
            return str(json.loads(text)[key])
        except (ValueError, KeyError, TypeError) as error:
            raise CannotStart(
                _SECRETS.format(
                    source="asm", error=f"retrieved secret from Secrets Manager did not contain json key {key}"
                )
            ) from error

    async def open_stream(self, task: Task, plan: ContainerPlan) -> tuple[str, str, str] | None:
        """Region, group and stream that the container's output goes to, made where they are to be. Raises
        CannotStart."""
        if plan.logs is None:
            return None
        options = plan.logs
        region, group = options.get("awslogs-region") or task.region, options.get("awslogs-group") or ""
        prefix = options.get("awslogs-stream-prefix")
        stream = f"{prefix}/{plan.name}/{task.id}" if prefix else task.id
        names = {"logGroupName": group, "logStreamName": stream}
        try:
            await self._may_log(task, region, "CreateLogStream", group, stream)
            if options.get("awslogs-create-group", "").lower() == "true":
                await self._may_log(task, region, "CreateLogGroup", group, "")
                await self._made(task, region, "CreateLogGroup", {"logGroupName": group})
            await self._made(task, region, "CreateLogStream", names)
        except AwsError as error:
            raise CannotStart(_LOGS.format(what="stream", error=f"{error.code}: {error.message}")) from error
        return region, group, stream

    async def _may_log(self, task: Task, region: str, operation: str, group: str, stream: str) -> None:
        if task.launch_type == "EC2":  # the container agent writes logs in its instance's role
            return
        resource = f"arn:aws:logs:{region}:{task.account}:log-group:{group}:log-stream:{stream}"
        if (error := await self.execution.denial(task, f"logs:{operation}", resource)) is not None:
            raise CannotStart(_LOGS.format(what="stream" if stream else "group", error=error))

    async def _made(self, task: Task, region: str, operation: str, params: Mapping[str, str]) -> None:
        try:
            await self._call(task.account, region, "logs", operation, params)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise


def variables(text: str) -> dict[str, str]:
    """A file of NAME=VALUE lines; those that begin with # are comments ("Pass environment variables")."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            found[name.strip()] = value
    return found
