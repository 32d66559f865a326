"""Function URLs: the configurations. Requests to them are answered in `urls.py` beside this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.dataplane.apis.cors import Cors
from kunren.services.lambda_.api.base import ApiBase
from kunren.services.lambda_.errors import ResourceConflictException, ResourceNotFoundException
from kunren.services.lambda_.lookup import Source, find_alias
from kunren.services.lambda_.model import FunctionUrl
from kunren.services.lambda_.names import FunctionName, function_arn

_CORS = {
    "AllowCredentials": "credentials",
    "AllowHeaders": "headers",
    "AllowMethods": "methods",
    "AllowOrigins": "origins",
    "ExposeHeaders": "expose",
    "MaxAge": "max_age_s",
}


class UrlOperations(ApiBase):
    def create_function_url_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, now = self._name(ctx, params), self._clock.now()
        url = FunctionUrl(
            account=name.account,
            region=name.region,
            id=f"{name.name}:{name.qualifier}",
            label=self._entropy.lower(32),
            function=name.name,
            qualifier=name.qualifier,
            auth=params["AuthType"],
            mode=params.get("InvokeMode") or "BUFFERED",
            cors=_cors(params),
            created=now,
            modified=now,
        )
        with self._store.write() as tx:
            self._target(tx, name)
            if tx.get(FunctionUrl, url.account, url.region, url.id) is not None:
                raise ResourceConflictException(
                    f"Failed to create function url config for [functionArn = {name.qualified_arn}]. Error message:  "
                    "FunctionUrlConfig exists for this Lambda function"
                )
            tx.put(url)
        shown = _shown(url)
        del shown["LastModifiedTime"]
        return shown

    def update_function_url_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name = self._name(ctx, params)
        changes: dict[str, Any] = {"modified": self._clock.now()}
        for member, field in (("AuthType", "auth"), ("InvokeMode", "mode")):
            if params.get(member):
                changes[field] = params[member]
        if params.get("Cors") is not None:
            changes["cors"] = _cors(params)
        with self._store.write() as tx:
            url = msgspec.structs.replace(self._url(tx, name), **changes)
            tx.put(url)
        return _shown(url)

    def get_function_url_config(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._url(self._store.snapshot(), self._name(ctx, params)))

    def list_function_url_configs(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        name, snapshot = self._name(ctx, params), self._store.snapshot()
        self._function(snapshot, name)
        urls = [each for each in snapshot.list(FunctionUrl, name.account, name.region) if each.function == name.name]
        shown, marker = self._page(urls, params, lambda each: each.id)
        return {"FunctionUrlConfigs": [_shown(each) for each in shown], "NextMarker": marker}

    def delete_function_url_config(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._url(tx, self._name(ctx, params)))

    def _target(self, source: Source, name: FunctionName) -> None:
        """Raises ResourceNotFoundException unless it is a function or an alias."""
        self._function(source, name)
        if name.qualifier:
            find_alias(source, name, name.qualifier)

    def _url(self, source: Source, name: FunctionName) -> FunctionUrl:
        self._function(source, name)
        url = source.get(FunctionUrl, name.account, name.region, f"{name.name}:{name.qualifier}")
        if url is None:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return url


def _cors(params: Mapping[str, Any]) -> Cors | None:
    told = params.get("Cors")
    if not told:
        return None
    fields: dict[str, Any] = {
        _CORS[member]: tuple(value) if isinstance(value, list) else value for member, value in told.items()
    }
    return Cors(**fields)


def _shown(url: FunctionUrl) -> dict[str, Any]:
    arn = function_arn(url.account, url.region, url.function)
    shown: dict[str, Any] = {
        "FunctionUrl": f"https://{url.host}/",
        "FunctionArn": f"{arn}:{url.qualifier}" if url.qualifier else arn,
        "AuthType": url.auth,
        "CreationTime": iso_utc(url.created),
        "LastModifiedTime": iso_utc(url.modified),
        "InvokeMode": url.mode,
    }
    if url.cors is not None:
        told = {member: getattr(url.cors, field) for member, field in _CORS.items()}
        shown["Cors"] = {
            member: list(value) if isinstance(value, tuple) else value
            for member, value in told.items()
            if value is not None
        }
    return shown
