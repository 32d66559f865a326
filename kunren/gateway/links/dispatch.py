"""Who answers an operation: the dispatch table, made by looking at the service objects.

A service object has one method per operation, named as botocore names its client's (`create_hosted_zone`). A public
method that is no operation of the service's model is a helper and is left alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, cast

from kunren.gateway.chain import Method, Raw
from kunren.wire.catalog import Catalog
from kunren.wire.names import xform_name


class DispatchTable:
    """Methods by (service, operation); a service's operations are looked at when it is first called."""

    def __init__(self, catalog: Catalog, services: Mapping[str, object]) -> None:
        self._catalog = catalog
        self._services = services
        self._methods: dict[str, dict[str, Method]] = {}

    def __contains__(self, service: str) -> bool:
        return service in self._services

    def method(self, service: str, operation: str) -> Method | None:
        methods = self._methods.get(service)
        if methods is None:
            methods = self._methods[service] = self._inspect(service)
        return methods.get(operation)

    def service(self, service: str) -> object | None:
        return self._services.get(service)

    def raw(self, service: str, operation: str) -> Raw | None:
        """What answers a request that no operation of the model is: in `raw`, by the router's name for it."""
        found: Raw | None = getattr(self._services.get(service), "raw", {}).get(operation)
        return found

    def operations(self, service: str) -> list[str]:
        """The operations that the service object answers."""
        self.method(service, "")
        return sorted(self._methods[service])

    def _inspect(self, service: str) -> dict[str, Method]:
        target = self._services.get(service)
        if target is None:
            return {}
        found: dict[str, Method] = {}
        for operation in self._catalog.service(service).operations:
            method: Any = getattr(target, xform_name(operation), None)
            if method is not None and (inspect.ismethod(method) or inspect.isfunction(method)):
                found[operation] = cast(Method, method)
        return found
