"""What a task's execution role may do, in strict mode: pull its images from ECR, read its secrets and files of
variables, make its log streams ("Amazon ECS task execution IAM role"). Where no role is named, as container instances
allow, nobody is asked.
"""

from __future__ import annotations

from typing import Protocol

from kunren.control.store import Store
from kunren.dataplane.images.reference import BadReference, parse
from kunren.services.ecr.registry.asked import registry_of
from kunren.services.ecs.model import Task, TaskDefinition
from kunren.services.ecs.tasks.engine import CannotStart

_NOT_ASSUMED = (
    "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being "
    "passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
)
_AUTHORIZATION = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable "
    "to retrieve ecr registry auth: service call has been retried 1 time(s): {error}"
)
_PULL = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: pulling "
    "from host {host} failed with status code [manifests {tag}]: 403 Forbidden"
)
_SERVICE = "ecs-tasks.amazonaws.com"
_PULLED_BY = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


class RoleAccess(Protocol):
    """What of strict mode is needed."""

    async def why_not(
        self, service: str, role: str, session: str, region: str, action: str, resource: str
    ) -> str | None:  # fmt: skip
        """AWS's sentence where a session of that role may not do that; None where it may. Raises LookupError where it
        is none that the service may assume."""
        ...


class ExecutionRole:
    """`access` is None outside strict mode, where everything is allowed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.access: RoleAccess | None = None

    async def denial(self, task: Task, action: str, resource: str) -> str | None:
        """What AWS says where the task's role may not do that. Raises CannotStart where ECS can't assume it."""
        definition = self._store.snapshot().get(TaskDefinition, task.account, task.region, task.definition)
        document = definition.document if definition is not None else {}
        role = task.overrides.get("executionRoleArn") or document.get("executionRoleArn")
        if self.access is None or not role:
            return None
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{task.account}:role/{role}"
        try:
            told = await self.access.why_not(_SERVICE, arn, task.id, task.region, action, resource)
        except LookupError:
            raise CannotStart(_NOT_ASSUMED.format(role=arn)) from None
        return f"AccessDeniedException: {told}" if told is not None else None

    async def check_pull(self, task: Task, image: str) -> None:
        """Raises CannotStart where the role can't be assumed, or the image is ECR's and the role may not have it."""
        error = await self.denial(task, "ecr:GetAuthorizationToken", "*")
        try:
            wanted = parse(image)
        except BadReference:
            return  # nobody has it
        if (registry := registry_of(wanted.registry)) is None:
            return
        if error is not None:
            raise CannotStart(_AUTHORIZATION.format(error=error))
        account, region = registry
        repository = f"arn:aws:ecr:{region}:{account}:repository/{wanted.repository}"
        for action in _PULLED_BY:
            if await self.denial(task, action, repository) is not None:
                raise CannotStart(_PULL.format(image=image, host=wanted.registry, tag=wanted.digest or wanted.tag))
