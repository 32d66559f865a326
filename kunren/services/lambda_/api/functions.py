"""Functions: create, read, update, delete, list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.dataplane.runtime.interpreters import RuntimeUnavailable
from kunren.services.lambda_.api.versions import VersionOperations, version_order
from kunren.services.lambda_.capacity.model import Capacity
from kunren.services.lambda_.capacity.rules import MEMORY_MIN_MB, capacity_of, check_memory, find_provider
from kunren.services.lambda_.checks import (
    check_configuration,
    check_image_members,
    check_name,
    check_package_members,
    check_tags,
    durability_of,
)
from kunren.services.lambda_.code_signing import check_signed
from kunren.services.lambda_.errors import (
    CodeStorageExceededException,
    InvalidParameterValueException,
    ResourceConflictException,
)
from kunren.services.lambda_.layers import check_size, resolve_layers
from kunren.services.lambda_.limits import TOTAL_CODE_BYTES_MAX, code_bytes
from kunren.services.lambda_.lookup import Source, aliases_of, find, get_alias, versions_of
from kunren.services.lambda_.model import (
    LATEST,
    Code,
    Configured,
    Function,
    ImageReference,
    PublishedVersion,
    VpcPlacement,
)
from kunren.services.lambda_.names import FunctionName, parse_function_name
from kunren.services.lambda_.networks import resolve_vpc
from kunren.services.lambda_.view import configuration, image_location, listed


class FunctionOperations(VersionOperations):
    async def create_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        check_name(name.name)
        check_package_members(params)
        check_configuration(params, managed=bool(params.get("CapacityProviderConfig")))
        tags = params.get("Tags") or {}
        check_tags(tags)
        exists = ResourceConflictException(f"Function already exist: {name.name}")
        if self._store.snapshot().get(Function, ctx.account, ctx.region, name.name) is not None:
            raise exists
        image, code = await self._code_of(ctx, params)
        layers = resolve_layers(self._store.snapshot(), ctx, params.get("Layers") or ())
        check_size(code, layers)
        capacity, vpc = self._placed(self._store.snapshot(), ctx, params)
        environment = params.get("Environment")
        function = Function(
            account=ctx.account,
            region=ctx.region,
            id=name.name,
            arn=name.arn,
            role=params["Role"],
            runtime=params.get("Runtime") or "",
            handler=params.get("Handler") or "",
            code=code,
            description=params.get("Description") or "",
            timeout=params.get("Timeout") or 3,
            memory_size=params.get("MemorySize") or (128 if capacity is None else MEMORY_MIN_MB),
            environment=dict(environment["Variables"]) if environment and "Variables" in environment else None,
            architecture=(params.get("Architectures") or ["x86_64"])[0],
            ephemeral_storage=(params.get("EphemeralStorage") or {}).get("Size", 512),
            log_group=(params.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name.name}",
            dead_letter_arn=(params.get("DeadLetterConfig") or {}).get("TargetArn") or "",
            layers=layers,
            vpc=vpc,
            capacity=capacity,
            image=image,
            kms_key_arn=params.get("KMSKeyArn") or "",
            durability=durability_of(params, None, creating=True),
            code_signing_config=params.get("CodeSigningConfigArn") or "",
            last_modified=self._clock.now(),
            revision_id=self._entropy.uuid(),
            update_id=self._entropy.hex(16),
            tags=dict(tags),
        )
        with self._store.write() as tx:
            if tx.get(Function, ctx.account, ctx.region, name.name) is not None:
                raise exists
            check_signed(tx, function)
            if capacity is not None:
                check_memory(function.memory_size)
            tx.put(function)
            created = self._published(tx, function, params)
        return configuration(created, None)

    def get_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        snapshot = self._store.snapshot()
        function, found = self._function(snapshot, name), find(snapshot, name)
        answer: dict[str, Any] = {"Configuration": self._shown(found, name.qualifier)}
        if found.image is not None:
            answer["Code"] = image_location(found.image)
        else:
            answer["Code"] = {"RepositoryType": "S3", "Location": self._downloads.link(ctx, found.code.sha256)}
        if function.tags:
            answer["Tags"] = function.tags
        if function.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
        return answer

    def get_function_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        return self._shown(find(self._store.snapshot(), name), name.qualifier)

    def list_functions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        functions: list[Configured] = [*snapshot.list(Function, ctx.account, ctx.region)]
        everything = params.get("FunctionVersion") == "ALL"
        if everything:
            functions += snapshot.list(PublishedVersion, ctx.account, ctx.region)
            functions.sort(key=version_order)
        page, marker = self._page(functions, params, version_order)
        shown = [listed(self._shown(each, each.version if everything else "")) for each in page]
        return {"Functions": shown, "NextMarker": marker}

    async def update_function_code(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        function = self._function(self._store.snapshot(), name)
        self._guard_revision(function, params)
        self._updatable(self._store.snapshot(), function)
        image, code = await self._new_source(ctx, params, function.image)
        architecture = (params.get("Architectures") or [function.architecture])[0]
        with self._store.write() as tx:
            now = self._function(tx, name)
            self._guard_revision(now, params)
            self._updatable(tx, now)
            check_size(code, now.layers)
            check_signed(tx, now)
            if image is not None and now.image is not None:  # whose ImageConfig may be another by now
                image = msgspec.structs.replace(now.image, uri=image.uri, digest=image.digest, config=image.config)
            updated = self._updated(now, code=code, image=image, architecture=architecture)
            if params.get("DryRun"):
                return self._shown(updated)
            tx.put(updated)
            created = self._published(tx, updated, params)
        return self._shown(created, created.version if created is not updated else "")

    async def update_function_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = parse_function_name(params["FunctionName"], ctx.account, ctx.region)
        before = self._function(self._store.snapshot(), name)
        check_configuration(params, managed=before.capacity is not None)
        if before.image is not None:
            check_image_members(params)
        elif params.get("ImageConfig"):
            raise InvalidParameterValueException("ImageConfig is for functions that are container images.")
        if params.get("Runtime"):
            await self._check_runtime(params["Runtime"])
        with self._store.write() as tx:
            function = self._function(tx, name)
            self._guard_revision(function, params)
            self._updatable(tx, function)
            changes = _changes(params)
            if params.get("Layers") is not None:
                changes["layers"] = resolve_layers(tx, ctx, params["Layers"], function.layers)
                check_size(function.code, changes["layers"])
                if set(changes["layers"]) - set(function.layers):
                    check_signed(tx, function)
            changes["durability"] = durability_of(params, function.durability, creating=False)
            if params.get("ImageConfig") is not None and function.image is not None:
                changes["image"] = configured(function.image, params["ImageConfig"])
            capacity, vpc = self._placed(tx, ctx, params, function)
            changes.update(capacity=capacity, vpc=vpc)
            if capacity is not None:
                check_memory(changes.get("memory_size", function.memory_size))
            updated = self._updated(function, **changes)
            tx.put(updated)
        return self._shown(updated)

    def delete_function(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        with self._store.write() as tx:
            function = self._function(tx, name)
            if name.qualifier:
                self._delete_version(tx, name, function)
            else:
                for each in (*versions_of(tx, function), *aliases_of(tx, function)):
                    self._forget_qualifier(tx, function, each.id.partition(":")[2])
                    tx.delete(each)
                for qualifier in ("", LATEST):
                    self._forget_qualifier(tx, function, qualifier)
                tx.delete(function)
        return {"StatusCode": 204}

    def _delete_version(self, tx: Tx, name: FunctionName, function: Function) -> None:
        if get_alias(tx, name) is not None:
            raise InvalidParameterValueException("Deletion of aliases is not currently supported.")
        version = find(tx, name)
        pointing = [
            each.name
            for each in aliases_of(tx, function)
            if name.qualifier == each.version or name.qualifier in each.weights
        ]
        if pointing:
            raise ResourceConflictException(
                f"Unable to delete version because the following aliases reference it: [{', '.join(pointing)}]"
            )
        self._forget_qualifier(tx, function, name.qualifier)
        tx.delete(version)

    def _published(self, tx: Tx, function: Function, params: Mapping[str, Any]) -> Configured:
        """The version that CreateFunction or UpdateFunctionCode is to publish, or the function."""
        if not params.get("Publish") and not params.get("PublishTo"):
            return function
        return self._publish(tx, function, where=params.get("PublishTo"))

    def _placed(
        self, source: Source, ctx: RequestContext, params: Mapping[str, Any], before: Function | None = None
    ) -> tuple[Capacity | None, VpcPlacement | None]:
        """The capacity provider's place or the VPC's, as it was where the request says nothing."""
        capacity = capacity_of(
            source, ctx, params, before.capacity if before is not None else None, creating=before is None
        )
        if capacity is not None:
            provider = find_provider(source, ctx.account, ctx.region, capacity.provider)
            if provider is not None:
                told = {"SubnetIds": provider.subnets, "SecurityGroupIds": provider.groups}
                return capacity, resolve_vpc(source, ctx, told)
        if before is not None and params.get("VpcConfig") is None:
            return capacity, before.vpc
        return capacity, resolve_vpc(source, ctx, params.get("VpcConfig"))

    async def _check_runtime(self, runtime: str) -> None:
        try:
            await self._invoker.runtime.check_runtime(runtime)
        except RuntimeUnavailable as error:
            raise InvalidParameterValueException(f"This machine cannot run the runtime: {error}") from None

    async def _code_of(self, ctx: RequestContext, params: Mapping[str, Any]) -> tuple[ImageReference | None, Code]:
        """What a new function runs."""
        if params.get("PackageType") != "Image":
            await self._check_runtime(params["Runtime"])
            return None, await self._keep_code(ctx, params["Code"])
        image = await self._packages.image(params["Code"]["ImageUri"])
        return configured(image, params.get("ImageConfig") or {}), Code(sha256=image.digest, size=0)

    async def _new_source(
        self, ctx: RequestContext, params: Mapping[str, Any], before: ImageReference | None
    ) -> tuple[ImageReference | None, Code]:
        """What a function runs from now on: the kind of package stays, and what its ImageConfig says."""
        uri = params.get("ImageUri")
        if before is None:
            if uri:
                raise InvalidParameterValueException(
                    "Please don't provide ImageUri when updating a function with packageType Zip."
                )
            return None, await self._keep_code(ctx, params)
        if not uri:
            raise InvalidParameterValueException(
                "Please provide ImageUri when updating a function with packageType Image."
            )
        image = await self._packages.image(uri)
        return msgspec.structs.replace(before, uri=uri, digest=image.digest, config=image.config), Code(
            sha256=image.digest, size=0
        )

    async def _keep_code(self, ctx: RequestContext, source: Mapping[str, Any]) -> Code:
        code = await self._packages.keep(ctx, source)
        if code_bytes(self._store.snapshot(), ctx.account, ctx.region) + code.size > TOTAL_CODE_BYTES_MAX:
            raise CodeStorageExceededException("Code storage limit exceeded.")
        return code


def _changes(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an UpdateFunctionConfiguration names."""
    simple = {
        "Role": "role",
        "Handler": "handler",
        "Description": "description",
        "Timeout": "timeout",
        "MemorySize": "memory_size",
        "Runtime": "runtime",
        "KMSKeyArn": "kms_key_arn",
    }
    changes = {field: params[member] for member, field in simple.items() if params.get(member) is not None}
    if params.get("Environment") is not None:
        changes["environment"] = dict(params["Environment"].get("Variables") or {}) or None
    if params.get("DeadLetterConfig") is not None:
        changes["dead_letter_arn"] = params["DeadLetterConfig"].get("TargetArn") or ""
    if params.get("EphemeralStorage") is not None:
        changes["ephemeral_storage"] = params["EphemeralStorage"]["Size"]
    if (params.get("LoggingConfig") or {}).get("LogGroup"):
        changes["log_group"] = params["LoggingConfig"]["LogGroup"]
    return changes


def configured(image: ImageReference, config: Mapping[str, Any]) -> ImageReference:
    """The image with an ImageConfig: what it leaves out is the image's own."""

    def words(member: str) -> tuple[str, ...] | None:
        return tuple(config[member]) if config.get(member) else None

    return msgspec.structs.replace(
        image,
        entry_point=words("EntryPoint"),
        command=words("Command"),
        working_directory=config.get("WorkingDirectory") or None,
    )
