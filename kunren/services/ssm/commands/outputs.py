"""Where the whole output of commands goes besides: objects of S3 and log streams, as far as the role of the instance
lets its agent write them. What can't be kept is lost, and the command is none the worse, as on AWS."""

from __future__ import annotations

import logging
from typing import Any

from kunren.core.arn import build_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.ec2.instances.model import Instance
from kunren.services.ssm.managed import Managed
from kunren.services.ssm.model import Command

log = logging.getLogger(__name__)
KEPT_BYTES_MAX = 16 << 20
_EVENT_BYTES_MAX = 200_000


def log_group(params: dict[str, Any], document: str) -> str:
    """The group that a CloudWatchOutputConfig means; none where it is not enabled."""
    if not params.get("CloudWatchOutputEnabled"):
        return ""
    return params.get("CloudWatchLogGroupName") or f"/aws/ssm/{document}"


def key(command: Command, instance_id: str, name: str) -> str:
    """The object that "stdout" or "stderr" of an invocation is."""
    return f"{folder(command, instance_id)}/{_of_step(command)}/{name}"


def _of_step(command: Command) -> str:
    return "0.awsrunShellScript" if ":" in command.step else command.step


def folder(command: Command, instance_id: str) -> str:
    """What begins the keys of an invocation's objects."""
    named = (command.prefix.strip("/"), command.id, instance_id, "awsrunShellScript")
    return "/".join(each for each in named if each)


def url(command: Command, instance_id: str, name: str) -> str:
    if not command.bucket:
        return ""
    return f"https://s3.{command.region}.amazonaws.com/{command.bucket}/{key(command, instance_id, name)}"


class Outputs:
    def __init__(self, clock: Clock, call: CallService, managed: Managed) -> None:
        self._clock, self._call, self._managed = clock, call, managed

    async def keep(self, command: Command, instance: Instance, written: dict[str, bytes]) -> None:
        """`written` is what there is of "stdout" and "stderr"."""
        for name, text in written.items():
            if not text:
                continue
            for wanted, put in ((command.bucket, self._put_object), (command.log_group, self._put_events)):
                try:
                    if wanted and not await put(command, instance, name, text):
                        log.warning("the role of %s does not let it write to %s", instance.id, wanted)
                except AwsError as error:
                    log.warning("the output of %s can't be kept in %s: %s", command.id, wanted, error.message)

    async def _put_object(self, command: Command, instance: Instance, name: str, text: bytes) -> bool:
        object_key = key(command, instance.id, name)
        arn = f"arn:aws:s3:::{command.bucket}/{object_key}"
        if not await self._managed.may(instance, "s3:PutObject", arn):
            return False
        put = {"Bucket": command.bucket, "Key": object_key, "Body": text}
        await self._call(command.account, command.region, "s3", "PutObject", put)
        return True

    async def _put_events(self, command: Command, instance: Instance, name: str, text: bytes) -> bool:
        where, group = (command.account, command.region), {"logGroupName": command.log_group}
        stream = f"{command.id}/{instance.id}/aws-runShellScript/{name}"
        arn = build_arn("logs", command.region, command.account, f"log-group:{command.log_group}:log-stream:{stream}")
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not await self._managed.may(instance, action, arn):
                return False
        for operation, names in (("CreateLogGroup", group), ("CreateLogStream", {**group, "logStreamName": stream})):
            try:
                await self._call(*where, "logs", operation, names)
            except AwsError as error:
                if error.code != "ResourceAlreadyExistsException":
                    raise
        at_ms = int(self._clock.now() * 1000)
        for at in range(0, len(text), _EVENT_BYTES_MAX):
            message = text[at : at + _EVENT_BYTES_MAX].decode(errors="replace")
            events = [{"timestamp": at_ms, "message": message}]
            put = {**group, "logStreamName": stream, "logEvents": events}
            await self._call(*where, "logs", "PutLogEvents", put)
        return True
