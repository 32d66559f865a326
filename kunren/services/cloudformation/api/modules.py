"""The registry's modules: versions of an account's private types, from packages as `cfn submit` makes them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.cloudformation.api.base import Base, Params, Result
from kunren.services.cloudformation.errors import (
    CFNRegistryException,
    TypeNotFoundException,
    ValidationError,
    not_implemented,
)
from kunren.services.cloudformation.model import ModuleVersion, Registration
from kunren.services.cloudformation.modules import check_fragment
from kunren.services.cloudformation.template import FILE_BYTES_MAX, parse

PAGE = 100
_NAME = re.compile(r"[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}::[A-Za-z0-9]{2,64}::MODULE")
_RESERVED = ("alexa", "amzn", "amazon", "asg", "aws", "custom", "dev")


class Modules(Base):
    async def register_type(self, ctx: RequestContext, params: Params) -> Result:
        """RegisterType: the package is read and checked at once; what is wrong with it stands in the registration."""
        name = params["TypeName"]
        if params.get("Type", "RESOURCE") != "MODULE":
            raise not_implemented("private resource types and hooks of CloudFormation's registry")
        if not _NAME.fullmatch(name) or name.split("::")[0].lower() in _RESERVED:
            raise CFNRegistryException(f"{name} is no name of a module")
        wanted, failure, package = params.get("ClientRequestToken"), "", ("", "")
        held = [each for each in self.store.snapshot().list(Registration, ctx.account, ctx.region) if each.asked]
        if wanted and (same := [each for each in held if each.asked == wanted]):
            return {"RegistrationToken": same[0].id}
        try:
            package = unpacked(await self.object_of(ctx, params["SchemaHandlerPackage"], "SchemaHandlerPackage"), name)
        except ValidationError as error:
            failure = error.message
        token, now = self.entropy.uuid(), self.clock.now()
        with self.store.write() as tx:
            numbers = [each.number for each in self._versions(tx, ctx, name)]
            number = max(numbers, default=0) + 1
            live = any(each.live for each in self._versions(tx, ctx, name))
            if not failure:
                tx.put(ModuleVersion(
                    account=ctx.account, region=ctx.region, id=f"{name}/{number:08d}", name=name, number=number,
                    schema=package[0], fragment=package[1], default=not live, created=now,
                ))  # fmt: skip
            tx.put(Registration(
                account=ctx.account, region=ctx.region, id=token, name=name, number=0 if failure else number,
                reason=failure, asked=wanted or "", at=now,
            ))  # fmt: skip
        return {"RegistrationToken": token}

    def describe_type_registration(self, ctx: RequestContext, params: Params) -> Result:
        found = self.store.snapshot().get(Registration, ctx.account, ctx.region, params["RegistrationToken"])
        if found is None:
            raise CFNRegistryException(f"No registration token matches {params['RegistrationToken']}.")
        if not found.number:
            return {"ProgressStatus": "FAILED", "Description": found.reason}
        arn = arn_of(ctx, found.name)
        return {
            "ProgressStatus": "COMPLETE",
            "Description": "Deployment is currently in DEPLOY_STAGE of status COMPLETED",
            "TypeArn": arn,
            "TypeVersionArn": f"{arn}/{found.number:08d}",
        }

    def list_type_registrations(self, ctx: RequestContext, params: Params) -> Result:
        name, status = _name(params.get("TypeArn")) or params.get("TypeName"), params.get("RegistrationStatusFilter")
        found = [
            each
            for each in self.store.snapshot().list(Registration, ctx.account, ctx.region)
            if name in (None, each.name) and status in (None, "COMPLETE" if each.number else "FAILED")
        ]
        if params.get("Type", "MODULE") != "MODULE":
            found = []
        found.sort(key=_newest)
        chosen, token = self.paged(found, params, params.get("MaxResults") or PAGE, _newest)
        return {"RegistrationTokenList": [each.id for each in chosen], **token}

    def list_type_versions(self, ctx: RequestContext, params: Params) -> Result:
        name, live = _name(params.get("Arn")) or params.get("TypeName"), params.get("DeprecatedStatus") != "DEPRECATED"
        if not name:
            raise CFNRegistryException("Either Arn, or Type and TypeName must be specified")
        if not name.endswith("::MODULE"):
            raise not_implemented("versions of types other than modules")
        found = [each for each in self._versions(self.store.snapshot(), ctx, name) if each.live == live]
        found.sort(key=lambda each: each.number)
        chosen, token = self.paged(found, params, params.get("MaxResults") or PAGE, lambda each: each.id)
        return {"TypeVersionSummaries": [_summary(ctx, each) for each in chosen], **token}

    def set_type_default_version(self, ctx: RequestContext, params: Params) -> Result:
        with self.store.write() as tx:
            chosen = self.version(tx, ctx, params)
            for each in self._versions(tx, ctx, chosen.name):
                if each.default != (each.id == chosen.id):
                    tx.put(replace(each, default=each.id == chosen.id))
        return {}

    def deregister_type(self, ctx: RequestContext, params: Params) -> Result:
        """A version; the default one goes last, and the module with it."""
        with self.store.write() as tx:
            chosen = self.version(tx, ctx, params)
            others = [each for each in self._versions(tx, ctx, chosen.name) if each.live and each.id != chosen.id]
            if others and chosen.default:
                raise CFNRegistryException(
                    f"Version '{chosen.number:08d}' is the default version and cannot be deregistered."
                )
            tx.put(replace(chosen, live=False, default=False))
        return {}

    # -- for templates and for the other handlers of types ---------------------------------------------------------

    def version(self, snapshot: Snapshot | Tx, ctx: RequestContext, params: Params) -> ModuleVersion:
        """The one that a request names, by default the default one. Raises TypeNotFoundException."""
        arn = params.get("Arn")
        name, number = _name(arn) or params.get("TypeName", ""), params.get("VersionId") or _number(arn)
        for each in self._versions(snapshot, ctx, name):
            if each.live and (f"{each.number:08d}" == number if number else each.default):
                return each
        raise TypeNotFoundException(f"The type '{name}' cannot be found.")

    def described(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self.store.snapshot()
        found = self.version(snapshot, ctx, params)
        default = self.version(snapshot, ctx, {"TypeName": found.name})
        named = bool(params.get("VersionId") or _number(params.get("Arn")))
        return {
            **_summary(ctx, found),
            "Arn": arn_of(ctx, found.name) + (f"/{found.number:08d}" if named else ""),
            "DefaultVersionId": f"{default.number:08d}",
            "Schema": found.schema,
            "DeprecatedStatus": "LIVE",
            "Visibility": "PRIVATE",
            "LastUpdated": found.created,
        }  # fmt: skip

    def summaries(self, ctx: RequestContext) -> list[Result]:
        """For ListTypes."""
        rows = self.store.snapshot().list(ModuleVersion, ctx.account, ctx.region)
        return [
            {
                "Type": "MODULE",
                "TypeName": each.name,
                "TypeArn": arn_of(ctx, each.name),
                "DefaultVersionId": f"{each.number:08d}",
                "Description": json.loads(each.schema).get("description", ""),
                "LastUpdated": each.created,
            }
            for each in sorted(rows, key=lambda each: each.id)
            if each.default
        ]

    def _versions(self, snapshot: Snapshot | Tx, ctx: RequestContext, name: str) -> list[ModuleVersion]:
        return [each for each in snapshot.list(ModuleVersion, ctx.account, ctx.region) if each.name == name]


def unpacked(package: bytes, name: str) -> tuple[str, str]:
    """Schema and fragment (JSON, both) of a package. Raises ValidationError."""
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as held:
            sizes = {each.filename: each.file_size for each in held.infolist()}
            fragments = [each for each in sizes if re.fullmatch(r"fragments/[^/]+\.(json|ya?ml)", each)]
            if "schema.json" not in sizes or len(fragments) != 1:
                raise ValidationError("A module's package has schema.json and one fragment, fragments/*.json or .yaml")
            if max(sizes["schema.json"], sizes[fragments[0]]) > FILE_BYTES_MAX:
                raise ValidationError(f"A module's schema and fragment have at most {FILE_BYTES_MAX} bytes")
            schema: Any = json.loads(held.read("schema.json"))
            fragment = parse(held.read(fragments[0]).decode())
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError) as error:
        raise ValidationError(f"The module's package can't be read: {error}") from None
    if not isinstance(schema, dict) or schema.get("typeName") != name:
        raise ValidationError(f"The schema's typeName is not {name}")
    check_fragment(fragment)
    return json.dumps(schema), json.dumps(fragment)


def arn_of(ctx: RequestContext, name: str) -> str:
    return f"arn:aws:cloudformation:{ctx.region}:{ctx.account}:type/module/{name.replace('::', '-')}"


def _name(arn: str | None) -> str | None:
    return arn.split(":type/module/")[-1].split("/")[0].replace("-", "::") if arn else None


def _number(arn: str | None) -> str:
    return found if arn and (found := arn.rpartition("/")[2]).isdigit() else ""


def _newest(each: Registration) -> str:
    return f"{10**14 - int(each.at * 1000):015d}/{each.id}"


def _summary(ctx: RequestContext, each: ModuleVersion) -> Result:
    return {
        "Type": "MODULE",
        "TypeName": each.name,
        "VersionId": f"{each.number:08d}",
        "IsDefaultVersion": each.default,
        "Arn": f"{arn_of(ctx, each.name)}/{each.number:08d}",
        "TimeCreated": each.created,
        "Description": json.loads(each.schema).get("description", ""),
    }
