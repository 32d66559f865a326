"""Tells tasks about themselves at 169.254.170.2: metadata (versions 3 and 4), their role's credentials and protection.

Who asks is told by the address of the connection's other end, which a task can't choose, and by a token in the path
that only the container's environment names. Sources: "Amazon ECS task metadata endpoint version 4",
"Amazon ECS task IAM role", "Amazon ECS task scale-in protection endpoint".
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.dataplane.guests.local_http import Answered, Asked, LocalHttp
from kunren.services.ecs.metadata import documents
from kunren.services.ecs.model import Task, TaskDefinition
from kunren.services.ecs.names import arn
from kunren.world.firewall import TASK_METADATA
from kunren.world.network import vpc_namespace

log = logging.getLogger(__name__)
ROLE_SESSION_S = 3600
RENEWED_BEFORE_S = 900.0
_JSON = "application/json"


class MetadataWorld(Protocol):
    """The part of the world that is needed."""

    async def open_socket(
        self, namespace: str, *, bind: tuple[str, int] | None = None, listen: int | None = None
    ) -> Any: ...


@dataclass(slots=True)
class _Told:
    """What is known of a task that may ask. `containers` are the tokens of containers, by name."""

    vpc_id: str
    address: str
    account: str
    region: str
    id: str
    credentials_id: str
    containers: dict[str, str]
    until: float = 0.0
    document: dict[str, Any] = field(default_factory=dict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def named_in(self, path: str) -> bool:
        """Whether the path has one of its tokens."""
        return any(each in path.split("/") for each in (self.credentials_id, *self.containers.values()))


class TaskMetadata:
    """`enter` has a task's containers be answered, from before they start until `forget`."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, world: MetadataWorld, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._world, self._call = store, clock, entropy, world, call
        self._opening = asyncio.Lock()
        self._servers: dict[str, LocalHttp] = {}
        self._by_task: dict[str, _Told] = {}
        self._by_address: dict[tuple[str, str], list[_Told]] = {}

    async def enter(self, vpc_id: str, task: Task, address: str) -> None:
        """`address` is the one that the task asks from: its own, or its container instance's, where others ask too."""
        async with self._opening:
            if vpc_id not in self._servers:
                listener = await self._world.open_socket(vpc_namespace(vpc_id), bind=(TASK_METADATA, 80), listen=256)
                server = LocalHttp(self._clock, self._answering(vpc_id))
                await server.serve(vpc_id, listener)
                self._servers[vpc_id] = server
        tokens = {each.name: f"{task.id}-{self._entropy.digits(10)}" for each in task.containers}
        told = _Told(vpc_id, address, task.account, task.region, task.id, self._entropy.uuid(), tokens)
        self._by_task[task.id] = told
        self._by_address.setdefault((vpc_id, address), []).append(told)

    def forget(self, task: Task) -> None:
        told = self._by_task.pop(task.id, None)
        if told is None:
            return
        sharing = self._by_address[told.vpc_id, told.address]
        sharing.remove(told)
        if not sharing:
            del self._by_address[told.vpc_id, told.address]
        if not any(each.vpc_id == told.vpc_id for each in self._by_task.values()):
            self._servers.pop(told.vpc_id).stop()

    def stop(self) -> None:
        for each in self._servers.values():
            each.stop()
        self._servers.clear()

    def variables(self, task: Task, name: str) -> Mapping[str, str]:
        """The environment variables that tell a container where to ask."""
        told = self._by_task[task.id]
        token = told.containers[name]
        found = {
            "AWS_EXECUTION_ENV": f"AWS_ECS_{task.launch_type}",
            "AWS_REGION": task.region,
            "AWS_DEFAULT_REGION": task.region,
            "ECS_CONTAINER_METADATA_URI": f"http://{TASK_METADATA}/v3/{token}",
            "ECS_CONTAINER_METADATA_URI_V4": f"http://{TASK_METADATA}/v4/{token}",
            "ECS_AGENT_URI": f"http://{TASK_METADATA}/api/{token}",
        }
        if self._role(task) is not None:
            found["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = f"/v2/credentials/{told.credentials_id}"
        return found

    def runtime_id(self, task: Task, name: str) -> str:
        return self._by_task[task.id].containers[name]

    def _role(self, task: Task) -> str | None:
        definition = self._definition(task)
        role: str | None = task.overrides.get("taskRoleArn") or (
            definition.document.get("taskRoleArn") if definition is not None else None
        )
        if role is not None and not role.startswith("arn:"):
            return f"arn:aws:iam::{task.account}:role/{role}"
        return role

    def _definition(self, task: Task) -> TaskDefinition | None:
        return self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)

    # -- answering ---------------------------------------------------------------------------------------------------

    def _answering(self, vpc_id: str) -> Callable[[Asked], Awaitable[Answered]]:
        async def answer(asked: Asked) -> Answered:
            sharing = self._by_address.get((vpc_id, asked.source), ())
            told = next((each for each in sharing if len(sharing) == 1 or each.named_in(asked.path)), None)
            try:
                return await self._answer(told, asked) if told is not None else Answered(404, "404 page not found\n")
            except Exception:
                log.exception("task metadata: %s %s failed", asked.method, asked.path)
                return Answered(500, "")

        return answer

    async def _answer(self, told: _Told, asked: Asked) -> Answered:
        task = self._store.snapshot().get(Task, told.account, told.region, told.id)
        definition = self._definition(task) if task is not None else None
        if task is None or definition is None:
            return Answered(404, "404 page not found\n")
        top, _, rest = asked.path.lstrip("/").partition("/")
        if top == "v2" and asked.method == "GET":
            return await self._credentials(told, task, rest)
        token, _, what = rest.partition("/")
        name = next((name for name, each in told.containers.items() if each == token), None)
        if name is None:
            return Answered(404, "404 page not found\n")
        if top == "api" and what == "task-protection/v1/state":
            return await self._protection(task, asked)
        if top not in ("v3", "v4") or asked.method != "GET":
            return Answered(404, "404 page not found\n")
        view = documents.View(self._store.snapshot(), task, definition, told.containers)
        found: Mapping[str, Any] | None = {
            "": lambda: view.container(name),
            "task": view.task,
            "taskWithTags": lambda: {**view.task(), "TaskTags": dict(task.tags)},
        }.get(what.strip("/"), lambda: None)()
        return Answered(200, json.dumps(found), _JSON) if found is not None else Answered(404, "404 page not found\n")

    async def _credentials(self, told: _Told, task: Task, rest: str) -> Answered:
        """Of STS for the task's role, renewed before they end."""
        role = self._role(task)
        if rest != f"credentials/{told.credentials_id}" or role is None:
            text = {"code": "InvalidIdInRequest", "message": "CredentialsV2Request: ID not found", "HTTPErrorCode": 400}
            return Answered(400, json.dumps(text), _JSON)
        async with told.asking:
            if self._clock.now() > told.until - RENEWED_BEFORE_S:
                wanted = {"RoleArn": role, "RoleSessionName": task.id, "DurationSeconds": ROLE_SESSION_S}
                try:
                    made = await self._call(task.account, task.region, "sts", "AssumeRole", wanted)
                except AwsError as error:
                    text = {"code": "AccessDeniedException", "message": error.message, "HTTPErrorCode": 400}
                    return Answered(400, json.dumps(text), _JSON)
                given = made["Credentials"]
                told.until = given["Expiration"].timestamp()
                told.document = {
                    "RoleArn": role,
                    "AccessKeyId": given["AccessKeyId"],
                    "SecretAccessKey": given["SecretAccessKey"],
                    "Token": given["SessionToken"],
                    "Expiration": f"{iso_utc(told.until)[:19]}Z",
                }
            return Answered(200, json.dumps(told.document), _JSON)

    async def _protection(self, task: Task, asked: Asked) -> Answered:
        """What UpdateTaskProtection and GetTaskProtection say of this task."""
        wanted: dict[str, Any] = {"cluster": task.cluster, "tasks": [arn(task, "task", task.cluster, task.id)]}
        operation = "GetTaskProtection"
        if asked.method == "PUT":
            try:
                given = json.loads(asked.body)
                wanted["protectionEnabled"] = given["ProtectionEnabled"]
                if given.get("ExpiresInMinutes") is not None:
                    wanted["expiresInMinutes"] = int(given["ExpiresInMinutes"])
                if not isinstance(wanted["protectionEnabled"], bool):
                    raise TypeError
            except (ValueError, TypeError, KeyError, AttributeError):
                text = {"error": {"Arn": wanted["tasks"][0], "Code": "InvalidParameterException",
                                  "Message": "Invalid request: ProtectionEnabled must be true or false."}}  # fmt: skip
                return Answered(400, json.dumps(text), _JSON)
            operation = "UpdateTaskProtection"
        elif asked.method != "GET":
            return Answered(405, "")
        try:
            answer = await self._call(task.account, task.region, "ecs", operation, wanted)
        except AwsError as error:
            text = {"error": {"Arn": wanted["tasks"][0], "Code": error.code, "Message": error.message}}
            return Answered(error.status, json.dumps(text), _JSON)
        if answer.get("failures"):
            failure = answer["failures"][0]
            return Answered(200, json.dumps({"failure": {name.capitalize(): failure[name] for name in failure}}), _JSON)
        found = answer["protectedTasks"][0]
        shown = {"TaskArn": found["taskArn"], "ProtectionEnabled": found["protectionEnabled"]}
        if found.get("expirationDate") is not None:
            shown["ExpirationDate"] = f"{iso_utc(found['expirationDate'])[:19]}Z"
        return Answered(200, json.dumps({"protection": shown}), _JSON)
