"""What CodeDeploy's handlers share: finding rows, paging."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from kunren.control.store import Snapshot, Store, Tx
from kunren.core import pagination
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.codedeploy import errors, predefined
from kunren.services.codedeploy.model import Application, Config, Deployment, Group

Params = dict[str, Any]
Result = dict[str, Any]
T = TypeVar("T")
PAGE = 100
_DEPLOYMENT_ID = re.compile(r"d-[A-Z0-9]{9}")


class ApiBase:
    service: ClassVar[str] = "codedeploy"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self._store, self._clock, self._entropy, self._call = store, clock, entropy, call


def find_application(reader: Snapshot | Tx, ctx: RequestContext, name: str) -> Application:
    found = reader.get(Application, ctx.account, ctx.region, name)
    if found is None:
        raise errors.ApplicationDoesNotExistException(f"No application found for name: {name}")
    return found


def find_group(reader: Snapshot | Tx, ctx: RequestContext, application: str, name: str) -> Group:
    find_application(reader, ctx, application)
    found = reader.get(Group, ctx.account, ctx.region, f"{application}/{name}")
    if found is None:
        raise errors.DeploymentGroupDoesNotExistException(f"No Deployment Group found for name: {name}")
    return found


def find_config(reader: Snapshot | Tx, ctx: RequestContext, name: str) -> Config:
    found = predefined.configs(ctx.account, ctx.region).get(name) or reader.get(Config, ctx.account, ctx.region, name)
    if found is None:
        raise errors.DeploymentConfigDoesNotExistException(f"No Deployment Configuration found for name: {name}")
    return found


def find_deployment(reader: Snapshot | Tx, ctx: RequestContext, id: str | None) -> Deployment:
    if not id:
        raise errors.DeploymentIdRequiredException("The deployment ID must be specified")
    if _DEPLOYMENT_ID.fullmatch(id) is None:
        raise errors.InvalidDeploymentIdException(f"Specified DeploymentId is not in the valid format: {id}")
    found = reader.get(Deployment, ctx.account, ctx.region, id)
    if found is None:
        raise errors.DeploymentDoesNotExistException(f"The deployment {id} could not be found")
    return found


def page(items: Sequence[T], token: str | None, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of what is sorted by `key`. Raises InvalidNextTokenException."""
    try:
        return pagination.page(items, token, PAGE, key)
    except pagination.InvalidToken as error:
        raise errors.InvalidNextTokenException("The next token is not valid") from error


def check_batch(items: Sequence[Any], most: int) -> None:
    if len(items) > most:
        raise errors.BatchLimitExceededException(f"The maximum number of items in a batch is {most}")
