"""What all handlers share: the store, looking things up, pages and ids."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.pagination import InvalidToken, page
from kunren.services.fis import errors
from kunren.services.fis.model import Experiment, ExperimentTemplate

Params = Mapping[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=Resource)
PAGE = 100
_LETTERS = string.ascii_letters + string.digits


class Base:
    """See the module. `call` reaches IAM, CloudWatch Logs and S3."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, call: CallService) -> None:
        self.store, self.clock, self.entropy, self.call = store, clock, entropy, call

    def new_id(self, prefix: str) -> str:
        """EXT… or EXP…, as AWS has them."""
        return prefix + "".join(self.entropy.choice(_LETTERS) for _ in range(15))

    def template(self, reader: Snapshot | Tx, ctx: RequestContext, id: str) -> ExperimentTemplate:
        """Raises ResourceNotFoundException."""
        found = reader.get(ExperimentTemplate, ctx.account, ctx.region, id)
        if found is None:
            raise errors.no_template(id)
        return found

    def experiment(self, reader: Snapshot | Tx, ctx: RequestContext, id: str) -> Experiment:
        """Raises ResourceNotFoundException."""
        found = reader.get(Experiment, ctx.account, ctx.region, id)
        if found is None:
            raise errors.no_experiment(id)
        return found

    def made_with(self, reader: Snapshot | Tx, ctx: RequestContext, kind: type[R], token: str) -> R | None:
        """What was made before with the same client token."""
        held = reader.list(kind, ctx.account, ctx.region)
        return next((each for each in held if getattr(each, "client_token", None) == token), None)

    async def check_role(self, arn: str) -> None:
        """Raises ValidationException where there is no such role."""
        parsed = parse_arn(arn)
        if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("role/"):
            raise errors.ValidationException(f"{arn} is not the ARN of an IAM role.")
        name = parsed.resource.rpartition("/")[2]
        try:
            await self.call(parsed.account, "us-east-1", "iam", "GetRole", {"RoleName": name})
        except AwsError as error:
            if error.code != "NoSuchEntity":
                raise
            raise errors.ValidationException(f"The role {arn} does not exist.") from error


def paged(items: Sequence[T], params: Params, member: str, key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """One page, and the members that say how to go on. Raises ValidationException."""
    try:
        found, token = page(items, params.get("nextToken"), params.get("maxResults") or PAGE, key)
    except InvalidToken as error:
        raise errors.ValidationException(f"The token of {member} is not valid.") from error
    return found, {"nextToken": token} if token is not None else {}
