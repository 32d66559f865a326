"""Resources: the tree of paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core.context import RequestContext
from kunren.services.apigateway import tables
from kunren.services.apigateway.api.base import Base, id_of, paged
from kunren.services.apigateway.errors import (
    BadRequestException,
    ConflictException,
    LimitExceededException,
    NotFoundException,
)
from kunren.services.apigateway.model import PathResource, RestApi
from kunren.services.apigateway.patching import patched

RESOURCES_MAX = 300
_PART = re.compile(r"[a-zA-Z0-9._\-:~@$&+,;=!*'()%]+|\{[a-zA-Z0-9._\-]+\+?\}")


def check_part(part: str) -> None:
    """Raises BadRequestException."""
    if not _PART.fullmatch(part):
        raise BadRequestException(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )


def is_greedy(part: str) -> bool:
    return part.endswith("+}")


def check_place(parent: PathResource, siblings: Iterable[PathResource], part: str) -> None:
    """Whether a new part may stand below a parent. Raises what AWS answers."""
    check_part(part)
    if is_greedy(parent.part):
        raise BadRequestException(f"Cannot create a child of a resource with a greedy path variable: {parent.path}")
    for each in siblings:
        if each.part == part:
            raise ConflictException(f"Another resource with the same parent already has this name: {part}")
        if part.startswith("{") and each.part.startswith("{") and is_greedy(part) == is_greedy(each.part):
            raise BadRequestException(
                f"A sibling ({each.part}) of this resource already has a variable path part -- only one is allowed"
            )


def joined(parent: str, part: str) -> str:
    return f"{parent.rstrip('/')}/{part}"


def resource_shape(resource: PathResource, embed: bool) -> dict[str, Any]:
    """As the API shows it: methods in full where they are asked for, else their names alone."""
    found: dict[str, Any] = {"id": resource.name, "path": resource.path}
    if resource.parent:
        found |= {"parentId": resource.parent, "pathPart": resource.part}
    if resource.methods:
        found["resourceMethods"] = {name: each if embed else {} for name, each in resource.methods.items()}
    return found


class ResourceOperations(Base):
    def _resources(self, view: Snapshot | Tx, api: RestApi) -> dict[str, PathResource]:
        """The API's resources by their own id."""
        prefix = api.id + "/"
        return {
            each.name: each for each in view.list(PathResource, api.account, api.region) if each.id.startswith(prefix)
        }

    def _resource(self, view: Snapshot | Tx, ctx: RequestContext, params: Mapping[str, Any]) -> PathResource:
        api = self._rest_api(view, ctx, params)
        found = view.get(PathResource, ctx.account, ctx.region, f"{api.id}/{params['resourceId']}")
        if found is None:
            raise NotFoundException("Invalid Resource identifier specified")
        return found

    def create_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            api = self._rest_api(tx, ctx, params)
            resources = self._resources(tx, api)
            parent = resources.get(params["parentId"])
            if parent is None:
                raise NotFoundException("Invalid Resource identifier specified")
            check_place(parent, (each for each in resources.values() if each.parent == parent.name), params["pathPart"])
            if len(resources) >= RESOURCES_MAX + 1:  # the root is not counted
                raise LimitExceededException("Maximum number of resources for this API has been reached")
            made = self._new_resource(tx, api, parent, params["pathPart"])
        return resource_shape(made, False)

    def _new_resource(self, tx: Tx, api: RestApi, parent: PathResource, part: str) -> PathResource:
        made = PathResource(
            account=api.account, region=api.region, id=f"{api.id}/{self._id()}", parent=parent.name, part=part,
            path=joined(parent.path, part),
        )  # fmt: skip
        tx.put(made)
        return made

    def get_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._resource(self._store.snapshot(), ctx, params)
        return resource_shape(found, "methods" in (params.get("embed") or []))

    def get_resources(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._resources(snapshot, self._rest_api(snapshot, ctx, params))
        embed = "methods" in (params.get("embed") or [])
        return paged(list(found.values()), params, lambda each: resource_shape(each, embed), id_of)

    def update_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            resource = self._resource(tx, ctx, params)
            before = {"parentId": resource.parent, "pathPart": resource.part}
            told = patched(before, params.get("patchOperations"), tables.RESOURCE)
            if told == before:
                return resource_shape(resource, False)
            if not resource.parent:
                raise BadRequestException("The root resource cannot be moved or renamed")
            resources = self._resources(tx, self._rest_api(tx, ctx, params))
            parent = resources.get(told["parentId"])
            if parent is None:
                raise NotFoundException("Invalid Resource identifier specified")
            below = _below(resources, resource.name)
            if parent.name in below:
                raise BadRequestException("A resource cannot be moved below itself")
            siblings = [e for e in resources.values() if e.parent == parent.name and e.name != resource.name]
            check_place(parent, siblings, told["pathPart"])
            if is_greedy(told["pathPart"]) and len(below) > 1:
                raise BadRequestException("A resource with children cannot have a greedy path variable")
            moved = msgspec.structs.replace(resource, parent=parent.name, part=told["pathPart"])
            return resource_shape(_place(tx, {**resources, moved.name: moved}, moved, parent.path), False)

    def delete_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            resource = self._resource(tx, ctx, params)
            if not resource.parent:
                raise BadRequestException("The root resource cannot be deleted")
            resources = self._resources(tx, self._rest_api(tx, ctx, params))
            for name in _below(resources, resource.name):
                tx.delete(resources[name])


def _below(resources: Mapping[str, PathResource], name: str) -> set[str]:
    """A resource and all below it."""
    children: dict[str, list[str]] = {}
    for each in resources.values():
        children.setdefault(each.parent, []).append(each.name)
    found, waiting = set(), [name]
    while waiting:
        found.add(each_name := waiting.pop())
        waiting.extend(children.get(each_name, ()))
    return found


def _place(tx: Tx, resources: Mapping[str, PathResource], resource: PathResource, parent: str) -> PathResource:
    """Write a resource and all below it with their paths."""
    placed = msgspec.structs.replace(resource, path=joined(parent, resource.part))
    tx.put(placed)
    for each in resources.values():
        if each.parent == placed.name:
            _place(tx, resources, each, placed.path)
    return placed
