"""What CloudFormation's handlers share: finding stacks, and turning what a caller gives into a revision."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.calling import Actor, CallService, Permit, limited
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.pagination import InvalidToken, page
from kunren.core.tags import tags_from_wire
from kunren.services.cloudformation import (
    modules,
    parameter_values,
    parameters,
    rule_values,
    rules,
    structure,
    template,
    triggers,
)
from kunren.services.cloudformation.acting import SESSION, actor_behind
from kunren.services.cloudformation.errors import InsufficientCapabilitiesException, ValidationError
from kunren.services.cloudformation.macros import expander
from kunren.services.cloudformation.model import Attempt, ModuleVersion, Revision, Stack, StackResource
from kunren.services.cloudformation.records import Records
from kunren.services.cloudformation.scopes import scope_of
from kunren.services.cloudformation.structure import Plan
from kunren.services.cloudformation.transforms import expanded, transforms_of
from kunren.services.cloudformation.work import Work
from kunren.world.spec import WorldSpec

Params = Mapping[str, Any]
Result = dict[str, Any]
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]*")
_PATH_STYLE = re.compile(
    r"s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?|s3\.amazonaws\.com|127\.0\.0\.1|localhost|\[::1\]"
)
_HOST_STYLE = re.compile(r"(.+?)\.s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com")
MORE_ON_S3 = "For more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"


class Base:
    """State and what hands it out."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, spec: WorldSpec, call: CallService, records: Records,
        permit: Permit | None = None,
    ) -> None:  # fmt: skip
        self.permit = permit
        self.store, self.clock, self.entropy, self.spec, self.call, self.records = (
            store,
            clock,
            entropy,
            spec,
            call,
            records,
        )

    # -- finding -----------------------------------------------------------------------------------------------------

    def find(self, snapshot: Snapshot | Tx, ctx: RequestContext, name: str) -> Stack | None:
        """By name (those that are not deleted) or by id (those too)."""
        if name.startswith("arn:"):
            return snapshot.get(Stack, ctx.account, ctx.region, name.rpartition("/")[2])
        return next(
            (
                each
                for each in snapshot.list(Stack, ctx.account, ctx.region)
                if each.name == name and each.status != "DELETE_COMPLETE"
            ),
            None,
        )

    def stack(
        self, snapshot: Snapshot | Tx, ctx: RequestContext, name: str, words: str = "Stack with id {} does not exist"
    ) -> Stack:
        """Raises ValidationError."""
        found = self.find(snapshot, ctx, name)
        if found is None:
            raise ValidationError(words.format(name))
        return found

    def call_for(self, ctx: RequestContext) -> CallService:
        """What is read for a request is what whoever asks may read."""
        return limited(self.call, self.permit, actor_behind(ctx))

    def actor(self, ctx: RequestContext, role: str) -> Actor | None:
        """Whose permissions an operation has: the role's, or those of whoever asks."""
        if role and ctx.caller is not None and role.split(":")[4:5] != [ctx.account]:
            raise ValidationError(f"Role {role} is invalid or cannot be assumed")
        return Actor(role=role, session=SESSION) if role else actor_behind(ctx)

    def acting(self, ctx: RequestContext, stack: Stack, params: Params) -> Actor | None:
        """As `actor`, for a stack that there is, with the role that it has."""
        revision = self.revision_of(self.store.snapshot(), stack)
        role = params.get("RoleARN") or (revision.role_arn if revision is not None else "")
        return self.actor(ctx, role)

    def checked_name(self, name: str) -> str:
        if not _NAME.fullmatch(name) or len(name) > 128:
            raise ValidationError(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy "
                "constraint: Member must satisfy "
                "regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            )
        return name

    def revision_of(self, snapshot: Snapshot | Tx, stack: Stack, number: int | None = None) -> Revision | None:
        return snapshot.get(
            Revision,
            stack.account,
            stack.region,
            f"{stack.id}/{stack.deployed or stack.target if number is None else number}",
        )

    def looking_at(self, ctx: RequestContext, stack: Stack, row: StackResource) -> Work:
        """For a kind's `read`, of what whoever asks may read: nothing can be written by it."""
        attempt = Attempt(action="read", token=self.entropy.uuid(), properties=row.properties)
        stack = replace(stack, actor=actor_behind(ctx))
        return Work(
            self.store, self.clock, self.call, None, self.records, stack,  # type: ignore[arg-type]
            replace(row, attempt=attempt), cancelled=lambda: False, noted=lambda now: None, permit=self.permit,
        )  # fmt: skip

    # -- revisions ---------------------------------------------------------------------------------------------------

    async def template_text(self, ctx: RequestContext, params: Params, previous: Revision | None = None) -> str:
        """The template that a request names. Raises ValidationError."""
        given = [key for key in ("TemplateBody", "TemplateURL") if params.get(key)] + (
            ["UsePreviousTemplate"] if params.get("UsePreviousTemplate") else []
        )
        if len(given) != 1:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        if given[0] == "UsePreviousTemplate":
            if previous is None:
                raise ValidationError("UsePreviousTemplate cannot be used when creating a stack")
            return previous.template
        if given[0] == "TemplateURL":
            return await self.file(ctx, params["TemplateURL"], "TemplateURL")
        text: str = params["TemplateBody"]
        if len(text.encode()) > template.BODY_BYTES_MAX:
            shown = text[:200]
            raise ValidationError(
                f"1 validation error detected: Value '{shown}...' at 'templateBody' failed to satisfy "
                "constraint: Member must have "
                f"length less than or equal to {template.BODY_BYTES_MAX}"
            )
        return text

    async def file(self, ctx: RequestContext, url: str, what: str) -> str:
        """An object of S3 as a text. Raises ValidationError."""
        return (await self.object_of(ctx, url, what)).decode("utf-8", "replace")

    async def object_of(self, ctx: RequestContext, url: str, what: str) -> bytes:
        """An object of S3 by its URL (or s3://bucket/key). Raises ValidationError."""
        parts = urlsplit(url)
        host, path = parts.hostname or "", unquote(parts.path.lstrip("/"))
        if parts.scheme == "s3":
            bucket, key = parts.netloc, path
        elif _PATH_STYLE.fullmatch(host):
            bucket, _, key = path.partition("/")
        elif match := _HOST_STYLE.fullmatch(host):
            bucket, key = match[1], path
        else:
            raise ValidationError(f"{what} must be a supported URL.")
        try:
            answer = await self.call_for(ctx)(
                ctx.account, ctx.region, "s3", "GetObject", {"Bucket": bucket, "Key": key}
            )
        except AwsError as error:
            raise ValidationError(f"S3 error: {error.message}\n{MORE_ON_S3}") from None
        body = answer["Body"]
        return body if isinstance(body, bytes) else b"".join([piece async for piece in body])

    async def revision(
        self,
        ctx: RequestContext,
        stack: Stack,
        number: int,
        params: Params,
        previous: Revision | None,
        *,
        in_change_set: bool = False,
    ) -> tuple[Revision, Plan]:
        """What a request asks for, checked as far as it can be before anything is made. Raises AwsError."""
        rollback = params.get("RollbackConfiguration")
        text = await self.template_text(ctx, params, previous)
        parsed = template.parse(text)
        declared = parsed.get("Parameters") or {}
        parameters.check_declared(declared)
        before = previous.texts if previous is not None else None
        texts = parameters.chosen(declared, parameters.given_values(params.get("Parameters") or (), before))
        capabilities = tuple(params.get("Capabilities") or ())
        expands = bool(transforms_of(parsed) or modules.used(parsed))
        if expands and not in_change_set and "CAPABILITY_AUTO_EXPAND" not in capabilities:
            raise InsufficientCapabilitiesException("Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
        looked_up = await self._looked_up(ctx, parameters.lookups(declared, texts))
        values = parameters.values(declared, texts, looked_up)
        await parameter_values.check(declared, values, self.call, ctx.account, ctx.region)
        expand = expander(self.store, self.entropy, self.call_for(ctx), ctx.account, ctx.region, values)
        processed = await expanded(parsed, values, ctx.region, expand, lambda url: self.file(ctx, url, "Location"))
        as_before = previous.modules if previous is not None and params.get("UsePreviousTemplate") else {}
        versions: dict[str, int] = {}
        processed = modules.expanded(processed, lambda type: self._fragment(ctx, type, as_before, versions))
        structure.check_sections(processed)
        structure.check_allowed(processed["Resources"], params.get("ResourceTypes") or ())
        needed, _types = structure.capabilities(processed)
        if needed and not {*needed, "CAPABILITY_NAMED_IAM"} & set(capabilities):
            raise InsufficientCapabilitiesException(f"Requires capabilities : [{', '.join(needed)}]")
        made = Revision(
            account=ctx.account,
            region=ctx.region,
            id=f"{stack.id}/{number}",
            template=text,
            processed=json.dumps(processed),
            texts=texts,
            looked_up=looked_up,
            capabilities=capabilities,
            tags=_tags(params["Tags"]) if "Tags" in params else previous.tags if previous is not None else {},
            notification_arns=tuple(params.get("NotificationARNs") or (previous.notification_arns if previous else ())),
            role_arn=params.get("RoleARN") or (previous.role_arn if previous is not None else ""),
            modules=versions,
            rollback=triggers.checked(rollback) if rollback is not None else previous.rollback if previous else {},
        )
        plan = structure.planned(processed, scope_of(self.spec, self.store.snapshot(), stack, made, processed))
        rules.check(processed, plan.scope, await rule_values.asked(processed, self.call, ctx.account, ctx.region))
        return made, plan

    def _fragment(
        self, ctx: RequestContext, type: str, as_before: Mapping[str, int], used: dict[str, int]
    ) -> dict[str, Any] | None:
        """Of a registered module's default version, or of the one that the template was made of before; `used` notes
        which."""
        for each in self.store.snapshot().list(ModuleVersion, ctx.account, ctx.region):
            if each.name == type and (each.number == as_before[type] if type in as_before else each.default):
                used[type] = each.number
                found: dict[str, Any] = json.loads(each.fragment)
                return found
        return None

    async def _looked_up(self, ctx: RequestContext, wanted: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for name, key in wanted.items():
            try:
                answer = await self.call_for(ctx)(ctx.account, ctx.region, "ssm", "GetParameter", {"Name": key})
            except AwsError:
                raise ValidationError(
                    f"Unable to fetch parameters [{key}] from parameter store for this account."
                ) from None
            found[name] = str(answer["Parameter"]["Value"])
        return found

    # -- handing out -------------------------------------------------------------------------------------------------

    def paged(self, items: list[Any], params: Params, limit: int, key: Any) -> tuple[list[Any], dict[str, str]]:
        try:
            chosen, token = page(items, params.get("NextToken"), limit, key)
        except InvalidToken:
            raise ValidationError("The NextToken is invalid.") from None
        return chosen, {"NextToken": token} if token else {}


def _tags(given: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    found = tags_from_wire(given)
    if any(key.lower().startswith("aws:") for key in found):
        raise ValidationError("Tag keys must not begin with aws:")
    if len(found) > 50:
        raise ValidationError("Tags cannot be more than 50.")
    return found


def live(rows: Mapping[str, StackResource]) -> list[StackResource]:
    return [rows[logical] for logical in sorted(rows)]
