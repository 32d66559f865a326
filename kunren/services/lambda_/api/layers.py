"""Layers: immutable packages that functions have at /opt, and who may use them."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec

from kunren.core.context import RequestContext
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.layers import find_layer, layer_name, layer_versions
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import Layer, LayerVersion
from kunren.services.lambda_.policy import POLICY_BYTES_MAX, document
from kunren.services.lambda_.view import timestamp


class LayerOperations(ApiBase):
    async def publish_layer_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        account, region, name = layer_name(params["LayerName"], ctx)
        if account != ctx.account:
            raise InvalidParameterValueException(f"Layers of another account can't be published: {params['LayerName']}")
        code = await self._packages.keep(ctx, params["Content"])
        with self._store.write() as tx:
            layer = tx.get(Layer, account, region, name) or Layer(account=account, region=region, id=name)
            number = layer.last_version + 1
            version = LayerVersion(
                account=account,
                region=region,
                id=f"{name}:{number}",
                layer_arn=layer.arn,
                code=code,
                description=params.get("Description") or "",
                license=params.get("LicenseInfo") or "",
                runtimes=tuple(params.get("CompatibleRuntimes") or ()),
                architectures=tuple(params.get("CompatibleArchitectures") or ()),
                created=self._clock.now(),
            )
            tx.put(version)
            tx.put(msgspec.structs.replace(layer, last_version=number))
        return self._layer_shown(ctx, version)

    def get_layer_version(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._layer_shown(ctx, self._readable(ctx, f"{params['LayerName']}:{params['VersionNumber']}"))

    def get_layer_version_by_arn(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return self._layer_shown(ctx, self._readable(ctx, params["Arn"]))

    def list_layer_versions(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        place = layer_name(params["LayerName"], ctx)
        versions = [each for each in layer_versions(self._store.snapshot(), *place) if _fits(each, params)]
        shown, marker = self._page(versions, params, lambda each: f"{10**9 - each.number:09d}")
        return {"LayerVersions": [_listed(each) for each in shown], "NextMarker": marker}

    def list_layers(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, newest = self._store.snapshot(), []
        for layer in snapshot.list(Layer, ctx.account, ctx.region):
            versions = layer_versions(snapshot, layer.account, layer.region, layer.id)
            newest += [each for each in versions if _fits(each, params)][:1]
        shown, marker = self._page(newest, params, lambda each: each.name)
        layers = [
            {"LayerName": each.name, "LayerArn": each.layer_arn, "LatestMatchingVersion": _listed(each)}
            for each in shown
        ]
        return {"Layers": layers, "NextMarker": marker}

    def delete_layer_version(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        account, region, name = layer_name(params["LayerName"], ctx)
        with self._store.write() as tx:
            version = tx.get(LayerVersion, account, region, f"{name}:{params['VersionNumber']}")
            if version is not None and account == ctx.account:
                tx.delete(version)

    # Permissions

    def add_layer_version_permission(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            version = self._own(tx, ctx, params)
            if any(each["Sid"] == params["StatementId"] for each in version.policy):
                raise ResourceConflictException(
                    f"The statement id ({params['StatementId']}) provided already exists. Please provide a new "
                    "statement id, or remove the existing statement."
                )
            principal = params["Principal"]
            statement: dict[str, Any] = {
                "Sid": params["StatementId"],
                "Effect": "Allow",
                "Principal": principal if principal == "*" else {"AWS": _root(principal)},
                "Action": params["Action"],
                "Resource": version.arn,
            }
            if params.get("OrganizationId"):
                statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": params["OrganizationId"]}}
            policy = (*version.policy, statement)
            if len(json.dumps(document(policy))) > POLICY_BYTES_MAX:
                raise PolicyLengthExceededException(f"The final policy size is bigger than {POLICY_BYTES_MAX} bytes.")
            version = msgspec.structs.replace(version, policy=policy, policy_revision=self._entropy.uuid())
            tx.put(version)
        return {"Statement": _text(statement), "RevisionId": version.policy_revision}

    def remove_layer_version_permission(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            version = self._own(tx, ctx, params)
            left = tuple(each for each in version.policy if each["Sid"] != params["StatementId"])
            if len(left) == len(version.policy):
                raise ResourceNotFoundException(f"Statement {params['StatementId']} is not found in resource policy.")
            tx.put(msgspec.structs.replace(version, policy=left, policy_revision=self._entropy.uuid()))

    def get_layer_version_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        version = self._own(self._store.snapshot(), ctx, params)
        if not version.policy:
            raise ResourceNotFoundException("No policy is associated with the given resource.")
        return {"Policy": _text(document(version.policy)), "RevisionId": version.policy_revision}

    # Small things

    def _own(self, source: Source, ctx: RequestContext, params: dict[str, Any]) -> LayerVersion:
        """A layer version of the caller's account. Raises ResourceNotFoundException, PreconditionFailedException."""
        account, region, name = layer_name(params["LayerName"], ctx)
        version = source.get(LayerVersion, account, region, f"{name}:{params['VersionNumber']}")
        if version is None or account != ctx.account:
            arn = f"{Layer(account=account, region=region, id=name).arn}:{params['VersionNumber']}"
            raise ResourceNotFoundException(f"Layer version {arn} does not exist.")
        if params.get("RevisionId") not in (None, version.policy_revision):
            raise PreconditionFailedException(
                "The RevisionId provided does not match the latest RevisionId. Call the GetLayerVersionPolicy API to "
                "retrieve the latest RevisionId"
            )
        return version

    def _readable(self, ctx: RequestContext, arn: str) -> LayerVersion:
        """Raises ResourceNotFoundException, and AccessDeniedException for another account's."""
        version = find_layer(self._store.snapshot(), ctx, arn)
        if version is None:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return version

    def _layer_shown(self, ctx: RequestContext, version: LayerVersion) -> dict[str, Any]:
        content = {
            "Location": self._downloads.link(ctx, version.code.sha256),
            "CodeSha256": base64.b64encode(bytes.fromhex(version.code.sha256)).decode(),
            "CodeSize": version.code.size,
        }
        return {"Content": content, "LayerArn": version.layer_arn, **_listed(version)}


def _listed(version: LayerVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LayerVersionArn": version.arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": timestamp(version.created),
    }
    if version.runtimes:
        shown["CompatibleRuntimes"] = list(version.runtimes)
    if version.architectures:
        shown["CompatibleArchitectures"] = list(version.architectures)
    if version.license:
        shown["LicenseInfo"] = version.license
    return shown


def _fits(version: LayerVersion, params: dict[str, Any]) -> bool:
    runtime, architecture = params.get("CompatibleRuntime"), params.get("CompatibleArchitecture")
    return (not runtime or runtime in version.runtimes) and (not architecture or architecture in version.architectures)


def _root(principal: str) -> str:
    return f"arn:aws:iam::{principal}:root" if principal.isdigit() else principal


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
