"""APIs from OpenAPI documents, and documents from APIs."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.apigatewayv2 import checks, views
from kunren.services.apigatewayv2.api.apis import ApiOperations
from kunren.services.apigatewayv2.api.base import parts_of
from kunren.services.apigatewayv2.api.parts import PartOperations
from kunren.services.apigatewayv2.deploying import content_of
from kunren.services.apigatewayv2.errors import BadRequestException
from kunren.services.apigatewayv2.model import DEFAULT, Api, Authorizer, Content, Deployment, Integration, Route, Stage
from kunren.services.apigatewayv2.openapi.read import Imported, parse, read
from kunren.services.apigatewayv2.openapi.write import document, text


class OpenApiOperations(ApiOperations, PartOperations):
    async def import_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        imported = await self._read(params)
        with self._store.write() as tx:
            api = self._make(tx, ctx, imported.api, imported.tags)
            self._fill(tx, api, imported)
        return self._imported(api, imported)

    async def reimport_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        self._api(self._store.snapshot(), ctx, params["ApiId"])
        imported = await self._read(params)
        with self._store.write() as tx:
            api = self._api(tx, ctx, params["ApiId"])
            checks.check_cors(imported.api.get("CorsConfiguration"))
            for kind in (Route, Integration, Authorizer):
                for each in parts_of(tx, kind, api):
                    tx.delete(each)
            api = msgspec.structs.replace(api, config=imported.api, tags={**api.tags, **imported.tags}, quick=False)
            tx.put(api)
            self._fill(tx, api, imported)
        return self._imported(api, imported)

    async def _read(self, params: dict[str, Any]) -> Imported:
        """Raises BadRequestException."""
        basepath = params.get("Basepath") or "ignore"
        if basepath not in ("ignore", "prepend", "split"):
            raise BadRequestException("Basepath must be one of ignore, prepend and split.")
        imported = read(await asyncio.to_thread(parse, params["Body"]), basepath)
        if imported.warnings and params.get("FailOnWarnings"):
            raise BadRequestException(f"Warnings found during import: {' '.join(imported.warnings)}")
        return imported

    def _fill(self, tx: Tx, api: Api, imported: Imported) -> None:
        """Routes, integrations and authorizers of a document; all of them, or an exception."""
        authorizers = {
            name: self._add_authorizer(tx, api, dict(config)).own_id for name, config in imported.authorizers.items()
        }
        made: list[tuple[dict[str, Any], str]] = []
        for route, integration, authorizer in imported.operations:
            config = dict(route)
            if integration is not None:
                own_id = next((each for given, each in made if given == integration), None)
                if own_id is None:
                    own_id = self._add_integration(tx, api, dict(integration)).own_id
                    made.append((integration, own_id))
                config["Target"] = f"integrations/{own_id}"
            if authorizer is not None:
                config["AuthorizerId"] = authorizers[authorizer]
            self._add_route(tx, api, config)
        self._changed(tx, api)

    def _imported(self, api: Api, imported: Imported) -> dict[str, Any]:
        return {**views.api(api), "Warnings": imported.warnings} if imported.warnings else views.api(api)

    def export_api(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        api = self._api(snapshot, ctx, params["ApiId"])
        if params["Specification"] != "OAS30":
            raise BadRequestException("Invalid Specification. It must be OAS30.")
        if params["OutputType"] not in ("JSON", "YAML"):
            raise BadRequestException("Invalid OutputType. It must be JSON or YAML.")
        if params.get("ExportVersion", "1.0") != "1.0":
            raise BadRequestException("Invalid ExportVersion. It must be 1.0.")
        content, name = content_of(snapshot, api), DEFAULT
        if params.get("StageName"):
            stage = self._part(snapshot, Stage, api, params["StageName"])
            name = stage.own_id
            content = self._part(snapshot, Deployment, api, stage.deployment).content if stage.deployment else Content()
        extensions = params.get("IncludeExtensions") is not False
        return {"body": text(document(api, content, name, extensions=extensions), params["OutputType"])}
